package inbound

import (
	"sync"
	"time"
)

// Time is how long a call may take.
type Time struct {
	// Silent is the time from the beginning, or from the last that was heard of it; Total all of it. A Total
	// that is not more than Silent is Silent.
	Silent, Total time.Duration
}

// clock is a timeout that can stand still, and count anew.
type clock struct {
	mu      sync.Mutex
	limit   Time
	timer   *time.Timer
	left    time.Duration // until the timer fires, as of since
	spent   time.Duration // of the total, as of since
	since   time.Time
	paused  int
	told    bool // it was counted anew
	stopped bool
}

func (c *clock) start(limit Time, over func()) {
	limit.Total = max(limit.Total, limit.Silent)
	c.limit, c.left, c.since = limit, limit.Silent, time.Now()
	c.timer = time.AfterFunc(limit.Silent, over)
}

// count moves the time since then to what is spent. c.mu is held, and the clock runs.
func (c *clock) count() {
	now := time.Now()
	passed := now.Sub(c.since)
	c.left, c.spent, c.since = c.left-passed, c.spent+passed, now
}

func (c *clock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused++; c.paused == 1 && c.timer.Stop() {
		c.count()
	}
}

func (c *clock) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused--; c.paused == 0 && !c.stopped {
		c.since = time.Now()
		c.timer.Reset(max(c.left, 0))
	}
}

// again gives the whole time once more, within the total.
func (c *clock) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit.Total == c.limit.Silent {
		return
	}
	c.fresh(c.limit.Silent)
}

// extend puts another limit in force, whose total is counted from the beginning.
func (c *clock) extend(limit Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit.Total = max(limit.Total, limit.Silent)
	c.limit = limit
	if c.fresh(limit.Silent) {
		c.told = false
	}
}

// fresh sets what is left, within the total, and reports whether the time was not over yet. c.mu is held.
func (c *clock) fresh(left time.Duration) bool {
	if c.stopped || c.paused == 0 && !c.timer.Stop() {
		return false // it is over
	}
	if c.paused == 0 {
		c.count()
	}
	c.told, c.left = true, min(left, c.limit.Total-c.spent)
	if c.paused == 0 {
		c.timer.Reset(max(c.left, 0))
	}
	return true
}

func (c *clock) took() (after time.Duration, told bool, limit Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused == 0 && !c.stopped {
		c.count()
	}
	return c.spent, c.told, c.limit
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.timer.Stop()
}
