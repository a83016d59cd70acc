package mcpserver

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/headers"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/streams"
)

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
	x.revision, x.client, x.logLevel = revisionStateless, incoming.ReadClient(x.meta.Capabilities), x.meta.LogLevel
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
		return rpc.Errorf(rpc.CodeHeaderMismatch, "the header MCP-Protocol-Version is missing; it repeats %q of _meta", incoming.MetaRevision)
	case meta.Revision == "":
		return rpc.Errorf(rpc.CodeInvalidParams, "_meta has no %q", incoming.MetaRevision)
	case revision != meta.Revision:
		return rpc.Errorf(rpc.CodeHeaderMismatch, "the header MCP-Protocol-Version is %.40q, and %q of _meta is %.40q", revision, incoming.MetaRevision, meta.Revision)
	case revision != revisionStateless:
		return unsupported(revision)
	case meta.Capabilities == nil:
		return rpc.Errorf(rpc.CodeInvalidParams, "_meta has no object %q", incoming.MetaCapabilities)
	}
	name, arguments, err := headers.CheckMethod(header, m)
	if err != nil || m.Method != "tools/call" {
		return err
	}
	t, _ := x.h.lists.Find(x.view.server, name) // where there is none, the call says it better
	return headers.Check(header, t.Headers, arguments)
}

// listen answers subscriptions/listen: a stream of the changes that the client asks for.
func (x *exchange) listen(ctx context.Context, m *rpc.Message) {
	filter, err := incoming.ReadFilter(m.Params)
	if err != nil || len(filter.URIs) > maxWatched || len(filter.Tasks) > maxWatched {
		x.send(nil, m, outcome{err: rpc.Errorf(rpc.CodeInvalidParams,
			"the params need an object \"notifications\", with at most %d \"resourceSubscriptions\" and as many \"taskIds\"", maxWatched)})
		return
	}
	if len(filter.Tasks) > 0 && !x.client.Tasks {
		x.send(nil, m, outcome{err: needsTasks()})
		return
	}
	agreed, kinds := map[string]any{}, map[streams.Change]bool{}
	for _, c := range x.h.kinds() {
		if filter.Changes[c.Filter()] {
			agreed[c.Filter()], kinds[c] = true, true
		}
	}
	tag := rpc.Encode(map[string]json.RawMessage{incoming.MetaSubscription: m.ID})
	one := streams.New(x.actor, func(c streams.Change) bool { return kinds[c] }, tag)
	if !x.h.streams.Add(one) {
		x.h.fail(x.w, http.StatusTooManyRequests, m.ID, rpc.Errorf(rpc.CodeUnavailable, "too many streams are open; close some"))
		return
	}
	defer x.h.streams.Remove(one)
	watched, stop := x.listenTo(ctx, filter.URIs, one)
	defer stop()
	if len(watched) > 0 {
		agreed["resourceSubscriptions"] = watched
	}
	known := x.tasksOf(filter.Tasks)
	if len(known) > 0 {
		agreed["taskIds"] = slices.Sorted(maps.Keys(known))
	}
	one.Put(rpc.Request(nil, "notifications/subscriptions/acknowledged", rpc.Encode(map[string]any{"notifications": agreed, "_meta": tag})))
	one.Begin()
	defer watchTasks(known, one, m.ID)()
	if len(agreed) == 0 { // nothing will ever come
		one.Put(rpc.Result(m.ID, x.decorate(m.Method, json.RawMessage("{}"))))
		one.End()
	}
	x.h.serve(ctx, x.w, one)
}

// listenTo has a stream told of resources, and returns those that it can be told of.
func (x *exchange) listenTo(ctx context.Context, uris []string, one *streams.Stream) (watched []string, stop func()) {
	var stops []func()
	for _, uri := range uris {
		if !x.h.reads() {
			break
		}
		end, err := x.h.watchResource(ctx, x, uri, func(changed string) {
			one.Say(rpc.Request(nil, resourceUpdated, rpc.Encode(map[string]any{"uri": changed, "_meta": one.Tag()})))
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

// kinds are the lists that there are, and so those that may change.
func (h *Handler) kinds() []streams.Change {
	if !h.reads() {
		return []streams.Change{streams.Tools}
	}
	return []streams.Change{streams.Tools, streams.Prompts, streams.Resources}
}

// cacheable reports whether results of a method say how long they are good.
func (h *Handler) cacheable(name string) bool {
	return slices.Contains([]string{"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"}, name)
}
