package engine

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// outcome is what was drawn for one slot.
type outcome struct {
	id  int32
	lp  float64
	top []TokenProb
	err error
}

// advance takes note of an evaluated batch and draws a token for each sequence that is due.
func (l *loop) advance() error {
	l.due = l.due[:0]
	for _, s := range l.running() {
		if s.rows == 0 {
			continue
		}
		s.tokens = append(s.tokens, s.pending()[:s.rows]...)
		if s.output >= 0 {
			l.due = append(l.due, s)
		}
	}
	l.drawAll()
	for i, s := range l.due {
		o := l.drawn[i]
		switch {
		case errors.Is(o.err, ErrEngineDead):
			return o.err
		case o.err != nil:
			s.stream.end(o.err)
			l.free(s)
		default:
			l.emit(s, o)
		}
	}
	l.e.mu.Lock()
	l.e.stats.GeneratedTokens += uint64(len(l.due))
	l.e.mu.Unlock()
	return nil
}

// drawAll draws for every due slot, on all processors where there is more than one.
func (l *loop) drawAll() {
	l.drawn = slices.Grow(l.drawn[:0], len(l.due))[:len(l.due)]
	workers := min(len(l.due), runtime.GOMAXPROCS(0))
	draw := func(worker int) {
		for i := worker; i < len(l.due); i += workers {
			l.drawn[i] = l.draw(l.due[i])
		}
	}
	var others sync.WaitGroup
	for w := 1; w < workers; w++ {
		others.Go(func() { draw(w) })
	}
	if workers > 0 {
		draw(0)
	}
	others.Wait()
}

// draw draws the next token of a slot's stream.
func (l *loop) draw(s *slot) outcome {
	logits, err := l.e.backend.Logits(s.output)
	if err != nil {
		return outcome{err: fmt.Errorf("engine: read logits: %w", err)}
	}
	st := s.stream
	raw := logits
	if st.sampler.adjusts() {
		if st.req.Logprobs {
			raw = slices.Clone(logits)
		}
		st.sampler.adjust(logits)
	}
	id, err := st.sampler.draw(logits, st.constraint)
	if err != nil {
		return outcome{err: err}
	}
	st.sampler.accept(id)
	o := outcome{id: id}
	if st.req.Logprobs {
		o.lp, o.top = l.logprobs(raw, id, st.req.TopLogprobs)
	}
	return o
}

// logprobs returns the log probability of a token and the n likeliest tokens.
func (l *loop) logprobs(logits []float32, id int32, n int) (float64, []TokenProb) {
	best := float64(logits[argmax(logits)])
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - best)
	}
	norm := best + math.Log(sum)
	if n == 0 {
		return float64(logits[id]) - norm, nil
	}
	cands := topK(logits, min(n, len(logits)), nil)
	slices.SortFunc(cands, better)
	top := make([]TokenProb, len(cands))
	for i, c := range cands {
		top[i] = TokenProb{ID: c.id, Text: l.e.backend.Vocab().Piece(c.id).Text, Logprob: float64(c.logit) - norm}
	}
	return float64(logits[id]) - norm, top
}

// better sorts candidates best first.
func better(a, b candidate) int {
	switch {
	case worse(b, a):
		return -1
	case worse(a, b):
		return 1
	}
	return 0
}

// emit hands a drawn token to the reader and frees the slot if it was the last.
func (l *loop) emit(s *slot, o outcome) {
	st := s.stream
	st.all = append(st.all, o.id)
	piece := l.e.backend.Vocab().Piece(o.id)
	t := Token{ID: o.id, Special: piece.Special, End: piece.End, Logprob: o.lp, Top: o.top}
	switch {
	case piece.End:
		t.Finish = FinishStop
	case st.generated() == st.req.MaxTokens, len(st.all) >= l.e.info.ContextSize:
		t.Finish = FinishLength
	}
	if piece.Special || piece.End {
		t.Before, t.Text = st.text.flush(), piece.Text
	} else {
		t.Text = st.text.push(piece.Text)
		if t.Finish != FinishNone {
			t.Text += st.text.flush()
		}
	}
	if t.Finish != FinishNone {
		l.free(s) // before the reader learns of it, so that its next request finds the slot free
	}
	st.push(t)
}

// The widths at which a constrained draw looks for an allowed token. Asking about one token costs some ten
// microseconds, about the whole vocabulary some ten milliseconds.
const (
	narrowWidth = 64
	mediumWidth = 1024
)

// draw draws a token that the constraint allows and accepts it. Drawing first and asking then gives the same
// distribution as asking about every token first.
func (s *sampler) draw(logits []float32, c Constraint) (int32, error) {
	id := s.pick(logits)
	if c == nil {
		return id, nil
	}
	ok, err := s.allowed(c, []candidate{{id: id}})
	if err != nil {
		return 0, err
	}
	for width := narrowWidth; len(ok) == 0; width = widen(width, len(logits)) {
		cands := topK(logits, min(width, len(logits)), s.cands)
		s.cands = cands
		if ok, err = s.allowed(c, cands); err != nil {
			return 0, err
		}
		if len(ok) > 0 {
			id = s.pickFrom(ok)
		} else if width >= len(logits) {
			return 0, errors.New("engine: the grammar allows no token of the model here")
		}
	}
	return id, c.Accept(id)
}

func widen(width, all int) int {
	if width < mediumWidth {
		return mediumWidth
	}
	return max(all, width)
}

// allowed keeps the candidates that the constraint allows, in place.
func (s *sampler) allowed(c Constraint, cands []candidate) ([]candidate, error) {
	s.ids, s.ok = s.ids[:0], slices.Grow(s.ok[:0], len(cands))[:len(cands)]
	for _, x := range cands {
		s.ids = append(s.ids, x.id)
	}
	if err := c.Allowed(s.ids, s.ok); err != nil {
		return nil, fmt.Errorf("engine: check grammar: %w", err)
	}
	kept := cands[:0]
	for i, x := range cands {
		if s.ok[i] {
			kept = append(kept, x)
		}
	}
	return kept, nil
}
