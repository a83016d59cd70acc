package toolloop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost"
)

// remoteServer serves an MCP server over HTTP that wants a token. It counts the requests with and without.
func remoteServer(t *testing.T) (url string, with, without *atomic.Int32) {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, nil)
	server.AddTool(&mcp.Tool{Name: "say", Description: "Says it.", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "said " + string(req.Params.Arguments)}}}, nil
		})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	with, without = &atomic.Int32{}, &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer secret" {
			with.Add(1)
		} else {
			without.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, with, without
}

// mainHost is the host of a configuration whose rules guests are under.
func mainHost(t *testing.T, text string) (*mcphost.Host, *audit.Log) {
	t.Helper()
	cfg, _, err := mcphost.ParseConfig([]byte(text), mcphost.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := mcphost.New(cfg, mcphost.Options{Audit: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		log.Close()
	})
	return h, log
}

func TestServersOfARequest(t *testing.T) {
	url, with, without := remoteServer(t)
	r := newRig(t, turn{"", []string{`mine__say {"x":1}`}}, turn{"Done.", nil})
	h, log := mainHost(t, fmt.Sprintf(`{"mcpServers":{"taken":{"url":%q,"disabled":true}},"security":{"allowed_hosts":[%q]}}`, url, strings.TrimPrefix(url, "http://")))
	r.opts.Guest = h.Guest
	tools := func(approval, url string) string {
		return fmt.Sprintf(`"tools":[{"type":"mcp","server_label":"mine","server_url":%q,"authorization":"secret"%s}]`, url, approval)
	}
	a := r.ask(tools(`,"require_approval":"never"`, url), user("go"))
	if last := a.Items[len(a.Items)-1]; last.Status != "completed" || *last.Output != `said {"x":1}` || last.Server != "mine" {
		t.Errorf("items %+v", a.Items)
	}
	if with.Load() == 0 || without.Load() != 0 {
		t.Errorf("%d requests with the token, %d without", with.Load(), without.Load())
	}
	records := log.Query(audit.Filter{})
	if n := len(records); n == 0 || records[0].Origin != "loop" && records[n-1].Origin != "loop" {
		t.Errorf("records %+v", records)
	}
	// Without a word on approval the client is asked, and the approval holds for that URL.
	r.model.asked = nil
	a = r.ask(tools("", url), user("go"))
	if a.finish != "tool_calls" {
		t.Fatalf("%s: %+v", a.finish, a)
	}
	other, _, _ := remoteServer(t)
	r.refuses(403, r.body(tools("", other), user("go"), a.plain(), consent(a.message, 0, true, "")), "allowed_hosts")
	r.refuses(400, r.body(tools("", url+"/other"), user("go"), a.plain(), consent(a.message, 0, true, "")), "unknown_approval_request")
	r.model.turns = []turn{{"Done.", nil}}
	b := r.ask(tools("", url), user("go"), a.plain(), consent(a.message, 0, true, ""))
	if last := b.Items[len(b.Items)-1]; last.Status != "completed" {
		t.Errorf("items %+v", b.Items)
	}
}

func TestRefusedServersOfARequest(t *testing.T) {
	r := newRig(t)
	h, _ := mainHost(t, `{"mcpServers":{"taken":{"url":"https://example.org/mcp","disabled":true}}}`)
	r.opts.Guest = h.Guest
	server := func(label, url string) string {
		return r.body(fmt.Sprintf(`"tools":[{"type":"mcp","server_label":%q,"server_url":%q}]`, label, url), user("go"))
	}
	for _, url := range []string{"http://127.0.0.1:8000/mcp", "http://localhost/", "https://localhost/", "https://[::1]/", "http://169.254.169.254/", "https://10.0.0.1/",
		"http://example.org/mcp", "https://user:pass@example.org/", "file:///etc/passwd", "https://2130706433/", "unix:///run/x.sock", "stdio:ls"} {
		r.refuses(403, server("mine", url), "tools[0].server_url", "server_url_not_allowed")
	}
	r.refuses(400, server("taken", "https://example.org/mcp"), "named as the configured 'taken'")
	r.refuses(400, server("a b", "https://example.org/mcp"), "server_label")
	r.refuses(503, server("mine", "https://does-not-exist.invalid/mcp"), "not connected")
	var many []string
	for i := range maxGuests + 1 {
		many = append(many, fmt.Sprintf(`{"type":"mcp","server_label":"m%d","server_url":"http://127.0.0.1/"}`, i))
	}
	r.refuses(403, r.body(`"tools":[`+strings.Join(many, ",")+`]`, user("go")), "tools[0]")
}
