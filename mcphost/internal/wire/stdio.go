package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/mcphost/internal/outbox"
)

// MaxLine is the longest message, in bytes, that a server may send.
const MaxLine = 32 << 20

// methodDiscover opens the handshake of the newest protocol revision; older servers may not answer it.
const methodDiscover = "server/discover"

// Stdio is a transport over the standard streams of a running server.
type Stdio struct {
	// In is the server's standard input, Out its standard output. Both are pipes with deadlines.
	In, Out *os.File
	// DiscoverWait is how long a server may be silent to server/discover before it is taken for one
	// that only knows initialize; 0 waits without end.
	DiscoverWait time.Duration
	// OnLate, unless nil, is told when the server turns out to know server/discover after all, once it was taken
	// for one that does not: its initialize is refused then. Where OnLate was told, Close leaves the server
	// running and its streams to another handshake.
	OnLate func()
	// OnNoise receives each line that is not a message, cut to 200 bytes. It must not block.
	OnNoise func(line string)
	// Requests are those of our own; nil has none.
	Requests *Requests
	// OnClose ends the server. It is called by every Close and must bear being called again.
	OnClose func()
	// Peer answers what the server asks; nil leaves that to the protocol library.
	Peer Peer
	// OnNotice, unless nil, is told of the notifications that go to the library, before anything that the
	// server wrote after them is passed on. It must not block.
	OnNotice func(method string)
}

// Connect returns the connection; it never fails. What the server asks is answered until ctx ends.
func (s *Stdio) Connect(ctx context.Context) (mcp.Connection, error) {
	c := &stdioConn{Stdio: s, ctx: ctx, asks: answering{peer: s.Peer}, lines: lineReader{r: s.Out, max: MaxLine}, out: outbox.New(s.In), flood: newFlood(s.OnNotice)}
	s.Requests.bind(c)
	return c, nil
}

type stdioConn struct {
	*Stdio
	ctx     context.Context // the connection's own
	pending pending
	asks    answering
	out     *outbox.Outbox
	flood   flood

	// lines and queue belong to Read, which is never called twice at a time.
	lines lineReader
	queue []jsonrpc.Message

	discover sync.Mutex // orders the start and the end of the wait for server/discover

	// gaveUp is the server/discover that was answered in the server's name; it belongs to Read.
	gaveUp jsonrpc.ID
	late   atomic.Bool // OnLate was told
}

func (c *stdioConn) SessionID() string { return "" }

// Close ends the server, which ends a Read that waits.
func (c *stdioConn) Close() error {
	if c.late.Load() {
		return c.Out.SetReadDeadline(time.Unix(1, 0))
	}
	c.OnClose()
	return nil
}

// Read returns the next message that is one and is for the library. Answers to requests of our own, requests
// of the server, noise, answers nobody waits for and notifications nobody needs are dealt with on the way.
func (c *stdioConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	msg, err := c.read(ctx)
	if err != nil {
		c.Requests.end(err)
	}
	return msg, err
}

func (c *stdioConn) read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		for len(c.queue) > 0 {
			msg := c.queue[0]
			c.queue = c.queue[1:]
			if c.wanted(msg) {
				return msg, nil
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		line, err := c.lines.next()
		switch {
		case errors.Is(err, errTooLong):
			if resp := c.tooLong(line); resp != nil {
				return resp, nil
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			resp := c.discoverUnanswered()
			if resp == nil {
				return nil, io.EOF // the server is gone and something else holds its output
			}
			return resp, nil
		case err != nil:
			return nil, err
		default:
			c.decode(line)
		}
	}
}

// decode hands the answers of a line to our own requests, and turns the rest into messages in the queue.
func (c *stdioConn) decode(line []byte) {
	c.queue = c.queue[:0]
	err := eachMessage(line, func(e envelope) error {
		if c.Requests.take(e) {
			return nil
		}
		msg, err := e.message()
		if err == nil {
			c.queue = append(c.queue, msg)
		}
		return err
	})
	if err != nil {
		c.queue = c.queue[:0]
		c.OnNoise(string(line[:min(len(line), 200)]))
	}
}

func (c *stdioConn) wanted(msg jsonrpc.Message) bool {
	switch msg := msg.(type) {
	case *jsonrpc.Response:
		if c.gaveUp.IsValid() && c.OnLate != nil && (msg.ID == c.gaveUp && msg.Error == nil || refusesEra(msg.Error)) && !c.late.Swap(true) {
			c.OnLate()
		}
		if c.isDiscover(msg.ID) {
			c.waitDiscover(0)
		}
		return c.pending.answered(msg)
	case *jsonrpc.Request:
		switch {
		case c.asks.take(c.ctx, msg, c.Write):
		case !msg.IsCall():
			return c.flood.passes(c.ctx, msg)
		default:
			if data, err := jsonrpc.EncodeMessage(unasked(msg)); err == nil {
				c.out.Offer(append(data, '\n'))
			}
		}
	}
	return false
}

// tooLong answers the request whose response was too long to keep, where its id can be found.
func (c *stdioConn) tooLong(ends []byte) *jsonrpc.Response {
	id, ok := findID(ends)
	err := fmt.Errorf("the server's answer is longer than %d MiB", MaxLine>>20)
	if ok && c.Requests.tooLong(id, err) {
		return nil
	}
	if !ok || !c.pending.answered(&jsonrpc.Response{ID: id, Error: errTooLong}) {
		c.OnNoise(fmt.Sprintf("a line longer than %d MiB was skipped", MaxLine>>20))
		return nil
	}
	return &jsonrpc.Response{ID: id, Error: &jsonrpc.Error{
		Code:    jsonrpc.CodeInternalError,
		Message: err.Error(),
	}}
}

func (c *stdioConn) isDiscover(id jsonrpc.ID) bool {
	waiting, ok := c.pending.find(methodDiscover)
	return ok && waiting == id
}

// waitDiscover starts (d > 0) or ends the wait for an answer to server/discover.
func (c *stdioConn) waitDiscover(d time.Duration) {
	c.discover.Lock()
	defer c.discover.Unlock()
	deadline := time.Time{}
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	c.Out.SetReadDeadline(deadline)
}

// refusesEra reports whether an error is that of a server that speaks a newer revision on this connection
// and takes no initialize any more (UnsupportedProtocolVersionError, revision 2026-07-28).
func refusesEra(err error) bool {
	var answer *jsonrpc.Error
	return errors.As(err, &answer) && answer.Code == mcp.CodeUnsupportedProtocolVersion
}

// discoverUnanswered refuses a server/discover in the server's name, or returns nil when none waits.
func (c *stdioConn) discoverUnanswered() *jsonrpc.Response {
	id, ok := c.pending.find(methodDiscover)
	if !ok {
		return nil
	}
	c.pending.take(id)
	c.gaveUp = id
	c.waitDiscover(0)
	return &jsonrpc.Response{ID: id, Error: &jsonrpc.Error{
		Code: jsonrpc.CodeMethodNotFound, Message: "the server did not answer " + methodDiscover,
	}}
}

// Write puts a message in line to be sent. A server that does not read keeps nobody waiting: it waits,
// until ctx ends, only where too much is in line already.
func (c *stdioConn) Write(ctx context.Context, msg jsonrpc.Message) error {
	if err := checkID(msg); err != nil {
		return err
	}
	msg = c.asks.declare(msg)
	data, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.pending.add(ctx, msg)
	if req, ok := msg.(*jsonrpc.Request); ok && req.IsCall() {
		c.Requests.learn(req)
		if req.Method == methodDiscover && c.DiscoverWait > 0 {
			c.waitDiscover(c.DiscoverWait)
		}
	}
	if err := c.out.Post(ctx, 0, append(data, '\n')); err != nil {
		c.pending.drop(msg)
		return err
	}
	return nil
}

func (c *stdioConn) post(ctx context.Context, msg outgoing) error {
	return c.out.Post(ctx, msg.id, msg.line())
}

func (c *stdioConn) withdraw(id int64) bool { return c.out.Withdraw(id) }

func (c *stdioConn) cancel(msg outgoing) { c.out.Offer(msg.line()) }
