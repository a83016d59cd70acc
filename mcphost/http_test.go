package mcphost

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/policy"
)

// echoServer is an MCP server with one tool that repeats a text, with its key order as given.
func echoServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "echo", Version: "1"}, nil)
	server.AddTool(&mcp.Tool{
		Name: "echo", Description: "repeats", InputSchema: rawSchema(`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}`),
	}, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{
			Content:           []mcp.Content{&mcp.TextContent{Text: string(req.Params.Arguments)}},
			StructuredContent: rawSchema(`{"z":12345678901234567890,"a":1}`),
		}, nil
	})
	return server
}

type rawSchema string

func (r rawSchema) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// remote serves an MCP server over HTTP and counts the requests that carry the header.
func remote(t *testing.T, handler http.Handler) (url string, withHeader *atomic.Int32) {
	t.Helper()
	withHeader = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") == "secret" {
			withHeader.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, withHeader
}

func TestRemoteServers(t *testing.T) {
	pick := func(*http.Request) *mcp.Server { return echoServer() }
	streamable, streamableKeys := remote(t, mcp.NewStreamableHTTPHandler(pick, nil))
	answersJSON, _ := remote(t, mcp.NewStreamableHTTPHandler(pick, &mcp.StreamableHTTPOptions{JSONResponse: true}))
	sse, sseKeys := remote(t, mcp.NewSSEHandler(pick, nil))
	headers := map[string]string{"X-Key": "secret"}
	h := start(t, &Config{Servers: []ServerConfig{
		{Name: "http", Transport: TransportHTTP, URL: streamable, Headers: headers},
		{Name: "json", Transport: TransportHTTP, URL: answersJSON},
		{Name: "sse", Transport: TransportSSE, URL: sse, Headers: headers},
		{Name: "probed", Transport: TransportAuto, URL: sse},
		{Name: "down", Transport: TransportHTTP, URL: "http://127.0.0.1:1/"},
	}}, Options{Launch: &policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}}})
	for _, name := range []string{"http", "json", "sse", "probed"} {
		if st := status(t, h, name); st.State != StateConnected || st.Sandbox.Level != "none" {
			t.Errorf("%s: %+v", name, st)
			continue
		}
		result, err := h.Execute(t.Context(), Call{Server: name, Tool: "echo", Arguments: []byte(`{"z":"1","a":"2"}`)})
		if err != nil || result.Text() != `{"z":"1","a":"2"}` || string(result.Structured) != `{"z":12345678901234567890,"a":1}` {
			t.Errorf("%s: %q %s, %v", name, result.Text(), result.Structured, err)
		}
	}
	for _, tool := range h.Tools() {
		if got := string(tool.Parameters); got != `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}` {
			t.Errorf("%s: the schema became %s", tool.FullName, got)
		}
	}
	if streamableKeys.Load() == 0 || sseKeys.Load() == 0 {
		t.Error("the headers were not sent")
	}
	if st := status(t, h, "down"); st.State != StateRetrying || !strings.Contains(st.Error, "refused") {
		t.Errorf("down: %+v", st)
	}
}

func TestRemoteServerRestarts(t *testing.T) {
	var broken atomic.Bool
	server := echoServer()
	inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	defer func() {
		for session := range server.Sessions() {
			session.Close()
		}
	}()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	}))
	defer s.Close()
	defer s.CloseClientConnections()
	h := start(t, &Config{Servers: []ServerConfig{{Name: "s", Transport: TransportHTTP, URL: s.URL}}},
		Options{Launch: &policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}}})
	broken.Store(true)
	_, err := h.Execute(t.Context(), Call{Tool: "echo", Timeout: 10 * time.Second})
	wantKind(t, err, ServerFailed, "'s'")
	broken.Store(false)
	eventually(t, "a call works again", func() bool {
		_, err := h.Execute(t.Context(), Call{Tool: "echo"})
		return err == nil
	})
}
