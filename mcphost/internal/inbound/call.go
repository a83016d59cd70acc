package inbound

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

const (
	// perCallAsked bounds how often one call may ask its user.
	perCallAsked = 16
	// perCallLines bounds how many log lines one call passes on.
	perCallLines = 1000
)

// Caller is who runs a call, and how to reach them.
type Caller struct {
	// Tool is the tool's own name.
	Tool string
	// Actor is whose key the call came with, Request the request that it belongs to; both may be "".
	Actor, Request string
	// Elicit asks the caller's user; nil means that nobody can be asked.
	Elicit func(context.Context, Elicitation) (ElicitationAnswer, error)
	// NoElicit says why nobody can be asked and what to do about it; "" is what holds over HTTP.
	NoElicit string
	// Sample has the caller's model answer the server, in the place of ours; nil leaves it to ours. Params and
	// result are those of sampling/createMessage.
	Sample func(ctx context.Context, params json.RawMessage) (json.RawMessage, error)
	// OnLog takes the server's log lines while the call runs, and never after; nil takes none. It must
	// neither block nor end the call.
	OnLog func(LogMessage)
}

// Call is a call under way, which requests of the server can belong to.
type Call struct {
	Caller
	handlers *Handlers
	ctx      context.Context
	cancel   context.CancelCauseFunc // of ctx
	clock    clock
	started  uint64   // orders the calls of a server
	tasks    []string // guarded by the handlers' mutex

	mu     sync.Mutex
	ended  bool
	asked  int
	sample int
	lines  int
}

type callKey struct{}

// Begin notes that a call is under way and returns the context to run it under. It ends with cause when
// the time is over; while the server waits for a person or for our model, the time stands still.
// The Call must be ended with [Call.End].
func (h *Handlers) Begin(ctx context.Context, caller Caller, limit Time, cause error) (context.Context, *Call) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &Call{Caller: caller, handlers: h, cancel: cancel}
	c.clock.start(limit, func() { cancel(cause) })
	c.ctx = context.WithValue(ctx, callKey{}, c)
	h.mu.Lock()
	h.begun++
	c.started = h.begun
	h.calls[c] = struct{}{}
	h.mu.Unlock()
	return c.ctx, c
}

// Goes notes that the call goes on: its time counts anew, as far as its total allows.
func (c *Call) Goes() { c.clock.again() }

// Extends reports whether Goes can change anything.
func (c *Call) Extends() bool {
	_, _, limit := c.clock.took()
	return limit.Total > limit.Silent
}

// Took returns for how long the call has run, without the time that stood still, whether its time was
// counted anew, and its limit.
func (c *Call) Took() (after time.Duration, told bool, limit Time) { return c.clock.took() }

// Fail ends the call's context with a cause.
func (c *Call) Fail(cause error) { c.cancel(cause) }

// Owns notes that a task of the server belongs to the call, and with it what the task asks.
func (c *Call) Owns(task string) {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	if len(c.handlers.tasks) < maxTasks {
		c.tasks = append(c.tasks, task)
		c.handlers.tasks[task] = c
	}
}

// ofTask puts the call of the task that a request names into the context (2025-11-25: _meta of the
// request, io.modelcontextprotocol/related-task).
func (h *Handlers) ofTask(ctx context.Context, params json.RawMessage) context.Context {
	if !bytes.Contains(params, []byte(relatedTask)) {
		return ctx
	}
	var p struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	var related struct {
		TaskID string `json:"taskId"`
	}
	if json.Unmarshal(params, &p) != nil || json.Unmarshal(p.Meta[relatedTask], &related) != nil {
		return ctx
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.tasks[related.TaskID]; c != nil {
		return context.WithValue(ctx, callKey{}, c)
	}
	return ctx
}

const (
	relatedTask = "io.modelcontextprotocol/related-task"
	// maxTasks bounds the tasks of a server that calls wait for.
	maxTasks = 1024
)

// End notes that the call is over: nothing that the server asks belongs to it any more.
func (c *Call) End() {
	c.handlers.mu.Lock()
	delete(c.handlers.calls, c)
	for _, task := range c.tasks {
		delete(c.handlers.tasks, task)
	}
	c.handlers.mu.Unlock()
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.clock.stop()
	c.cancel(context.Canceled)
}

// take counts one more of something that a call may do so and so often.
func (c *Call) take(counter *int, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || *counter >= limit {
		return false
	}
	*counter++
	return true
}

// Extend gives the call another limit, counted from its beginning.
func (c *Call) Extend(limit Time) { c.clock.extend(limit) }

func (c *Call) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// callOf finds the call that a request belongs to: the one that its context comes from, which the
// transport knows for requests on the stream of a call; else the only one under way; else none.
func (h *Handlers) callOf(ctx context.Context) (c *Call, known bool) {
	if c, ok := ctx.Value(callKey{}).(*Call); ok && c.handlers == h {
		return c, true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) != 1 {
		return nil, false
	}
	for c = range h.calls {
	}
	return c, true
}

// askedCall finds the call whose user is to be asked. Where the transport does not say which, the
// newest call under way is taken of those that can ask; but never across users: where calls with
// different keys are under way, a form could show one person the affairs of another, and is refused.
func (h *Handlers) askedCall(ctx context.Context) (*Call, error) {
	const noCall = "nobody can be asked: no tool call of this server is under way"
	if c, ok := ctx.Value(callKey{}).(*Call); ok && c.handlers == h {
		switch {
		case c.over():
			return nil, refusal(jsonrpc.CodeInvalidRequest, "nobody can be asked: the tool call that this belongs to has ended")
		case c.Elicit == nil:
			return nil, c.errNobody()
		}
		return c, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) == 0 {
		return nil, refusal(jsonrpc.CodeInvalidRequest, noCall)
	}
	var newest, any *Call
	for c := range h.calls {
		if any != nil && any.Actor != c.Actor {
			return nil, refusal(jsonrpc.CodeInvalidRequest,
				"nobody can be asked: calls of different users are under way, and the connection does not say which of them this belongs to")
		}
		any = c
		if c.Elicit != nil && (newest == nil || newest.started < c.started) {
			newest = c
		}
	}
	if newest == nil {
		return nil, any.errNobody()
	}
	return newest, nil
}

func (c *Call) errNobody() error {
	const usual = "this call came without a way to reach its user (over HTTP, call with \"Accept: text/event-stream\")"
	return refusal(jsonrpc.CodeInvalidRequest, "%s", "nobody can be asked: "+cmp.Or(c.NoElicit, usual))
}

// during returns a context that ends with ctx, with the call, and after a while; the call's time stands
// still until end is called. The call may be nil.
func during(ctx context.Context, c *Call, timeout time.Duration) (_ context.Context, end func()) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	if c == nil {
		return ctx, cancel
	}
	stop := context.AfterFunc(c.ctx, cancel)
	c.clock.pause()
	return ctx, func() {
		c.clock.resume()
		stop()
		cancel()
	}
}
