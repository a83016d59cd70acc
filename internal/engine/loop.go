package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// loop is the goroutine that owns the backend's context. Only it touches the fields.
type loop struct {
	e     *Engine
	slots []*slot
	clock uint64 // counts admissions and releases
	rows  []Row
	reads []*stream // streams whose prompt tokens are in rows
	due   []*slot   // slots that get a token from the batch
	drawn []outcome // what was drawn for each of due
	order []*slot   // scratch of running
	// full is set when a request had to give up its cells: until another ends, no request is taken up.
	full bool
}

func newLoop(e *Engine) *loop {
	l := &loop{e: e, rows: make([]Row, 0, e.opts.BatchSize)}
	for seq := range e.opts.MaxSeqs {
		l.slots = append(l.slots, &slot{seq: seq})
	}
	return l
}

// run serves requests until ctx ends or the backend dies.
func (l *loop) run(ctx context.Context) {
	e := l.e
	defer close(e.stopped)
	defer l.endAll()
	for {
		if !l.admit() {
			select {
			case <-ctx.Done():
				return
			case <-e.wake:
			}
			continue
		}
		if err := l.step(ctx); err != nil {
			e.log.Error("engine stopped", "error", err)
			e.fail(err)
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// endAll ends the requests that still run, when the loop ends.
func (l *loop) endAll() {
	err := l.e.Err()
	for _, s := range l.slots {
		if s.stream != nil {
			s.stream.end(err)
			l.free(s)
		}
	}
}

// admit frees the slots whose readers have left, gives free slots to the requests that wait longest, and
// reports whether anything runs.
func (l *loop) admit() bool {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	for _, s := range l.slots {
		if s.stream != nil && s.stream.gone {
			l.freeLocked(s)
		}
	}
	for len(l.e.queue) > 0 && !(l.full && l.e.stats.Running > 0) {
		next := l.e.queue[0]
		s := l.freeSlot(next.all)
		if s == nil {
			break
		}
		l.e.queue = slices.Delete(l.e.queue, 0, 1)
		l.clock++
		s.stream, s.matched, s.admitted = next, false, l.clock
		l.e.stats.Running++
	}
	return l.e.stats.Running > 0
}

// free takes an ended request out of its slot, whose tokens stay for the next one.
func (l *loop) free(s *slot) {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	l.freeLocked(s)
}

func (l *loop) freeLocked(s *slot) {
	l.full = false
	s.stream.release()
	l.vacate(s)
}

// vacate makes a slot free. Engine.mu is held.
func (l *loop) vacate(s *slot) {
	l.clock++
	s.stream, s.used = nil, l.clock
	l.e.stats.Running--
}

// running returns the slots with a request, in order of arrival, until the next call.
func (l *loop) running() []*slot {
	l.order = l.order[:0]
	for _, s := range l.slots {
		if s.stream != nil {
			l.order = append(l.order, s)
		}
	}
	slices.SortFunc(l.order, func(a, b *slot) int { return cmp.Compare(a.admitted, b.admitted) })
	return l.order
}

// step evaluates one batch and draws what is due. An error ends the engine.
func (l *loop) step(ctx context.Context) error {
	l.fill()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !l.watch(cancel) {
		return nil // a reader left meanwhile: look again at who is there
	}
	err := l.e.backend.Decode(ctx, l.rows)
	l.unwatch()
	switch {
	case err == nil:
		return l.advance()
	case errors.Is(err, ErrEngineDead):
		return err
	case ctx.Err() != nil:
		l.rollback()
	case errors.Is(err, ErrNoSpace):
		l.makeSpace()
	default:
		l.fault(err)
	}
	return nil
}

// watch lets a reader that leaves during the evaluation of its prompt interrupt it. It reports false where
// one has left already.
func (l *loop) watch(interrupt context.CancelFunc) bool {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	for _, s := range l.reads {
		if s.gone {
			return false
		}
	}
	l.e.reading, l.e.interrupt = l.reads, interrupt
	l.e.stats.Steps++
	l.e.stats.StepTokens += uint64(len(l.rows))
	return true
}

func (l *loop) unwatch() {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	l.e.reading, l.e.interrupt = nil, nil
}

// promptShare is what part of a batch prompts may take while requests generate. A quarter of the usual batch, 128
// tokens, is still evaluated at nearly full speed.
const promptShare = 4

// fill makes the next batch: the drawn token of every running sequence, then prompts in order of arrival.
func (l *loop) fill() {
	l.rows, l.reads = l.rows[:0], l.reads[:0]
	running := l.running()
	for _, s := range running {
		s.rows, s.output = 0, -1
		if s.drawing() {
			l.add(s, 1)
		}
	}
	limit := l.e.opts.BatchSize
	if drawing := len(l.rows); drawing > 0 {
		limit = min(limit, drawing+max(limit/promptShare, 1))
	}
	for _, s := range running {
		room := limit - len(l.rows)
		if room == 0 {
			return
		}
		if s.rows > 0 || !s.matched && !l.match(s) {
			continue
		}
		l.add(s, min(room, len(s.pending())))
		l.reads = append(l.reads, s.stream)
	}
}

// add puts the next n pending tokens of a slot into the batch.
func (l *loop) add(s *slot, n int) {
	pending := s.pending()
	for i, id := range pending[:n] {
		last := i == len(pending)-1
		if last {
			s.output = len(l.rows)
		}
		l.rows = append(l.rows, Row{Token: id, Pos: len(s.tokens) + i, Seq: s.seq, Logits: last})
	}
	s.rows = n
}

// rollback makes the sequences hold what they held before a batch that was evaluated in part.
func (l *loop) rollback() {
	for _, s := range l.slots {
		if s.stream == nil || s.rows == 0 {
			continue
		}
		if n := len(s.tokens); n == 0 || !l.e.backend.Truncate(s.seq, n) {
			l.clear(s)
		}
	}
}

// makeSpace frees cells: those of free slots first, the longest unused one before the others, then those of
// the request that came last, which waits until there is room again.
func (l *loop) makeSpace() {
	var victim *slot
	for _, s := range l.slots {
		if s.stream == nil && len(s.tokens) > 0 && (victim == nil || s.used < victim.used) {
			victim = s
		}
	}
	if victim != nil {
		l.clear(victim)
		return
	}
	running := l.running()
	last := running[len(running)-1]
	l.clear(last)
	if len(running) == 1 {
		last.stream.end(fmt.Errorf("engine: request of %d tokens: %w", len(last.stream.all), ErrNoSpace))
		l.free(last)
		return
	}
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	l.e.queue = slices.Insert(l.e.queue, 0, last.stream)
	l.vacate(last)
	l.full = true
	l.e.stats.Preemptions++
}

// fault ends the requests of a batch that could not be evaluated. Others go on.
func (l *loop) fault(err error) {
	l.e.log.Error("evaluate batch", "tokens", len(l.rows), "error", err)
	for _, s := range l.slots {
		if s.stream == nil || s.rows == 0 {
			continue
		}
		l.clear(s)
		s.stream.end(fmt.Errorf("engine: evaluate batch: %w", err))
		l.free(s)
	}
}
