// Package replay keeps the newest events of a session's streams, so that a client whose connection broke can
// come back and go on behind the last one that it has (2025-11-25, basic/transports, "Resumability and
// Redelivery"). The id of an event is the number of its stream, "_", and its own number there.
//
// Events are kept while their stream goes on and for a while after. Where there is no room, the oldest are not.
package replay

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxStreams bounds the streams of a session that are kept, and maxEvents the events of one.
	maxStreams = 128
	maxEvents  = 256
	// maxBytes bounds the events of a session.
	maxBytes = 16 << 20
	// maxID bounds the id that a client gives.
	maxID = 40
)

// Budget bounds the events of several sessions together, in bytes.
type Budget struct {
	max  int64
	used atomic.Int64
}

// NewBudget returns a budget.
func NewBudget(max int64) *Budget { return &Budget{max: max} }

func (b *Budget) take(n int) bool {
	if b.used.Add(int64(n)) <= b.max {
		return true
	}
	b.used.Add(-int64(n))
	return false
}

// Log is what is kept of one session. It is safe for concurrent use.
type Log struct {
	wait   time.Duration
	budget *Budget

	mu      sync.Mutex // guards the rest, and what streams say that it guards
	streams map[int]*Stream
	last    int // the number of the newest stream
	own     int // events of the session's own stream so far
	bytes   int
	ended   bool
}

// New returns an empty log. wait is how long a stream without a connection is kept.
func New(wait time.Duration, budget *Budget) *Log {
	return &Log{wait: wait, budget: budget, streams: map[int]*Stream{}}
}

// Event is one event of a stream.
type Event struct {
	ID   string
	Data []byte

	number int
}

// Stream is one stream of a session.
type Stream struct {
	log     *Log
	number  int
	abandon func()

	// The rest is guarded by the log's mutex.
	events  []Event
	count   int // events so far
	readers int // connections that it is sent on
	ended   bool
	gone    bool
	timer   *time.Timer
	changed chan struct{} // closed and replaced when there is something new
	over    chan struct{} // closed when another connection takes the place of one that came back
}

// Open begins a stream that is sent on a connection. abandon, which must not block, is called where that broke
// and no other came in time.
func (l *Log) Open(abandon func()) *Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return l.add(&Stream{number: l.last, abandon: abandon})
}

// Own returns the session's own stream, number 0, and the number of its newest event. Its connections are
// those of [Stream.Copy].
func (l *Log) Own() (s *Stream, newest int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s = l.streams[0]; s == nil {
		s = l.add(&Stream{abandon: func() {}, count: l.own})
		s.readers = 0
		s.timer.Reset(l.wait)
	}
	return s, s.count
}

func (l *Log) add(s *Stream) *Stream {
	s.log, s.readers, s.changed, s.over = l, 1, make(chan struct{}), make(chan struct{})
	s.timer = time.AfterFunc(l.wait, s.expire)
	s.timer.Stop()
	if s.gone = l.ended || s.number > 0 && len(l.streams) > maxStreams; !s.gone {
		l.streams[s.number] = s
	}
	return s
}

// Tell adds an event to the session's own stream, where that has a connection or had one a moment ago.
func (l *Log) Tell(data []byte) {
	l.mu.Lock()
	s := l.streams[0]
	l.mu.Unlock()
	if s != nil {
		s.Add(data)
	}
}

// IsOwn reports whether an id is of the session's own stream.
func IsOwn(id string) bool { return strings.HasPrefix(id, "0_") }

// Find returns the stream of an event and the event's number there; nil where it is not kept any more.
func (l *Log) Find(id string) (*Stream, int) {
	first, second, ok := strings.Cut(id, "_")
	number, bad := strconv.Atoi(first)
	event, worse := strconv.Atoi(second)
	if !ok || len(id) > maxID || bad != nil || worse != nil || event < 0 {
		return nil, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.streams[number]
	if s == nil || event > s.count {
		return nil, 0
	}
	return s, event
}

// End forgets all streams. Nobody is told.
func (l *Log) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, s := range l.streams {
		s.forget()
	}
}

// forget takes a stream out. The log's mutex is held.
func (s *Stream) forget() {
	if s.gone {
		return
	}
	s.gone = true
	s.timer.Stop()
	for len(s.events) > 0 {
		s.dropFirst()
	}
	delete(s.log.streams, s.number)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Stream) dropFirst() {
	size := len(s.events[0].Data)
	s.events[0] = Event{}
	s.events = s.events[1:]
	s.log.bytes -= size
	s.log.budget.used.Add(-int64(size))
}

// ID is that of the newest event, or of the stream's beginning.
func (s *Stream) ID() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.id()
}

func (s *Stream) id() string { return strconv.Itoa(s.number) + "_" + strconv.Itoa(s.count) }

// Add numbers an event, keeps it as far as there is room, and returns its id.
func (s *Stream) Add(data []byte) (id string) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	s.count++
	if s.number == 0 {
		l.own = s.count
	}
	id = s.id()
	for len(s.events) >= maxEvents || len(s.events) > 0 && l.bytes+len(data) > maxBytes {
		s.dropFirst()
	}
	if !s.gone && l.bytes+len(data) <= maxBytes && l.budget.take(len(data)) {
		l.bytes += len(data)
		s.events = append(s.events, Event{id, data, s.count})
	}
	s.tell()
	return id
}

func (s *Stream) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// End says that nothing more comes. The stream is kept for a while, for a client that has not got the end.
func (s *Stream) End() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.ended = true
	s.tell()
	if !s.gone {
		s.timer.Reset(s.log.wait)
	}
}

// Leave says that a connection is gone, and reports whether its client can come back.
func (s *Stream) Leave() bool {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.readers--; s.readers == 0 && !s.gone {
		s.timer.Reset(s.log.wait)
	}
	return !s.gone
}

// come begins to send the stream on another connection, in the place of one that came back before. over is
// closed when another one takes this one's place. [Stream.Leave] ends it.
func (s *Stream) come() (over <-chan struct{}) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	close(s.over)
	s.over = make(chan struct{})
	s.readers++
	if !s.ended {
		s.timer.Stop()
	}
	return s.over
}

// After returns the events behind one of a number, as far as they are kept, whether they are the last ones, and
// what is closed when there are more.
func (s *Stream) After(number int) (events []Event, last bool, changed <-chan struct{}) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for _, e := range s.events {
		if e.number > number {
			events = append(events, e)
		}
	}
	return events, s.ended || s.gone, s.changed
}

// Copy sends the events behind one of a number to a client that came back, and those that come, until the last
// one, an error of send, the end of ctx, or another client that came back.
func (s *Stream) Copy(ctx context.Context, number int, send func(Event) error) {
	over := s.come()
	defer s.Leave()
	for {
		events, last, changed := s.After(number)
		for _, e := range events {
			if send(e) != nil {
				return
			}
			number = e.number
		}
		if last {
			return
		}
		select {
		case <-changed:
		case <-over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Beginning is the id of what comes before the first event.
func (s *Stream) Beginning() string { return strconv.Itoa(s.number) + "_0" }

// expire ends a stream that nobody came back to.
func (s *Stream) expire() {
	s.log.mu.Lock()
	waited := !s.gone && (s.readers == 0 || s.ended)
	if waited {
		s.forget()
	}
	waited = waited && !s.ended
	s.log.mu.Unlock()
	if waited {
		s.abandon()
	}
}
