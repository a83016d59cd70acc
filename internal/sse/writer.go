// Package sse writes and reads Server-Sent Events, the text/event-stream format: lines "event: NAME" and
// "data: TEXT", with a blank line after each event and comments that begin with a colon.
package sse

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// errStopped is what a Writer returns after Stop.
var errStopped = errors.New("sse: the stream has ended")

// Writer writes events to an HTTP response and flushes each one. Its methods are safe for concurrent use.
// The response's headers are sent with the first event or comment; until then the handler may still
// answer in another way.
type Writer struct {
	mu       sync.Mutex // guards everything below
	w        http.ResponseWriter
	rc       *http.ResponseController
	buf      []byte
	started  bool
	err      error         // the first failure; every later write returns it
	opener   Opener        // nil: nothing comes first
	interval time.Duration // 0: no keep-alive
	timer    *time.Timer
}

// NewWriter returns a Writer on w, which must not have been written to.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{w: w, rc: http.NewResponseController(w)}
}

// Opener says what a stream begins with.
type Opener interface {
	// Opening returns the id of an event without data, by which a client can come back to a stream that sent
	// nothing else, and how long it is to wait before; "" is no such event. It is called once, when the
	// stream begins, and must not use the Writer.
	Opening() (id string, retry time.Duration)
}

// Open has the stream begin as o says. It is called before anything is sent.
func (w *Writer) Open(o Opener) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opener = o
}

// Numbered sends one event with an id, as Event does.
func (w *Writer) Numbered(id, name string, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(append(append(w.buf[:0], "id: "...), oneLine(id)...), '\n')
	return w.event(name, data)
}

// Event sends one event. An empty name leaves the event line out; each line of data becomes a data line.
func (w *Writer) Event(name string, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = w.buf[:0]
	return w.event(name, data)
}

// event appends an event to what is in buf and sends both. The lock is held.
func (w *Writer) event(name string, data []byte) error {
	if name != "" {
		w.buf = append(w.buf, "event: "...)
		w.buf = append(w.buf, oneLine(name)...)
		w.buf = append(w.buf, '\n')
	}
	w.buf = appendLines(w.buf, "data: ", data)
	w.buf = append(w.buf, '\n')
	return w.send()
}

// Comment sends a line that readers skip. It keeps proxies from closing a silent connection.
func (w *Writer) Comment(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.comment(text)
}

func (w *Writer) comment(text string) error {
	w.buf = append(w.buf[:0], ": "...)
	w.buf = append(w.buf, oneLine(text)...)
	w.buf = append(w.buf, '\n', '\n')
	return w.send()
}

// KeepAlive sends a comment whenever nothing was sent for the interval, until [Writer.Stop]. The first
// one starts the response.
func (w *Writer) KeepAlive(interval time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if interval <= 0 || w.interval > 0 || w.err != nil {
		return
	}
	w.interval = interval
	w.timer = time.AfterFunc(interval, w.beat)
}

// beat runs in the timer's goroutine. The lock and err keep it away from a response that has ended.
func (w *Writer) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		_ = w.comment("keep-alive") // the next event reports a broken connection
	}
}

// Stop ends the stream. Afterwards nothing touches the response: where KeepAlive was called, Stop must be
// called before the handler returns.
func (w *Writer) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
}

// Cancel is Stop for a stream that has sent nothing, and reports whether that was so: then the handler may
// answer in another way. A stream that has begun goes on.
func (w *Writer) Cancel() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started {
		return false
	}
	w.stop()
	return true
}

func (w *Writer) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.err == nil {
		w.err = errStopped
	}
}

// send writes buf and flushes. The lock is held.
func (w *Writer) send() error {
	if w.err != nil {
		return w.err
	}
	if !w.started {
		w.started = true
		h := w.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would hold events back
		w.w.WriteHeader(http.StatusOK)
		if err := w.open(); err != nil {
			return err
		}
	}
	if w.timer != nil {
		w.timer.Reset(w.interval)
	}
	if _, err := w.w.Write(w.buf); err != nil {
		w.err = err
		return err
	}
	if err := w.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		w.err = err
		return err
	}
	return nil
}

// appendLines appends data with prefix before each of its lines, whatever ends them.
func appendLines(dst []byte, prefix string, data []byte) []byte {
	for {
		dst = append(dst, prefix...)
		i := lineEnd(data)
		if i < 0 {
			dst = append(dst, data...)
			return append(dst, '\n')
		}
		dst = append(dst, data[:i]...)
		dst = append(dst, '\n')
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
}

// lineEnd is the index of the first line break in data, -1 without one.
func lineEnd(data []byte) int {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return bytes.IndexByte(data, '\r')
	}
	if j := bytes.IndexByte(data[:i], '\r'); j >= 0 {
		return j
	}
	return i
}

// oneLine cuts text at its first line break, which would end the field.
func oneLine(text string) string {
	for i := range len(text) {
		if text[i] == '\n' || text[i] == '\r' {
			return text[:i]
		}
	}
	return text
}

// open writes what the stream begins with. The lock is held.
func (w *Writer) open() error {
	if w.opener == nil {
		return nil
	}
	id, retry := w.opener.Opening()
	if id == "" {
		return nil
	}
	_, w.err = fmt.Fprintf(w.w, "id: %s\nretry: %d\ndata: \n\n", oneLine(id), retry.Milliseconds())
	return w.err
}
