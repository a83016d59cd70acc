package wire

import (
	"bytes"
	"encoding/json"
	"sync"
)

// maxProgress bounds the notes of progress that wait for one caller to take them. The oldest give way.
const maxProgress = 64

// maxNote bounds one note of progress in bytes; a longer one is passed over.
const maxNote = 16 << 10

// waiter is a caller that waits.
type waiter struct {
	signal chan struct{} // holds a token when there is something to take
	listen bool          // for progress

	mu       sync.Mutex
	progress []json.RawMessage
	result   json.RawMessage
	err      error
	done     bool
}

// wake puts a token into the signal. w.mu is held.
func (w *waiter) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

func (w *waiter) finish(result json.RawMessage, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.result, w.err, w.done = result, err, true
		w.wake()
	}
}

func (w *waiter) note(params json.RawMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done || !w.listen || len(params) > maxNote {
		return
	}
	if len(w.progress) == maxProgress {
		w.progress = append(w.progress[:0], w.progress[1:]...)
	}
	w.progress = append(w.progress, bytes.Clone(params)) // without the line around it
	w.wake()
}

// take hands the notes over that came since it was last called, and reports whether the answer is there.
func (w *waiter) take() (progress []json.RawMessage, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	progress, w.progress = w.progress, nil
	return progress, w.done
}
