package client_test

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
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/client"
	"github.com/toolserve/toolserve/internal/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: url, APIKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// generate writes the events of one generation down, one a line.
func generate(t *testing.T, c *client.Client, req *chat.Request) (string, error) {
	t.Helper()
	var out strings.Builder
	for e, err := range c.Generate(t.Context(), req) {
		if err != nil {
			return out.String(), err
		}
		switch e.Kind {
		case chat.ContentDelta:
			fmt.Fprintf(&out, "content %q\n", e.Text)
		case chat.ReasoningDelta:
			fmt.Fprintf(&out, "reasoning %q\n", e.Text)
		case chat.CallStart:
			fmt.Fprintf(&out, "start %d %s %s\n", e.Index, e.ID, e.Name)
		case chat.CallDelta:
			fmt.Fprintf(&out, "arguments %d %s\n", e.Index, e.Text)
		case chat.CallEnd:
			fmt.Fprintf(&out, "end %d\n", e.Index)
		case chat.Finish:
			fmt.Fprintf(&out, "finish %s %+v\n", e.Reason, e.Usage)
		}
	}
	return out.String(), nil
}

func TestGenerate(t *testing.T) {
	const usage = `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":1}}}`
	for _, tt := range []struct {
		name string
		turn clienttest.Turn
		want string
		err  string
	}{
		{"text", clienttest.Reasoned("hm", "a b"), "reasoning \"hm\"\ncontent \"a \"\ncontent \"b\"\nfinish stop {}\n", ""},
		{"usage after the finish", clienttest.Turn{clienttest.Finish("stop"), usage, clienttest.Done},
			"finish stop {PromptTokens:7 CachedTokens:5 CompletionTokens:3 ReasoningTokens:1}\n", ""},
		{"two calls", clienttest.Calls(clienttest.Call{ID: "a", Name: "f", Arguments: `{"x":1}`}, clienttest.Call{ID: "b", Name: "g", Arguments: `{}`}),
			"start 0 a f\narguments 0 {\"x\narguments 0 \":1}\nend 0\nstart 1 b g\narguments 1 {\narguments 1 }\nend 1\nfinish tool_calls {}\n", ""},
		{"no [DONE]", clienttest.Turn{clienttest.Finish("length")}, "finish length {}\n", ""},
		{"cut", clienttest.Text("a b")[:1], "content \"a \"\n", "broke off"},
		{"[DONE] without a finish", clienttest.Turn{clienttest.Done}, "", "broke off"},
		{"error in the stream", clienttest.Turn{clienttest.Text("a ")[0], `{"error":{"message":"the engine is gone","code":500}}`},
			"content \"a \"\n", "the engine is gone"},
		{"no JSON", clienttest.Turn{"<html>"}, "", "no JSON"},
		{"refused", clienttest.Turn{`{"error":{"message":"too long","param":"messages"}}`}, "", "too long (HTTP 400)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := clienttest.New(t)
			server.Turns = []clienttest.Turn{tt.turn}
			got, err := generate(t, connect(t, server.URL), &chat.Request{Model: "default"})
			want := strings.ReplaceAll(tt.want, " {}\n", " {PromptTokens:0 CachedTokens:0 CompletionTokens:0 ReasoningTokens:0}\n")
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestLeavingTheRangeEndsTheGenerationOnTheServer(t *testing.T) {
	server := clienttest.New(t)
	server.Hold = make(chan struct{})
	server.Turns = []clienttest.Turn{clienttest.Text("one two")[:1]}
	for range connect(t, server.URL).Generate(t.Context(), &chat.Request{}) {
		break
	}
	<-server.Hold
}

func TestCancellingReturnsTheCause(t *testing.T) {
	server := clienttest.New(t)
	server.Hold = make(chan struct{})
	server.Turns = []clienttest.Turn{clienttest.Text("one two")[:1]}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	cause := errors.New("enough")
	var last error
	for _, err := range connect(t, server.URL).Generate(ctx, &chat.Request{}) {
		last = err
		cancel(cause)
	}
	if !errors.Is(last, cause) {
		t.Errorf("ended with %v", last)
	}
	<-server.Hold
}

func TestRequestOnTheWire(t *testing.T) {
	seed := uint64(7)
	sampling := chat.DefaultSampling()
	sampling.Temperature, sampling.Seed = 0, &seed
	req := &chat.Request{
		Model: "m",
		Messages: []chat.Message{
			{Role: chat.RoleUser, Content: []chat.Part{{Type: chat.PartText, Text: "a"}, {Type: chat.PartText, Text: "b"}}},
			{Role: chat.RoleAssistant, Reasoning: "r", ToolCalls: []chat.ToolCall{{ID: "1", Name: "f", Arguments: `{"z":1,"a":2}`}}},
			{Role: chat.RoleTool, ToolCallID: "1", Name: "f", Content: []chat.Part{
				{Type: chat.PartText, Text: ""}, {Type: chat.PartImage, URL: "data:,"}, {Type: chat.PartAudio, Data: "AA", Format: "wav"}}},
		},
		Tools: []chat.Tool{
			{Name: "f", Function: json.RawMessage(`{"name":"f","x-own":true}`)},
			{Name: "g", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`), Strict: true},
		},
		ToolChoice: chat.ToolChoice{Mode: chat.ToolNamed, Name: "g"}, SingleToolCall: true, MaxTokens: 9, Stop: []string{"x"},
		ResponseFormat: chat.ResponseFormat{JSON: true}, Sampling: sampling,
	}
	server := clienttest.New(t)
	if _, err := generate(t, connect(t, server.URL+"/v1/"), req); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(server.Requests("/v1/chat/completions")[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"max_tokens":9,"messages":[{"content":"ab","role":"user"},` +
		`{"content":null,"reasoning_content":"r","role":"assistant","tool_calls":[{"function":{"arguments":"{\"z\":1,\"a\":2}","name":"f"},"id":"1","type":"function"}]},` +
		`{"content":[{"text":"","type":"text"},{"image_url":{"url":"data:,"},"type":"image_url"},{"input_audio":{"data":"AA","format":"wav"},"type":"input_audio"}],"name":"f","role":"tool","tool_call_id":"1"}],` +
		`"model":"m","parallel_tool_calls":false,"response_format":{"type":"json_object"},"seed":7,"stop":["x"],"stream":true,"stream_options":{"include_usage":true},"temperature":0,` +
		`"tool_choice":{"function":{"name":"g"},"type":"function"},` +
		`"tools":[{"function":{"name":"f","x-own":true},"type":"function"},{"function":{"description":"d","name":"g","parameters":{"type":"object"},"strict":true},"type":"function"}]}`
	if string(got) != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
}

func TestDefaultsAreNotSent(t *testing.T) {
	server := clienttest.New(t)
	req := &chat.Request{Model: "m", Sampling: chat.DefaultSampling(), ToolChoice: chat.ToolChoice{Mode: chat.ToolAuto}}
	if _, err := generate(t, connect(t, server.URL), req); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(server.Requests("/v1/chat/completions")[0].Body)
	if want := `{"messages":[],"model":"m","stream":true,"stream_options":{"include_usage":true}}`; string(got) != want {
		t.Errorf("sent %s", got)
	}
	req.ToolChoice.Mode = chat.ToolNone // says that the server's own tools are not wanted
	if _, err := generate(t, connect(t, server.URL), req); err != nil {
		t.Fatal(err)
	}
	if got := server.Requests("/v1/chat/completions")[1].Body["tool_choice"]; got != "none" {
		t.Errorf("the tool choice is %v", got)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"wrong key", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":{"message":"wrong key"}}`, http.StatusUnauthorized)
		}, "wrong key (give the server's key with --api-key or TOOLSERVE_API_KEY) (HTTP 401)"},
		{"plain text", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "bad gateway\nmore", http.StatusBadGateway)
		}, "bad gateway (HTTP 502)"},
		{"empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "Service Unavailable (HTTP 503)"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.invalid/", http.StatusTemporaryRedirect)
		},
			`the server points to "http://example.invalid/": name that address with --url (HTTP 307)`},
		{"another program", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "is not what a toolserve sends"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			_, err := connect(t, server.URL).Models(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRetryAfterAndCode(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "12")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"message":"slow down","code":"rate_limit"},"is_error":true}`)
	}))
	defer server.Close()
	_, err := connect(t, server.URL).MCPCall(t.Context(), client.Call{Tool: "x"})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.RetryAfter != 12*time.Second || refused.Code != "rate_limit" || refused.Body == nil {
		t.Errorf("error %#v", err)
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, err = connect(t, address).MCPStatus(t.Context())
	var gone *client.UnreachableError
	if !errors.As(err, &gone) || !strings.Contains(err.Error(), "http://"+address) {
		t.Errorf("error %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"":                           client.DefaultURL,
		"localhost:9000":             "http://localhost:9000",
		"https://host/base/v1/":      "https://host/base",
		"http://[::1]:8000/v1?x=1#y": "http://[::1]:8000",
		"ftp://host":                 "",
		"http://":                    "",
		"http://a b":                 "",
	} {
		c, err := client.New(client.Options{URL: address})
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was accepted", address)
		case want != "" && (err != nil || c.URL() != want):
			t.Errorf("%q became %v, %v", address, c, err)
		}
	}
}

func TestMCP(t *testing.T) {
	server := clienttest.New(t)
	server.Key = "secret"
	server.Tools = `{"tools":[{"type":"function","function":{"name":"fs__read","x":1},"name":"fs__read","server":"fs","tool":"read","description":"Reads.","parameters":{"type":"object"},"annotations":{"destructiveHint":true}}],"count":1}`
	server.Audit = `{"entries":[{"seq":3,"time":"2026-01-02T03:04:05Z","kind":"call","server":"fs","tool":"read","success":true,"duration_ms":1.5,"extra":1}]}`
	c := connect(t, server.URL)
	list, err := c.MCPTools(t.Context())
	if err != nil || len(list.Tools) != 1 {
		t.Fatal(list, err)
	}
	tool := list.Tools[0]
	if tool.Own != "read" || tool.Server != "fs" || !*tool.Annotations.Destructive || string(tool.Chat().Function) != `{"name":"fs__read","x":1}` {
		t.Errorf("tool %+v", tool)
	}
	log, err := c.MCPAudit(t.Context(), client.AuditFilter{Limit: 5, Tool: "re", Server: "fs", Errors: true})
	if err != nil || len(log.Entries) != 1 || log.Entries[0].Seq != 3 || !strings.Contains(string(log.Entries[0].Raw), "extra") {
		t.Errorf("audit %+v, %v", log, err)
	}
	if got := server.Requests("/v1/mcp/audit")[0].Path; got != "/v1/mcp/audit?errors=true&limit=5&server=fs&tool=re" {
		t.Errorf("asked %s", got)
	}
	result, err := c.MCPCall(t.Context(), client.Call{Server: "fs", Tool: "read", Arguments: json.RawMessage(`{"path":"x"}`)})
	if err != nil || string(result.Result) != `"ok"` {
		t.Errorf("result %+v, %v", result, err)
	}
	body, _ := json.Marshal(server.Requests("/v1/mcp/execute")[0].Body)
	if string(body) != `{"arguments":{"path":"x"},"server":"fs","tool":"read"}` {
		t.Errorf("sent %s", body)
	}
}

func FuzzStream(f *testing.F) {
	f.Add("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n")
	f.Add("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":-1},{\"index\":5}]},\"finish_reason\":\"stop\"}]}\n\n")
	f.Add("event: error\ndata: {\"error\":{\"message\":1}}\n\n")
	f.Fuzz(func(t *testing.T, body string) {
		transport := roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)),
				Header: http.Header{"Content-Type": {"text/event-stream"}}}, nil
		})
		c, err := client.New(client.Options{HTTP: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		open, ended := map[int]bool{}, false
		for e, err := range c.Generate(t.Context(), &chat.Request{}) {
			if ended {
				t.Fatal("something came after the end")
			}
			switch {
			case err != nil:
				ended = true
			case e.Kind == chat.CallStart:
				open[e.Index] = true
			case e.Kind == chat.CallDelta && !open[e.Index]:
				t.Fatalf("arguments for call %d, which is not open", e.Index)
			case e.Kind == chat.CallEnd:
				delete(open, e.Index)
			case e.Kind == chat.Finish:
				if ended = true; len(open) > 0 {
					t.Fatalf("finished with open calls %v", open)
				}
			}
		}
		if !ended {
			t.Fatal("the stream ended without a finish or an error")
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
