package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/toolserve/toolserve/constrain"
)

// stream is one request on its way: from the queue through a slot to its reader.
type stream struct {
	req Request
	// all is the prompt and the tokens drawn after it. It, sampler, constraint and text belong to the loop
	// while the stream is in a slot.
	all        []int32
	sampler    *sampler
	constraint Constraint // nil without a grammar
	text       assembler
	started    bool // a slot took it up at least once

	// gone is set, under Engine.mu, when the reader has left.
	gone bool

	mu     sync.Mutex
	start  *Start  // set once, when the prompt's evaluation begins
	tokens []Token // drawn and not yet read; at most as many as the request may generate
	err    error
	done   bool          // nothing is added after it
	ready  chan struct{} // capacity 1; sent to by the loop when something was added, never closed
}

func (s *stream) generated() int { return len(s.all) - len(s.req.Prompt) }

// submit checks a request and puts it at the queue's end.
func (e *Engine) submit(ctx context.Context, req Request) (*stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := req.check(e.info); err != nil {
		return nil, err
	}
	s := &stream{
		req:     req,
		all:     slices.Clone(req.Prompt),
		sampler: newSampler(req.Sampling, req.Prompt),
		ready:   make(chan struct{}, 1),
	}
	if req.Grammar != nil {
		c, err := e.constrain(req.Grammar)
		if err != nil {
			return nil, err
		}
		s.constraint = c
	}
	if err := e.enqueue(s); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (e *Engine) constrain(g *constrain.Grammar) (Constraint, error) {
	backend, ok := e.backend.(Constrainer)
	if !ok {
		return nil, &RequestError{Field: "Grammar", Err: errors.New("this model backend cannot hold an output to a grammar")}
	}
	c, err := backend.Constrain(g)
	if err != nil && !errors.Is(err, ErrEngineDead) {
		err = &RequestError{Field: "Grammar", Err: err}
	}
	return c, err
}

func (e *Engine) enqueue(s *stream) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure != nil {
		return e.failure
	}
	free := e.opts.MaxSeqs - e.stats.Running
	if len(e.queue) >= e.opts.MaxQueue+free {
		return ErrQueueFull
	}
	e.queue = append(e.queue, s)
	e.stats.Requests++
	e.stats.PromptTokens += uint64(len(s.req.Prompt))
	e.notify()
	return nil
}

// abandon is called when the reader has left, whether the stream ended or not.
func (e *Engine) abandon(s *stream) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.gone = true
	if i := slices.Index(e.queue, s); i >= 0 {
		e.queue = slices.Delete(e.queue, i, i+1)
		s.release()
		return
	}
	if e.interrupt != nil && slices.Contains(e.reading, s) {
		e.interrupt()
	}
	e.notify()
}

// notify wakes the loop.
func (e *Engine) notify() {
	select {
	case e.wake <- struct{}{}:
	default: // it is about to wake anyway
	}
}

// fail makes every present and later request end with err.
func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure == nil {
		e.failure = err
	}
	for _, s := range e.queue {
		s.release()
		s.end(e.failure)
	}
	e.queue = nil
	e.notify()
}

// release frees what the request holds in the backend.
func (s *stream) release() {
	if s.constraint != nil {
		s.constraint.Close()
		s.constraint = nil
	}
}

// deliver hands tokens to the reader until the stream ends, ctx ends or the reader leaves.
func (s *stream) deliver(ctx context.Context, yield func(Token, error) bool) {
	var batch []Token
	onStart := s.req.OnStart
	for {
		select {
		case <-s.ready:
		case <-ctx.Done():
			yield(Token{}, ctx.Err())
			return
		}
		s.mu.Lock()
		batch, s.tokens = s.tokens, batch[:0]
		start, done, err := s.start, s.done, s.err
		s.mu.Unlock()
		if start != nil && onStart != nil {
			onStart(*start)
			onStart = nil
		}
		for _, t := range batch {
			if ctx.Err() != nil { // what was drawn ahead of the reader is not wanted any more
				yield(Token{}, ctx.Err())
				return
			}
			if !yield(t, nil) {
				return
			}
		}
		if err != nil {
			yield(Token{}, err)
		}
		if done {
			return
		}
	}
}

// begin tells the reader what was reused. Only the first call counts.
func (s *stream) begin(start Start) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start == nil {
		s.start = &start
	}
	s.signal()
}

// push hands a token to the reader; one with a Finish is the last.
func (s *stream) push(t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, t)
	s.done = s.done || t.Finish != FinishNone
	s.signal()
}

// end ends the stream with an error.
func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		s.done, s.err = true, err
	}
	s.signal()
}

func (s *stream) signal() {
	select {
	case s.ready <- struct{}{}:
	default: // the reader has yet to look
	}
}

// check refuses what cannot be run.
func (r Request) check(info Info) error {
	if len(r.Prompt) == 0 {
		return &RequestError{Field: "Prompt", Err: errors.New("has no tokens")}
	}
	for i, id := range r.Prompt {
		if id < 0 || int(id) >= info.VocabSize {
			return &RequestError{Field: "Prompt", Err: fmt.Errorf("token %d at place %d is not one of the model's %d", id, i, info.VocabSize)}
		}
	}
	if len(r.Prompt) >= info.ContextSize {
		return &ContextError{Prompt: len(r.Prompt), Limit: info.ContextSize}
	}
	if r.MaxTokens < 0 {
		return &RequestError{Field: "MaxTokens", Err: fmt.Errorf("is %d, and cannot be negative", r.MaxTokens)}
	}
	if r.TopLogprobs < 0 || r.TopLogprobs > maxTopLogprobs {
		return &RequestError{Field: "TopLogprobs", Err: fmt.Errorf("is %d, and must be 0 to %d", r.TopLogprobs, maxTopLogprobs)}
	}
	return r.Sampling.check()
}
