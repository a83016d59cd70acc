// Package engine runs one loaded model for many requests at once.
//
// One goroutine, the loop, owns the model's context. Each step it fills a batch, first with the next
// token of every running sequence, then with as much of the waiting prompts as fits; evaluates it; and
// draws one token for each sequence that is due. A request that finds all sequences taken waits its turn
// in a bounded queue, first come first served. A sequence keeps its evaluated tokens when its request
// ends, so that the next prompt that begins the same way starts after the common prefix.
//
// The loop never waits for a reader: each stream holds the tokens that its reader has not yet taken, at
// most as many as the request may generate.
//
// Terms: a sequence is what llama.cpp calls one, a list of tokens with attention state; a slot is the
// engine's book-keeping for one sequence; a cell holds the attention state of one token.
package engine

import (
	"context"
	"iter"
	"log/slog"
	"sync"
)

// Options are the settings of an [Engine]. The zero value serves one request at a time.
type Options struct {
	// MaxSeqs is how many requests run in one batch; 0 means 1, which is no continuous batching. It is
	// cut to what the backend has.
	MaxSeqs int
	// BatchSize is the most tokens evaluated in one step; 0 means what the backend allows. While requests
	// generate, at most a quarter of it goes to prompts, so that a long one does not hold them up for long.
	BatchSize int
	// MaxQueue is how many requests may wait for a slot; 0 means 256. One more gets [ErrQueueFull].
	MaxQueue int
	// Logger gets the engine's log; nil is silent.
	Logger *slog.Logger
}

// Engine runs one model. Its methods are safe for concurrent use.
type Engine struct {
	backend Backend
	info    Info
	opts    Options
	log     *slog.Logger

	stop    context.CancelFunc
	stopped chan struct{} // closed by the loop when it has ended

	mu      sync.Mutex
	queue   []*stream
	wake    chan struct{} // capacity 1; sent to by anyone who changes what the loop must look at
	failure error         // why no further request is served; nil while the engine works
	stats   Stats
	// reading are the streams whose prompts are in the batch under evaluation, and interrupt ends that
	// evaluation early; nil between batches.
	reading   []*stream
	interrupt context.CancelFunc
}

// New starts an engine over a backend, which it owns from then on: [Engine.Close] closes it.
func New(backend Backend, opts Options) *Engine {
	info := backend.Info()
	opts = opts.withDefaults(info)
	ctx, stop := context.WithCancel(context.Background())
	e := &Engine{
		backend: backend,
		info:    info,
		opts:    opts,
		log:     opts.Logger,
		stop:    stop,
		stopped: make(chan struct{}),
		wake:    make(chan struct{}, 1),
	}
	go newLoop(e).run(ctx)
	return e
}

func (o Options) withDefaults(info Info) Options {
	if o.MaxSeqs <= 0 {
		o.MaxSeqs = 1
	}
	o.MaxSeqs = min(o.MaxSeqs, max(info.MaxSeqs, 1), max(info.BatchSize, 1))
	if o.BatchSize <= 0 || o.BatchSize > info.BatchSize {
		o.BatchSize = info.BatchSize
	}
	o.BatchSize = max(o.BatchSize, o.MaxSeqs)
	if o.MaxQueue <= 0 {
		o.MaxQueue = 256
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Generate runs one request and yields its tokens as they are drawn. The last token's Finish says why the
// generation ended; no error follows it. An error is yielded alone, as the last pair: ctx's error when ctx
// ends, [*ContextError], [*RequestError], [ErrQueueFull], [ErrClosed], an error that is [ErrEngineDead], or
// what the backend reported. Leaving the range, or ending ctx, frees the request's slot at once.
// The sequence can be ranged over once; a second range runs the request again.
func (e *Engine) Generate(ctx context.Context, req Request) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := e.submit(ctx, req)
		if err != nil {
			yield(Token{}, err)
			return
		}
		defer e.abandon(s)
		s.deliver(ctx, yield)
	}
}

// Tokenize splits text into the model's tokens. With special, the spelling of a control token such as
// "<|im_end|>" becomes that token; without, it stays text. No beginning-of-sequence token is added.
func (e *Engine) Tokenize(text string, special bool) ([]int32, error) {
	return e.backend.Vocab().Tokenize(text, special)
}

// ContextSize is the most tokens that one request's prompt and output may have together.
func (e *Engine) ContextSize() int { return e.info.ContextSize }

// Stats returns counters since the start and the present load.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Queued = len(e.queue)
	s.MaxSeqs = e.opts.MaxSeqs
	return s
}

// Err returns why the engine serves no more requests, nil while it does.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

// Close ends every request with [ErrClosed], waits for the loop and closes the backend. It is idempotent.
func (e *Engine) Close() error {
	e.fail(ErrClosed)
	e.stop()
	<-e.stopped
	return e.backend.Close()
}

// Stats are an engine's counters since its start, and its present load.
type Stats struct {
	// Running and Queued are the requests that have a slot and those that wait for one; MaxSeqs is how
	// many may run.
	Running, Queued, MaxSeqs int
	// Requests counts the requests accepted; PromptTokens their prompts' tokens, CachedTokens those of
	// them that an earlier request had left evaluated, GeneratedTokens the tokens drawn.
	Requests, PromptTokens, CachedTokens, GeneratedTokens uint64
	// Steps counts the batches evaluated, StepTokens the tokens in them.
	Steps, StepTokens uint64
	// Preemptions counts the sequences that gave their cells up to others and were evaluated again.
	Preemptions uint64
}
