package policy

import (
	"slices"
	"sync"
	"time"
)

const (
	ratePeriod = time.Minute
	// maxWindows bounds the memory of a limiter; maxWindow that of one window, in times.
	maxWindows = 4096
	maxWindow  = 6000
)

// limiter counts calls in sliding windows of a minute, one per key. It is safe for concurrent use.
type limiter struct {
	mu      sync.Mutex
	windows map[string]*window
}

// window holds the times of the last calls, the oldest at next once it is full. Under a limit of
// more than maxWindow it holds the time of every step-th call.
type window struct {
	size    int // that times is kept for
	times   []int64
	next    int
	last    int64
	skipped int
}

// shape returns how many times a window of the quota holds, and for how many calls each stands.
func (q quota) shape() (size, step int) {
	step = (q.limit + maxWindow - 1) / maxWindow
	return q.limit / step, step
}

// quota is a limit that a call is counted against.
type quota struct {
	key   string
	limit int
}

// take counts a call against every quota, or against none and returns the first one that is used up
// and the time after which it has room again. Quotas without a positive limit do not count.
func (l *limiter) take(now time.Time, quotas ...quota) (full quota, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now.UnixNano()
	for _, q := range quotas {
		if q.limit <= 0 {
			continue
		}
		w := l.windows[q.key]
		if w == nil {
			continue
		}
		size, _ := q.shape()
		if w.resize(size); len(w.times) < size {
			continue
		}
		if age := at - w.times[w.next]; age >= 0 && age < int64(ratePeriod) {
			return q, ratePeriod - time.Duration(age), false
		}
	}
	for _, q := range quotas {
		if q.limit > 0 {
			l.count(q, at)
		}
	}
	return quota{}, 0, true
}

func (l *limiter) count(q quota, at int64) {
	w := l.windows[q.key]
	if w == nil {
		l.makeRoom(at)
		w = &window{}
		l.windows[q.key] = w
	}
	w.last = at
	size, step := q.shape()
	w.resize(size)
	if w.skipped++; w.skipped < step {
		return
	}
	w.skipped = 0
	if len(w.times) < size {
		w.times = append(w.times, at)
		return
	}
	w.times[w.next] = at
	w.next = (w.next + 1) % len(w.times)
}

// resize keeps the newest times of a window for a limit that was changed.
func (w *window) resize(size int) {
	if w.size == size {
		return
	}
	if w.next > 0 {
		w.times = slices.Concat(w.times[w.next:], w.times[:w.next])
	}
	w.times, w.next, w.size = w.times[max(len(w.times)-size, 0):], 0, size
}

// makeRoom forgets windows in which nothing counts any more and, while that is not enough, those
// that were used least recently. It frees many at once, so that it is seldom needed.
func (l *limiter) makeRoom(at int64) {
	if l.windows == nil {
		l.windows = make(map[string]*window)
	}
	for age := int64(ratePeriod); len(l.windows) >= maxWindows; age /= 2 {
		if age == 0 {
			clear(l.windows) // the clock was set back
		}
		for key, w := range l.windows {
			if at-w.last >= age {
				delete(l.windows, key)
			}
		}
	}
}
