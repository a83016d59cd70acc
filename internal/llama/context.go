package llama

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// maxSequences is LLAMA_MAX_SEQ.
const maxSequences = 256

// ErrNoSlot means that the context's cells are all taken. Nothing of the batch was evaluated.
var ErrNoSlot = errors.New("llama: no free cells for the batch")

// ContextOptions are the settings of [Model.NewContext].
type ContextOptions struct {
	// Cells is how many tokens the context holds in all its sequences together; 0 means what the model was
	// trained with.
	Cells int
	// Sequences is how many sequences there are; 0 means 1.
	Sequences int
	// Separate gives each sequence its own share of the cells. Otherwise any sequence may take any cell, and
	// attention looks at all that are taken to find its own, which takes the longer the more sequences there are.
	Separate bool
	// Batch is the most tokens of one Decode, MicroBatch how many of them are computed at once; 0 means 512.
	Batch, MicroBatch int
	// Threads is how many threads compute; 0 means the number of processors that Go sees.
	Threads int
	// KeepThreads keeps the threads between calls instead of starting them for each. Poll is how long, from 0
	// to 100, a thread that waits keeps its processor busy.
	KeepThreads bool
	Poll        int
}

// Context is the attention state of a model, and the working memory to evaluate tokens. It belongs to one
// goroutine at a time.
type Context struct {
	m       *Model
	ctx     contextHandle
	memory  memoryHandle
	pool    threadpoolHandle
	c       batch
	outputs int     // the most rows with logits
	cells   int     // in all sequences
	threads int     // as made with
	lens    []int32 // tokens in each sequence
	// separate is whether each sequence has its own cells.
	separate bool

	// What llama.cpp looks at to learn whether to stop, at the address that it was given. See abortFlag.
	abort  *atomic.Uint32
	pinner runtime.Pinner
	rows   int // of the last Decode that succeeded
	logits []bool
	closed bool
}

// Row is one token of a batch.
type Row struct {
	Token int32
	// Pos is the token's place in its sequence, which must go on where the sequence ends.
	Pos int
	Seq int
	// Logits asks for the distribution after this token.
	Logits bool
}

// NewContext makes a context.
func (m *Model) NewContext(opts ContextOptions) (*Context, error) {
	if err := m.lib.Err(); err != nil {
		return nil, err
	}
	if !m.Generates() {
		return nil, fmt.Errorf("llama: %s is not a model that generates text", m.Description())
	}
	if err := opts.setDefaults(m); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.New("llama: new context: the model is closed")
	}
	c := &Context{m: m, outputs: min(opts.Sequences, opts.Batch), lens: make([]int32, opts.Sequences), threads: opts.Threads}
	params := m.lib.contextDefaultParams().params
	params.nCtx, params.nBatch, params.nUBatch = uint32(opts.Cells), uint32(opts.Batch), uint32(opts.MicroBatch)
	params.nSeqMax, params.nOutputsMax = uint32(opts.Sequences), uint32(c.outputs)
	params.nThreads, params.nThreadsBatch = int32(opts.Threads), int32(opts.Threads)
	c.separate = opts.Separate && opts.Sequences > 1
	params.kvUnified = !c.separate
	params.abortCallback, params.abortCallbackData = c.abortFlag()

	mark := m.lib.log.mark()
	c.ctx = m.lib.initFromModel(m.model, params)
	if c.ctx == 0 {
		c.pinner.Unpin()
		return nil, fmt.Errorf("llama: new context of %d tokens: %s", opts.Cells, m.lib.log.reason(mark))
	}
	c.memory = m.lib.getMemory(c.ctx)
	c.cells = int(m.lib.nCtx(c.ctx))
	c.c = m.lib.batchInit(int32(m.lib.nBatch(c.ctx)), 0, 1)
	c.logits = make([]bool, m.lib.nBatch(c.ctx))
	c.keepThreads(opts)
	m.contexts++
	return c, nil
}

func (o *ContextOptions) setDefaults(m *Model) error {
	if o.Cells == 0 {
		o.Cells = m.TrainedContext()
	}
	if o.Sequences == 0 {
		o.Sequences = 1
	}
	if o.Batch == 0 {
		o.Batch = 512
	}
	if o.MicroBatch == 0 {
		o.MicroBatch = min(o.Batch, 512)
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"Cells", o.Cells, 1 << 30},
		{"Sequences", o.Sequences, maxSequences},
		{"Batch", o.Batch, 1 << 20},
		{"MicroBatch", o.MicroBatch, o.Batch},
		{"Threads", o.Threads, 512},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("llama: new context: %s is %d, and must be 1 to %d", f.name, f.value, f.max)
		}
	}
	return nil
}

// abortFlag returns a function of type bool (*)(void *) and its argument, which ask whether to stop.
//
// llama.cpp asks before every node of the graph, some thousand times per step. A call from C to Go takes
// two thirds of a microsecond, which would slow a small model by several percent; so the function is C's strlen
// and the argument an integer that is 0, the empty string, or 1, a string of one byte, which is true.
func (c *Context) abortFlag() (function, argument uintptr) {
	c.abort = new(atomic.Uint32)
	c.pinner.Pin(c.abort)
	return c.m.lib.strlen, uintptr(unsafe.Pointer(c.abort))
}

// keepThreads gives the context threads that outlive a call.
func (c *Context) keepThreads(opts ContextOptions) {
	lib := c.m.lib
	if !opts.KeepThreads || lib.threadpoolNew == nil {
		return
	}
	var params threadpoolParams
	lib.ggmlThreadpoolParamsInit(&params, int32(opts.Threads))
	params.poll = uint32(max(0, min(opts.Poll, 100)))
	if c.pool = lib.threadpoolNew(&params); c.pool != 0 {
		lib.attachThreadpool(c.ctx, c.pool, c.pool)
	}
}

// Close frees the context. It is idempotent.
func (c *Context) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	if c.m.lib.Err() == nil {
		c.m.lib.free(c.ctx)
		c.m.lib.batchFree(c.c)
		if c.pool != 0 {
			c.m.lib.threadpoolFree(c.pool)
		}
		c.pinner.Unpin()
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.contexts--
	return nil
}

// Cells is how many tokens all sequences hold together, Batch the most rows of a Decode.
func (c *Context) Cells() int { return c.cells }

// Batch is the most rows of a Decode.
func (c *Context) Batch() int { return len(c.logits) }

// SetThreads changes how many threads compute from the next Decode on, at most as many as the context was made
// with.
func (c *Context) SetThreads(n int) {
	n = max(1, min(n, c.threads))
	c.m.lib.setNThreads(c.ctx, int32(n), int32(n))
}

// Len is the number of tokens in a sequence.
func (c *Context) Len(seq int) int { return int(c.lens[seq]) }

// Decode evaluates rows. When ctx ends first, it returns ctx's error, and any part of the rows may have been
// evaluated; with [ErrNoSlot] none was. After any error [Context.Len] tells what a sequence holds.
func (c *Context) Decode(ctx context.Context, rows []Row) error {
	if err := c.load(rows); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.rows = 0
	stop := context.AfterFunc(ctx, func() { c.abort.Store(1) })
	mark := c.m.lib.log.mark()
	code := c.m.lib.decode(c.ctx, c.c)
	interrupted := !stop()
	if interrupted {
		// AfterFunc's function runs, or ran, on its own: wait for it so that it does not stop the next call.
		for c.abort.Load() == 0 {
			runtime.Gosched()
		}
		c.abort.Store(0)
	}
	if code == decodeOK {
		c.rows = len(rows)
		for i, r := range rows {
			c.lens[r.Seq]++
			c.logits[i] = r.Logits
		}
		return nil
	}
	c.measure(rows)
	switch {
	case code == decodeNoSlot:
		return ErrNoSlot
	case code == decodeAborted && interrupted:
		return ctx.Err()
	case code == decodeInvalid:
		return fmt.Errorf("llama: decode: the batch is invalid: %s", c.m.lib.log.reason(mark))
	}
	return fmt.Errorf("llama: decode: llama.cpp returns %d: %s", code, c.m.lib.log.reason(mark))
}

// load checks rows for everything that llama.cpp asserts and copies them into the C batch.
func (c *Context) load(rows []Row) error {
	if c.closed {
		return errors.New("llama: decode: the context is closed")
	}
	n := len(c.logits)
	if len(rows) == 0 || len(rows) > n {
		return fmt.Errorf("llama: decode: a batch of %d rows, and it must be 1 to %d", len(rows), n)
	}
	token, pos := unsafe.Slice(c.c.token, n), unsafe.Slice(c.c.pos, n)
	count, seqs, logits := unsafe.Slice(c.c.nSeqID, n), unsafe.Slice(c.c.seqID, n), unsafe.Slice(c.c.logits, n)
	outputs := 0
	var ahead [maxSequences]int32 // rows of each sequence so far
	for i, r := range rows {
		switch {
		case !c.m.has(r.Token):
			return fmt.Errorf("llama: decode: row %d: token %d is not one of the model's %d", i, r.Token, c.m.size)
		case r.Seq < 0 || r.Seq >= len(c.lens):
			return fmt.Errorf("llama: decode: row %d: sequence %d is not one of %d", i, r.Seq, len(c.lens))
		case r.Pos != int(c.lens[r.Seq]+ahead[r.Seq]):
			return fmt.Errorf("llama: decode: row %d: position %d of sequence %d, which goes on at %d", i, r.Pos, r.Seq, c.lens[r.Seq]+ahead[r.Seq])
		}
		ahead[r.Seq]++
		token[i], pos[i], count[i], *seqs[i], logits[i] = r.Token, int32(r.Pos), 1, int32(r.Seq), 0
		if r.Logits {
			logits[i] = 1
			outputs++
		}
	}
	if outputs > c.outputs {
		return fmt.Errorf("llama: decode: %d rows ask for logits, and at most %d may", outputs, c.outputs)
	}
	c.c.nTokens = int32(len(rows))
	return nil
}

// measure finds out what the sequences of a batch hold after it failed.
func (c *Context) measure(rows []Row) {
	for _, r := range rows {
		c.lens[r.Seq] = c.m.lib.memorySeqPosMax(c.memory, int32(r.Seq)) + 1
	}
}

// Logits returns the distribution after a row of the last Decode, one number per token. It is C memory, valid
// until the next call of Decode, and may be written to.
func (c *Context) Logits(row int) ([]float32, error) {
	if row < 0 || row >= c.rows || !c.logits[row] {
		return nil, fmt.Errorf("llama: row %d of %d has no logits", row, c.rows)
	}
	p := c.m.lib.getLogitsIth(c.ctx, int32(row))
	if p == nil {
		return nil, fmt.Errorf("llama: no logits for row %d", row)
	}
	return unsafe.Slice(p, c.m.size), nil
}

// Truncate forgets all but the first n tokens of a sequence. It reports false, and changes nothing, where the
// model cannot do that: a running state cannot be cut back, nor a window that has moved on. Truncating to 0
// always works.
func (c *Context) Truncate(seq, n int) bool {
	if seq < 0 || seq >= len(c.lens) || n < 0 || n > int(c.lens[seq]) || c.closed {
		return false
	}
	if n == int(c.lens[seq]) {
		return true
	}
	if n > 0 && (c.m.Recurrent() || c.m.lib.memorySeqPosMin(c.memory, int32(seq)) > 0) {
		return false
	}
	if !c.m.lib.memorySeqRm(c.memory, int32(seq), int32(n), -1) {
		return false
	}
	c.lens[seq] = int32(n)
	return true
}

// Share makes the first n tokens of sequence src those of dst too, which must be empty. It copies no state unless
// the sequences are separate.
func (c *Context) Share(src, dst, n int) error {
	switch {
	case c.closed:
		return errors.New("llama: share: the context is closed")
	case src < 0 || src >= len(c.lens) || dst < 0 || dst >= len(c.lens) || src == dst:
		return fmt.Errorf("llama: share: sequences %d and %d are not two of %d", src, dst, len(c.lens))
	case c.lens[dst] != 0:
		return fmt.Errorf("llama: share: sequence %d is not empty", dst)
	case n < 1 || n > int(c.lens[src]):
		return fmt.Errorf("llama: share: %d tokens of a sequence of %d", n, c.lens[src])
	case n < int(c.lens[src]) && (c.m.Recurrent() || c.m.lib.memorySeqPosMin(c.memory, int32(src)) > 0):
		return errors.New("llama: share: this model's state cannot be shared in part")
	}
	if !c.separate {
		c.m.lib.memorySeqCp(c.memory, int32(src), int32(dst), 0, int32(n))
		c.lens[dst] = int32(n)
		return nil
	}
	// From cells to other cells llama.cpp copies a sequence as a whole, or ends the process.
	c.m.lib.memorySeqCp(c.memory, int32(src), int32(dst), -1, -1)
	c.lens[dst] = c.lens[src]
	if !c.Truncate(dst, n) {
		c.Truncate(dst, 0)
		return errors.New("llama: share: the copy cannot be cut back")
	}
	return nil
}
