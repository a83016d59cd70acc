package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/internal/llama"
)

// LlamaOptions are the settings of [LoadLlama].
type LlamaOptions struct {
	// ContextSize is the most tokens of one request, prompt and output together; 0 means what the model was
	// trained with, at most 8192.
	ContextSize int
	// MaxSeqs is how many requests the context has room for; 0 means 1.
	MaxSeqs int
	// CacheSize is how many tokens all requests together can hold, those kept for reuse included; when they
	// need more, the youngest waits. 0 means MaxSeqs times ContextSize, at most 16384 and at least
	// ContextSize. With MaxSeqs times ContextSize, or more, requests are evaluated faster when there are several.
	CacheSize int
	// BatchSize is the most tokens evaluated at once; 0 means 512.
	BatchSize int
	// Threads is how many threads compute; 0 means one for each physical core that the process may use.
	Threads int
	// GPULayers is how many layers a GPU gets, where the library has one; 0 means all, a negative number none.
	GPULayers int
	// Progress, when not nil, is told how much of the file is loaded, 0 to 1.
	Progress func(fraction float64)
}

// Llama is a [Backend] over llama.cpp.
//
// Each call into the library runs on a goroutine of its own, because a failing library never returns: the
// goroutine is lost then, and the call's error is [ErrEngineDead].
type Llama struct {
	lib    *llama.Library
	model  *llama.Model
	ctx    *llama.Context
	info   Info
	pieces []atomic.Pointer[Piece] // by token, filled as tokens are first asked for
	rows   []llama.Row             // scratch of Decode
	logits [][]float32             // of the last Decode, by row

	governor *governor
	threads  int // with which the context computes now

	// mu is held for reading during each call into the library, and for writing by Close.
	mu     sync.RWMutex
	closed bool
}

var (
	_ Backend     = (*Llama)(nil)
	_ Constrainer = (*Llama)(nil)
)

// LoadLlama loads a GGUF file and makes a context for it. When ctx ends, loading stops and ctx's error is
// returned; a file that cannot be loaded gives a [*llama.LoadError].
func LoadLlama(ctx context.Context, lib *llama.Library, path string, opts LlamaOptions) (*Llama, error) {
	b := &Llama{lib: lib}
	var err error
	if callErr := b.call(func() { err = b.load(ctx, path, opts) }); callErr != nil {
		return nil, callErr
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Llama) load(ctx context.Context, path string, opts LlamaOptions) error {
	model, err := b.lib.LoadModel(ctx, path, llama.ModelOptions{GPULayers: opts.GPULayers, Progress: opts.Progress})
	if err != nil {
		return err
	}
	if !model.Generates() {
		reason := fmt.Sprintf("it is %s, which does not generate text", model.Description())
		return errors.Join(&llama.LoadError{Path: path, Reason: reason}, model.Close())
	}
	opts.setDefaults(model.TrainedContext())
	context, err := model.NewContext(llama.ContextOptions{
		Cells:     opts.CacheSize,
		Sequences: opts.MaxSeqs,
		// Where all sequences can be at their longest, none needs cells of another.
		Separate: opts.CacheSize >= opts.MaxSeqs*opts.ContextSize,
		Batch:    max(opts.BatchSize, opts.MaxSeqs),
		Threads:  opts.Threads,
		// Threads that outlive a step save starting them; between steps they sleep, since sampling and serving
		// need the cores.
		KeepThreads: true,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("load model %s: %w", path, err), model.Close())
	}
	b.model, b.ctx = model, context
	b.info = Info{
		ContextSize: min(opts.ContextSize, context.Cells()),
		MaxSeqs:     opts.MaxSeqs,
		BatchSize:   context.Batch(),
		VocabSize:   model.VocabSize(),
	}
	b.governor, b.threads = newGovernor(opts.Threads), opts.Threads
	b.pieces = make([]atomic.Pointer[Piece], model.VocabSize())
	b.logits = make([][]float32, context.Batch())
	return nil
}

const (
	defaultContext = 8192
	defaultCache   = 16384
	defaultBatch   = 512
)

func (o *LlamaOptions) setDefaults(trained int) {
	if o.ContextSize <= 0 {
		o.ContextSize = min(max(trained, 1), defaultContext)
	}
	o.MaxSeqs = max(o.MaxSeqs, 1)
	if o.CacheSize <= 0 {
		o.CacheSize = min(o.ContextSize*o.MaxSeqs, defaultCache)
	}
	o.CacheSize = max(o.CacheSize, o.ContextSize)
	if o.BatchSize <= 0 {
		o.BatchSize = defaultBatch
	}
	if o.Threads <= 0 {
		o.Threads = physicalCores()
	}
}

// call runs f, which calls the library, and returns an error that is ErrEngineDead if the library fails in it.
// What f writes may be looked at only where call returns nil.
func (b *Llama) call(f func()) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return ErrClosed
	}
	return b.guard(f)
}

func (b *Llama) guard(f func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return nil
	case <-b.lib.Dead():
		return fmt.Errorf("%w: %w", ErrEngineDead, b.lib.Err())
	}
}

// Info returns the context's numbers.
func (b *Llama) Info() Info { return b.info }

// Vocab returns the backend itself.
func (b *Llama) Vocab() Vocab { return b }

// Model is the loaded model, for its metadata.
func (b *Llama) Model() *llama.Model { return b.model }

// Tokenize splits text into the model's tokens.
func (b *Llama) Tokenize(text string, special bool) (ids []int32, err error) {
	if callErr := b.call(func() { ids, err = b.model.Tokenize(text, special) }); callErr != nil {
		return nil, callErr
	}
	return ids, err
}

// Piece describes a token.
func (b *Llama) Piece(id int32) Piece {
	if id < 0 || int(id) >= len(b.pieces) {
		return Piece{}
	}
	if p := b.pieces[id].Load(); p != nil {
		return *p
	}
	p := new(Piece)
	err := b.call(func() {
		*p = Piece{Text: b.model.Piece(id), Special: b.model.IsControl(id), End: b.model.IsEOG(id)}
	})
	if err != nil {
		return Piece{}
	}
	b.pieces[id].Store(p)
	return *p
}

// Decode evaluates rows.
func (b *Llama) Decode(ctx context.Context, rows []Row) error {
	b.rows = b.rows[:0]
	for _, r := range rows {
		b.rows = append(b.rows, llama.Row(r))
	}
	var err error
	if callErr := b.call(func() { err = b.decode(ctx) }); callErr != nil {
		return callErr
	}
	if errors.Is(err, llama.ErrNoSlot) {
		return ErrNoSpace
	}
	return err
}

func (b *Llama) decode(ctx context.Context) error {
	began := time.Now()
	if n := b.governor.threads(len(b.rows), began); n != b.threads {
		b.threads = n
		b.ctx.SetThreads(n)
	}
	if err := b.ctx.Decode(ctx, b.rows); err != nil {
		return err
	}
	ended := time.Now()
	b.governor.observe(len(b.rows), ended.Sub(began), ended)
	for i, r := range b.rows {
		b.logits[i] = nil
		if !r.Logits {
			continue
		}
		var err error
		if b.logits[i], err = b.ctx.Logits(i); err != nil {
			return err
		}
	}
	return nil
}

// Logits returns the distribution after a row. It is safe for concurrent use.
func (b *Llama) Logits(row int) ([]float32, error) {
	if row < 0 || row >= len(b.rows) || b.logits[row] == nil {
		return nil, fmt.Errorf("row %d of %d has no logits", row, len(b.rows))
	}
	return b.logits[row], nil
}

// Share makes the first n tokens of sequence src those of dst too.
func (b *Llama) Share(src, dst, n int) (err error) {
	if callErr := b.call(func() { err = b.ctx.Share(src, dst, n) }); callErr != nil {
		return callErr
	}
	return err
}

// Truncate forgets all but the first n tokens of a sequence.
func (b *Llama) Truncate(seq, n int) (ok bool) {
	if callErr := b.call(func() { ok = b.ctx.Truncate(seq, n) }); callErr != nil {
		return false
	}
	return ok
}

// Close frees the context and the model. It is idempotent.
func (b *Llama) Close() (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	if callErr := b.guard(func() { err = errors.Join(b.ctx.Close(), b.model.Close()) }); callErr != nil {
		return nil // the memory is lost with the library
	}
	return err
}

// Constrain parses a grammar.
func (b *Llama) Constrain(g *constrain.Grammar) (Constraint, error) {
	text, err := g.GBNF()
	if err != nil {
		return nil, err
	}
	var grammar *llama.Grammar
	if callErr := b.call(func() { grammar, err = b.model.NewGrammar(text, "root") }); callErr != nil {
		return nil, callErr
	}
	if err != nil {
		return nil, err
	}
	return &llamaConstraint{b, grammar}, nil
}

// llamaConstraint is llama.cpp's grammar sampler.
type llamaConstraint struct {
	b *Llama
	g *llama.Grammar
}

func (c *llamaConstraint) Allowed(ids []int32, ok []bool) (err error) {
	if callErr := c.b.call(func() { err = c.g.Allowed(ids, ok) }); callErr != nil {
		return callErr
	}
	return err
}

func (c *llamaConstraint) Accept(id int32) (err error) {
	if callErr := c.b.call(func() { err = c.g.Accept(id) }); callErr != nil {
		return callErr
	}
	return err
}

func (c *llamaConstraint) Close() {
	// The model may be gone already, which the grammar does not mind. A dead library keeps the memory.
	_ = c.b.guard(func() { c.g.Close() })
}
