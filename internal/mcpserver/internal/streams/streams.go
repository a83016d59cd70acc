// Package streams holds the open streams that carry what no request asked for: changes of the lists, and what
// a client wants to be told of.
package streams

import (
	"encoding/json"
	"sync"
	"sync/atomic"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/mcphost"
)

// Change is a kind of list that changes.
type Change int

// The lists.
const (
	Tools Change = iota
	Prompts
	Resources
)

// Method is the notification of a change.
func (c Change) Method() string {
	return [...]string{"notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed"}[c]
}

// Filter is the member that asks for it in subscriptions/listen.
func (c Change) Filter() string {
	return [...]string{"toolsListChanged", "promptsListChanged", "resourcesListChanged"}[c]
}

// Changes returns what is not as it was before.
func Changes(before, now mcphost.Versions) []Change {
	var out []Change
	if before.Tools != now.Tools {
		out = append(out, Tools)
	}
	if before.Prompts != now.Prompts {
		out = append(out, Prompts)
	}
	if before.Resources != now.Resources {
		out = append(out, Resources)
	}
	return out
}

// allKeys bounds the open streams of all keys, in multiples of one key's.
const allKeys = 10

// Set is all of them. It is safe for concurrent use.
type Set struct {
	perKey int

	mu   sync.Mutex // guards the rest
	open map[*Stream]bool
	keys map[string]int
}

// NewSet returns a set in which each key may have so many, and all together ten times that.
func NewSet(perKey int) *Set {
	return &Set{perKey: perKey, open: map[*Stream]bool{}, keys: map[string]int{}}
}

// Stream is one of them.
type Stream struct {
	actor string
	wants func(Change) bool
	tag   json.RawMessage
	live  atomic.Bool
	queue chan []byte
	to    func([]byte) // takes the messages in the place of queue, unless it is nil
	over  chan struct{}
}

// maxQueue is how many messages wait for a client. What comes on top is lost, as it would be without a stream.
const maxQueue = 64

// New returns a stream of a key, which is told of the changes that wants takes; nil takes none. tag is "_meta"
// of each notification, or nil.
func New(actor string, wants func(Change) bool, tag json.RawMessage) *Stream {
	return &Stream{actor: actor, wants: wants, tag: tag, queue: make(chan []byte, maxQueue), over: make(chan struct{})}
}

// To returns a stream of a key whose messages to takes, which must not block. It is told of all changes.
func To(actor string, to func(message []byte)) *Stream {
	s := &Stream{actor: actor, wants: func(Change) bool { return true }, to: to}
	s.Begin()
	return s
}

// Begin says that the client knows of the stream; what happens before is not told.
func (s *Stream) Begin() { s.live.Store(true) }

// Tag is "_meta" of each notification, or nil.
func (s *Stream) Tag() json.RawMessage { return s.tag }

// Queue holds what is to be sent. It is never closed.
func (s *Stream) Queue() <-chan []byte { return s.queue }

// Over is closed when nothing more comes.
func (s *Stream) Over() <-chan struct{} { return s.over }

// End closes Over. It is called once.
func (s *Stream) End() { close(s.over) }

// Say queues a message of something that happened.
func (s *Stream) Say(message []byte) {
	if s.live.Load() {
		s.Put(message)
	}
}

// Put queues a message, where there is room.
func (s *Stream) Put(message []byte) {
	if s.to != nil {
		s.to(message)
		return
	}
	select {
	case s.queue <- message:
	default:
	}
}

// Changed says that a list changed.
func (s *Stream) Changed(c Change) {
	if s.wants == nil || !s.wants(c) {
		return
	}
	var params json.RawMessage
	if s.tag != nil {
		params = append(append(json.RawMessage(`{"_meta":`), s.tag...), '}')
	}
	s.Say(rpc.Request(nil, c.Method(), params))
}

// Add opens a stream, unless its key has too many.
func (s *Set) Add(one *Stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[one.actor] >= s.perKey || len(s.open) >= allKeys*s.perKey {
		return false
	}
	s.open[one] = true
	s.keys[one.actor]++
	return true
}

// Remove takes a stream out.
func (s *Set) Remove(one *Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
	if s.keys[one.actor]--; s.keys[one.actor] <= 0 {
		delete(s.keys, one.actor)
	}
}

// Changed tells all streams of a change.
func (s *Set) Changed(c Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		one.Changed(c)
	}
}
