package mcphost

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/policy"
)

// TestWhyAServerIsNotReached wants the status to say what is wrong with a server and what to do.
func TestWhyAServerIsNotReached(t *testing.T) {
	pick := func(*http.Request) *mcp.Server { return echoServer() }
	mux := http.NewServeMux()
	mux.Handle("/sse", mcp.NewSSEHandler(pick, nil))
	mux.Handle("/mcp", mcp.NewStreamableHTTPHandler(pick, nil))
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><title>Sign in</title>")
	})
	mux.HandleFunc("/old", func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.NewDecoder(r.Body).Decode(&req) != nil || req.Method != "initialize" {
			http.Error(w, "what?", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"1999-01-01","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}`, req.ID)
	})
	mux.HandleFunc("/locked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	url, _ := remote(t, mux)
	tests := []struct {
		entry ServerConfig
		want  []string
	}{
		{ServerConfig{URL: url + "/nowhere"}, []string{"/nowhere is no MCP endpoint (404 Not Found", "/mcp"}},
		{ServerConfig{URL: url + "/page"}, []string{`a web page ("Sign in")`}},
		{ServerConfig{URL: url + "/sse", Transport: TransportHTTP}, []string{`"type": "sse"`}},
		{ServerConfig{URL: url + "/mcp", Transport: TransportSSE}, []string{`"type": "http"`}},
		{ServerConfig{URL: url + "/old"}, []string{`speaks revision "1999-01-01"`}},
		{ServerConfig{URL: url + "/locked", Headers: map[string]string{"Authorization": "Bearer x"}}, []string{"refuses the credential", `"headers"`}},
		{ServerConfig{URL: url + "/locked"}, []string{"toolserve mcp login s"}},
		{ServerConfig{URL: "http://127.0.0.1:1/"}, []string{"nothing listens at 127.0.0.1:1"}},
		{ServerConfig{URL: strings.Replace(url, "http:", "https:", 1) + "/mcp"}, []string{"does not speak TLS", "http://"}},
	}
	for _, tt := range tests {
		tt.entry.Name = "s"
		if tt.entry.Transport == "" {
			tt.entry.Transport = TransportAuto
		}
		h := start(t, &Config{Servers: []ServerConfig{tt.entry}}, Options{Launch: &policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}}})
		st := status(t, h, "s")
		for _, want := range tt.want {
			if st.State != StateRetrying || !strings.Contains(st.Error, want) {
				t.Errorf("%s: %s %q lacks %q", tt.entry.URL, st.State, st.Error, want)
			}
		}
	}
}
