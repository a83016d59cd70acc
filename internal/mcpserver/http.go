package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/replay"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/streams"
	"github.com/toolserve/toolserve/policy"
)

// The headers of the transport.
const (
	headerSession  = "Mcp-Session-Id"
	headerRevision = "Mcp-Protocol-Version"
)

const (
	offReason = "MCP is not configured; start the server with --mcp-config FILE"
	// maxRevision bounds what a client's revision is repeated of.
	maxRevision = 40
)

// post answers a message of a client.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	v, ok := h.enter(w, r)
	if !ok {
		return
	}
	if !incoming.Accepts(r, "application/json") || !incoming.Accepts(r, "text/event-stream") {
		h.fail(w, http.StatusNotAcceptable, nil, rpc.Errorf(rpc.CodeInvalidRequest,
			"the answer may be JSON or a stream of events; send the header \"Accept: application/json, text/event-stream\""))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.opts.MaxBody))
	if err != nil {
		status := http.StatusBadRequest
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			status, err = http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", large.Limit)
		}
		h.fail(w, status, nil, rpc.Errorf(rpc.CodeInvalidRequest, "%v", err))
		return
	}
	messages, batch, id, bad := rpc.Read(body)
	if bad != nil {
		h.fail(w, http.StatusBadRequest, id, bad)
		return
	}
	x := &exchange{h: h, w: w, view: v, actor: h.opts.Actor(r), request: w.Header().Get("X-Request-Id"), meta: incoming.ReadMeta(messages[0].Params)}
	revision := r.Header.Get(headerRevision)
	if !batch && (revision >= revisionStateless || x.meta.Revision != "") {
		x.conversation = policy.Unnamed
		x.stateless(r, &messages[0])
		return
	}
	if revision != "" && !slices.Contains(revisions(), revision) {
		h.fail(w, http.StatusBadRequest, messages[0].ID, unsupported(revision))
		return
	}
	x.inSession(r, messages, batch)
}

// enter says which endpoint a request is for, or answers it where there is none.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request) (view, bool) {
	if h.off() {
		h.fail(w, http.StatusServiceUnavailable, nil, rpc.Errorf(rpc.CodeUnavailable, offReason))
		return view{}, false
	}
	v := view{r.PathValue("server")}
	if names := h.opts.Catalogue.Names(); v.server != "" && !slices.Contains(names, v.server) {
		h.fail(w, http.StatusNotFound, nil, rpc.Errorf(rpc.CodeInvalidRequest,
			"there is no MCP server %.80q; /mcp is all of them, and there are: %s", v.server, strings.Join(names, ", ")))
		return view{}, false
	}
	return v, true
}

// fail answers with an error that concerns the request as HTTP knows it.
func (h *Handler) fail(w http.ResponseWriter, status int, id json.RawMessage, e *rpc.Error) {
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "5")
	}
	h.write(w, status, rpc.Failure(id, e))
}

func (h *Handler) write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that left needs no answer
}

func unsupported(revision string) *rpc.Error {
	if len(revision) > maxRevision {
		revision = revision[:maxRevision]
	}
	e := rpc.Errorf(rpc.CodeVersion, "the protocol revision %q is not supported; the revisions are: %s", revision, strings.Join(revisions(), ", "))
	e.Data = rpc.Encode(map[string]any{"supported": revisions(), "requested": revision})
	return e
}

// inSession answers messages of the initialize era.
func (x *exchange) inSession(r *http.Request, messages []rpc.Message, batch bool) {
	id := r.Header.Get(headerSession)
	first := &messages[0]
	if id == "" {
		if !batch && first.Method == "initialize" && first.IsRequest() {
			x.initialize(first)
			return
		}
		x.h.fail(x.w, http.StatusBadRequest, first.ID, rpc.Errorf(rpc.CodeInvalidRequest,
			"the header %s is missing; the session begins with \"initialize\", whose answer has it", headerSession))
		return
	}
	s, release := x.h.sessions.take(id, x.actor, x.view)
	if s == nil {
		x.h.fail(x.w, http.StatusNotFound, first.ID, rpc.Errorf(rpc.CodeInvalidRequest, "there is no such session, or it has ended; begin one with \"initialize\""))
		return
	}
	defer release()
	x.session, x.client, x.revision, x.logLevel, x.request = s, s.client, s.revision, s.level(), s.run
	if batch {
		if s.revision != revision202503 {
			x.h.fail(x.w, http.StatusBadRequest, nil, rpc.Errorf(rpc.CodeInvalidRequest, "revision %s knows no batches; send one message at a time", s.revision))
			return
		}
		x.batch(r.Context(), messages)
		return
	}
	if x.note(first) {
		x.w.WriteHeader(http.StatusAccepted)
		return
	}
	x.answer(r.Context(), first)
}

// note takes a message that wants no answer, and reports whether this is one.
func (x *exchange) note(m *rpc.Message) bool {
	switch {
	case m.IsRequest():
		return false
	case m.Method == "":
		x.session.answered(m)
	case m.Method == "notifications/cancelled":
		var id json.RawMessage
		_ = rpc.Fields(m.Params, func(key string, value json.RawMessage) error { // what names no request cancels none
			if key == "requestId" {
				id = value
			}
			return nil
		})
		x.session.cancelRequest(id)
	}
	return true
}

// batch answers the messages of a batch, one after the other, with the batch of their answers.
func (x *exchange) batch(ctx context.Context, messages []rpc.Message) {
	var answers []json.RawMessage
	for i := range messages {
		if m := &messages[i]; !x.note(m) {
			answers = append(answers, x.alone(ctx, m))
		}
	}
	if len(answers) == 0 {
		x.w.WriteHeader(http.StatusAccepted)
		return
	}
	x.h.write(x.w, http.StatusOK, rpc.Encode(answers))
}

// get opens the stream of a session, or goes on with one whose connection broke.
func (h *Handler) get(w http.ResponseWriter, r *http.Request) {
	v, ok := h.enter(w, r)
	if !ok {
		return
	}
	if !incoming.Accepts(r, "text/event-stream") {
		h.fail(w, http.StatusNotAcceptable, nil, rpc.Errorf(rpc.CodeInvalidRequest, "a GET opens a stream of events; send the header \"Accept: text/event-stream\""))
		return
	}
	s, release := h.ownSession(w, r, v)
	if s == nil {
		return
	}
	defer release()
	last := r.Header.Get(headerLastEvent)
	resumed, from := s.events.Find(last)
	own := last == "" || replay.IsOwn(last)
	if !own && resumed == nil {
		h.fail(w, http.StatusBadRequest, nil, rpc.Errorf(rpc.CodeInvalidRequest, "the stream of the event %.80q is not kept any more", last))
		return
	}
	one := streams.To(s.actor, s.tell)
	if !own {
		one = streams.New(s.actor, nil, nil) // counts, and is told nothing
	}
	if !h.streams.Add(one) {
		h.fail(w, http.StatusTooManyRequests, nil, rpc.Errorf(rpc.CodeUnavailable, "too many streams are open; close some"))
		return
	}
	defer h.streams.Remove(one)
	if !own {
		h.resume(r.Context(), w, resumed, from, nil)
		return
	}
	h.serveOwn(r.Context(), w, s, one, last)
}

// delete ends a session.
func (h *Handler) delete(w http.ResponseWriter, r *http.Request) {
	v, ok := h.enter(w, r)
	if !ok {
		return
	}
	if s, release := h.ownSession(w, r, v); s != nil {
		release()
		h.sessions.end(s)
		w.WriteHeader(http.StatusNoContent)
	}
}

// ownSession finds the session that a request names, or answers the request.
func (h *Handler) ownSession(w http.ResponseWriter, r *http.Request, v view) (*session, func()) {
	if r.Header.Get(headerRevision) >= revisionStateless {
		w.Header().Set("Allow", http.MethodPost)
		h.fail(w, http.StatusMethodNotAllowed, nil, rpc.Errorf(rpc.CodeInvalidRequest, "revision %s has no sessions; use POST, and subscriptions/listen for changes", revisionStateless))
		return nil, nil
	}
	id := r.Header.Get(headerSession)
	if id == "" {
		h.fail(w, http.StatusBadRequest, nil, rpc.Errorf(rpc.CodeInvalidRequest, "the header %s is missing", headerSession))
		return nil, nil
	}
	s, release := h.sessions.take(id, h.opts.Actor(r), v)
	if s == nil {
		h.fail(w, http.StatusNotFound, nil, rpc.Errorf(rpc.CodeInvalidRequest, "there is no such session, or it has ended"))
	}
	return s, release
}
