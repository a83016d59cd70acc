package mcphost

//lint:file-ignore SA1019 servers of the older revisions know roots, sampling and logging, and nothing in their place

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/policy"
)

// askingServer is a server of the initialize era whose tools ask their client for things.
func askingServer() *mcp.Server { return askingServerWith(nil) }

// askingServerWith is told when the roots changed.
func askingServerWith(changed func(context.Context, *mcp.RootsListChangedRequest)) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "asking", Version: "1"}, &mcp.ServerOptions{
		Capabilities:            &mcp.ServerCapabilities{Logging: &mcp.LoggingCapabilities{}, Tools: &mcp.ToolCapabilities{}},
		RootsListChangedHandler: changed,
	})
	server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "server/discover" {
				return nil, errors.New("this server is older than that")
			}
			return next(ctx, method, req)
		}
	})
	var visited atomic.Bool
	add := func(name string, ask func(ctx context.Context, s *mcp.ServerSession) (any, error)) {
		server.AddTool(&mcp.Tool{Name: name, InputSchema: rawSchema(`{"type":"object"}`)},
			func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				answer, err := ask(ctx, req.Session)
				text, _ := json.Marshal(answer)
				if err != nil {
					text = []byte(err.Error())
				}
				return &mcp.CallToolResult{IsError: err != nil, Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}}, nil
			})
	}
	add("roots", func(ctx context.Context, s *mcp.ServerSession) (any, error) { return s.ListRoots(ctx, nil) })
	add("form", func(ctx context.Context, s *mcp.ServerSession) (any, error) {
		return s.Elicit(ctx, &mcp.ElicitParams{Message: "Who are\u202e you?", RequestedSchema: rawSchema(
			`{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"age":{"type":"integer","default":42}}}`)})
	})
	add("visit", func(ctx context.Context, s *mcp.ServerSession) (any, error) {
		return s.Elicit(ctx, &mcp.ElicitParams{Mode: "url", Message: "Log in", URL: "https://example.org/login", ElicitationID: "e1"})
	})
	add("trap", func(ctx context.Context, s *mcp.ServerSession) (any, error) {
		return s.Elicit(ctx, &mcp.ElicitParams{Mode: "url", Message: "Log in", URL: "javascript:alert(1)", ElicitationID: "e1"})
	})
	add("sample", func(ctx context.Context, s *mcp.ServerSession) (any, error) {
		return s.CreateMessage(ctx, &mcp.CreateMessageParams{
			MaxTokens: 5000, SystemPrompt: "Be brief.", Temperature: 0.5, StopSequences: []string{"END"},
			Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "2+2?"}}},
		})
	})
	server.AddTool(&mcp.Tool{Name: "guarded", InputSchema: rawSchema(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if !visited.Swap(true) {
				return nil, mcp.URLElicitationRequiredError([]*mcp.ElicitParams{{Mode: "url", URL: "https://example.org/first", ElicitationID: "g"}})
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "welcome"}}}, nil
		})
	add("log", func(ctx context.Context, s *mcp.ServerSession) (any, error) {
		return nil, s.Log(ctx, &mcp.LoggingMessageParams{Level: "warning", Logger: "disk", Data: map[string]any{"full": 98}})
	})
	return server
}

// parrot is a model that repeats the last message.
type parrot struct {
	mu   sync.Mutex
	last SampleRequest
}

func (p *parrot) Sample(_ context.Context, req SampleRequest) (SampleResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = req
	return SampleResult{Model: "parrot", Text: req.Chat.Messages[len(req.Chat.Messages)-1].Text(), Reason: chat.FinishStop}, nil
}

func inMemory(server *mcp.Server) func(ServerConfig) mcp.Transport {
	return func(ServerConfig) mcp.Transport { return inProcess{server} }
}

// inProcess runs a server when it is connected.
type inProcess struct{ server *mcp.Server }

func (p inProcess) Connect(ctx context.Context) (mcp.Connection, error) {
	near, far := mcp.NewInMemoryTransports()
	go p.server.Run(context.Background(), far)
	return near.Connect(ctx)
}

// TestServersAsk lets tools ask for everything over each transport.
func TestServersAsk(t *testing.T) {
	pick := func(*http.Request) *mcp.Server { return askingServer() }
	streamable, _ := remote(t, mcp.NewStreamableHTTPHandler(pick, nil))
	sse, _ := remote(t, mcp.NewSSEHandler(pick, nil))
	root := t.TempDir()
	level := "info" // servers of the library are silent until they are told a level
	memory, model := inMemory(askingServer()), &parrot{}
	h := start(t, &Config{Servers: []ServerConfig{
		{Name: "memory", Roots: []string{root}, Sampling: SamplingConfig{Enabled: true}, LogLevel: level},
		{Name: "http", Transport: TransportHTTP, URL: streamable, Roots: []string{root}, Sampling: SamplingConfig{Enabled: true}, LogLevel: level},
		{Name: "sse", Transport: TransportSSE, URL: sse, Roots: []string{root}, Sampling: SamplingConfig{Enabled: true}, LogLevel: level},
	}}, Options{
		Launch: &policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}}, Sampler: model, Elicitation: true,
		Transport: func(s ServerConfig) mcp.Transport {
			if s.Name != "memory" {
				return nil
			}
			return memory(s)
		},
	})
	for _, server := range []string{"memory", "http", "sse"} {
		t.Run(server, func(t *testing.T) { askEverything(t, h, server, root, model) })
	}
}

func askEverything(t *testing.T, h *Host, server, root string, model *parrot) {
	var asked []Elicitation
	logs := make(chan LogMessage, 8)
	call := func(tool string) Result {
		t.Helper()
		result, err := h.Execute(t.Context(), Call{
			Server: server, Tool: tool, Actor: "ann",
			Elicit: func(_ context.Context, e Elicitation) (ElicitationAnswer, error) {
				asked = append(asked, e)
				return ElicitationAnswer{Action: ElicitationAccept, Content: json.RawMessage(`{"name":"Ann"}`)}, nil
			},
			OnLog: func(m LogMessage) { logs <- m },
		})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if got := call("roots").Text(); !strings.Contains(got, `"uri":"file://`+root+`"`) {
		t.Errorf("roots: %s", got)
	}
	if got := call("form").Text(); got != `{"action":"accept","content":{"age":42,"name":"Ann"}}` {
		t.Errorf("form: %s", got)
	}
	if e := asked[0]; e.Server != server || e.Tool != "form" || e.Mode != ModeForm || e.Message != "Who are you?" || e.Form.Fields[0].Name != "name" {
		t.Errorf("asked %+v", e)
	}
	if got := call("visit").Text(); got != `{"action":"accept"}` || asked[1].URL != "https://example.org/login" {
		t.Errorf("visit: %s %+v", got, asked[1])
	}
	if got := call("trap"); !got.IsError || !strings.Contains(got.Text(), "must be http:// or https://") || len(asked) != 2 {
		t.Errorf("trap: %s", got.Text())
	}
	if got := call("sample").Text(); !strings.Contains(got, `"text":"2+2?"`) || !strings.Contains(got, `"model":"parrot"`) {
		t.Errorf("sample: %s", got)
	}
	if r := model.last; r.Tool != "sample" || r.Actor != "ann" || r.Chat.MaxTokens != 1024 || r.Chat.Sampling.Temperature != 0.5 ||
		r.Chat.Stop[0] != "END" || r.Chat.Messages[0].Role != chat.RoleSystem {
		t.Errorf("the model was asked %+v", r)
	}
	call("log")
	for {
		select {
		case m := <-logs:
			if m.Level == "warning" && m.Logger == "disk" && string(m.Data) == `{"full":98}` {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the log line never came")
		}
	}
}

// TestWhatIsOffIsRefused says so to the server, and nothing of it is declared.
func TestWhatIsOffIsRefused(t *testing.T) {
	memory := inMemory(askingServer())
	h := start(t, &Config{Servers: []ServerConfig{{Name: "a", NoRoots: true}}}, Options{Transport: memory, Sampler: &parrot{}})
	for tool, want := range map[string]string{
		"roots": "roots are turned off", "sample": "sampling is not allowed for this server", "form": "does not support",
	} {
		result, err := h.Execute(t.Context(), Call{Tool: tool})
		if err != nil || !result.IsError || !strings.Contains(result.Text(), want) {
			t.Errorf("%s: %q %v, want %q", tool, result.Text(), err, want)
		}
	}
}

// TestNobodyToAsk refuses a form to a call that came without a way to reach its user.
func TestNobodyToAsk(t *testing.T) {
	h := start(t, &Config{Servers: []ServerConfig{{Name: "a"}}}, Options{Transport: inMemory(askingServer()), Elicitation: true})
	result, err := h.Execute(t.Context(), Call{Tool: "form"})
	if err != nil || !result.IsError || !strings.Contains(result.Text(), "text/event-stream") {
		t.Errorf("%q %v", result.Text(), err)
	}
}

// TestTheClockStandsStill lets a person take longer than the call may.
func TestTheClockStandsStill(t *testing.T) {
	h := start(t, &Config{Servers: []ServerConfig{{Name: "a"}}}, Options{Transport: inMemory(askingServer()), Elicitation: true})
	const timeout = time.Second
	result, err := h.Execute(t.Context(), Call{
		Tool: "form", Timeout: timeout, Elicit: func(context.Context, Elicitation) (ElicitationAnswer, error) {
			time.Sleep(2 * timeout)
			return ElicitationAnswer{Action: ElicitationDecline}, nil
		},
	})
	if err != nil || result.Text() != `{"action":"decline"}` {
		t.Errorf("%q %v", result.Text(), err)
	}
	records := h.Audit().Query(audit.Filter{Limit: -1})
	for _, r := range records {
		if r.Kind == audit.KindElicitation && r.Decision == "decline" && r.Tool == "form" && r.Note == "form" {
			return
		}
	}
	t.Errorf("no record of the question in %+v", records)
}

// TestTheCallerLeaves ends the question with the call.
func TestTheCallerLeaves(t *testing.T) {
	h := start(t, &Config{Servers: []ServerConfig{{Name: "a"}}}, Options{Transport: inMemory(askingServer()), Elicitation: true})
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan struct{})
	_, err := h.Execute(ctx, Call{Tool: "form", Elicit: func(ctx context.Context, _ Elicitation) (ElicitationAnswer, error) {
		leave()
		<-ctx.Done()
		close(ended)
		return ElicitationAnswer{}, ctx.Err()
	}})
	var e *Error
	if !errors.As(err, &e) || e.Kind != Canceled {
		t.Errorf("%v", err)
	}
	<-ended
}

// TestRootsChange tells a server that runs on of its new roots.
func TestRootsChange(t *testing.T) {
	told := make(chan struct{}, 1)
	server := askingServerWith(func(context.Context, *mcp.RootsListChangedRequest) { told <- struct{}{} })
	first, second := t.TempDir(), t.TempDir()
	cfg := &Config{Servers: []ServerConfig{{Name: "a", Roots: []string{first}}}}
	h := start(t, cfg, Options{Transport: inMemory(server)})
	report := reload(t, h, changed(cfg, func(c *Config) { c.Servers[0].Roots = []string{second} }))
	if len(report.Updated) != 1 {
		t.Fatalf("%v", report)
	}
	<-told
	result, err := h.Execute(t.Context(), Call{Tool: "roots"})
	if err != nil || !strings.Contains(result.Text(), second) || strings.Contains(result.Text(), first) {
		t.Errorf("%q %v", result.Text(), err)
	}
}

// TestVisitsFirst asks the user to open an address before the call goes on, and tells a caller who cannot.
func TestVisitsFirst(t *testing.T) {
	server := askingServer()
	h := start(t, &Config{Servers: []ServerConfig{{Name: "a"}}}, Options{Transport: inMemory(server), Elicitation: true})
	var asked string
	result, err := h.Execute(t.Context(), Call{Tool: "guarded", Elicit: func(_ context.Context, e Elicitation) (ElicitationAnswer, error) {
		asked = e.URL
		for session := range server.Sessions() { // the visit is over before the answer is
			if err := session.NotifyElicitationComplete(t.Context(), &mcp.ElicitationCompleteParams{ElicitationID: e.ElicitationID}); err != nil {
				t.Error(err)
			}
		}
		return ElicitationAnswer{Action: ElicitationAccept}, nil
	}})
	if err != nil || result.Text() != "welcome" || asked != "https://example.org/first" {
		t.Errorf("%q %v, asked for %q", result.Text(), err, asked)
	}
	h = start(t, &Config{Servers: []ServerConfig{{Name: "a"}}}, Options{Transport: inMemory(askingServer()), Elicitation: true})
	_, err = h.Execute(t.Context(), Call{Tool: "guarded"})
	var e *Error
	if !errors.As(err, &e) || e.Kind != NeedsInput || !strings.Contains(e.Message, "nobody can be asked") {
		t.Errorf("%v", err)
	}
}

// TestLogsOfTheNewestRevision come where the call asks for them.
func TestLogsOfTheNewestRevision(t *testing.T) {
	newest := func() *mcp.Server {
		server := mcp.NewServer(&mcp.Implementation{Name: "newest", Version: "1"}, &mcp.ServerOptions{
			Capabilities: &mcp.ServerCapabilities{Logging: &mcp.LoggingCapabilities{}},
		})
		server.AddTool(&mcp.Tool{Name: "log", InputSchema: rawSchema(`{"type":"object"}`)},
			func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				for _, level := range []mcp.LoggingLevel{"debug", "warning"} {
					if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: level, Data: "line"}); err != nil {
						return nil, err
					}
				}
				return &mcp.CallToolResult{}, nil
			})
		return server
	}
	url, _ := remote(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return newest() }, &mcp.StreamableHTTPOptions{Stateless: true}))
	memory := inMemory(newest())
	h := start(t, &Config{Servers: []ServerConfig{{Name: "memory"}, {Name: "http", Transport: TransportHTTP, URL: url}}}, Options{
		Launch: &policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}},
		Transport: func(c ServerConfig) mcp.Transport {
			if c.Name == "memory" {
				return memory(c)
			}
			return nil
		},
	})
	for _, server := range []string{"memory", "http"} {
		var logs []string
		if _, err := h.Execute(t.Context(), Call{Server: server, Tool: "log", OnLog: func(m LogMessage) { logs = append(logs, m.Level) }}); err != nil {
			t.Fatal(err)
		}
		if st := status(t, h, server); st.Protocol < firstStateless || strings.Join(logs, " ") != "warning" {
			t.Errorf("%s speaks %s and logs %q", server, st.Protocol, logs)
		}
	}
}
