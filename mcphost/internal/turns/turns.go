// Package turns bounds how much is done at a time. What has to wait is let in fairly: the callers in turn,
// and what one caller wants in order, so that one with many wishes does not keep the others waiting.
package turns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// MaxWaiting bounds how many wait for their turn.
const MaxWaiting = 4096

// ErrTooMany is the error of one who would have to wait behind MaxWaiting others.
var ErrTooMany = errors.New("too many wait for their turn")

// Turns gives turns. The zero value is ready. It is safe for concurrent use.
type Turns struct {
	mu      sync.Mutex
	running int
	waiting int
	lines   []*line // of the callers that wait, the next one to be let in first
}

// line is what one caller waits for.
type line struct {
	who   string
	first []*waiter // in order
}

type waiter struct {
	turn chan struct{} // closed when it has its turn; guarded by Turns.mu until then
	in   bool
}

// Take waits for a turn: at most limit have one at a time. It returns how long that took, and, unless ctx
// ended first or too many wait already, holds a turn that [Turns.Done] gives back.
func (t *Turns) Take(ctx context.Context, who string, limit int) (waited time.Duration, err error) {
	t.mu.Lock()
	if t.running < limit && t.waiting == 0 {
		t.running++
		t.mu.Unlock()
		return 0, nil
	}
	if t.waiting >= MaxWaiting {
		t.mu.Unlock()
		return 0, ErrTooMany
	}
	w := t.join(who)
	t.admit(limit)
	t.mu.Unlock()
	start := time.Now()
	select {
	case <-w.turn:
		return time.Since(start), nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.in { // just now
		t.running--
		t.admit(limit)
	} else {
		t.leave(who, w)
	}
	return time.Since(start), ctx.Err()
}

// Done gives a turn back, of which there are limit now.
func (t *Turns) Done(limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	t.admit(limit)
}

// Ahead is how many have a turn or wait for one.
func (t *Turns) Ahead() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running + t.waiting
}

// join puts a caller at the end of its line. t.mu is held, here and below.
func (t *Turns) join(who string) *waiter {
	w := &waiter{turn: make(chan struct{})}
	t.waiting++
	for _, l := range t.lines {
		if l.who == who {
			l.first = append(l.first, w)
			return w
		}
	}
	t.lines = append(t.lines, &line{who: who, first: []*waiter{w}})
	return w
}

// admit lets in who is next, as long as there is room, and puts its caller behind the others.
func (t *Turns) admit(limit int) {
	for t.running < limit && len(t.lines) > 0 {
		l := t.lines[0]
		w := l.first[0]
		l.first = l.first[1:]
		t.lines = append(t.lines[:0], t.lines[1:]...)
		if len(l.first) > 0 {
			t.lines = append(t.lines, l)
		}
		t.waiting--
		t.running++
		w.in = true
		close(w.turn)
	}
}

// leave takes one out that does not want to wait any longer.
func (t *Turns) leave(who string, w *waiter) {
	i := slices.IndexFunc(t.lines, func(l *line) bool { return l.who == who })
	l := t.lines[i]
	l.first = slices.DeleteFunc(l.first, func(other *waiter) bool { return other == w })
	if len(l.first) == 0 {
		t.lines = slices.Delete(t.lines, i, i+1)
	}
	t.waiting--
}
