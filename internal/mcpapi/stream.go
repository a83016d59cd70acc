package mcpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/toolserve/toolserve/internal/sse"
	"github.com/toolserve/toolserve/mcphost"
)

const (
	// keepAlive is how often a silent stream sends a comment.
	keepAlive = 15 * time.Second
	// queued bounds the events that wait for a slow client; what a server tells beyond it is left out.
	queued = 256
	// maxProgressText bounds the words of one event of progress, in bytes.
	maxProgressText = 4 << 10
)

// wantsEvents reports whether a request asks for a stream.
func wantsEvents(r *http.Request) bool {
	return strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Accept"), ",")), "text/event-stream")
}

// stream runs a call and tells what happens on the way: events progress, log and elicitation, then one
// result, which is the body of the plain answer, or one error, the body of a plain error with its status.
// When the client leaves, the call is given up.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, call mcphost.Call) {
	h.tell(w, func(box *outbox) (any, error) {
		call.OnProgress = func(p mcphost.Progress) {
			p.Message = p.Message[:min(len(p.Message), maxProgressText)]
			box.tell("progress", progressEvent(p))
		}
		call.OnLog = func(m mcphost.LogMessage) { box.tell("log", m) }
		call.Elicit = h.elicit(box, call.Actor)
		result, err := h.opts.Host.Execute(r.Context(), call)
		if err != nil {
			return nil, err
		}
		return answerOf(result), nil
	})
}

// read answers a request for something that is no tool: as a whole, or with a stream of events where the
// client asks for that, in which servers can ask its user.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, caller *mcphost.Caller, do func() (any, error)) {
	if wantsEvents(r) {
		h.tell(w, func(box *outbox) (any, error) {
			caller.Elicit = h.elicit(box, caller.Actor)
			return do()
		})
		return
	}
	body, err := do()
	if err != nil {
		h.writeError(w, err)
		return
	}
	h.write(w, http.StatusOK, body)
}

// tell sends the events of a request, and at the end its result or error.
func (h *Handler) tell(w http.ResponseWriter, do func(box *outbox) (any, error)) {
	events := sse.NewWriter(w)
	defer events.Stop()
	// The headers go out at once: a client then knows that its call runs.
	if events.Comment("the call runs") != nil {
		return
	}
	events.KeepAlive(keepAlive)
	box := newOutbox(events)
	result, err := do(box)
	box.close()
	h.questions.forget(box)
	if err != nil {
		h.sendError(events, err)
		return
	}
	h.send(events, "result", result)
}

// elicit returns what puts a server's question into a stream of the actor's and waits for the answer.
func (h *Handler) elicit(box *outbox, actor string) func(context.Context, mcphost.Elicitation) (mcphost.ElicitationAnswer, error) {
	return func(ctx context.Context, ask mcphost.Elicitation) (mcphost.ElicitationAnswer, error) {
		q, err := h.questions.add(box, actor, ask)
		if err != nil {
			return mcphost.ElicitationAnswer{}, err
		}
		if err := box.say("elicitation", q.event()); err != nil {
			return mcphost.ElicitationAnswer{}, err
		}
		return h.questions.wait(ctx, q)
	}
}

// progressEvent is the data of the event progress. A total of 0 is one that nobody knows.
type progressEvent struct {
	Progress float64 `json:"progress"`
	Total    float64 `json:"total,omitempty"`
	Message  string  `json:"message,omitempty"`
}

// send sends the last event.
func (h *Handler) send(events *sse.Writer, name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		h.opts.Logger.Error("an answer could not be encoded", "error", err)
		name, data = "error", []byte(unencodable)
	}
	_ = events.Event(name, data) // a client that left needs no answer
}

// errorEvent is the data of the event error.
type errorEvent struct {
	errorBody
	Status int `json:"status"`
	// RetryAfter is in seconds.
	RetryAfter int `json:"retry_after,omitempty"`
}

func (h *Handler) sendError(events *sse.Writer, err error) {
	status, body, retryAfter := describe(err)
	h.send(events, "error", errorEvent{body, status, retryAfter})
}

// outbox sends a call's events in their order from a goroutine of its own: who tells it something, such as
// the reader of an MCP server's output, does not wait for a slow client.
type outbox struct {
	events *sse.Writer
	wake   chan struct{} // holds a token when there is something to do
	done   chan struct{} // closed when nothing more is sent

	mu     sync.Mutex
	queue  []outEvent
	closed bool
}

type outEvent struct {
	name string
	data []byte
}

func newOutbox(events *sse.Writer) *outbox {
	o := &outbox{events: events, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

// tell sends an event, unless too many wait or the outbox is closed.
func (o *outbox) tell(name string, v any) { _ = o.put(name, v, queued) }

// say sends an event however many wait.
func (o *outbox) say(name string, v any) error { return o.put(name, v, 2*queued) }

var errStreamOver = errors.New("the stream of the call is over")

func (o *outbox) put(name string, v any, most int) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.queue) >= most {
		return errStreamOver
	}
	o.queue = append(o.queue, outEvent{name, data})
	o.signal()
	return nil
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) run() {
	defer close(o.done)
	for range o.wake {
		o.mu.Lock()
		batch, last := o.queue, o.closed
		o.queue = nil
		o.mu.Unlock()
		for _, e := range batch {
			if o.events.Event(e.name, e.data) != nil {
				break // the client is gone; the request's context says so to the call
			}
		}
		if last {
			return
		}
	}
}

// close sends what waits and takes nothing more.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.signal()
	o.mu.Unlock()
	<-o.done
}
