package openai

import (
	"net/http"
	"sync"
	"time"
)

// patience keeps a client waiting that would give up on a silent connection, as many do after seconds: while
// a whole answer is made, it sends white space, which JSON allows in front of the value. The first of it
// starts a response of status 200. A failure that comes later can only be told by cutting the answer off.
type patience struct {
	mu       sync.Mutex // guards everything below
	w        http.ResponseWriter
	interval time.Duration
	timer    *time.Timer
	started  bool
	ended    bool
}

// newPatience starts to wait. The handler calls end before it writes or returns.
func newPatience(w http.ResponseWriter, interval time.Duration) *patience {
	p := &patience{w: w, interval: interval}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(interval, p.beat)
	return p
}

// beat runs in the timer's goroutine.
func (p *patience) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if !p.started {
		p.started = true
		p.w.Header().Set("Content-Type", "application/json")
		p.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the white space back
		p.w.WriteHeader(http.StatusOK)
	}
	// A connection that is broken ends the request's context; there is nothing to do about it here.
	_, _ = p.w.Write([]byte("\n"))
	_ = http.NewResponseController(p.w).Flush()
	p.timer.Reset(p.interval)
}

// end stops waiting and reports whether the response has begun. Nothing touches the response afterwards but
// the handler. It is idempotent.
func (p *patience) end() (started bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.timer.Stop()
	return p.started
}
