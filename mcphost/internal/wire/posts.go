package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/sse"
)

const (
	// statelessVersion is the first revision in which each request stands for itself: there is no session,
	// the headers say what the body does, and leaving the response is how a request is cancelled.
	statelessVersion = "2026-07-28"
	// maxErrorBody bounds the body of an answer that is an error.
	maxErrorBody = 1 << 20
	// maxDrained and drainWait bound the rest of a response behind the answer, which is read so that the
	// connection serves again.
	maxDrained = 64 << 10
	drainWait  = time.Second
	// resumeWait is the wait before a stream that broke off is asked to go on, where it does not say, and
	// maxResumes how often that is tried without a new event.
	resumeWait = time.Second
	maxResumes = 4
)

// HTTP says how requests of our own reach a server over Streamable HTTP.
type HTTP struct {
	Client   *http.Client
	Endpoint string
	// Session is the session's id; "" where the server has none. Version is the revision that is spoken.
	Session, Version string
	// Peer answers what the server asks on the stream of a response; nil refuses.
	Peer Peer
	// OnNotice is told of other notifications on such a stream, and must not block; nil ignores them.
	OnNotice func(method string)
}

// BindHTTP makes Do send over HTTP. The session has been opened.
func (r *Requests) BindHTTP(h HTTP) {
	if h.OnNotice == nil {
		h.OnNotice = func(string) {}
	}
	p := &posts{HTTP: h, requests: r, asks: answering{peer: h.Peer},
		ends: map[int64]context.CancelFunc{}, replies: make(chan struct{}, 8)}
	p.header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {h.Version},
	}
	if h.Session != "" {
		p.header[sessionHeader] = []string{h.Session}
	}
	r.bind(p)
}

// posts sends each request as a POST of its own.
type posts struct {
	HTTP
	header   http.Header // of every request; not changed
	requests *Requests
	asks     answering
	readers  sync.Pool     // of *sse.Reader
	replies  chan struct{} // a token for each answer to a request that nobody takes

	mu   sync.Mutex
	ends map[int64]context.CancelFunc // of the exchanges under way
}

func (p *posts) stateless() bool { return p.Version >= statelessVersion }

// post begins the exchange. It ends with the answer, or when it is withdrawn.
func (p *posts) post(ctx context.Context, msg outgoing) error {
	// The caller's context would end the exchange with the answer, and the connection with it.
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	p.mu.Lock()
	p.ends[msg.id] = end
	p.mu.Unlock()
	go func() {
		defer p.withdraw(msg.id)
		if err := p.exchange(ctx, msg); err != nil {
			p.requests.fail(msg.id, err)
		}
	}()
	return nil
}

// withdraw ends an exchange. What was sent of it is not known.
func (p *posts) withdraw(id int64) bool {
	p.mu.Lock()
	end := p.ends[id]
	delete(p.ends, id)
	p.mu.Unlock()
	if end != nil {
		end()
	}
	return false
}

// cancel tells the server of a session, which does not take the end of a response for the end of a request.
func (p *posts) cancel(msg outgoing) {
	if p.stateless() {
		return
	}
	go func() {
		ctx, end := context.WithTimeout(context.Background(), cancelWait)
		defer end()
		if resp, err := p.send(ctx, http.MethodPost, msg, ""); err == nil {
			drain(resp.Body)
		}
	}()
}

// send sends a message, or, without one, asks for the stream to go on behind an event.
func (p *posts) send(ctx context.Context, method string, msg outgoing, lastID string) (*http.Response, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = bytes.NewReader(msg.line())
	}
	req, err := http.NewRequestWithContext(context.WithValue(ctx, ownKey{}, true), method, p.Endpoint, body)
	if err != nil {
		return nil, err
	}
	header := make(http.Header, len(p.header)+4)
	for name, values := range p.header {
		header[name] = values
	}
	req.Header = header
	if method == http.MethodGet {
		header.Del("Content-Type")
		header.Set("Accept", "text/event-stream")
		header.Set("Last-Event-ID", lastID)
		return p.Client.Do(req)
	}
	if p.stateless() {
		header["Mcp-Method"] = []string{msg.method}
		if msg.name != "" {
			header["Mcp-Name"] = []string{HeaderValue(msg.name)}
		}
		for name, value := range msg.headers {
			header.Set(name, value)
		}
	}
	return p.Client.Do(req)
}

// ownKey marks the requests whose responses are read here.
type ownKey struct{}

// exchange sends a request and reads its response until the answer was handed over.
func (p *posts) exchange(ctx context.Context, msg outgoing) error {
	resp, err := p.send(ctx, http.MethodPost, msg, "")
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return p.refused(resp)
	}
	if isEvents(resp) {
		return p.follow(ctx, msg.id, resp)
	}
	defer resp.Body.Close()
	data, err := readAll(resp, MaxLine)
	if err != nil {
		return err
	}
	answered, err := p.messages(ctx, msg.id, data)
	switch {
	case err != nil:
		return fmt.Errorf("the server's answer (%q) is not a message of MCP", resp.Header.Get("Content-Type"))
	case !answered:
		return errors.New("the server's answer does not hold the response to the request")
	}
	return nil
}

// follow reads the stream of a response until the answer came. A stream of the older revisions that breaks
// off may go on in another one.
func (p *posts) follow(ctx context.Context, id int64, resp *http.Response) error {
	lastID, wait := "", resumeWait
	for stuck := 0; ; stuck++ {
		answered, reached, retry, err := p.events(ctx, id, resp.Body)
		if answered || ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, sse.ErrTooLong) {
			return fmt.Errorf("the server's answer is longer than %d MiB", MaxLine>>20)
		}
		if reached != "" && reached != lastID {
			lastID, stuck = reached, 0
		}
		if retry > 0 {
			wait = retry
		}
		switch {
		case p.stateless() || lastID == "":
			return fmt.Errorf("%w before the answer came", errStreamEnded)
		case stuck == maxResumes:
			return fmt.Errorf("%w before the answer came, and did not go on in %d attempts", errStreamEnded, maxResumes)
		}
		if resp, err = p.resume(ctx, lastID, wait); err != nil {
			return err
		}
	}
}

var errStreamEnded = errors.New("the stream of the server's response ended")

// resume asks for the rest of a stream.
func (p *posts) resume(ctx context.Context, lastID string, wait time.Duration) (*http.Response, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	resp, err := p.send(ctx, http.MethodGet, outgoing{}, lastID)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || !isEvents(resp) {
		return nil, fmt.Errorf("%w before the answer came, and cannot go on: %w", errStreamEnded, p.refused(resp))
	}
	return resp, nil
}

// events reads one stream. It returns how far it came, where the answer was not on it.
func (p *posts) events(ctx context.Context, id int64, body io.ReadCloser) (answered bool, lastID string, retry time.Duration, err error) {
	r, _ := p.readers.Get().(*sse.Reader)
	if r == nil {
		r = sse.NewReaderSize(body, MaxLine)
	} else {
		r.Reset(body)
	}
	defer func() {
		if answered {
			drain(body)
		} else {
			body.Close()
		}
		r.Reset(nil)
		p.readers.Put(r)
	}()
	for !answered {
		event, err := r.Next()
		if err != nil {
			return false, r.LastID(), r.Retry(), err
		}
		if event.Name != "" && event.Name != "message" {
			continue
		}
		// Something on the stream that is no message harms nothing but itself.
		answered, _ = p.messages(ctx, id, bytes.Clone(event.Data))
	}
	return true, "", 0, nil
}

// messages hands on what one event or body holds, and reports whether the answer to id was among it.
func (p *posts) messages(ctx context.Context, id int64, data []byte) (answered bool, err error) {
	err = eachMessage(data, func(e envelope) error {
		if p.requests.take(e) {
			own, ok := ownID(e.id)
			answered = answered || e.method == nil && ok && own == id
			return nil
		}
		msg, err := e.message()
		if err == nil {
			p.other(ctx, msg)
		}
		return err
	})
	return answered, err
}

// other takes what the server sends besides answers.
func (p *posts) other(ctx context.Context, msg jsonrpc.Message) {
	req, ok := msg.(*jsonrpc.Request)
	switch {
	case !ok || p.asks.take(ctx, msg, p.reply):
	case !req.IsCall():
		p.OnNotice(req.Method)
	default:
		select {
		case p.replies <- struct{}{}:
		default:
			return // a server that asks faster than it reads is not answered
		}
		go func() {
			defer func() { <-p.replies }()
			ctx, end := context.WithTimeout(ctx, cancelWait)
			defer end()
			_ = p.reply(ctx, unasked(req)) // a server that does not take the answer to its question has none
		}()
	}
}

// reply posts the answer to a request of the server.
func (p *posts) reply(ctx context.Context, msg jsonrpc.Message) error {
	data, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Endpoint, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header = p.header.Clone()
	resp, err := p.Client.Do(req)
	if err != nil {
		return err
	}
	drain(resp.Body)
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the server took no answer: %s", resp.Status)
	}
	return nil
}

// refused is the error of a response that is none, which it closes.
func (p *posts) refused(resp *http.Response) error {
	defer resp.Body.Close()
	if p.Session != "" && resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w: the server does not know the session any more", ErrEnded)
	}
	data, _ := readAll(resp, maxErrorBody) // what came of it is the best there is to say
	var problem error
	_ = eachMessage(data, func(e envelope) error {
		if e.wireErr != nil && string(e.wireErr) != "null" {
			problem = decodeError(e.wireErr)
		}
		return nil
	})
	if problem != nil {
		return problem
	}
	return fmt.Errorf("the server answered %s", strings.TrimSpace(resp.Status))
}

func readAll(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("the server's answer is longer than %d MiB", limit>>20)
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		buf.Grow(int(min(resp.ContentLength, maxErrorBody)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if n > limit {
		return nil, fmt.Errorf("the server's answer is longer than %d MiB", limit>>20)
	}
	return buf.Bytes(), err
}

// drain reads the little that may be left of a body, and closes it.
func drain(body io.ReadCloser) {
	timer := time.AfterFunc(drainWait, func() { body.Close() })
	defer timer.Stop()
	_, _ = io.CopyN(io.Discard, body, maxDrained) // the end is hoped for, and nothing else
	body.Close()
}
