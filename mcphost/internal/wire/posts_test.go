package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// posted is one request that an HTTP server saw.
type posted struct {
	method string
	header http.Header
	body   string
}

// id returns the id of the message that was posted.
func (p posted) id() string { return string(rawjson.Member([]byte(p.body), "id")) }

// httpPeer is an HTTP server whose answers a test writes.
type httpPeer struct {
	*Requests
	seen  chan posted
	dials int
	mu    sync.Mutex
}

func newHTTPPeer(t *testing.T, version, session string, peer Peer, answer func(w http.ResponseWriter, r *http.Request, p posted)) *httpPeer {
	t.Helper()
	h := &httpPeer{Requests: &Requests{}, seen: make(chan posted, 1000)}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p := posted{r.Method, r.Header, string(body)}
		h.seen <- p
		answer(w, r, p)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			h.mu.Lock()
			h.dials++
			h.mu.Unlock()
		}
	}
	s.Start()
	client := NewHTTPClient(s.URL, nil, nil, nil)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	h.BindHTTP(HTTP{Client: client, Endpoint: s.URL, Version: version, Session: session, Peer: peer, OnNotice: func(method string) {
		h.seen <- posted{method: "notice " + method}
	}})
	return h
}

func (h *httpPeer) call(ctx context.Context, onProgress func(json.RawMessage)) (string, error) {
	result, err := h.Do(ctx, Request{
		Method: "tools/call", Params: json.RawMessage(`{"name":"é"}`), Name: "é", Headers: map[string]string{"Mcp-Param-A": "1"}, OnProgress: onProgress,
	})
	return string(result), err
}

// event writes one event of a stream.
func event(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "event: message\ndata: "+format+"\n\n", args...)
	w.(http.Flusher).Flush()
}

func answerTo(w io.Writer, p posted) { event(w, `{"jsonrpc":"2.0","id":%s,"result":{"ok":1}}`, p.id()) }

func stream(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream") }

func TestAnswersOverHTTP(t *testing.T) {
	tests := []struct {
		name    string
		answer  func(w http.ResponseWriter, p posted)
		want    string // the result, or part of the error
		problem bool
	}{
		{"JSON", func(w http.ResponseWriter, p posted) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"n":12345678901234567890}}`, p.id())
		}, `{"n":12345678901234567890}`, false},
		{"JSON without a type", func(w http.ResponseWriter, p posted) {
			w.Header()["Content-Type"] = nil
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":1}`, p.id())
		}, `1`, false},
		{"an error", func(w http.ResponseWriter, p posted) {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"bad"}}`, p.id())
		}, `bad`, true},
		{"events", func(w http.ResponseWriter, p posted) {
			stream(w)
			event(w, `garbage`)
			event(w, `{"jsonrpc":"2.0","id":7,"result":"nobody's"}`)
			fmt.Fprint(w, ": a comment\nevent: other\ndata: {}\n\n")
			answerTo(w, p)
		}, `{"ok":1}`, false},
		{"a page", func(w http.ResponseWriter, _ posted) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>")
		}, `("text/html") is not a message`, true},
		{"another's answer", func(w http.ResponseWriter, _ posted) {
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":7,"result":1}`)
		}, "does not hold the response", true},
		{"half an answer", func(w http.ResponseWriter, p posted) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":1}`, p.id())
		}, "unexpected EOF", true},
		{"nothing", func(w http.ResponseWriter, _ posted) { w.WriteHeader(http.StatusAccepted) }, "202 Accepted", true},
		{"a huge answer", func(w http.ResponseWriter, _ posted) { w.Header().Set("Content-Length", "99999999999") }, "longer than 32 MiB", true},
		{"an HTTP error", func(w http.ResponseWriter, _ posted) { http.Error(w, "sorry", http.StatusTooManyRequests) }, "429 Too Many Requests", true},
		{"an error of the protocol", func(w http.ResponseWriter, _ posted) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"header mismatch"}}`)
		}, "header mismatch", true},
		{"a stream that ends", func(w http.ResponseWriter, _ posted) {
			stream(w)
			event(w, `{"jsonrpc":"2.0","method":"notifications/x"}`)
		}, "ended before the answer came", true},
		{"a connection that breaks", func(http.ResponseWriter, posted) { panic(http.ErrAbortHandler) }, "EOF", true},
	}
	for _, test := range tests {
		h := newHTTPPeer(t, statelessVersion, "", nil, func(w http.ResponseWriter, _ *http.Request, p posted) { test.answer(w, p) })
		got, err := h.call(t.Context(), nil)
		if err != nil {
			if got = test.want; !test.problem || !strings.Contains(err.Error(), test.want) {
				got = "error: " + err.Error()
			}
		}
		if got != test.want || (err != nil) != test.problem {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
		h.Requests.mu.Lock()
		if n := len(h.waiting); n != 0 {
			t.Errorf("%s: %d callers are still registered", test.name, n)
		}
		h.Requests.mu.Unlock()
	}
}

func TestHeaders(t *testing.T) {
	for _, test := range []struct{ version, session, method, name, param string }{
		{statelessVersion, "", "tools/call", "=?base64?w6k=?=", "1"},
		{"2025-11-25", "s1", "", "", ""},
	} {
		h := newHTTPPeer(t, test.version, test.session, nil, func(w http.ResponseWriter, _ *http.Request, p posted) {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":1}`, p.id())
		})
		if _, err := h.call(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		p := <-h.seen
		for name, want := range map[string]string{
			"Mcp-Protocol-Version": test.version, "Mcp-Session-Id": test.session, "Mcp-Method": test.method, "Mcp-Name": test.name,
			"Mcp-Param-A": test.param, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", test.version, name, got, want)
			}
		}
		if string(rawjson.Member([]byte(p.body), "params")) != `{"name":"é"}` || string(rawjson.Member([]byte(p.body), "method")) != `"tools/call"` {
			t.Errorf("the body is %s", p.body)
		}
	}
	for value, want := range map[string]string{
		"": "", "a b": "a b", " a": "=?base64?IGE=?=", "a\r\nX: y": "=?base64?YQ0KWDogeQ==?=", "=?base64?x?=": "=?base64?PT9iYXNlNjQ/eD89?=", "\x7f": "=?base64?fw==?=",
	} {
		if got := HeaderValue(value); got != want {
			t.Errorf("%q becomes %q, want %q", value, got, want)
		}
	}
}

// asked is a peer that answers what a server asks.
type asked struct{}

func (asked) Handles(method string) bool { return method == "roots/list" }
func (asked) Handle(_ context.Context, method string, _ json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage(`{"roots":[]}`), nil
}
func (asked) Declare(params json.RawMessage) json.RawMessage { return params }

func (asked) Notify(_ context.Context, method string, _ json.RawMessage) bool {
	return method == "notifications/message"
}

// TestOnTheStream has a server report, ask, ping and notify on the stream of a response.
func TestOnTheStream(t *testing.T) {
	answers := make(chan posted, 10)
	h := newHTTPPeer(t, "2025-11-25", "s1", asked{}, func(w http.ResponseWriter, _ *http.Request, p posted) {
		if !strings.Contains(p.body, "tools/call") {
			answers <- p
			w.WriteHeader(http.StatusAccepted)
			return
		}
		stream(w)
		token := string(rawjson.Member(rawjson.Member(rawjson.Member([]byte(p.body), "params"), "_meta"), "progressToken"))
		for i := range 3 {
			event(w, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d}}`, token, i)
		}
		event(w, `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`)
		event(w, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		for id, method := range map[string]string{`"a"`: "roots/list", `"b"`: "ping", `"c"`: "what/else"} {
			event(w, `{"jsonrpc":"2.0","id":%s,"method":%q}`, id, method)
		}
		got := map[string]string{}
		for range 3 {
			p := <-answers
			got[p.id()] = p.body
			if p.header.Get("Mcp-Session-Id") != "s1" {
				t.Errorf("an answer came with %v", p.header)
			}
		}
		for id, want := range map[string]string{`"a"`: `"result":{"roots":[]}`, `"b"`: `"result":{}`, `"c"`: `-32601`} {
			if !strings.Contains(got[id], want) {
				t.Errorf("%s was answered %s", id, got[id])
			}
		}
		answerTo(w, p)
	})
	var notes []string
	result, err := h.call(t.Context(), func(params json.RawMessage) { notes = append(notes, string(rawjson.Member(params, "progress"))) })
	if err != nil || result != `{"ok":1}` || strings.Join(notes, "") != "012" {
		t.Errorf("%s, %v, progress %q", result, err, notes)
	}
	for p := range h.seen {
		if p.method == "notice notifications/tools/list_changed" {
			break
		}
	}
}

func TestResume(t *testing.T) {
	gets := 0
	h := newHTTPPeer(t, "2025-11-25", "s1", nil, func(w http.ResponseWriter, r *http.Request, p posted) {
		stream(w)
		if r.Method == http.MethodPost {
			fmt.Fprintf(w, "id: %s-0\nretry: 20\ndata:\n\n", p.id())
			return // the connection is given up, and the work goes on
		}
		gets++
		last := r.Header.Get("Last-Event-ID")
		id, _, _ := strings.Cut(last, "-")
		if want := fmt.Sprintf("%s-%d", id, gets-1); last != want || r.Header.Get("Mcp-Session-Id") != "s1" || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("asked to go on with %v", r.Header)
		}
		if gets < 3 {
			fmt.Fprintf(w, "id: %s-%d\n\n", id, gets)
			return
		}
		event(w, `{"jsonrpc":"2.0","id":%s,"result":"late"}`, id)
	})
	if result, err := h.call(t.Context(), nil); err != nil || result != `"late"` || gets != 3 {
		t.Errorf("%s, %v after %d streams", result, err, gets)
	}
}

// TestResumeInVain gives up a stream that never gets any further, and one that cannot go on.
func TestResumeInVain(t *testing.T) {
	for _, test := range []struct {
		version string
		status  int
		want    string
		gets    int
	}{
		{"2025-11-25", http.StatusOK, "did not go on in 4 attempts", 4},
		{"2025-11-25", http.StatusMethodNotAllowed, "405", 1},
		{statelessVersion, http.StatusOK, "ended before the answer came", 0},
	} {
		gets := 0
		h := newHTTPPeer(t, test.version, "", nil, func(w http.ResponseWriter, r *http.Request, p posted) {
			stream(w)
			if r.Method == http.MethodGet {
				gets++
				w.WriteHeader(test.status)
			}
			fmt.Fprint(w, "id: 1\nretry: 1\n\n")
		})
		if _, err := h.call(t.Context(), nil); err == nil || !strings.Contains(err.Error(), test.want) || gets != test.gets {
			t.Errorf("%+v: %v after %d attempts", test, err, gets)
		}
	}
}

// TestLeavingOverHTTP cancels as the revision wants it: by leaving the stream, or with a word.
func TestLeavingOverHTTP(t *testing.T) {
	for _, version := range []string{statelessVersion, "2025-11-25"} {
		left := make(chan struct{})
		h := newHTTPPeer(t, version, "", nil, func(w http.ResponseWriter, r *http.Request, p posted) {
			if strings.Contains(p.body, "tools/call") {
				stream(w)
				event(w, `{"jsonrpc":"2.0","method":"notifications/x"}`)
				<-r.Context().Done()
				close(left)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for p := range h.seen {
				if strings.HasPrefix(p.method, "notice") {
					break
				}
			}
			cancel()
		}()
		if _, err := h.call(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", version, err)
		}
		<-left
		if version == statelessVersion {
			select {
			case p := <-h.seen:
				t.Errorf("the server was told as well: %+v", p)
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		if p := <-h.seen; !strings.Contains(p.body, `"notifications/cancelled"`) || !strings.Contains(p.body, `"requestId":1073741824`) {
			t.Errorf("the server was told %s", p.body)
		}
	}
}

func TestLostSession(t *testing.T) {
	h := newHTTPPeer(t, "2025-11-25", "s1", nil, func(w http.ResponseWriter, _ *http.Request, _ posted) { w.WriteHeader(http.StatusNotFound) })
	if _, err := h.call(t.Context(), nil); !errors.Is(err, ErrEnded) {
		t.Errorf("error is %v", err)
	}
	h = newHTTPPeer(t, statelessVersion, "", nil, func(w http.ResponseWriter, _ *http.Request, _ posted) { w.WriteHeader(http.StatusNotFound) })
	if _, err := h.call(t.Context(), nil); err == nil || errors.Is(err, ErrEnded) {
		t.Errorf("error is %v", err)
	}
}

// TestConnectionsAreKept uses one connection again and again, also where the stream goes on for a moment
// behind the answer, and where the caller is gone by then.
func TestConnectionsAreKept(t *testing.T) {
	for _, events := range []bool{false, true} {
		h := newHTTPPeer(t, statelessVersion, "", nil, func(w http.ResponseWriter, _ *http.Request, p posted) {
			if !events {
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":1}`, p.id())
				return
			}
			stream(w)
			answerTo(w, p)
			time.Sleep(2 * time.Millisecond)
		})
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := h.call(ctx, nil); err != nil {
				t.Fatal(err)
			}
			cancel()
			time.Sleep(25 * time.Millisecond)
		}
		h.mu.Lock()
		// On a busy machine a call may begin before the last one's connection is free again.
		if h.dials > 10 {
			t.Errorf("events %v: %d connections for 20 calls in turn", events, h.dials)
		}
		h.mu.Unlock()
	}
}

// TestLibraryOverHTTP learns from the library's requests, and takes notes of progress off its streams.
func TestLibraryOverHTTP(t *testing.T) {
	requests := &Requests{}
	w := &waiter{signal: make(chan struct{}, 1), listen: true}
	requests.waiting = map[int64]*waiter{firstID: w}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream(w)
		event(w, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%d,"progress":1}}`, int64(firstID))
		event(w, `{"jsonrpc":"2.0","method":"notifications/x"}`)
	}))
	defer s.Close()
	client := &http.Client{Transport: requests.Library(http.DefaultTransport)}
	defer client.CloseIdleConnections()
	resp, err := client.Post(s.URL, "application/json", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || strings.Contains(string(body), "progress") || !strings.Contains(string(body), "notifications/x") {
		t.Errorf("the library reads %q, %v", body, err)
	}
	if progress, _ := w.take(); len(progress) != 1 || string(requests.meta) != `"io.modelcontextprotocol/protocolVersion":"2026-07-28"` {
		t.Errorf("progress %s, meta %s", progress, requests.meta)
	}
}
