package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// peerEvents hands the requests and notifications on a stream of events to a peer. An event that it took
// goes on without its data, so that its id still counts for the resumption of the stream.
type peerEvents struct {
	io.ReadCloser
	take func(jsonrpc.Message) bool

	in      []byte // read and not yet looked at
	scanned int    // bytes of in that hold no end of an event
	out     []byte // looked at and not yet read by the one above
	err     error
	off     bool // an event was too long: what follows passes as it is
}

// Read returns whole events, each after it was looked at.
func (e *peerEvents) Read(p []byte) (int, error) {
	for len(e.out) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.fill()
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
}

func (e *peerEvents) fill() {
	const chunk = 32 << 10
	e.in = append(e.in, make([]byte, chunk)...)
	n, err := e.ReadCloser.Read(e.in[len(e.in)-chunk:])
	e.in = e.in[:len(e.in)-chunk+n]
	e.err = err
	if e.out = e.out[:0]; !e.off {
		e.events()
	}
	if e.off = e.off || len(e.in) > MaxLine; e.off || err != nil {
		e.out = append(e.out, e.in...)
		e.in, e.scanned = e.in[:0], 0
	}
}

// events moves the complete events of in to out.
func (e *peerEvents) events() {
	for {
		from := max(0, e.scanned-3)
		end, skip := eventEnd(e.in[from:])
		if end < 0 {
			e.scanned = len(e.in)
			return
		}
		end += from + skip
		e.out = e.event(e.out, e.in[:end])
		e.in, e.scanned = e.in[end:], 0
	}
}

// event appends an event to out, without its data where the peer took it.
func (e *peerEvents) event(out, text []byte) []byte {
	if !bytes.Contains(text, []byte(`"method"`)) {
		return append(out, text...)
	}
	msg, err := jsonrpc.DecodeMessage(eventData(text))
	if err != nil || !e.take(msg) {
		return append(out, text...)
	}
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("data:")) {
			out = append(out, line...)
		}
	}
	return out
}

// eventEnd finds the end of the first event: where its empty line begins, and how long that is.
func eventEnd(text []byte) (end, skip int) {
	end, skip = bytes.Index(text, []byte("\n\n")), 2
	if i := bytes.Index(text, []byte("\r\n\r\n")); i >= 0 && (end < 0 || i < end) {
		end, skip = i, 4
	}
	return end, skip
}

// eventData joins the data lines of an event.
func eventData(text []byte) []byte {
	var data []byte
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:")); ok {
			data = append(append(data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
		}
	}
	return data
}

// listen puts the peer between a response and its reader, where the response is a stream.
func (t TapHTTP) listen(req *http.Request, resp *http.Response) {
	if t.peer == nil || t.peer.peer == nil || resp.StatusCode != http.StatusOK || !isEvents(resp) {
		return
	}
	ctx := req.Context()
	write := func(ctx context.Context, msg jsonrpc.Message) error { return t.reply(ctx, req, resp, msg) }
	resp.Body = &peerEvents{ReadCloser: resp.Body, take: func(msg jsonrpc.Message) bool {
		return t.peer.take(ctx, msg, write)
	}}
}

// declare completes the request that opens a session of the initialize era.
func (t TapHTTP) declare(req *http.Request) (*http.Request, error) {
	if t.peer == nil || t.peer.peer == nil || req.Method != http.MethodPost || req.Header.Get(sessionHeader) != "" || req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxOpening))
	if err != nil || !bytes.Contains(data, []byte(methodInitialize)) {
		return req, err
	}
	msg, err := jsonrpc.DecodeMessage(data)
	if err != nil {
		return req, nil // too long for an opening
	}
	if data, err = jsonrpc.EncodeMessage(t.peer.declare(msg)); err != nil {
		return nil, err
	}
	req.Body.Close()
	req = req.Clone(req.Context())
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return req, nil
}

// maxOpening bounds the request that opens a session, in bytes.
const maxOpening = 64 << 10

func isEvents(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
}

// sessionHeader names the session of the initialize era.
const sessionHeader = "Mcp-Session-Id"

// reply posts the answer to a request that came on the stream of resp, as the request req was made.
func (t TapHTTP) reply(ctx context.Context, req *http.Request, resp *http.Response, msg jsonrpc.Message) error {
	data, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, req.URL.String(), bytes.NewReader(data))
	if err != nil {
		return err
	}
	post.Header = req.Header.Clone()
	for _, name := range []string{"Last-Event-ID", "Mcp-Method", "Mcp-Name"} { // they speak of the request
		post.Header.Del(name)
	}
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Accept", "application/json, text/event-stream")
	if id := resp.Header.Get(sessionHeader); id != "" {
		post.Header.Set(sessionHeader, id)
	}
	answer, err := t.Base.RoundTrip(post)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode >= http.StatusBadRequest {
		return errors.Join(err, fmt.Errorf("the server took no answer: %s", answer.Status))
	}
	return err
}
