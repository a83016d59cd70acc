package inbound

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClock(t *testing.T) {
	const s = time.Second
	for name, tt := range map[string]struct {
		limit Time
		do    func(*clock)
		after time.Duration // until it is over, of this bubble's time
		spent time.Duration
		told  bool
	}{
		"alone":            {Time{Silent: 10 * s}, func(*clock) {}, 10 * s, 10 * s, false},
		"no more in total": {Time{Silent: 10 * s, Total: 5 * s}, func(c *clock) { time.Sleep(4 * s); c.again() }, 10 * s, 10 * s, false},
		"anew":             {Time{Silent: 10 * s, Total: 60 * s}, func(c *clock) { time.Sleep(4 * s); c.again() }, 14 * s, 14 * s, true},
		"up to the total":  {Time{Silent: 10 * s, Total: 15 * s}, func(c *clock) { time.Sleep(8 * s); c.again() }, 15 * s, 15 * s, true},
		"standing still":   {Time{Silent: 10 * s}, func(c *clock) { time.Sleep(4 * s); c.pause(); time.Sleep(100 * s); c.resume() }, 110 * s, 10 * s, false},
		"anew while still": {Time{Silent: 10 * s, Total: 60 * s}, func(c *clock) { time.Sleep(4 * s); c.pause(); time.Sleep(100 * s); c.again(); c.resume() }, 114 * s, 14 * s, true},
		"another limit":    {Time{Silent: 10 * s}, func(c *clock) { time.Sleep(4 * s); c.extend(Time{Silent: 20 * s}) }, 20 * s, 20 * s, false},
		"still stands twice": {Time{Silent: 10 * s, Total: 12 * s}, func(c *clock) {
			c.pause()
			c.pause()
			time.Sleep(s)
			c.resume()
			c.again()
			time.Sleep(s)
			c.resume()
			time.Sleep(5 * s)
			c.again()
		}, 14 * s, 12 * s, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over := make(chan struct{})
				began := time.Now()
				var c clock
				c.start(tt.limit, func() { close(over) })
				tt.do(&c)
				<-over
				if took := time.Since(began); took != tt.after {
					t.Errorf("over after %v, want %v", took, tt.after)
				}
				c.again() // too late
				if spent, told, _ := c.took(); spent != tt.spent || told != tt.told {
					t.Errorf("spent %v, told %v", spent, told)
				}
				c.stop()
			})
		})
	}
}
