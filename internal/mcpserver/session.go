package mcpserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/replay"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/mcphost"
)

const (
	// maxInFlight bounds the requests of one session that are under way.
	maxInFlight = 64
	// allKeys is how many times the sessions of one key all keys may have.
	allKeys = 10
)

// session is a client of the initialize era.
type session struct {
	id, actor string
	// run names the session in the audit log and for rules that look at what came before.
	run      string
	view     view
	revision string
	client   incoming.Client

	mu       sync.Mutex // guards the rest
	logLevel string
	// running holds the requests under way by their id, byte for byte.
	running map[string]context.CancelFunc
	// asked holds what the client was asked and has not answered. Whoever waits receives; one answer is sent.
	asked   map[string]chan answer
	lastAsk int
	seen    mcphost.Versions // when the last one ended
	// resources holds, for each resource that the client is told of, what ends that. over is set at the end.
	resources map[string]func()
	over      bool
	// onEnd, unless nil, is called at the end. It must not block.
	onEnd func()

	// events are those of its streams, for a client that comes back.
	events *replay.Log

	used time.Time // guarded by sessions.mu
	busy int       // requests and streams that are open; guarded by sessions.mu
}

// answer is a client's answer to a request of ours.
type answer struct {
	result json.RawMessage
	err    *rpc.Error
}

// sessions are all of them. The zero value needs its first three members.
type sessions struct {
	perKey int
	idle   time.Duration
	now    func() time.Time

	mu   sync.Mutex // guards the rest
	byID map[string]*session
	keys map[string]int
}

// errTooMany is the error of a session that there is no room for.
var errTooMany = errors.New("too many sessions are in use; end some with DELETE, or try again later")

// open adds a session. Where its key has too many, the one that was idle for longest makes room: clients
// often leave without a word.
func (s *sessions) open(one *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID, s.keys = map[string]*session{}, map[string]int{}
	}
	for s.keys[one.actor] >= s.perKey || len(s.byID) >= allKeys*s.perKey {
		oldest := s.oldest(one.actor)
		if oldest == nil {
			return errTooMany
		}
		s.drop(oldest)
	}
	one.id, one.run, one.used = rand.Text(), "mcp-"+rand.Text()[:12], s.now()
	one.running, one.asked = map[string]context.CancelFunc{}, map[string]chan answer{}
	s.byID[one.id] = one
	s.keys[one.actor]++
	return nil
}

// oldest is the session of a key that was idle for longest, or nil. s.mu is held.
func (s *sessions) oldest(actor string) *session {
	var found *session
	for _, one := range s.byID {
		if one.actor == actor && one.busy == 0 && (found == nil || one.used.Before(found.used)) {
			found = one
		}
	}
	return found
}

// take finds a session of a key and an endpoint, and holds it until release is called. To all others it
// is not there.
func (s *sessions) take(id, actor string, v view) (*session, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID[id]
	if one == nil || one.actor != actor || one.view != v {
		return nil, nil
	}
	if one.busy == 0 && s.now().Sub(one.used) > s.idle {
		s.drop(one)
		return nil, nil
	}
	one.busy++
	return one, s.release(one)
}

// release returns what ends one hold of a session.
func (s *sessions) release(one *session) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.busy--
		one.used = s.now()
	}
}

// hold keeps a session that is in use from ending for its idleness, until release is called.
func (s *sessions) hold(one *session) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.busy++
	return s.release(one)
}

// end forgets a session and cancels what it has under way.
func (s *sessions) end(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[one.id] == one {
		s.drop(one)
	}
}

// drop forgets a session. s.mu is held.
func (s *sessions) drop(one *session) {
	delete(s.byID, one.id)
	if s.keys[one.actor]--; s.keys[one.actor] <= 0 {
		delete(s.keys, one.actor)
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.over = true
	if one.onEnd != nil {
		one.onEnd()
	}
	for _, stop := range one.resources {
		go stop() // it may ask the server, and the lock is held
	}
	one.resources = nil
	for _, cancel := range one.running {
		cancel()
	}
}

// sweep forgets the sessions that were idle for too long.
func (s *sessions) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.byID {
		if one.busy == 0 && s.now().Sub(one.used) > s.idle {
			s.drop(one)
		}
	}
}

// begin notes a request as under way. The error says why it may not be.
func (s *session) begin(id json.RawMessage, cancel context.CancelFunc) *rpc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.running[string(id)]; twice {
		return rpc.Errorf(rpc.CodeInvalidRequest, "a request with the id %s is under way", id)
	}
	if len(s.running) >= maxInFlight {
		return rpc.Errorf(rpc.CodeUnavailable, "the session has %d requests under way; wait for some of them", maxInFlight)
	}
	s.running[string(id)] = cancel
	return nil
}

// ended reports whether the session is over.
func (s *session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

func (s *session) done(id json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, string(id))
}

// cancelRequest cancels a request under way, as notifications/cancelled wants.
func (s *session) cancelRequest(id json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.running[string(id)]; cancel != nil {
		cancel()
	}
}

// ask registers a request of ours to the client.
func (s *session) ask() (id json.RawMessage, reply <-chan answer, forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastAsk++
	key := strconv.Itoa(s.lastAsk)
	ch := make(chan answer, 1)
	s.asked[key] = ch
	return json.RawMessage(key), ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asked, key)
	}
}

// answered takes the client's answer. One to nothing that was asked is passed over.
func (s *session) answered(m *rpc.Message) {
	s.mu.Lock()
	ch := s.asked[string(m.ID)]
	delete(s.asked, string(m.ID))
	s.mu.Unlock()
	if ch == nil {
		return
	}
	if m.Error == nil {
		ch <- answer{result: m.Result}
		return
	}
	e := &rpc.Error{Code: rpc.CodeInternal, Message: "the client refused without a reason"}
	_ = json.Unmarshal(m.Error, e) // else it stays that
	ch <- answer{err: e}
}

// saw notes what the client was told of the lists, and sawUpTo returns it.
func (s *session) saw(v mcphost.Versions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = v
}

func (s *session) sawUpTo() mcphost.Versions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// level is the least severe level that the client wants to be told of logs.
func (s *session) level() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logLevel
}

func (s *session) setLevel(level string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logLevel = level
}
