package mcpserver

import (
	"context"
	"encoding/json"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/mcphost"
)

// maxWatched bounds the resources that one session, or one subscriptions/listen, is told of.
const maxWatched = 100

const resourceUpdated = "notifications/resources/updated"

// subscribe answers resources/subscribe.
func (h *Handler) subscribe(ctx context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	uri, bad := incoming.Text(params, "uri")
	if bad != nil {
		return nil, bad
	}
	s := x.session
	if !s.watches(uri) {
		return json.RawMessage("{}"), nil
	}
	stop, err := h.watchResource(ctx, x, uri, func(changed string) {
		s.tell(rpc.Request(nil, resourceUpdated, rpc.Encode(map[string]string{"uri": changed})))
	})
	if err != nil {
		s.unwatch(uri)
		return nil, err
	}
	s.watched(uri, stop)
	return json.RawMessage("{}"), nil
}

// unsubscribe answers resources/unsubscribe.
func (h *Handler) unsubscribe(_ context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	uri, bad := incoming.Text(params, "uri")
	if bad != nil {
		return nil, bad
	}
	x.session.unwatch(uri)
	return json.RawMessage("{}"), nil
}

// watchResource has f called when a resource changes.
func (h *Handler) watchResource(ctx context.Context, x *exchange, uri string, f func(uri string)) (stop func(), e *rpc.Error) {
	stop, err := h.opts.Reader.WatchResource(ctx, mcphost.ResourceRead{Caller: x.caller(), Server: x.view.server, URI: uri, First: true}, f)
	if err != nil {
		return nil, x.readError(err, uri)
	}
	return stop, nil
}

// watches takes a resource up, unless the session is told of it already or of too many.
func (s *session) watches(uri string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.resources[uri]; known || len(s.resources) >= maxWatched || s.over {
		return false
	}
	if s.resources == nil {
		s.resources = map[string]func(){}
	}
	s.resources[uri] = func() {}
	return true
}

// watched keeps what ends the watch. Where the session ended it meanwhile, or ended, that is done at once.
func (s *session) watched(uri string, stop func()) {
	s.mu.Lock()
	_, wanted := s.resources[uri] // none is, where the session is over
	if wanted {
		s.resources[uri] = stop
	}
	s.mu.Unlock()
	if !wanted {
		stop()
	}
}

func (s *session) unwatch(uri string) {
	s.mu.Lock()
	stop := s.resources[uri]
	delete(s.resources, uri)
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// tell sends a message on the session's stream. It is lost where there is none and was none a moment ago.
func (s *session) tell(message []byte) { s.events.Tell(results.OneLine(message)) }
