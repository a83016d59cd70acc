package wire

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"golang.org/x/time/rate"
)

// Peer answers what a server sends of its own accord. What it does not take goes to the protocol library.
type Peer interface {
	// Handles reports whether requests of a method are answered by Handle.
	Handles(method string) bool
	// Handle answers a request; it may take long. On the stream of an HTTP response, ctx is that of the
	// request that the response belongs to; elsewhere it is that of the connection.
	Handle(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error)
	// Notify takes a notification and reports whether it did. It must not block.
	Notify(ctx context.Context, method string, params json.RawMessage) bool
	// Declare returns the params of initialize with what the protocol library cannot declare.
	Declare(params json.RawMessage) json.RawMessage
}

const (
	// maxAsked bounds the requests of a server that wait for their answer.
	maxAsked = 64
	// refuseWait bounds the writing of an answer that reading waits for.
	refuseWait = time.Second
)

// answering is the requests of a server that wait for their answer.
type answering struct {
	peer Peer // may be nil
	deaf atomic.Bool

	mu   sync.Mutex
	asks map[jsonrpc.ID]context.CancelFunc
}

// take hands a message to the peer and reports whether it was for it. The answer to a request is written
// later, from another goroutine, which ends when ctx does.
func (a *answering) take(ctx context.Context, msg jsonrpc.Message, write func(context.Context, jsonrpc.Message) error) bool {
	req, ok := msg.(*jsonrpc.Request)
	if !ok || a.peer == nil {
		return false
	}
	if !req.IsCall() {
		if req.Method == methodCancelled {
			a.giveUp(req.Params)
			return false
		}
		return a.peer.Notify(ctx, req.Method, req.Params)
	}
	if !a.peer.Handles(req.Method) {
		return false
	}
	askCtx, cancel := context.WithCancel(ctx)
	if refusal := a.add(req.ID, cancel); refusal != "" {
		cancel()
		a.refuse(ctx, &jsonrpc.Response{ID: req.ID, Error: &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: refusal}}, write)
		return true
	}
	go func() {
		defer cancel()
		resp := &jsonrpc.Response{ID: req.ID}
		resp.Result, resp.Error = a.peer.Handle(askCtx, req.Method, req.Params)
		if asked := a.remove(req.ID); asked && ctx.Err() == nil {
			_ = write(ctx, resp) // the connection's end is seen by those who read from it
		}
	}()
	return true
}

// refuse writes a refusal while reading waits. A server that does not read what it asked for gets none, and
// after the first time it is not waited for.
func (a *answering) refuse(ctx context.Context, resp *jsonrpc.Response, write func(context.Context, jsonrpc.Message) error) {
	patience := refuseWait
	if a.deaf.Load() {
		patience = time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a.deaf.Store(write(ctx, resp) != nil)
}

// declare completes the opening of a session of the initialize era; other messages it leaves alone.
func (a *answering) declare(msg jsonrpc.Message) jsonrpc.Message {
	req, ok := msg.(*jsonrpc.Request)
	if !ok || a == nil || a.peer == nil || req.Method != methodInitialize {
		return msg
	}
	opening := *req
	opening.Params = a.peer.Declare(req.Params)
	return &opening
}

const methodInitialize = "initialize"

// add notes a request, or says why it cannot be taken.
func (a *answering) add(id jsonrpc.ID, cancel context.CancelFunc) (refusal string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, twice := a.asks[id]; twice {
		return "a request with this id is being answered"
	}
	if len(a.asks) >= maxAsked {
		return "too many requests wait for an answer"
	}
	if a.asks == nil {
		a.asks = map[jsonrpc.ID]context.CancelFunc{}
	}
	a.asks[id] = cancel
	return ""
}

// remove forgets a request and reports whether the server still waits for its answer.
func (a *answering) remove(id jsonrpc.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, asked := a.asks[id]
	delete(a.asks, id)
	return asked
}

// giveUp ends the answering of a request that the server cancelled.
func (a *answering) giveUp(params json.RawMessage) {
	id, err := cancelledID(params)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if cancel := a.asks[id]; cancel != nil {
		cancel()
		delete(a.asks, id)
	}
}

func cancelledID(params json.RawMessage) (jsonrpc.ID, error) {
	var p struct {
		RequestID any `json:"requestId"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return jsonrpc.ID{}, err
	}
	if p.RequestID == nil {
		return jsonrpc.ID{}, errors.New("no requestId")
	}
	return jsonrpc.MakeID(p.RequestID)
}

// maxNotices is how many notifications of a server reach the protocol library in a second, and at once. The
// library keeps what it has not come to yet in memory. A server that sends more is read more slowly: it is
// its own answers that wait.
const maxNotices = 5000

// flood holds back what a server may send without being asked.
type flood struct {
	limit    *rate.Limiter
	onNotice func(method string) // or nil
}

func newFlood(onNotice func(method string)) flood {
	return flood{rate.NewLimiter(maxNotices, maxNotices), onNotice}
}

// passes reports whether a notification is for the library, and waits while there are too many. Those that
// the library does nothing with do not reach it.
func (f flood) passes(ctx context.Context, req *jsonrpc.Request) bool {
	switch req.Method {
	case "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed",
		"notifications/resources/updated", "notifications/elicitation/complete", "notifications/subscriptions/acknowledged",
		methodCancelled:
		if f.onNotice != nil {
			f.onNotice(req.Method)
		}
		return f.limit.Wait(ctx) == nil
	}
	return false
}

// unasked is the answer to a request of the server that nobody takes: it is there, and knows nothing else.
func unasked(req *jsonrpc.Request) *jsonrpc.Response {
	if req.Method == "ping" {
		return &jsonrpc.Response{ID: req.ID, Result: []byte("{}")}
	}
	return &jsonrpc.Response{ID: req.ID, Error: &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "method not found"}}
}
