package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// maxTapped is how much of a response is kept to take the result from.
const maxTapped = 8 << 20

// TapHTTP is a round tripper that leaves the raw result of a response in the [Capture] of the
// request's context, and hands what the server sends of its own accord to a [Peer]. What it cannot read
// it lets pass untouched.
type TapHTTP struct {
	Base http.RoundTripper
	peer *answering // nil without a peer
}

// RoundTrip sends the request through the round tripper below.
func (t TapHTTP) RoundTrip(req *http.Request) (*http.Response, error) {
	req, err := t.declare(req)
	if err != nil {
		return nil, err
	}
	resp, err := t.Base.RoundTrip(req)
	if own, _ := req.Context().Value(ownKey{}).(bool); own {
		return resp, err
	}
	if err == nil {
		t.listen(req, resp)
	}
	capture := captureFrom(req.Context())
	if err != nil || capture == nil || req.Method != http.MethodPost || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	resp.Body = &tappedBody{
		ReadCloser: resp.Body, capture: capture,
		events: isEvents(resp),
	}
	return resp, nil
}

// CloseIdleConnections closes what the transport below keeps open.
func (t TapHTTP) CloseIdleConnections() {
	if c, ok := t.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// tappedBody looks at what is read through it.
type tappedBody struct {
	io.ReadCloser
	capture *Capture
	events  bool
	buf     []byte
	off     bool // too much was read, or the result was found
}

func (b *tappedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.off {
		return n, err
	}
	b.buf = append(b.buf, p[:n]...)
	switch {
	case len(b.buf) > maxTapped:
		b.off, b.buf = true, nil
	case b.events:
		b.takeEvents()
	case err == io.EOF:
		b.off = b.take(b.buf)
	}
	return n, err
}

// takeEvents looks at each event that is complete. It is called before the reader above sees the end
// of the event, so the result is there when the call returns.
func (b *tappedBody) takeEvents() {
	for {
		text := b.buf
		end, skip := eventEnd(text)
		if end < 0 {
			return
		}
		data := eventData(text[:end])
		b.buf = text[end+skip:]
		if b.take(data) {
			b.off, b.buf = true, nil
			return
		}
	}
}

// take keeps the result of a response and reports whether data was one.
func (b *tappedBody) take(data []byte) bool {
	if !json.Valid(data) {
		return false
	}
	found := false
	rawjson.Fields(data, func(key string, value json.RawMessage) bool {
		if key == "result" {
			b.capture.set(bytes.Clone(value))
			found = true
		}
		return !found
	})
	return found
}
