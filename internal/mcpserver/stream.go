package mcpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/sse"
	"github.com/toolserve/toolserve/mcphost"
)

// change is a kind of list that changes.
type change int

const (
	toolsChanged change = iota
	promptsChanged
	resourcesChanged
)

// method is the notification of a change, and filter the member that asks for it in subscriptions/listen.
func (c change) method() string {
	return [...]string{"notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed"}[c]
}

func (c change) filter() string {
	return [...]string{"toolsListChanged", "promptsListChanged", "resourcesListChanged"}[c]
}

func changesOf(before, now mcphost.Versions) []change {
	var out []change
	if before.Tools != now.Tools {
		out = append(out, toolsChanged)
	}
	if before.Prompts != now.Prompts {
		out = append(out, promptsChanged)
	}
	if before.Resources != now.Resources {
		out = append(out, resourcesChanged)
	}
	return out
}

// maxStreams bounds the open streams of all keys, in multiples of one key's.
const maxStreams = 10

// streams are the open streams that carry what no request asked for.
type streams struct {
	perKey int

	mu   sync.Mutex // guards the rest
	open map[*stream]bool
	keys map[string]int
}

// stream is one of them.
type stream struct {
	actor string
	wants func(change) bool
	// tag is "_meta" of each notification, or nil.
	tag json.RawMessage
	// live says that the client knows of the stream; what happens before is not told.
	live atomic.Bool
	// queue holds what is to be sent. Those who tell send, the stream's request receives; it is never
	// closed. What does not fit is lost, as it would be without a stream.
	queue chan []byte
	// replaced is closed when nothing more comes, as another stream takes this one's place.
	replaced chan struct{}
}

func newStream(actor string, wants func(change) bool, tag json.RawMessage) *stream {
	return &stream{actor: actor, wants: wants, tag: tag, queue: make(chan []byte, 64), replaced: make(chan struct{})}
}

// add opens a stream, unless its key has too many.
func (s *streams) add(one *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open, s.keys = map[*stream]bool{}, map[string]int{}
	}
	if s.keys[one.actor] >= s.perKey || len(s.open) >= maxStreams*s.perKey {
		return false
	}
	s.open[one] = true
	s.keys[one.actor]++
	return true
}

func (s *streams) remove(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
	if s.keys[one.actor]--; s.keys[one.actor] <= 0 {
		delete(s.keys, one.actor)
	}
}

// tell notifies those streams of a change that want to know.
func (s *streams) tell(c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		if one.wants(c) {
			one.say(rpc.Request(nil, c.method(), withTag(one.tag)))
		}
	}
}

func withTag(tag json.RawMessage) json.RawMessage {
	if tag == nil {
		return nil
	}
	return append(append(json.RawMessage(`{"_meta":`), tag...), '}')
}

// say queues a message of something that happened.
func (s *stream) say(message []byte) {
	if s.live.Load() {
		s.put(message)
	}
}

// put queues a message and reports whether there was room.
func (s *stream) put(message []byte) bool {
	select {
	case s.queue <- message:
		return true
	default:
		return false
	}
}

// serve sends what comes until the client leaves, another stream takes over, or the handler is closed.
func (h *Handler) serve(ctx context.Context, w http.ResponseWriter, s *stream) {
	out := sse.NewWriter(w)
	defer out.Stop()
	if out.Comment("open") != nil {
		return
	}
	out.KeepAlive(keepAlive)
	for {
		select {
		case message := <-s.queue:
			if out.Event("message", results.OneLine(message)) != nil {
				return
			}
		case <-s.replaced:
			for len(s.queue) > 0 && out.Event("message", results.OneLine(<-s.queue)) == nil {
			}
			return
		case <-ctx.Done():
			return
		case <-h.ctx.Done():
			return
		}
	}
}

// keepAlive is the time between signs of life on a stream.
const keepAlive = 15 * time.Second
