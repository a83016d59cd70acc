package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// fakePeer answers "ask" with the params, after goOn is closed where it is not nil.
type fakePeer struct {
	goOn  chan struct{}
	mu    sync.Mutex
	notes []string
}

func (p *fakePeer) Handles(method string) bool { return method == "ask" }

func (p *fakePeer) Handle(ctx context.Context, _ string, params json.RawMessage) (json.RawMessage, error) {
	if p.goOn != nil {
		select {
		case <-p.goOn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if string(params) == `"refuse"` {
		return nil, &jsonrpc.Error{Code: -1, Message: "no"}
	}
	return params, nil
}

func (p *fakePeer) Notify(_ context.Context, method string, params json.RawMessage) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, method+" "+string(params))
	return method == "notifications/message"
}

func (p *fakePeer) Declare(json.RawMessage) json.RawMessage { return json.RawMessage(`{"declared":1}`) }

func (p *fakePeer) noted() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.notes, "; ")
}

func ask(t *testing.T, id int64, params string) *jsonrpc.Request {
	t.Helper()
	msg, err := jsonrpc.DecodeMessage(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"ask","params":%s}`, id, params))
	if err != nil {
		t.Fatal(err)
	}
	return msg.(*jsonrpc.Request)
}

// written collects what is written, as text.
func written() (write func(context.Context, jsonrpc.Message) error, next func() string) {
	out := make(chan string, 4*maxAsked)
	return func(_ context.Context, msg jsonrpc.Message) error {
			data, err := jsonrpc.EncodeMessage(msg)
			out <- string(data)
			return err
		}, func() string {
			return <-out
		}
}

func TestAnswering(t *testing.T) {
	peer := &fakePeer{}
	a := &answering{peer: peer}
	write, next := written()
	if !a.take(t.Context(), ask(t, 1, `{"a":1}`), write) {
		t.Fatal("the request was not taken")
	}
	if got := next(); got != `{"jsonrpc":"2.0","id":1,"result":{"a":1}}` {
		t.Errorf("answered %s", got)
	}
	a.take(t.Context(), ask(t, 2, `"refuse"`), write)
	if got := next(); got != `{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"no"}}` {
		t.Errorf("answered %s", got)
	}
	for _, test := range []struct {
		msg   jsonrpc.Message
		taken bool
	}{
		{&jsonrpc.Request{ID: mustID(t, 3), Method: "ping"}, false},
		{&jsonrpc.Request{Method: "notifications/message", Params: json.RawMessage(`1`)}, true},
		{&jsonrpc.Request{Method: "notifications/other"}, false},
		{&jsonrpc.Response{ID: mustID(t, 1)}, false},
	} {
		if got := a.take(t.Context(), test.msg, write); got != test.taken {
			t.Errorf("%+v: taken %v", test.msg, got)
		}
	}
	if got := peer.noted(); got != "notifications/message 1; notifications/other " {
		t.Errorf("noted %s", got)
	}
	if (&answering{}).take(t.Context(), ask(t, 1, `1`), write) {
		t.Error("taken without a peer")
	}
}

func mustID(t *testing.T, n float64) jsonrpc.ID {
	t.Helper()
	id, err := jsonrpc.MakeID(n)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestAskFlood bounds what waits, refuses an id that is used twice, and forgets what is cancelled.
func TestAskFlood(t *testing.T) {
	peer := &fakePeer{goOn: make(chan struct{})}
	a := &answering{peer: peer}
	write, next := written()
	for i := range maxAsked {
		a.take(t.Context(), ask(t, int64(i), `1`), write)
	}
	a.take(t.Context(), ask(t, 5, `1`), write)
	if got := next(); !strings.Contains(got, `"id":5`) || !strings.Contains(got, "with this id") {
		t.Errorf("an id used twice: %s", got)
	}
	a.take(t.Context(), ask(t, 1000, `1`), write)
	if got := next(); !strings.Contains(got, `"id":1000`) || !strings.Contains(got, "too many requests") {
		t.Errorf("one too many: %s", got)
	}
	for _, params := range []string{`{"requestId":7}`, `{"requestId":7}`, `{"requestId":null}`, `{}`, `[]`, `{"requestId":{}}`} {
		a.take(t.Context(), &jsonrpc.Request{Method: methodCancelled, Params: json.RawMessage(params)}, write)
	}
	close(peer.goOn)
	for range maxAsked - 1 {
		if got := next(); strings.Contains(got, `"id":7,`) {
			t.Errorf("what was cancelled is answered: %s", got)
		}
	}
	a.take(t.Context(), ask(t, 7, `1`), write)
	if got := next(); !strings.Contains(got, `"id":7,"result":1`) {
		t.Errorf("the id is free again: %s", got)
	}
}

// TestDeafServer does not wait for a server that does not read the answers.
func TestDeafServer(t *testing.T) {
	a := &answering{peer: &fakePeer{}, asks: map[jsonrpc.ID]context.CancelFunc{mustID(t, 1): func() {}}}
	ended := make(chan struct{})
	a.take(t.Context(), ask(t, 1, `1`), func(ctx context.Context, _ jsonrpc.Message) error {
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	})
	<-ended
}

const eventText = "id: 1\nretry: 5\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ask\",\"params\":{\"a\":1}}\n\n" +
	": note\n\nevent: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"method\":\"notifications/message\"}\r\n\r\n" +
	"data: {\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"text\":\"\\\"method\\\"\"}}\n\ndata: \"method\" garbage\n\ndata: an end without a break"

const eventTextLeft = "id: 1\nretry: 5\n\n" +
	": note\n\nevent: message\r\n\r\n" +
	"data: {\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"text\":\"\\\"method\\\"\"}}\n\ndata: \"method\" garbage\n\ndata: an end without a break"

func TestPeerEvents(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(eventText), "bytes": iotest.OneByteReader(strings.NewReader(eventText)),
		"halves": iotest.HalfReader(strings.NewReader(eventText)), "with the end": iotest.DataErrReader(strings.NewReader(eventText)),
	} {
		var taken []string
		events := &peerEvents{ReadCloser: io.NopCloser(r), take: func(msg jsonrpc.Message) bool {
			req, ok := msg.(*jsonrpc.Request)
			if ok {
				taken = append(taken, req.Method)
			}
			return ok
		}}
		if got, err := io.ReadAll(events); err != nil || string(got) != eventTextLeft {
			t.Errorf("%s: %v, left\n%q\nwant\n%q", name, err, got, eventTextLeft)
		}
		if strings.Join(taken, " ") != "ask notifications/message" {
			t.Errorf("%s: taken %v", name, taken)
		}
	}
	broken := &peerEvents{ReadCloser: io.NopCloser(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("data: x")))), take: func(jsonrpc.Message) bool { return false }}
	if got, err := io.ReadAll(broken); !errors.Is(err, iotest.ErrTimeout) || string(got) != "d" {
		t.Errorf("a stream that breaks: %q %v", got, err)
	}
}

// TestReplyOverHTTP posts the answer to a request on a stream as the stream's own request was made.
func TestReplyOverHTTP(t *testing.T) {
	replies := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"result"`) {
			replies <- fmt.Sprint(string(body), " ", r.Header.Get(sessionHeader), " ", r.Header.Get("X-Key"), r.Header.Get("Mcp-Method"), r.Header.Get("Last-Event-ID"))
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set(sessionHeader, "s1")
		fmt.Fprint(w, eventText)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
	}))
	defer s.Close()
	client := NewHTTPClient(s.URL, map[string]string{"X-Key": "k"}, nil, &fakePeer{})
	defer client.CloseIdleConnections()
	req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL, strings.NewReader(`{}`))
	req.Header.Set("Mcp-Method", "tools/call")
	req.Header.Set("Last-Event-ID", "0")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := io.ReadFull(resp.Body, buf); err != nil || string(buf[:n]) != eventTextLeft[:16] {
		t.Errorf("%q %v", buf[:n], err)
	}
	if got := <-replies; got != `{"jsonrpc":"2.0","id":1,"result":{"a":1}} s1 k` {
		t.Errorf("replied %s", got)
	}
	resp.Body.Close()
}

// TestOpeningIsCompleted where a session of the initialize era is opened, over each transport, and nothing
// else is touched.
func TestOpeningIsCompleted(t *testing.T) {
	a := &answering{peer: &fakePeer{}}
	if req := a.declare(&jsonrpc.Request{ID: mustID(t, 1), Method: methodInitialize, Params: json.RawMessage(`{}`)}).(*jsonrpc.Request); string(req.Params) != `{"declared":1}` {
		t.Errorf("the opening declares %s", req.Params)
	}
	for _, msg := range []jsonrpc.Message{&jsonrpc.Request{Method: "tools/call"}, &jsonrpc.Response{ID: mustID(t, 1)}} {
		if a.declare(msg) != msg || (*answering)(nil).declare(msg) != msg {
			t.Errorf("%+v was changed", msg)
		}
	}
	bodies := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
	}))
	defer s.Close()
	client := NewHTTPClient(s.URL, nil, nil, &fakePeer{})
	defer client.CloseIdleConnections()
	for _, test := range []struct{ body, session, want string }{
		{`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"declared":1}}`},
		{`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`, "s", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, "", `{"jsonrpc":"2.0","method":"notifications/initialized"}`},
		{`initialize`, "", `initialize`},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL, strings.NewReader(test.body))
		if test.session != "" {
			req.Header.Set(sessionHeader, test.session)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := <-bodies; got != test.want {
			t.Errorf("sent %s, want %s", got, test.want)
		}
	}
}
