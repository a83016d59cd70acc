// Package outbox writes messages to the standard input of a server that may read slowly or not at all, without
// keeping those who send them waiting.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

const (
	// maxQueued is how many bytes may wait for a server to read them. One message more is taken at any time.
	maxQueued = 8 << 20
	// maxJoined bounds the messages that are written at once.
	maxJoined = 64 << 10
	// inlineRounds is how often the sender of a message goes on to write what others have put in line.
	inlineRounds = 4
)

// Outbox writes messages to a pipe, whole and in order. A sender writes its message itself where the pipe
// takes it at once, with what others have put in line meanwhile; where it does not, a goroutine writes on,
// and nobody but the server decides how long that takes. It ends when the line is empty or the pipe closed.
type Outbox struct {
	file *os.File
	raw  syscall.RawConn

	mu      sync.Mutex
	line    []letter
	bytes   int           // in line
	writing bool          // someone takes from the line
	failed  error         // not nil once a write failed
	room    chan struct{} // closed when the line got shorter; nil while nobody waits

	// taken and out are scratch of the one that writes.
	taken, out []byte
	n          int
	err        error
	attempt    func(fd uintptr) bool
}

// ErrEnded is the error of a message after the pipe was closed.
var ErrEnded = errors.New("the connection ended")

// letter is a message in line. Its id is 0 for one that nobody takes back.
type letter struct {
	id   int64
	data []byte
}

// New returns the outbox of a pipe with deadlines.
func New(file *os.File) *Outbox {
	o := &Outbox{file: file}
	if raw, err := file.SyscallConn(); err == nil {
		o.raw = raw
	}
	o.attempt = func(fd uintptr) bool {
		o.n, o.err = tryWrite(fd, o.out)
		return true // whatever came of it: who waits for the pipe is not a sender
	}
	return o
}

// Post puts a message in line and writes what the pipe takes. It waits, until ctx ends, only where too
// much is in line already. The id, unless 0, is that by which [Outbox.Withdraw] knows the message; it ends with a
// line break.
func (o *Outbox) Post(ctx context.Context, id int64, data []byte) error {
	o.mu.Lock()
	for o.failed == nil && o.bytes > maxQueued {
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
		o.mu.Lock()
	}
	if err := o.failed; err != nil {
		o.mu.Unlock()
		return err
	}
	o.enqueue(id, data)
	return nil
}

// Offer is [Outbox.Post] for a message that may be dropped where too much is in line.
func (o *Outbox) Offer(data []byte) {
	o.mu.Lock()
	if o.failed != nil || o.bytes > 2*maxQueued {
		o.mu.Unlock()
		return
	}
	o.enqueue(0, data)
}

// enqueue puts a message in line, and writes unless another does. o.mu is held, and released.
func (o *Outbox) enqueue(id int64, data []byte) {
	o.line = append(o.line, letter{id, data})
	o.bytes += len(data)
	if o.writing {
		o.mu.Unlock()
		return
	}
	o.writing = true
	o.mu.Unlock()
	for range inlineRounds {
		if !o.take() {
			return
		}
		if !o.writeAtOnce() {
			break
		}
	}
	go o.writeOn()
}

// take moves the front of the line into out. It returns false where there is nothing, and the writing ends.
func (o *Outbox) take() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.line) == 0 || o.failed != nil {
		o.writing = false
		return false
	}
	n := 1
	if size := len(o.line[0].data); len(o.line) == 1 || size > maxJoined {
		o.out = o.line[0].data
	} else {
		o.taken = o.taken[:0]
		for n = 0; n < len(o.line) && len(o.taken)+len(o.line[n].data) <= maxJoined; n++ {
			o.taken = append(o.taken, o.line[n].data...)
		}
		o.out = o.taken
	}
	o.bytes -= len(o.out)
	rest := copy(o.line, o.line[n:])
	clear(o.line[rest:])
	o.line = o.line[:rest]
	if o.room != nil && o.bytes <= maxQueued {
		close(o.room)
		o.room = nil
	}
	return true
}

// writeAtOnce writes out as far as the pipe takes it now, and reports whether that was all.
func (o *Outbox) writeAtOnce() bool {
	if o.raw == nil || o.raw.Write(o.attempt) != nil || o.err != nil {
		return false // writing on shows what is wrong
	}
	if o.out = o.out[o.n:]; len(o.out) > 0 {
		return false
	}
	o.out = nil
	return true
}

// writeOn writes until the line is empty.
func (o *Outbox) writeOn() {
	for {
		if len(o.out) > 0 {
			if _, err := o.file.Write(o.out); err != nil {
				o.fail(err)
				return
			}
			o.out = nil
		}
		if !o.take() {
			return
		}
	}
}

func (o *Outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE) {
		err = errors.New("the server's input is closed")
	}
	o.failed = fmt.Errorf("%w: %w", ErrEnded, err)
	o.writing, o.line, o.bytes = false, nil, 0
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// Withdraw takes a message out of the line, and reports whether it was still whole there.
func (o *Outbox) Withdraw(id int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.line {
		if o.line[i].id == id {
			o.bytes -= len(o.line[i].data)
			o.line = append(o.line[:i], o.line[i+1:]...)
			return true
		}
	}
	return false
}
