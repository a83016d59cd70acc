package sse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// ErrTooLong means that an event is longer than the reader takes.
var ErrTooLong = errors.New("sse: event too long")

// Event is one event of a stream.
type Event struct {
	// Name is the event's type; empty means "message".
	Name string
	// Data is the data lines joined by newlines. It is valid until the next call of Next.
	Data []byte
	// ID is the last id that the stream has set.
	ID string
}

// Reader reads events. It takes any line ending, skips comments and unknown fields, and holds at most one
// event in memory.
type Reader struct {
	src     *bufio.Reader
	limit   int
	line    []byte
	data    []byte
	id      string
	retry   time.Duration
	skipLF  bool // the last line ended in CR: a LF that follows belongs to it
	started bool
}

// defaultLimit bounds an event: an image in base64 fits.
const defaultLimit = 16 << 20

// NewReader returns a Reader of events of at most 16 MiB.
func NewReader(r io.Reader) *Reader { return NewReaderSize(r, defaultLimit) }

// NewReaderSize returns a Reader of events whose lines add up to at most limit bytes.
func NewReaderSize(r io.Reader, limit int) *Reader {
	return &Reader{src: bufio.NewReaderSize(r, 16<<10), limit: limit}
}

// Reset makes the Reader read another stream, as a new one would.
func (r *Reader) Reset(src io.Reader) {
	const keep = 1 << 20 // a buffer that one event made larger is given back
	r.src.Reset(src)
	fresh := Reader{src: r.src, limit: r.limit}
	if cap(r.line) <= keep && cap(r.data) <= keep {
		fresh.line, fresh.data = r.line[:0], r.data[:0]
	}
	*r = fresh
}

// LastID is the last id that the stream has set, also by an event without data; "" without one. A stream
// that broke off is asked to go on behind it.
func (r *Reader) LastID() string { return r.id }

// Retry is how long the stream wants a client to wait before it comes back; 0 where it has not said.
func (r *Reader) Retry() time.Duration { return r.retry }

// Next returns the next event that has data. It returns io.EOF at the end of the stream,
// io.ErrUnexpectedEOF where the stream ends inside an event, whose data is dropped as the format's
// definition says, and an error that is ErrTooLong for an event over the limit, after which the reader is
// of no more use.
func (r *Reader) Next() (Event, error) {
	r.data = r.data[:0]
	var name string
	hasData, size := false, 0
	for {
		line, err := r.readLine(r.limit - size)
		if err != nil {
			if err == io.EOF && (hasData || len(line) > 0) {
				err = io.ErrUnexpectedEOF
			}
			return Event{}, err
		}
		size += len(line)
		if len(line) == 0 {
			if hasData {
				return Event{Name: name, Data: r.data[:len(r.data)-1], ID: r.id}, nil
			}
			name, size = "", 0
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			hasData = true
			r.data = append(append(r.data, value...), '\n')
		case "event":
			name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				r.id = string(value)
			}
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				r.retry = time.Duration(ms) * time.Millisecond
			}
		}
		if len(field) == 0 {
			size -= len(line) // any number of comments may come before an event
		}
	}
}

// readLine returns the next line without its ending, valid until the next call. A CR ends a line at once:
// waiting for the LF that may follow would hold an event back.
func (r *Reader) readLine(limit int) ([]byte, error) {
	r.line = r.line[:0]
	for {
		chunk, err := r.peek()
		if err != nil {
			return r.line, err
		}
		i := lineEnd(chunk)
		n := i
		if i < 0 {
			n = len(chunk)
		}
		if len(r.line)+n > limit {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, r.limit)
		}
		r.line = append(r.line, chunk[:n]...)
		if i < 0 {
			r.discard(n)
			continue
		}
		r.skipLF = chunk[i] == '\r'
		r.discard(n + 1)
		return r.line, nil
	}
}

// peek returns the bytes that are there, at least one, past a byte-order mark at the start of the stream
// and past the LF of a CR LF.
func (r *Reader) peek() ([]byte, error) {
	if !r.started {
		r.started = true
		if mark, _ := r.src.Peek(1); len(mark) == 1 && mark[0] == 0xEF {
			if mark, _ = r.src.Peek(3); string(mark) == "\xEF\xBB\xBF" {
				r.discard(3)
			}
		}
	}
	for {
		if _, err := r.src.Peek(1); err != nil {
			return nil, err
		}
		chunk, _ := r.src.Peek(r.src.Buffered())
		if !r.skipLF {
			return chunk, nil
		}
		r.skipLF = false
		if chunk[0] != '\n' {
			return chunk, nil
		}
		r.discard(1)
	}
}

// discard drops bytes that were peeked, which cannot fail.
func (r *Reader) discard(n int) { _, _ = r.src.Discard(n) }
