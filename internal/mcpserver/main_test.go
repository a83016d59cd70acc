package mcpserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHost is a host whose tools answer as run says.
type fakeHost struct {
	mu       sync.Mutex // guards the rest
	tools    []mcphost.Tool
	versions mcphost.Versions
	listener func()
	calls    []mcphost.Call
	run      func(ctx context.Context, call mcphost.Call) (mcphost.Result, error)
	decision policy.Decision
}

func (f *fakeHost) Tools() []mcphost.Tool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tools
}

func (f *fakeHost) Resolve(string, string) (mcphost.Tool, error) { return mcphost.Tool{}, nil }

func (f *fakeHost) Decide(mcphost.Call) (policy.Decision, error) { return f.decision, nil }

func (f *fakeHost) Execute(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.mu.Unlock()
	if f.run == nil {
		return text("hello"), nil
	}
	return f.run(ctx, call)
}

func (f *fakeHost) last() mcphost.Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[len(f.calls)-1]
}

func (f *fakeHost) Names() []string     { return []string{"fs", "web"} }
func (f *fakeHost) Instances() []string { return []string{"me"} }

func (f *fakeHost) Versions() mcphost.Versions {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.versions
}

func (f *fakeHost) OnChange(listener func()) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listener = listener
	return func() {}
}

func (f *fakeHost) change(tools ...mcphost.Tool) {
	f.mu.Lock()
	f.tools = tools
	f.versions.Tools++
	listener := f.listener
	f.mu.Unlock()
	listener()
}

func text(s string) mcphost.Result {
	raw, _ := json.Marshal(map[string]string{"type": "text", "text": s})
	return mcphost.Result{Content: []mcphost.Content{{Type: "text", Text: s, Raw: raw}}}
}

func tool(server, name string) mcphost.Tool {
	return mcphost.Tool{Server: server, Name: name, FullName: server + "__" + name, Description: "Does " + name + ".",
		Parameters: json.RawMessage(`{"type":"object"}`)}
}

// serveFake serves a fake host. The header X-Test-Key is the key.
func serveFake(t *testing.T, host *fakeHost, opts Options) string {
	t.Helper()
	if host != nil {
		opts.Tools, opts.Catalogue = host, host
	}
	opts.Actor = func(r *http.Request) string { return r.Header.Get("X-Test-Key") }
	h := New(opts)
	mux := http.NewServeMux()
	for _, route := range h.Routes() {
		mux.Handle(route.Pattern, route.Handler)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		h.EndStreams()
		http.DefaultClient.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
		h.Close()
	})
	return s.URL + "/mcp"
}

// reply is an answer of the server.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request; header holds pairs.
func do(t *testing.T, method, url, body string, header ...string) reply {
	t.Helper()
	resp := open(t, t.Context(), method, url, body, header...)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(data)}
}

func open(t *testing.T, ctx context.Context, method, url, body string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// begin opens a session and returns its id.
func begin(t *testing.T, url, capabilities string, header ...string) string {
	t.Helper()
	r := do(t, "POST", url, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":`+capabilities+`,"clientInfo":{"name":"t","version":"1"}}}`, header...)
	id := r.header.Get("Mcp-Session-Id")
	if r.status != 200 || id == "" {
		t.Fatalf("initialize: %d %s", r.status, r.body)
	}
	return id
}

// modern is a request of revision 2026-07-28 and its headers.
func modern(method, params, capabilities string) (body string, header []string) {
	var p map[string]any
	if json.Unmarshal([]byte(params), &p) != nil {
		panic(params)
	}
	p["_meta"] = json.RawMessage(fmt.Sprintf(`{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":%s,"progressToken":"tok"}`, capabilities))
	encoded, _ := json.Marshal(p)
	header = []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	for _, key := range []string{"name", "uri"} {
		if name, ok := p[key].(string); ok {
			header = append(header, "Mcp-Name", name)
		}
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":"m","method":%q,"params":%s}`, method, encoded), header
}

// events reads a stream of events.
type events struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Scanner
	id   string // the last event's
}

func newEvents(t *testing.T, resp *http.Response) *events {
	t.Helper()
	t.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		data, _ := io.ReadAll(resp.Body)
		t.Fatalf("the answer is %d %s: %s", resp.StatusCode, kind, data)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	return &events{t: t, resp: resp, in: in}
}

// next is the data of the next event that has some, "" at the end.
func (e *events) next() string {
	for e.in.Scan() {
		if data, ok := bytes.CutPrefix(e.in.Bytes(), []byte("data: ")); ok && len(data) > 0 {
			return string(data)
		}
		if id, ok := bytes.CutPrefix(e.in.Bytes(), []byte("id: ")); ok {
			e.id = string(id)
		}
	}
	return ""
}

func wants(t *testing.T, what string, r reply, status int, parts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("%s: status %d, want %d: %s", what, r.status, status, r.body)
	}
	for _, part := range parts {
		if !strings.Contains(r.body, part) {
			t.Errorf("%s: no %s in %s", what, part, r.body)
		}
	}
}

// soon waits for something that must come.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not come", what)
}

// started are the calls so far.
func (f *fakeHost) started() []mcphost.Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// try sends a POST that may fail.
func try(ctx context.Context, url, body string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return http.DefaultClient.Do(req)
}
