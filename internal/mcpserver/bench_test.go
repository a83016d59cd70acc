package mcpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/mcphost"
)

// BenchmarkCall is the cost of a tools/call whose tool takes no time: of this package, and of the server of
// the Go SDK for comparison, without a network.
func BenchmarkCall(b *testing.B) {
	host := &fakeHost{tools: []mcphost.Tool{tool("fs", "read")}}
	host.run = func(context.Context, mcphost.Call) (mcphost.Result, error) { return text("hello"), nil }
	h := New(Options{Tools: quick{host}, Catalogue: host})
	defer h.Close()
	sdk := mcp.NewServer(&mcp.Implementation{Name: "b", Version: "1"}, nil)
	sdk.AddTool(&mcp.Tool{Name: "fs__read", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hello"}}}, nil
	})
	get := func(*http.Request) *mcp.Server { return sdk }
	modernBody, modernHeader := modern("tools/call", `{"name":"fs__read","arguments":{"a":1}}`, `{}`)
	for _, c := range []struct {
		name    string
		handler http.Handler
		session bool
	}{
		{"toolserve/session", h.mux(), true},
		{"toolserve/2026-07-28", h.mux(), false},
		{"go-sdk/session", mcp.NewStreamableHTTPHandler(get, nil), true},
		{"go-sdk/2026-07-28", mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{Stateless: true}), false},
	} {
		b.Run(c.name, func(b *testing.B) {
			body, header := modernBody, modernHeader
			if c.session {
				header = []string{"Mcp-Protocol-Version", "2025-11-25"}
				first := post(b, c.handler, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"b","version":"1"}}}`, nil)
				header = append(header, "Mcp-Session-Id", first.Header().Get("Mcp-Session-Id"))
				post(b, c.handler, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, header)
				body = callOf("fs__read")
				defer request(c.handler, "DELETE", "", header)
			}
			b.ReportAllocs()
			for b.Loop() {
				if w := post(b, c.handler, body, header); !strings.Contains(w.Body.String(), "hello") {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// mux is all routes.
func (h *Handler) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range h.Routes() {
		mux.Handle(route.Pattern, route.Handler)
	}
	return mux
}

// quick is a host that keeps no list of calls.
type quick struct{ *fakeHost }

func (q quick) Execute(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
	return q.run(ctx, call)
}

func post(b *testing.B, handler http.Handler, body string, header []string) *httptest.ResponseRecorder {
	b.Helper()
	return request(handler, "POST", body, header)
}

func request(handler http.Handler, method, body string, header []string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/mcp", strings.NewReader(body))
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}
