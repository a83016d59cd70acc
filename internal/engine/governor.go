package engine

import (
	"math/bits"
	"time"
)

// governor chooses how many threads compute.
//
// The threads of a step wait for each other some thousand times, and they wait by spinning. That is fastest on
// idle cores. Where another program takes a core, each wait lasts until that program is off it again, and a step
// takes ten or twenty times as long as with a thread less. The governor therefore compares the pace of all threads
// with that of fewer, keeps to the faster, and tries the other again now and then.
type governor struct {
	full, fewer int
	// paces are kept apart by the size of the batch, since few rows wait more than many do.
	paces [maxSizes]pace
}

// maxSizes is enough for batches of 2^20 rows.
const maxSizes = 21

// pace is what is known about batches of one size.
type pace struct {
	seen        int // steps so far
	full, fewer average
	reduced     bool // computing with fewer
	trial       int  // steps left before the two are compared
	settled     time.Time
	patience    time.Duration // how long the next decision holds
}

const (
	warmUp      = 2 // steps that are not measured
	firstTrial  = 4 // the step at which fewer threads are measured first
	trialSteps  = 3
	minPatience = time.Second
	maxPatience = 8 * time.Second
)

func newGovernor(threads int) *governor {
	return &governor{full: threads, fewer: max(1, threads*3/4)}
}

// threads returns how many threads compute the next batch.
func (g *governor) threads(rows int, now time.Time) int {
	if g.full == g.fewer {
		return g.full
	}
	p := g.pace(rows)
	if p.trial == 0 && p.due(now) {
		p.reduced, p.trial = !p.reduced, trialSteps
		p.current().reset()
	}
	if p.reduced {
		return g.fewer
	}
	return g.full
}

// due reports whether it is time to try the other number of threads.
func (p *pace) due(now time.Time) bool {
	switch {
	case p.fewer.unknown():
		return p.seen >= firstTrial
	case now.Before(p.settled):
		return false
	case p.reduced:
		return true
	}
	return p.full.mean > 1.05*p.fewer.mean
}

// observe takes note of how long a batch took with the threads that were chosen for it.
func (g *governor) observe(rows int, took time.Duration, now time.Time) {
	p := g.pace(rows)
	if p.seen++; p.seen <= warmUp || g.full == g.fewer {
		return
	}
	p.current().add(took.Seconds() / float64(rows+4)) // a step costs something whatever its size
	if p.trial == 0 {
		return
	}
	// A trial that is much worse ends at once.
	if p.trial--; p.trial > 0 && p.current().mean < 2*p.other().mean {
		return
	}
	p.trial = 0
	if p.current().mean < p.other().mean {
		p.patience = minPatience
	} else {
		p.reduced = !p.reduced
		p.patience = min(max(2*p.patience, minPatience), maxPatience)
	}
	p.settled = now.Add(p.patience)
}

func (g *governor) pace(rows int) *pace { return &g.paces[min(bits.Len(uint(rows)), maxSizes-1)] }

func (p *pace) current() *average {
	if p.reduced {
		return &p.fewer
	}
	return &p.full
}

func (p *pace) other() *average {
	if p.reduced {
		return &p.full
	}
	return &p.fewer
}

// average is a moving average in which one outlier weighs little.
type average struct{ mean float64 }

func (a *average) unknown() bool { return a.mean == 0 }

func (a *average) reset() { a.mean = 0 }

func (a *average) add(x float64) {
	if a.mean == 0 {
		a.mean = x
		return
	}
	a.mean += 0.2 * (min(x, 2*a.mean) - a.mean)
}
