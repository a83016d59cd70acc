package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
)

// The members of "_meta" that revision 2026-07-28 gives a meaning.
const (
	metaRevision     = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
)

// meta is what a request says in "_meta".
type meta struct {
	revision, logLevel string
	capabilities       json.RawMessage // nil where it is no object
	// token is what notifications of progress are to repeat, a string or a number; nil wants none.
	token json.RawMessage
}

// readMeta reads "_meta" of a request's params. What cannot be read is not there.
func readMeta(params json.RawMessage) meta {
	var m meta
	if params == nil {
		return m
	}
	_ = rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key != "_meta" {
			return nil
		}
		return rpc.Fields(value, m.read)
	})
	return m
}

func (m *meta) read(key string, value json.RawMessage) error {
	switch key {
	case metaRevision:
		_ = json.Unmarshal(value, &m.revision)
	case metaLogLevel:
		_ = json.Unmarshal(value, &m.logLevel)
	case metaCapabilities:
		if value[0] == '{' {
			m.capabilities = value
		}
	case "progressToken":
		if c := value[0]; len(value) <= 256 && (c == '"' || c == '-' || c >= '0' && c <= '9') {
			m.token = value
		}
	}
	return nil
}

// stateless answers a message of revision 2026-07-28, which has no sessions: each request says in "_meta"
// what it is part of, and in headers what it asks for.
func (x *exchange) stateless(r *http.Request, m *rpc.Message) {
	if !m.IsRequest() {
		x.w.WriteHeader(http.StatusAccepted) // there is no notification that would change anything
		return
	}
	if err := x.checkStateless(r.Header, m); err != nil {
		x.h.fail(x.w, http.StatusBadRequest, m.ID, err)
		return
	}
	x.revision, x.client, x.logLevel = revisionStateless, readClient(x.meta.capabilities), x.meta.logLevel
	if m.Method == "subscriptions/listen" {
		x.listen(r.Context(), m)
		return
	}
	x.answer(r.Context(), m)
}

// checkStateless holds the headers and "_meta" of a request against each other (basic/transports, "Standard
// headers").
func (x *exchange) checkStateless(header http.Header, m *rpc.Message) *rpc.Error {
	meta := &x.meta
	revision := header.Get(headerRevision)
	switch {
	case revision == "":
		return rpc.Errorf(rpc.CodeHeaderMismatch, "the header MCP-Protocol-Version is missing; it repeats %q of _meta", metaRevision)
	case meta.revision == "":
		return rpc.Errorf(rpc.CodeInvalidParams, "_meta has no %q", metaRevision)
	case revision != meta.revision:
		return rpc.Errorf(rpc.CodeHeaderMismatch, "the header MCP-Protocol-Version is %.40q, and %q of _meta is %.40q", revision, metaRevision, meta.revision)
	case revision != revisionStateless:
		return unsupported(revision)
	case meta.capabilities == nil:
		return rpc.Errorf(rpc.CodeInvalidParams, "_meta has no object %q", metaCapabilities)
	}
	return x.checkNames(header, m)
}

// listen answers subscriptions/listen: a stream of the changes that the client asks for.
func (x *exchange) listen(ctx context.Context, m *rpc.Message) {
	wanted, uris, err := readFilter(m.Params)
	if err != nil || len(uris) > maxWatched {
		x.send(nil, m, outcome{err: rpc.Errorf(rpc.CodeInvalidParams,
			"the params need an object \"notifications\", with at most %d \"resourceSubscriptions\"", maxWatched)})
		return
	}
	agreed, kinds := map[string]any{}, map[change]bool{}
	for _, c := range x.h.kinds() {
		if wanted[c.filter()] {
			agreed[c.filter()], kinds[c] = true, true
		}
	}
	tag := rpc.Encode(map[string]json.RawMessage{metaSubscription: m.ID})
	one := newStream(x.actor, func(c change) bool { return kinds[c] }, tag)
	if !x.h.streams.add(one) {
		x.h.fail(x.w, http.StatusTooManyRequests, m.ID, rpc.Errorf(rpc.CodeUnavailable, "too many streams are open; close some"))
		return
	}
	defer x.h.streams.remove(one)
	watched, stop := x.listenTo(ctx, uris, one)
	defer stop()
	if len(watched) > 0 {
		agreed["resourceSubscriptions"] = watched
	}
	one.put(rpc.Request(nil, "notifications/subscriptions/acknowledged", rpc.Encode(map[string]any{"notifications": agreed, "_meta": tag})))
	one.live.Store(true)
	if len(agreed) == 0 { // nothing will ever come
		one.put(rpc.Result(m.ID, x.decorate(m.Method, json.RawMessage("{}"))))
		close(one.replaced)
	}
	x.h.serve(ctx, x.w, one)
}

// listenTo has a stream told of resources, and returns those that it can be told of.
func (x *exchange) listenTo(ctx context.Context, uris []string, one *stream) (watched []string, stop func()) {
	var stops []func()
	for _, uri := range uris {
		if !x.h.reads() {
			break
		}
		end, err := x.h.watchResource(ctx, x, uri, func(changed string) {
			one.say(rpc.Request(nil, resourceUpdated, rpc.Encode(map[string]any{"uri": changed, "_meta": one.tag})))
		})
		if err == nil {
			watched, stops = append(watched, uri), append(stops, end)
		}
	}
	return watched, func() {
		for _, end := range stops {
			end()
		}
	}
}

// readFilter reads what a client wants to listen to.
func readFilter(params json.RawMessage) (wanted map[string]bool, uris []string, err error) {
	err = errors.New("there is no filter")
	bad := rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key != "notifications" {
			return nil
		}
		wanted, err = map[string]bool{}, nil
		return rpc.Fields(value, func(key string, value json.RawMessage) error {
			if key == "resourceSubscriptions" {
				return json.Unmarshal(value, &uris)
			}
			wanted[key] = string(value) == "true"
			return nil
		})
	})
	return wanted, uris, errors.Join(err, bad)
}

// kinds are the lists that there are, and so those that may change.
func (h *Handler) kinds() []change {
	if !h.reads() {
		return []change{toolsChanged}
	}
	return []change{toolsChanged, promptsChanged, resourcesChanged}
}

// cacheable reports whether results of a method say how long they are good.
func (h *Handler) cacheable(name string) bool {
	return slices.Contains([]string{"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"}, name)
}
