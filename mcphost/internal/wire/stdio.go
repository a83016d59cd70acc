package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
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
	// OnNoise receives each line that is not a message, cut to 200 bytes. It must not block.
	OnNoise func(line string)
	// OnClose ends the server. It is called by every Close and must bear being called again.
	OnClose func()
	// Peer answers what the server asks; nil leaves that to the protocol library.
	Peer Peer
}

// Connect returns the connection; it never fails. What the server asks is answered until ctx ends.
func (s *Stdio) Connect(ctx context.Context) (mcp.Connection, error) {
	return &stdioConn{Stdio: s, ctx: ctx, asks: answering{peer: s.Peer}, lines: lineReader{r: s.Out, max: MaxLine}, writing: make(chan struct{}, 1)}, nil
}

type stdioConn struct {
	*Stdio
	ctx     context.Context // the connection's own
	pending pending
	asks    answering
	// writing is held by the one that writes.
	writing chan struct{}

	// lines and queue belong to Read, which is never called twice at a time.
	lines lineReader
	queue []jsonrpc.Message

	discover sync.Mutex // orders the start and the end of the wait for server/discover
}

func (c *stdioConn) SessionID() string { return "" }

// Close ends the server, which ends a Read that waits.
func (c *stdioConn) Close() error {
	c.OnClose()
	return nil
}

// Read returns the next message that is one: noise, answers nobody waits for and log messages are
// dropped on the way.
func (c *stdioConn) Read(ctx context.Context) (jsonrpc.Message, error) {
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

// decode turns a line into messages in the queue.
func (c *stdioConn) decode(line []byte) {
	msgs, err := decodeLine(line)
	if err != nil {
		c.OnNoise(string(line[:min(len(line), 200)]))
		return
	}
	c.queue = append(c.queue[:0], msgs...)
}

func (c *stdioConn) wanted(msg jsonrpc.Message) bool {
	switch msg := msg.(type) {
	case *jsonrpc.Response:
		if c.isDiscover(msg.ID) {
			c.waitDiscover(0)
		}
		return c.pending.answered(msg)
	case *jsonrpc.Request:
		return !c.asks.take(c.ctx, msg, c.Write) && (msg.IsCall() || msg.Method != "notifications/message")
	}
	return false
}

// tooLong answers the request whose response was too long to keep, where its id can be found.
func (c *stdioConn) tooLong(ends []byte) *jsonrpc.Response {
	id, ok := findID(ends)
	if !ok || !c.pending.answered(&jsonrpc.Response{ID: id, Error: errTooLong}) {
		c.OnNoise(fmt.Sprintf("a line longer than %d MiB was skipped", MaxLine>>20))
		return nil
	}
	return &jsonrpc.Response{ID: id, Error: &jsonrpc.Error{
		Code:    jsonrpc.CodeInternalError,
		Message: fmt.Sprintf("the server's answer is longer than %d MiB", MaxLine>>20),
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

// discoverUnanswered refuses a server/discover in the server's name, or returns nil when none waits.
func (c *stdioConn) discoverUnanswered() *jsonrpc.Response {
	id, ok := c.pending.find(methodDiscover)
	if !ok {
		return nil
	}
	c.pending.take(id)
	c.waitDiscover(0)
	return &jsonrpc.Response{ID: id, Error: &jsonrpc.Error{
		Code: jsonrpc.CodeMethodNotFound, Message: "the server did not answer " + methodDiscover,
	}}
}

// Write sends a message. When ctx ends before the server took the first byte of it, the connection
// stays good; after that the stream is broken and stays so.
func (c *stdioConn) Write(ctx context.Context, msg jsonrpc.Message) error {
	data, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.writing }()

	c.pending.add(ctx, msg)
	if req, ok := msg.(*jsonrpc.Request); ok && req.Method == methodDiscover && c.DiscoverWait > 0 {
		c.waitDiscover(c.DiscoverWait)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.In.SetWriteDeadline(time.Now())
		close(interrupted)
	})
	n, err := c.In.Write(append(data, '\n'))
	if !stop() {
		<-interrupted
		c.In.SetWriteDeadline(time.Time{}) // it was meant for this write alone
	}
	if err == nil {
		return nil
	}
	c.pending.drop(msg)
	switch late := errors.Is(err, os.ErrDeadlineExceeded); {
	case late && n > 0:
		c.In.Close()
		return fmt.Errorf("the server stopped reading its input: %w", err)
	case late:
		return context.Cause(ctx)
	}
	return err
}
