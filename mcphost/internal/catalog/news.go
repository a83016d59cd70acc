package catalog

import (
	"context"
	"sync"
	"time"
)

// News orders calls behind the reading of a list that the server said has changed: a tool that is no longer as
// it was approved must not run in the moment before its new definition is known. The zero value is ready.
type News struct {
	mu   sync.Mutex
	said uint64 // how often the server said so
	read uint64 // how often it had, when the last reading that is over began
	over chan struct{}
}

// Say notes that the server said that its list changed.
func (n *News) Say() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said++
}

// Begin is to be called before the list is read, and what it returns when that is over, whatever came of it.
func (n *News) Begin() (over func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	said := n.said
	return func() { n.settle(said) }
}

func (n *News) settle(said uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.read = max(n.read, said)
	if n.over != nil {
		close(n.over)
		n.over = nil
	}
}

// Wait returns at once, with false, where all that was said has been read. Else it waits for that, for at most
// patience or until ctx ends, and returns true. What was not read by then is not waited for again.
func (n *News) Wait(ctx context.Context, patience time.Duration) bool {
	n.mu.Lock()
	said := n.said
	waits := n.read < said
	n.mu.Unlock()
	if !waits {
		return false
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for over := n.next(said); over != nil; over = n.next(said) {
		select {
		case <-over:
		case <-timer.C:
			n.settle(said)
		case <-ctx.Done():
			return true
		}
	}
	return true
}

// next returns what is closed when the next reading is over, or nil where said was read.
func (n *News) next(said uint64) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.read >= said {
		return nil
	}
	if n.over == nil {
		n.over = make(chan struct{})
	}
	return n.over
}
