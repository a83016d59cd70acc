// Package tasks keeps the calls that clients have run in the background: as revision 2025-11-25 has them
// (basic/utilities/tasks), and the extension io.modelcontextprotocol/tasks of 2026-07-28 (SEP-2663).
//
// A task is open to its owner alone; to all others it is not there. Tasks are bounded for each key, in number
// and in the bytes of their results, and each is forgotten when its time is over: what still runs then is
// cancelled.
package tasks

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
)

// The states of a task.
const (
	working       = "working"
	inputRequired = "input_required"
	completed     = "completed"
	failed        = "failed"
	cancelled     = "cancelled"
)

const (
	// poll is the pause between two looks that clients are told to make.
	poll = 500 * time.Millisecond
	// maxText bounds what is said of a task, in bytes.
	maxText = 1 << 10
	// allKeys is how many times the tasks of one key all keys may have.
	allKeys = 10
)

// Owner is whom a task belongs to.
type Owner struct {
	// Key is the name of the key, which the bounds are for. Session is "" where there are none, and View the
	// endpoint.
	Key, Session, View string
}

// Options bound the tasks.
type Options struct {
	// PerKey bounds the tasks of a key; 0 means 64. All keys together may have ten times as many.
	PerKey int
	// Bytes bounds the results that are kept for a key; 0 means 32 MiB.
	Bytes int
	// TTL is how long a task is kept, from its beginning; 0 means an hour. Clients may want less.
	TTL time.Duration
	// Now is the clock of what is shown; nil is time.Now.
	Now func() time.Time
}

// Store holds the tasks. It is safe for concurrent use.
type Store struct {
	opts Options

	mu    sync.Mutex // guards the rest, and what tasks say that it guards
	tasks map[string]*Task
	keys  map[string]*usage
	made  int
	ended bool
}

// usage is what a key has.
type usage struct{ tasks, bytes int }

// New returns a store without tasks.
func New(opts Options) *Store {
	opts.PerKey, opts.Bytes = cmp.Or(opts.PerKey, 64), cmp.Or(opts.Bytes, 32<<20)
	if opts.TTL = cmp.Or(opts.TTL, time.Hour); opts.Now == nil {
		opts.Now = time.Now
	}
	return &Store{opts: opts, tasks: map[string]*Task{}, keys: map[string]*usage{}}
}

// ErrTooMany is the error of a task that there is no room for.
var ErrTooMany = errors.New("too many tasks are kept; wait for some to end, and ask for their results")

// Call is what runs as a task.
type Call struct {
	// TTL is how long its client wants it kept; 0, and what is more than the bound, is the bound.
	TTL time.Duration
	// Cancel is called when the task has ended, however it did. It must not block.
	Cancel func()
	// Messages are what is to be sent to the client before the outcome; nil is nothing.
	Messages <-chan []byte
}

// Add keeps a call that runs. Where there is no room, a task makes it whose outcome was fetched: the one that
// ended first.
func (s *Store) Add(owner Owner, call Call) (*Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.TTL <= 0 || call.TTL > s.opts.TTL {
		call.TTL = s.opts.TTL
	}
	used := s.keys[owner.Key]
	for s.ended || used != nil && used.tasks >= s.opts.PerKey || len(s.tasks) >= allKeys*s.opts.PerKey {
		if s.ended || !s.makeRoom(owner.Key) {
			return nil, ErrTooMany
		}
		used = s.keys[owner.Key]
	}
	if used == nil {
		used = &usage{}
		s.keys[owner.Key] = used
	}
	used.tasks++
	s.made++
	now := s.opts.Now()
	t := &Task{ID: rand.Text(), Owner: owner, Messages: call.Messages, store: s, cancel: call.Cancel, number: s.made,
		ttl: call.TTL, created: now, updated: now, status: working, done: make(chan struct{})}
	t.timer = time.AfterFunc(call.TTL, t.expire)
	s.tasks[t.ID] = t
	return t, nil
}

// makeRoom forgets the task of a key that ended first of those whose outcome was fetched, and reports whether
// there was one. s.mu is held.
func (s *Store) makeRoom(key string) bool {
	var first *Task
	for _, t := range s.tasks {
		if t.Owner.Key == key && t.fetched && (first == nil || t.updated.Before(first.updated)) {
			first = t
		}
	}
	if first != nil {
		s.forget(first)
	}
	return first != nil
}

// forget drops a task and cancels it. s.mu is held.
func (s *Store) forget(t *Task) {
	if s.tasks[t.ID] != t {
		return
	}
	delete(s.tasks, t.ID)
	t.timer.Stop()
	used := s.keys[t.Owner.Key]
	used.tasks--
	used.bytes -= len(t.result)
	if used.tasks == 0 {
		delete(s.keys, t.Owner.Key)
	}
	t.end(cancelled)
}

// Find returns the task of an id, or nil where the owner has none of it.
func (s *Store) Find(owner Owner, id string) *Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil && t.Owner == owner {
		return t
	}
	return nil
}

// List returns an owner's tasks, the oldest first.
func (s *Store) List(owner Owner) []*Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Task
	for _, t := range s.tasks {
		if t.Owner == owner {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *Task) int { return a.number - b.number })
	return list
}

// EndSession forgets the tasks of a session and cancels those that run.
func (s *Store) EndSession(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if t.Owner.Session == session {
			s.forget(t)
		}
	}
}

// End cancels all tasks and takes no more.
func (s *Store) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, t := range s.tasks {
		s.forget(t)
	}
}

// Outcome is what came of a task: one of the two, or neither where it was cancelled.
type Outcome struct {
	Result json.RawMessage
	Err    *rpc.Error
}
