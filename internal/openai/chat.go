package openai

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/sse"
)

// errNoFinish is a generator's broken promise.
var errNoFinish = errors.New("the model's output ended without a reason")

// ChatCompletions serves POST /v1/chat/completions. The caller bounds the body, with http.MaxBytesReader.
func (h *Handler) ChatCompletions(w http.ResponseWriter, r *http.Request) { h.answer(w, r, decode) }

// Completions serves POST /v1/completions, which goes on with a text as it is.
func (h *Handler) Completions(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, decodeCompletion)
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, decode func([]byte) (*wireRequest, *apiError)) {
	body, err := readBody(r)
	if err != nil {
		h.answerError(w, r, readFailure(r.Context(), err))
		return
	}
	req, bad := decode(body)
	if bad == nil && !h.serves(req.Model) {
		bad = h.unknownModel(req.Model)
	}
	if bad == nil && req.ToolChoice.Mode == chat.ToolRequired && len(req.Tools)+len(req.ToolServers) == 0 && !h.opts.OwnTools {
		bad = invalid("tool_choice", "invalid_value", "tool_choice is \"required\", but the request has no tools; send tools, or leave tool_choice out")
	}
	switch {
	case bad != nil:
		bad.write(w)
	case req.stream:
		h.stream(w, r, req)
	default:
		h.whole(w, r, req)
	}
}

func readBody(r *http.Request) ([]byte, error) {
	const guess, most = 4 << 10, 1 << 20 // what a client announces is not yet sent
	var buf bytes.Buffer
	buf.Grow(int(min(max(r.ContentLength+bytes.MinRead, guess), most)))
	_, err := buf.ReadFrom(r.Body)
	return buf.Bytes(), err
}

// head starts an answer to a request.
func (h *Handler) head(req *wireRequest) head {
	out := head{
		id: "chatcmpl-" + h.opts.NewID(), object: "chat.completion", model: h.opts.Model.ID,
		fingerprint: h.opts.Fingerprint, created: h.opts.Now().Unix(),
	}
	switch {
	case req.Prompt != "":
		out.id, out.object = "cmpl-"+h.opts.NewID(), "text_completion"
	case req.stream:
		out.object = "chat.completion.chunk"
	}
	return out
}

// whole answers with one object. A failure after the client was kept waiting cuts the answer off, so that it
// is not taken for one.
func (h *Handler) whole(w http.ResponseWriter, r *http.Request, req *wireRequest) {
	wait := newPatience(w, h.opts.KeepAlive)
	defer wait.end()
	var a answer
	var failed *apiError
	for ev, err := range h.generate(r.Context(), req) {
		if err != nil {
			failed = failure(r.Context(), err)
			if failed == nil {
				return // the client has left
			}
			break
		}
		a.add(&ev)
	}
	started := wait.end()
	if failed == nil && a.reason == "" {
		failed = failure(r.Context(), errNoFinish)
	}
	switch {
	case failed == nil:
	case started:
		h.logFailure(r.Context(), failed)
		panic(http.ErrAbortHandler)
	default:
		h.answerError(w, r, failed)
		return
	}
	h.warn(r.Context(), a.warnings)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(a.encode(h.head(req), req)) // a client that left needs no answer
}

// stream answers with chunks as the events come. A failure before the first chunk has its own status; a
// later one is an event with the error, and the stream ends without [DONE].
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, req *wireRequest) {
	out := sse.NewWriter(w)
	defer out.Stop()
	out.KeepAlive(h.opts.KeepAlive)
	enc := newChunkEncoder(h.head(req), req, func(data []byte) error { return out.Event("", data) })
	for ev, err := range h.generate(r.Context(), req) {
		if err != nil {
			h.streamError(w, r, out, failure(r.Context(), err))
			return
		}
		if enc.encode(&ev) != nil {
			return // the client has left; leaving the range ends the generation
		}
	}
	if !enc.finished {
		h.streamError(w, r, out, failure(r.Context(), errNoFinish))
		return
	}
	h.warn(r.Context(), enc.warnings)
	_ = out.Event("", []byte("[DONE]")) // all has been said
}

// streamError ends a stream with an error.
func (h *Handler) streamError(w http.ResponseWriter, r *http.Request, out *sse.Writer, e *apiError) {
	if e == nil {
		return
	}
	if out.Cancel() {
		h.answerError(w, r, e)
		return
	}
	h.logFailure(r.Context(), e)
	_ = out.Event("", e.body()) // a client that left needs no error
}

// answerError answers with an error, unless the client has left and e is nil.
func (h *Handler) answerError(w http.ResponseWriter, r *http.Request, e *apiError) {
	if e == nil {
		return
	}
	h.logFailure(r.Context(), e)
	e.write(w)
}

// logFailure records what is not the client's fault.
func (h *Handler) logFailure(ctx context.Context, e *apiError) {
	if e.status >= http.StatusInternalServerError {
		h.log.ErrorContext(ctx, "a generation failed", "status", e.status, "code", e.code, "error", e.message)
	}
}

func (h *Handler) warn(ctx context.Context, warnings []string) {
	for _, text := range warnings {
		h.log.WarnContext(ctx, "a generation had a warning", "warning", text)
	}
}
