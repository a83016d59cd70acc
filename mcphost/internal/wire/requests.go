package wire

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/outbox"
)

// The ids of our own requests. The library counts its own from 1 up; a connection on which it came this
// far takes no more of its requests. They fit 32 bits, which is all that some servers have for an id.
const (
	firstID = 1 << 30
	lastID  = 1<<31 - 1
)

const (
	methodProgress  = "notifications/progress"
	methodCancelled = "notifications/cancelled"
)

// ErrEnded is the error of a request whose connection ended before the answer came.
var ErrEnded = outbox.ErrEnded

// Request is a request of our own.
type Request struct {
	Method string
	// Params is a JSON object without line breaks and without "_meta", which is added here.
	Params json.RawMessage
	// Name is what Params name, and Headers are further headers: where the request is one of HTTP and the
	// revision wants them there too.
	Name    string
	Headers map[string]string
	// LogLevel is the least level of the log lines that the server is to send while it works, where the
	// revision has each request say so; "" asks for none.
	LogLevel string
	// Capabilities are declared in the place of the library's, where the revision has each request declare
	// them; nil leaves those.
	Capabilities json.RawMessage
	// OnProgress, unless nil, is called by Do with the params of each notification of progress, in order.
	// What comes faster than it returns is passed over, the oldest first.
	OnProgress func(params json.RawMessage)
}

// Requests sends requests of our own over a connection that the protocol library uses too, and takes
// their answers off it before the library sees them. The zero value is ready; one belongs to one
// connection. What the library declares in the "_meta" of its own requests, ours declare too.
type Requests struct {
	mu      sync.Mutex
	sender  sender // nil until the connection is there
	last    int64
	waiting map[int64]*waiter
	meta    json.RawMessage // members of "_meta" that every request has, without braces
	plain   bool            // meta declares no extensions
	ended   error           // not nil once the connection has ended
}

// sender is what requests need of a connection.
type sender interface {
	// post sends a message, or puts it in line to be sent. It waits for room at most until ctx ends.
	post(ctx context.Context, msg outgoing) error
	// withdraw takes a message back and reports whether none of it was sent.
	withdraw(id int64) bool
	// cancel tells the server that nobody waits for an answer any more. It does not wait.
	cancel(msg outgoing)
}

// outgoing is a message of ours.
type outgoing struct {
	id      int64 // 0 for a notification
	method  string
	params  json.RawMessage
	name    string
	headers map[string]string
}

// line encodes a message as one line.
func (m outgoing) line() []byte {
	b := make([]byte, 0, len(m.params)+len(m.method)+64)
	b = append(b, `{"jsonrpc":"2.0",`...)
	if m.id != 0 {
		b = strconv.AppendInt(append(b, `"id":`...), m.id, 10)
		b = append(b, ',')
	}
	b = append(append(append(b, `"method":"`...), m.method...), `","params":`...)
	return append(append(b, m.params...), "}\n"...)
}

// Do sends a request and returns its result as the server sent it. An error of the server is a
// [*jsonrpc.Error], the end of the connection is [ErrEnded] or wraps it, and the end of ctx is its error.
// A caller that leaves takes its request back where none of it was sent, and cancels it where it was.
func (r *Requests) Do(ctx context.Context, req Request) (json.RawMessage, error) {
	w := &waiter{signal: make(chan struct{}, 1), listen: req.OnProgress != nil}
	to, msg, err := r.open(w, req)
	if err != nil {
		return nil, err
	}
	defer r.close(msg.id)
	if err := to.post(ctx, msg); err != nil {
		return nil, err
	}
	for {
		select {
		case <-w.signal:
		case <-ctx.Done():
		}
		progress, done := w.take()
		if ctx.Err() != nil { // also where the answer has just come: who left is not there to take it
			if !done {
				abandon(ctx, to, msg.id)
			}
			return nil, ctx.Err()
		}
		for _, params := range progress {
			req.OnProgress(params)
		}
		if done {
			return w.result, w.err
		}
	}
}

// open registers a caller under a new id.
func (r *Requests) open(w *waiter, req Request) (sender, outgoing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended != nil:
		return nil, outgoing{}, r.ended
	case r.sender == nil:
		return nil, outgoing{}, errors.New("the connection is not there yet")
	}
	if r.waiting == nil {
		r.waiting = map[int64]*waiter{}
	}
	id := r.last
	for taken := true; taken; _, taken = r.waiting[id] {
		if id++; id < firstID || id > lastID {
			id = firstID
		}
	}
	r.last = id
	r.waiting[id] = w
	token := int64(0)
	if req.OnProgress != nil {
		token = id
	}
	return r.sender, outgoing{id, req.Method, withMeta(req.Params, withLogLevel(withCapabilities(r.meta, req.Capabilities), req.LogLevel), token), req.Name, req.Headers}, nil
}

func (r *Requests) close(id int64) {
	r.mu.Lock()
	delete(r.waiting, id)
	r.mu.Unlock()
}

// abandon gives a request up whose caller left.
func abandon(ctx context.Context, to sender, id int64) {
	if !to.withdraw(id) {
		to.cancel(cancelled(ctx, id))
	}
}

// cancelled says that the caller of a request left when its context ended.
func cancelled(ctx context.Context, id int64) outgoing {
	reason := "the caller does not need the answer any more"
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		reason = "no answer in time"
	}
	params := strconv.AppendInt([]byte(`{"requestId":`), id, 10)
	return outgoing{method: methodCancelled, params: append(append(append(params, `,"reason":"`...), reason...), `"}`...)}
}

// bind says over what to send.
func (r *Requests) bind(to sender) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.sender = to
	r.mu.Unlock()
}

// end fails the requests that wait, and all that come.
func (r *Requests) end(err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil {
		return
	}
	r.ended = ErrEnded
	if err != nil {
		r.ended = errors.Join(ErrEnded, err)
	}
	for _, w := range r.waiting {
		w.finish(nil, r.ended)
	}
}

// fail ends a request without an answer.
func (r *Requests) fail(id int64, err error) {
	r.mu.Lock()
	w := r.waiting[id]
	r.mu.Unlock()
	if w != nil {
		w.finish(nil, err)
	}
}

// find returns the caller of an id. It is nil for an id of ours that nobody waits for any more.
func (r *Requests) find(raw []byte) (w *waiter, ours bool) {
	id, ours := ownID(raw)
	if r == nil || !ours {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting[id], true
}

// ownID reads an id of ours. Some servers send back as a string what came as a number.
func ownID(raw []byte) (int64, bool) {
	if text, ok := rawjson.Text(raw); ok {
		raw = []byte(text)
	}
	id, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(raw), 64)
		if id = int64(f); err != nil || float64(id) != f {
			return 0, false
		}
	}
	return id, id >= firstID && id <= lastID
}

// take reports whether a message is for one of our requests, and hands it over.
func (r *Requests) take(e envelope) bool {
	switch {
	case r == nil:
		return false
	case e.method == nil:
		w, ours := r.find(e.id)
		if w == nil {
			return ours
		}
		switch {
		case e.wireErr != nil && string(e.wireErr) != "null":
			w.finish(nil, decodeError(e.wireErr))
		case e.result == nil:
			w.finish(nil, errors.New("the server's answer holds neither a result nor an error"))
		default:
			w.finish(e.result, nil)
		}
		return true
	case e.id != nil:
		return false
	}
	if method, _ := rawjson.Text(e.method); method != methodProgress {
		return false
	}
	w, ours := r.find(rawjson.Member(e.params, "progressToken"))
	if w != nil {
		w.note(e.params)
	}
	return ours
}

// takeMessage is take for a message that was decoded already.
func (r *Requests) takeMessage(msg jsonrpc.Message) bool {
	switch msg := msg.(type) {
	case *jsonrpc.Response:
		id, ok := msg.ID.Raw().(int64)
		if !ok {
			return false
		}
		w, ours := r.find(strconv.AppendInt(nil, id, 10))
		if w != nil {
			w.finish(msg.Result, msg.Error)
		}
		return ours
	case *jsonrpc.Request:
		if msg.Method != methodProgress || msg.IsCall() {
			return false
		}
		w, ours := r.find(rawjson.Member(msg.Params, "progressToken"))
		if w != nil {
			w.note(msg.Params)
		}
		return ours
	}
	return false
}

// tooLong answers a request whose answer was too long to keep.
func (r *Requests) tooLong(id jsonrpc.ID, err error) (ours bool) {
	n, ok := id.Raw().(int64)
	if !ok {
		return false
	}
	w, ours := r.find(strconv.AppendInt(nil, n, 10))
	if w != nil {
		w.finish(nil, err)
	}
	return ours
}
