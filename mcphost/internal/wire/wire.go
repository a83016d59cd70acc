// Package wire holds the connections under the MCP protocol library: one over the pipes of a child
// process that survives whatever the child prints, and taps that keep the bytes of a result as the
// server sent them. [Requests] sends requests of our own over the same connections, past the library:
// tool calls, which have to be fast.
package wire

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Capture receives the raw result of the last request that was sent under its context.
type Capture struct {
	mu  sync.Mutex
	raw json.RawMessage
}

// Raw returns the result as it came over the wire, or nil when nothing was seen.
func (c *Capture) Raw() json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw
}

func (c *Capture) set(raw json.RawMessage) {
	c.mu.Lock()
	c.raw = raw
	c.mu.Unlock()
}

type captureKey struct{}

// WithCapture returns a context under which requests leave their raw results in the Capture.
func WithCapture(ctx context.Context) (context.Context, *Capture) {
	c := &Capture{}
	return context.WithValue(ctx, captureKey{}, c), c
}

func captureFrom(ctx context.Context) *Capture {
	c, _ := ctx.Value(captureKey{}).(*Capture)
	return c
}

// pending are the requests that wait for their response.
type pending struct {
	mu    sync.Mutex
	calls map[jsonrpc.ID]call
}

type call struct {
	method  string
	capture *Capture
}

func (p *pending) add(ctx context.Context, msg jsonrpc.Message) {
	req, ok := msg.(*jsonrpc.Request)
	if !ok || !req.IsCall() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = map[jsonrpc.ID]call{}
	}
	p.calls[req.ID] = call{req.Method, captureFrom(ctx)}
}

func (p *pending) drop(msg jsonrpc.Message) {
	if req, ok := msg.(*jsonrpc.Request); ok {
		p.take(req.ID)
	}
}

// take returns the call that id answers and forgets it.
func (p *pending) take(id jsonrpc.ID) (call, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.calls[id]
	delete(p.calls, id)
	return c, ok
}

// find returns the id of a pending call of method.
func (p *pending) find(method string) (jsonrpc.ID, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.calls {
		if c.method == method {
			return id, true
		}
	}
	return jsonrpc.ID{}, false
}

// answered notes a response and reports whether anyone waits for it.
func (p *pending) answered(resp *jsonrpc.Response) bool {
	c, ok := p.take(resp.ID)
	if ok && c.capture != nil && resp.Error == nil {
		c.capture.set(resp.Result)
	}
	return ok
}

// checkID refuses a request of the library whose id could be one of ours.
func checkID(msg jsonrpc.Message) error {
	if req, ok := msg.(*jsonrpc.Request); ok && req.IsCall() {
		if id, ok := req.ID.Raw().(int64); ok && id >= firstID {
			return errors.New("the connection has used up its request ids")
		}
	}
	return nil
}

// Tap is a transport whose results can be captured, that takes requests of our own, and whose server a
// [Peer] answers.
type Tap struct {
	Transport mcp.Transport
	// Requests are those of our own; nil has none.
	Requests *Requests
	// Peer answers what the server asks; nil leaves that to the protocol library.
	Peer Peer
	// OnNotice is as that of [Stdio].
	OnNotice func(method string)
}

// Connect connects the transport below.
func (t Tap) Connect(ctx context.Context) (mcp.Connection, error) {
	conn, err := t.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &tapConn{Connection: conn, requests: t.Requests, asks: answering{peer: t.Peer}, flood: newFlood(t.OnNotice)}
	c.ctx, c.stop = context.WithCancel(ctx)
	t.Requests.bind(c)
	return c, nil
}

type tapConn struct {
	mcp.Connection
	requests *Requests
	pending  pending
	ctx      context.Context // the connection's own; it ends with it
	stop     context.CancelFunc
	asks     answering
	flood    flood
}

func (c *tapConn) Close() error {
	c.stop()
	return c.Connection.Close()
}

// Read returns the next message that is for the library.
func (c *tapConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		msg, err := c.Connection.Read(ctx)
		if err != nil {
			c.requests.end(err)
			return msg, err
		}
		if c.requests.takeMessage(msg) || c.asks.take(c.ctx, msg, c.Connection.Write) {
			continue
		}
		switch msg := msg.(type) {
		case *jsonrpc.Response:
			c.pending.answered(msg)
		case *jsonrpc.Request:
			if !msg.IsCall() && !c.flood.passes(c.ctx, msg) {
				continue
			}
		}
		return msg, nil
	}
}

func (c *tapConn) Write(ctx context.Context, msg jsonrpc.Message) error {
	if err := checkID(msg); err != nil {
		return err
	}
	msg = c.asks.declare(msg)
	c.pending.add(ctx, msg)
	err := c.Connection.Write(ctx, msg)
	if err != nil {
		c.pending.drop(msg)
	} else if req, ok := msg.(*jsonrpc.Request); ok && req.IsCall() {
		c.requests.learn(req)
	}
	return err
}

func (c *tapConn) post(ctx context.Context, msg outgoing) error {
	req := &jsonrpc.Request{Method: msg.method, Params: msg.params}
	if msg.id != 0 {
		var err error
		if req.ID, err = jsonrpc.MakeID(float64(msg.id)); err != nil {
			return err
		}
	}
	err := c.Connection.Write(ctx, req)
	if err != nil && ctx.Err() != nil && msg.id != 0 {
		c.cancel(cancelled(ctx, msg.id)) // it may have been sent
	}
	return err
}

func (c *tapConn) withdraw(int64) bool { return false }

// cancelWait is how long the word that nobody waits any more may take to be sent.
const cancelWait = 5 * time.Second

func (c *tapConn) cancel(msg outgoing) {
	go func() {
		ctx, cancel := context.WithTimeout(c.ctx, cancelWait)
		defer cancel()
		_ = c.post(ctx, msg) // who is not told works in vain, and no more
	}()
}
