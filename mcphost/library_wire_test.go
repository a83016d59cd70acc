package mcphost

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

// rawServer is a server of the initialize era that speaks as a test wants, in this process.
type rawServer struct {
	// answer returns the result of a request, or "" to stay silent.
	answer func(s *rawServer, method string, params json.RawMessage) string
	mu     sync.Mutex
	out    *io.PipeWriter
	seen   []string
}

func (s *rawServer) send(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, line)
}

func (s *rawServer) methods() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.seen, " ")
}

// Connect starts the server anew.
func (s *rawServer) Connect(ctx context.Context) (mcp.Connection, error) {
	theirIn, ourOut := io.Pipe()
	ourIn, theirOut := io.Pipe()
	s.mu.Lock()
	s.out = theirOut
	s.mu.Unlock()
	go func() {
		defer theirOut.Close()
		defer theirIn.Close()
		in := bufio.NewScanner(theirIn)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var req struct {
				ID     json.RawMessage
				Method string
				Params json.RawMessage
			}
			if json.Unmarshal(in.Bytes(), &req) != nil {
				continue
			}
			s.mu.Lock()
			s.seen = append(s.seen, req.Method)
			s.mu.Unlock()
			result := ""
			switch req.Method {
			case "initialize":
				result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"resources":{"subscribe":true,"listChanged":true},"prompts":{"listChanged":true},"completions":{}},"serverInfo":{"name":"raw","version":"1"}}`
			case "tools/list":
				result = `{"tools":[]}`
			case "server/discover":
				s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`, req.ID))
			default:
				if req.ID != nil {
					result = s.answer(s, req.Method, req.Params)
				}
			}
			switch {
			case result == "close":
				return
			case strings.HasPrefix(result, `{"code"`):
				s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":%s}`, req.ID, result))
			case result != "":
				s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, req.ID, result))
			}
		}
	}()
	return (&mcp.IOTransport{Reader: ourIn, Writer: ourOut}).Connect(ctx)
}

func startRaw(t *testing.T, opts Options, servers map[string]*rawServer, names ...string) *Host {
	t.Helper()
	cfg := &Config{}
	for _, name := range names {
		cfg.Servers = append(cfg.Servers, ServerConfig{Name: name, Transport: TransportStdio, Command: "x"})
	}
	opts.Transport = func(c ServerConfig) mcp.Transport { return servers[c.Name] }
	return start(t, cfg, opts)
}

// emptyLists answers the requests for lists.
func emptyLists(method string) string {
	switch method {
	case "resources/list":
		return `{"resources":[]}`
	case "resources/templates/list":
		return `{"resourceTemplates":[]}`
	case "prompts/list":
		return `{"prompts":[{"name":"p","future":{"x":1}}]}`
	}
	return ""
}

func TestListThatFailsMarksTheListAlone(t *testing.T) {
	s := &rawServer{answer: func(_ *rawServer, method string, params json.RawMessage) string {
		if method == "resources/templates/list" {
			return `{"code":-32603,"message":"the index is broken"}`
		}
		return emptyLists(method)
	}}
	h := startRaw(t, Options{}, map[string]*rawServer{"s": s}, "s")
	templates, err := h.ResourceTemplates(t.Context(), "")
	if err != nil || !strings.Contains(templates.Servers[0].Error, "cannot read its list of resource templates") ||
		!strings.Contains(templates.Servers[0].Error, "the index is broken") || templates.Servers[0].State != StateConnected {
		t.Errorf("%+v, %v", templates, err)
	}
	prompts, err := h.Prompts(t.Context(), "")
	if err != nil || len(prompts.Items) != 1 || prompts.Servers[0].Error != "" || string(prompts.Items[0].Raw) != `{"name":"p","future":{"x":1}}` {
		t.Errorf("%+v, %v", prompts, err)
	}
	st := status(t, h, "s")
	if st.State != StateConnected || st.Prompts != 1 || !strings.Contains(strings.Join(st.Notes, "\n"), "the index is broken") {
		t.Errorf("%+v", st)
	}
}

func TestSilentServerHidesNoOther(t *testing.T) {
	silent := &rawServer{answer: func(*rawServer, string, json.RawMessage) string { return "" }}
	good := &rawServer{answer: func(_ *rawServer, method string, _ json.RawMessage) string {
		if method == "prompts/get" {
			return `{"messages":[]}`
		}
		return emptyLists(method)
	}}
	h := startRaw(t, Options{}, map[string]*rawServer{"silent": silent, "good": good}, "silent", "good")
	eventually(t, "the prompt of the other is known", func() bool { return status(t, h, "good").Prompts == 1 })
	soon, cancel := context.WithTimeout(t.Context(), listPatience/2)
	defer cancel()
	if got, err := h.GetPrompt(soon, PromptGet{Name: "p"}); err != nil || got.Server != "good" {
		t.Errorf("a prompt of the other: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := h.Prompts(ctx, ""); err != context.Canceled {
		t.Errorf("who leaves gets %v", err)
	}
	prompts, err := h.Prompts(t.Context(), "")
	if err != nil || len(prompts.Items) != 1 || !strings.Contains(prompts.Servers[0].Error, "still being read") || prompts.Servers[1].Error != "" {
		t.Errorf("%+v, %v", prompts, err)
	}
}

func TestReadsThatGoWrong(t *testing.T) {
	var unanswered atomic.Int32
	silent := make(chan struct{}, 10)
	s := &rawServer{answer: func(_ *rawServer, method string, params json.RawMessage) string {
		var p struct{ URI string }
		json.Unmarshal(params, &p)
		switch p.URI {
		case "a:silent":
			unanswered.Add(1)
			silent <- struct{}{}
			return ""
		case "a:gone":
			return "close"
		case "a:text":
			return `"text"`
		case "a:empty":
			return `{}`
		case "a:asks":
			return `{"resultType":"input_required","inputRequests":{"x":{"method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"1"}`
		case "a:missing":
			return `{"code":-32002,"message":"Resource not found: \u001b[31m a:missing"}`
		case "a:none":
			return `{"contents":[]}`
		}
		return emptyLists(method)
	}}
	h := startRaw(t, Options{}, map[string]*rawServer{"s": s}, "s")
	timeout := 200 * time.Millisecond
	read := func(ctx context.Context, uri string) error {
		_, err := h.ReadResource(ctx, ResourceRead{Caller: Caller{Timeout: timeout}, Server: "s", URI: uri})
		return err
	}
	wantKind(t, read(t.Context(), "a:silent"), TimedOut, "within 0.2s", `"a:silent"`)
	timeout = time.Minute
	wantKind(t, read(t.Context(), "a:text"), ServerFailed, "no usable answer")
	wantKind(t, read(t.Context(), "a:empty"), ServerFailed, `no list "contents"`)
	wantKind(t, read(t.Context(), "a:missing"), Unknown, "not found")
	wantKind(t, read(t.Context(), "a:asks"), NeedsInput)
	if err := read(t.Context(), "a:none"); err != nil {
		t.Errorf("an empty resource: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for len(silent) > 0 { // the one before
		<-silent
	}
	go func() {
		<-silent
		cancel()
	}()
	wantKind(t, read(ctx, "a:silent"), Canceled)
	eventually(t, "the server is told of the requests that were given up", func() bool {
		return strings.Count(s.methods(), "notifications/cancelled") == int(unanswered.Load())
	})
	wantKind(t, read(t.Context(), "a:gone"), ServerFailed)
	eventually(t, "the server is back", func() bool { return read(t.Context(), "a:none") == nil })
	failed := h.Audit().Query(audit.Filter{ErrorsOnly: true, Tool: "resources/read", Limit: -1})
	if len(failed) < 7 || failed[0].Code != string(TimedOut) || failed[0].DurationMS == 0 || failed[0].Error == "" {
		t.Errorf("%d failures are on record, the first is %+v", len(failed), failed[0])
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	wantKind(t, read(t.Context(), "a:none"), MCPOff)
	_, err := h.Prompts(t.Context(), "")
	wantKind(t, err, MCPOff)
}

func TestWatchResourceOfTheOldEra(t *testing.T) {
	s := &rawServer{answer: func(_ *rawServer, method string, _ json.RawMessage) string {
		if strings.HasSuffix(method, "subscribe") {
			return "{}"
		}
		return emptyLists(method)
	}}
	h := startRaw(t, Options{}, map[string]*rawServer{"s": s}, "s")
	var told atomic.Int32
	stop, err := h.WatchResource(t.Context(), ResourceRead{Server: "s", URI: "a:1"}, func(uri string) {
		if uri == "a:1" {
			told.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.send(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:1"}}`)
	s.send(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:2"}}`)
	eventually(t, "the listener is told", func() bool { return told.Load() == 1 })
	stop()
	eventually(t, "the server is told that nobody listens", func() bool { return strings.HasSuffix(s.methods(), "resources/unsubscribe") })
	_, err = h.WatchResource(t.Context(), ResourceRead{Server: "s", URI: "file:///etc/shadow"}, nil)
	wantKind(t, err, PolicyDenied)
}

func TestWatchAndCacheOfTheNewEra(t *testing.T) {
	var reads atomic.Int32
	server := mcp.NewServer(&mcp.Implementation{Name: "new", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
		SetCacheable: func(_ context.Context, req mcp.Request, c *mcp.Cacheable) {
			if _, ok := req.(*mcp.ReadResourceRequest); ok {
				c.TTLMs, c.CacheScope = 600_000, "private"
			}
		},
	})
	server.AddResource(&mcp.Resource{URI: "demo://a", Name: "a"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "demo://a", Text: fmt.Sprint(reads.Add(1))}}}, nil
	})
	h := startInMemory(t, policy.ToolRules{}, map[string]*mcp.Server{"new": server}, "new")
	if st := status(t, h, "new"); st.Protocol != "2026-07-28" {
		t.Fatalf("the protocol is %s", st.Protocol)
	}
	read := func(actor string) ResourceResult {
		t.Helper()
		got, err := h.ReadResource(t.Context(), ResourceRead{Caller: Caller{Actor: actor}, Server: "new", URI: "demo://a"})
		if err != nil || len(got.Contents) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got
	}
	if got := read("ann"); got.Cached || got.Contents[0].Text != "1" || got.TTL != 10*time.Minute || got.Scope != "private" {
		t.Errorf("%+v", got)
	}
	if got := read("ann"); !got.Cached || got.Contents[0].Text != "1" {
		t.Errorf("%+v", got)
	}
	if got := read("bob"); got.Cached || got.Contents[0].Text != "2" {
		t.Errorf("what is private to another: %+v", got)
	}
	var told atomic.Int32
	stop, err := h.WatchResource(t.Context(), ResourceRead{Server: "new", URI: "demo://a"}, func(string) { told.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	eventually(t, "the listener is told", func() bool {
		if err := server.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "demo://a"}); err != nil {
			t.Fatal(err)
		}
		return told.Load() > 0
	})
	if got := read("ann"); got.Cached || got.Contents[0].Text == "1" {
		t.Errorf("after the change: %+v", got)
	}
	if records := h.Audit().Query(audit.Filter{Tool: "resources/read", Limit: -1}); len(records) != 4 || records[1].Note != "from the cache" || !records[1].Success {
		t.Errorf("%+v", records)
	}
}

func TestChangesOfListsAreTold(t *testing.T) {
	var more atomic.Bool
	s := &rawServer{answer: func(_ *rawServer, method string, _ json.RawMessage) string {
		if method == "prompts/list" && more.Load() {
			return `{"prompts":[{"name":"p"},{"name":"q"}]}`
		}
		return emptyLists(method)
	}}
	h := startRaw(t, Options{}, map[string]*rawServer{"s": s}, "s")
	if _, err := h.Prompts(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	before := h.Versions()
	told := make(chan struct{}, 100)
	defer h.OnChange(func() { told <- struct{}{} })()
	more.Store(true)
	s.send(`{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}`)
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told")
	}
	if after := h.Versions(); after.Prompts <= before.Prompts || after.Resources != before.Resources {
		t.Errorf("from %+v to %+v", before, after)
	}
}

func TestListsOfServersThatRest(t *testing.T) {
	s := &rawServer{answer: func(_ *rawServer, method string, _ json.RawMessage) string {
		if method == "prompts/get" {
			return `{"messages":[{"role":"user","content":{"type":"text","text":"hi"}}]}`
		}
		return emptyLists(method)
	}}
	cfg := &Config{Servers: []ServerConfig{{Name: "s", Transport: TransportStdio, Command: "x", Lazy: true, IdleTimeout: 100 * time.Millisecond}}}
	cfg.Security.LockFile = lockPath(t)
	transport := func(ServerConfig) mcp.Transport { return s }
	h := start(t, cfg, Options{Transport: transport})
	rests := func() bool { return status(t, h, "s").State == StateIdle }
	eventually(t, "it rests", rests)
	prompts, err := h.Prompts(t.Context(), "")
	if err != nil || len(prompts.Items) != 1 || prompts.Servers[0].State != StateIdle || prompts.Servers[0].Error != "" || status(t, h, "s").Prompts != 1 {
		t.Errorf("the last list is %+v, %v", prompts, err)
	}
	if got, err := h.GetPrompt(t.Context(), PromptGet{Name: "p"}); err != nil || len(got.Messages) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	h.Close()

	// Its tools are on record, so that it is not started to be asked for them.
	h = start(t, cfg, Options{Transport: transport})
	if !rests() {
		t.Fatal("it is started at once")
	}
	if prompts, err = h.Prompts(t.Context(), ""); err != nil || len(prompts.Items) != 0 || !strings.Contains(prompts.Servers[0].Error, "name it to start it") {
		t.Errorf("what is not known is %+v, %v", prompts, err)
	}
	if prompts, err = h.Prompts(t.Context(), "s"); err != nil || len(prompts.Items) != 1 || prompts.Servers[0].State != StateConnected {
		t.Errorf("when it is named the list is %+v, %v", prompts, err)
	}
}

func TestLibraryOverHTTP(t *testing.T) {
	server := librarian("web")
	pick := func(*http.Request) *mcp.Server { return server }
	streamable, _ := remote(t, mcp.NewStreamableHTTPHandler(pick, &mcp.StreamableHTTPOptions{Stateless: true}))
	sse, _ := remote(t, mcp.NewSSEHandler(pick, nil))
	launch := policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}}
	h := start(t, &Config{Servers: []ServerConfig{
		{Name: "http", Transport: TransportHTTP, URL: streamable},
		{Name: "sse", Transport: TransportSSE, URL: sse},
	}}, Options{Launch: &launch})
	for name, protocol := range map[string]string{"http": "2026-07-28", "sse": "2025-11-25"} {
		if st := status(t, h, name); st.State != StateConnected || st.Protocol != protocol {
			t.Fatalf("%s: %+v", name, st)
		}
		resources, err := h.Resources(t.Context(), name)
		if err != nil || len(resources.Items) != 4 || resources.Servers[0].Error != "" {
			t.Errorf("%s: %+v, %v", name, resources, err)
		}
		for _, uri := range []string{"demo://web/a", "demo://web/item/Gr%C3%BC%C3%9Fe"} {
			got, err := h.ReadResource(t.Context(), ResourceRead{Server: name, URI: uri})
			if err != nil || got.Contents[0].Text != "this is "+uri {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		if got, err := h.GetPrompt(t.Context(), PromptGet{Server: name, Name: "trip", Arguments: map[string]string{"city": "Zürich\nam See"}}); err != nil ||
			got.Messages[0].Content.Text != "Plan a trip to Zürich\nam See" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if got, err := h.Complete(t.Context(), CompletionRequest{Server: name, Prompt: "trip", Argument: "city", Value: "R"}); err != nil || len(got.Values) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		_, err = h.ReadResource(t.Context(), ResourceRead{Server: name, URI: "demo://web/item/missing"})
		wantKind(t, err, Unknown)
		var told atomic.Int32
		stop, err := h.WatchResource(t.Context(), ResourceRead{Server: name, URI: "demo://web/a"}, func(string) { told.Add(1) })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		eventually(t, "the listener is told", func() bool {
			if err := server.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "demo://web/a"}); err != nil {
				t.Log(err)
			}
			return told.Load() > 0
		})
		stop()
	}
}
