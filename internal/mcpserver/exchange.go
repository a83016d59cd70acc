package mcpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/sse"
)

// exchange is one request of a client on its way to an answer.
type exchange struct {
	h *Handler
	w http.ResponseWriter
	// view is the endpoint, actor the name of the key, request the session's name or the HTTP request's id.
	view                         view
	actor, request, conversation string
	revision                     string
	client                       incoming.Client
	session                      *session      // nil without sessions
	meta                         incoming.Meta // of the message, where it is one
	logLevel                     string        // "" wants no logs
}

// outcome is what came of a request.
type outcome struct {
	result json.RawMessage
	err    *rpc.Error
}

// method answers a request. Its context ends when nobody waits for the answer.
type method func(ctx context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error)

// method returns what answers a method of the protocol, or nil.
func (x *exchange) method(name string) method {
	lib, stateful := x.h.reads(), x.session != nil
	switch {
	case name == "tools/list":
		return x.h.listTools
	case name == "server/discover" && !stateful:
		return x.h.discover
	case name == "ping" && stateful:
		return func(context.Context, *exchange, json.RawMessage) (json.RawMessage, *rpc.Error) {
			return json.RawMessage("{}"), nil
		}
	case name == "logging/setLevel" && stateful:
		return x.h.setLevel
	case name == "resources/subscribe" && stateful && lib:
		return x.h.subscribe
	case name == "resources/unsubscribe" && stateful && lib:
		return x.h.unsubscribe
	case name == "prompts/list" && lib:
		return x.h.listPrompts
	case name == "resources/list" && lib:
		return x.h.listResources
	case name == "resources/templates/list" && lib:
		return x.h.listTemplates
	case name == "completion/complete" && lib:
		return x.h.complete
	}
	return x.ofTask(name)
}

// task returns what answers a method that may take its time, tell of its progress and ask the client's
// user, or nil.
func (x *exchange) task(name string) task {
	lib := x.h.reads()
	switch {
	case name == "tools/call":
		return x.h.callTool
	case name == "prompts/get" && lib:
		return x.h.getPrompt
	case name == "resources/read" && lib:
		return x.h.readResource
	}
	return nil
}

// alone runs a request to its end, without a word in between, and returns the encoded answer.
func (x *exchange) alone(ctx context.Context, m *rpc.Message) json.RawMessage {
	var o outcome
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.err = x.session.begin(m.ID, cancel); o.err != nil {
		return rpc.Failure(m.ID, o.err)
	}
	defer x.session.done(m.ID)
	if run := x.method(m.Method); run != nil {
		o.result, o.err = run(ctx, x, m.Params)
	} else if run := x.task(m.Method); run != nil {
		j := x.newJob(ctx, m.Params, incoming.ReadMeta(m.Params))
		defer j.cancel()
		j.mute = true
		o.result, o.err = run(j)
	} else {
		o.err = unknownMethod(m.Method)
	}
	return x.encode(m, o)
}

func unknownMethod(name string) *rpc.Error {
	return rpc.Errorf(rpc.CodeMethodNotFound, "there is no method %.80q here", name)
}

// answer answers one request: as JSON, or as a stream where there is something to say before the answer.
func (x *exchange) answer(ctx context.Context, m *rpc.Message) {
	if run := x.method(m.Method); run != nil {
		result, err := run(ctx, x, m.Params)
		x.send(nil, m, outcome{result, err})
		return
	}
	if m.Method == "tasks/result" && x.hasTasks() {
		x.taskResult(ctx, m)
		return
	}
	run := x.task(m.Method)
	if run == nil {
		x.send(nil, m, outcome{err: unknownMethod(m.Method)})
		return
	}
	if ttl, ok := incoming.AsTask(m.Params); ok && m.Method == "tools/call" && x.hasTasks() {
		x.startTask(ctx, m, run, ttl)
		return
	}
	// A call may outlive its request, while it waits for an answer that comes with another one.
	j := x.newJob(context.WithoutCancel(ctx), m.Params, x.meta)
	if x.session != nil {
		if err := x.session.begin(m.ID, j.cancel); err != nil {
			j.cancel()
			x.h.fail(x.w, http.StatusTooManyRequests, m.ID, err)
			return
		}
	}
	if again, o := x.resume(j); o != nil {
		j.cancel()
		x.send(nil, m, *o)
		return
	} else if again != nil {
		j.cancel()
		j = again
	} else {
		x.h.running.Go(func() { j.run(run) })
	}
	x.follow(ctx, m, j)
}

// follow hands on what a job says until it is done, or waits for an answer of the client.
func (x *exchange) follow(ctx context.Context, m *rpc.Message, j *job) {
	out := sse.NewWriter(x.w)
	defer out.Stop()
	if x.session != nil {
		out.Open(j)
	}
	out.KeepAlive(x.h.opts.Quiet)
	for {
		select {
		case message := <-j.out:
			j.say(out, message)
		case first := <-j.asks:
			if result := x.leave(j, first); result != nil {
				x.finish(out, m, j, outcome{result: result})
				return
			}
		case status := <-j.promised:
			if result := x.becomeTask(j, status, nil); result != nil {
				x.finish(out, m, j, outcome{result: result})
				return
			}
		case o := <-j.done:
			j.cancel()
			x.finish(out, m, j, o)
			return
		case <-ctx.Done():
			if out.Stop(); x.left(m, j) {
				return
			}
			j.cancel()
			<-j.done
			x.finished(m)
			return
		}
	}
}

// finish sends what is left to say, and the answer.
func (x *exchange) finish(out *sse.Writer, m *rpc.Message, j *job, o outcome) {
	for len(j.out) > 0 {
		j.say(out, <-j.out)
	}
	if x.session == nil || out.Cancel() {
		x.send(out, m, o)
		return
	}
	x.finished(m)
	j.say(out, x.encode(m, o))
	j.stream().End()
}

// finished notes that a request has ended, before the client can know, who may use the id again.
func (x *exchange) finished(m *rpc.Message) {
	if x.session != nil {
		x.session.done(m.ID)
	}
}

// send sends the answer: as an event where the stream has begun, else as JSON.
func (x *exchange) send(out *sse.Writer, m *rpc.Message, o outcome) {
	x.finished(m)
	body := x.encode(m, o)
	if out != nil && !out.Cancel() {
		_ = out.Event("message", results.OneLine(body)) // a client that left needs none
		return
	}
	x.h.write(x.w, x.status(o.err), body)
}

// status is the HTTP status of an answer. Revision 2026-07-28 wants those of a few errors to be seen there.
func (x *exchange) status(e *rpc.Error) int {
	switch {
	case e == nil, x.session != nil:
		return http.StatusOK
	case e.Code == rpc.CodeMethodNotFound:
		return http.StatusNotFound
	case e.Code == rpc.CodeInvalidParams, e.Code == rpc.CodeVersion, e.Code == rpc.CodeMissingCapability, e.Code == rpc.CodeHeaderMismatch:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// encode is the answer as it is sent.
func (x *exchange) encode(m *rpc.Message, o outcome) []byte {
	if o.err != nil {
		return rpc.Failure(m.ID, o.err)
	}
	return rpc.Result(m.ID, x.decorate(m.Method, o.result))
}

// decorate adds to a result what revision 2026-07-28 wants in each one. A result that says of itself what
// it is, is complete as it is.
func (x *exchange) decorate(name string, result json.RawMessage) json.RawMessage {
	if x.session != nil {
		return result
	}
	members := ""
	if x.h.cacheable(name) {
		members = `"ttlMs":` + strconv.Itoa(listTTL) + `,"cacheScope":"private",`
	}
	return results.Complete(result, members, x.h.identity)
}
