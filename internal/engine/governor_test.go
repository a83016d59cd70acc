package engine

import (
	"testing"
	"time"
)

// TestGovernor drives the governor with a machine whose steps take what a function says, and counts with how many
// threads it computes.
func TestGovernor(t *testing.T) {
	idle := func(threads int) time.Duration { return 40 * time.Millisecond / time.Duration(threads) }
	busy := func(threads int) time.Duration {
		if threads == 4 {
			return 250 * time.Millisecond
		}
		return idle(threads)
	}
	for _, tt := range []struct {
		name     string
		steps    int
		cost     func(step, threads int) time.Duration
		min, max float64 // share of the steps with all threads
	}{
		{"idle", 5000, func(_, n int) time.Duration { return idle(n) }, 0.99, 1},
		{"busy", 5000, func(_, n int) time.Duration { return busy(n) }, 0, 0.03},
		{"busy, then idle", 5000, func(step, n int) time.Duration {
			if step < 1000 {
				return busy(n)
			}
			return idle(n)
		}, 0.45, 0.85},
		{"hiccups", 5000, func(step, n int) time.Duration {
			if step%100 == 0 {
				return 10 * idle(n)
			}
			return idle(n)
		}, 0.95, 1},
		{"growing context", 5000, func(step, n int) time.Duration {
			return idle(n) * time.Duration(1000+step) / 1000
		}, 0.97, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGovernor(4)
			now := time.Unix(0, 0)
			full := 0
			for step := range tt.steps {
				n := g.threads(1, now)
				if n == 4 {
					full++
				} else if n != 3 {
					t.Fatalf("step %d: %d threads, want 3 or 4", step, n)
				}
				took := tt.cost(step, n)
				now = now.Add(took)
				g.observe(1, took, now)
			}
			if share := float64(full) / float64(tt.steps); share < tt.min || share > tt.max {
				t.Errorf("all threads in %.3f of the steps, want %.2f to %.2f", share, tt.min, tt.max)
			}
		})
	}
}

func TestGovernorOfOneThread(t *testing.T) {
	g := newGovernor(1)
	now := time.Unix(0, 0)
	for range 100 {
		if n := g.threads(512, now); n != 1 {
			t.Fatalf("threads = %d, want 1", n)
		}
		now = now.Add(time.Second)
		g.observe(512, time.Second, now)
	}
}
