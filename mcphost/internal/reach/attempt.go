// Package reach says why a server cannot be reached: what it answered in place of MCP, and what to do about
// it.
package reach

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// maxBody is how much of an answer that is not MCP is kept, in bytes.
const maxBody = 1 << 10

// Attempt remembers how the last requests of one attempt to connect over HTTP went. The zero value is ready
// to use.
type Attempt struct {
	mu   sync.Mutex
	done bool
	// post and get are the last exchange of each method, or nil.
	post, get *exchange
	// credentials is why a request could not get credentials, or nil.
	credentials error
}

// exchange is one request and what came of it.
type exchange struct {
	// from is the address that was asked for, where a redirect led elsewhere, or nil.
	from, url  *url.URL
	err        error // set where there was no response
	status     int
	kind       string // media type, lower case
	retryAfter string
	body       []byte // its beginning; nil where the answer is a stream
}

// Transport returns a round tripper that notes what passes through it, until [Attempt.Done].
func (a *Attempt) Transport(base http.RoundTripper) http.RoundTripper { return &transport{a, base} }

// Done ends the notes: the server is connected.
func (a *Attempt) Done() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done, a.post, a.get, a.credentials = true, nil, nil, nil
}

// Unreachable reports whether the last request over Streamable HTTP got no response at all.
func (a *Attempt) Unreachable() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.post != nil && a.post.err != nil
}

func (a *Attempt) last() (post, get *exchange, credentials error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.post, a.get, a.credentials
}

// Credentials returns a round tripper to stand above the one that gets credentials for requests, which
// itself stands above [Attempt.Transport].
func (a *Attempt) Credentials(base http.RoundTripper) http.RoundTripper { return &credentials{a, base} }

type credentials struct {
	attempt *Attempt
	base    http.RoundTripper
}

// CloseIdleConnections closes what the transport below keeps open.
func (c *credentials) CloseIdleConnections() {
	if idle, ok := c.base.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}

// ownKey is the context's key for whether the server's own connection failed.
type ownKey struct{}

// RoundTrip sends the request. An error that the server's own connection did not have is one of the
// credentials.
func (c *credentials) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.attempt.over() {
		return c.base.RoundTrip(req)
	}
	var own atomic.Bool
	ctx := req.Context()
	resp, err := c.base.RoundTrip(req.WithContext(context.WithValue(ctx, ownKey{}, &own)))
	c.attempt.mu.Lock()
	defer c.attempt.mu.Unlock()
	if err != nil && !own.Load() && ctx.Err() == nil {
		c.attempt.credentials = err
	}
	return resp, err
}

type transport struct {
	attempt *Attempt
	base    http.RoundTripper
}

// CloseIdleConnections closes what the transport below keeps open.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip sends the request and notes what came of it.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if own, ok := req.Context().Value(ownKey{}).(*atomic.Bool); ok {
		own.Store(err != nil)
	}
	if req.Method != http.MethodPost && req.Method != http.MethodGet || t.attempt.over() {
		return resp, err
	}
	e := &exchange{url: req.URL, err: err}
	if resp != nil {
		e.read(resp)
	}
	t.attempt.note(req, e)
	return resp, err
}

// read takes what is to be known of a response. It reads the beginning of the body and puts it back; that a
// server is slow with it is bounded as the whole request is, by its context.
func (e *exchange) read(resp *http.Response) {
	e.status, e.retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	e.kind = strings.ToLower(strings.TrimSpace(kind))
	if e.kind == "text/event-stream" {
		return
	}
	start, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failed{err}
	}
	e.body = start
	resp.Body = body{io.MultiReader(bytes.NewReader(start), rest), resp.Body}
}

// body reads from one place and closes another.
type body struct {
	io.Reader
	io.Closer
}

// failed is a reader that has failed.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

func (a *Attempt) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

func (a *Attempt) note(req *http.Request, e *exchange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return
	}
	// A redirect turns a POST into a GET, which still tells how the POST went.
	first := req
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
		e.from = first.URL
	}
	slot := &a.post
	if first.Method == http.MethodGet {
		slot = &a.get
	}
	*slot = e
}

func (e *exchange) redirects() bool { return e.status >= 300 && e.status < 400 }
