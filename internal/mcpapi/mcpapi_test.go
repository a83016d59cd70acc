package mcpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost"
)

// fakeHost answers with what it holds and keeps the last call.
type fakeHost struct {
	status []mcphost.ServerStatus
	tools  []mcphost.Tool
	result mcphost.Result
	err    error
	call   mcphost.Call

	pending  mcphost.Pending
	approval mcphost.Approval
}

func (f *fakeHost) Approve(a mcphost.Approval) (mcphost.Pending, error) {
	f.approval = a
	return f.pending, f.err
}

func (f *fakeHost) Status() []mcphost.ServerStatus { return f.status }
func (f *fakeHost) Tools() []mcphost.Tool          { return f.tools }
func (f *fakeHost) Execute(_ context.Context, call mcphost.Call) (mcphost.Result, error) {
	f.call = call
	return f.result, f.err
}

// ask sends a request and returns the answer's status, headers and body.
func ask(t *testing.T, opts Options, method, target, body string) (int, http.Header, string) {
	t.Helper()
	mux := http.NewServeMux()
	for _, route := range NewHandler(opts).Routes() {
		mux.Handle(route.Pattern, route.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: content type %q", method, target, got)
	}
	return w.Code, w.Header(), strings.TrimSuffix(w.Body.String(), "\n")
}

func TestOff(t *testing.T) {
	tests := []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"GET", "/v1/mcp/status", "", 200, `"enabled":false,"reason":"MCP is not configured; start the server with --mcp-config FILE","servers":[]`},
		{"GET", "/v1/mcp/tools", "", 200, `{"tools":[],"count":0,"reason":"MCP is not configured`},
		{"POST", "/v1/mcp/execute", `{"tool":"x"}`, 503, `"error_message":"MCP is not configured`},
		{"POST", "/v1/mcp/approve", `{"server":"s","digest":"d"}`, 503, `"error_message":"MCP is not configured`},
		{"GET", "/v1/mcp/audit", "", 200, `{"entries":[],"count":0,"reason":"MCP is not configured`},
		{"DELETE", "/v1/mcp/audit", "", 200, `{"cleared":0}`},
	}
	for _, test := range tests {
		status, _, body := ask(t, Options{}, test.method, test.target, test.body)
		if status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %s: %d %s, want %d and %s", test.method, test.target, status, body, test.status, test.want)
		}
	}
}

func TestStatus(t *testing.T) {
	host := &fakeHost{status: []mcphost.ServerStatus{
		{Name: "fs", State: mcphost.StateConnected, Transport: mcphost.TransportStdio, Tools: 3, Sandbox: mcphost.SandboxSummary{Level: "process-group"}, PID: 7},
		{Name: "web", State: mcphost.StateRetrying, Transport: mcphost.TransportHTTP, Error: "refused", Restarts: 2, RetryAt: time.Unix(9, 0), Sandbox: mcphost.SandboxSummary{Level: "none"}},
	}}
	for _, target := range []string{"/v1/mcp/status", "/v1/mcp/servers"} {
		_, _, body := ask(t, Options{Host: host}, "GET", target, "")
		for _, want := range []string{
			`"enabled":true`, `{"name":"fs","state":"connected","transport":"stdio","tools_count":3,"error":null,"restarts":0,"sandbox":{"level":"process-group"}`,
			`{"name":"web","state":"retrying","transport":"http","tools_count":0,"error":"refused","restarts":2,"sandbox":{"level":"none"}`,
			`"servers_total":2,"servers_connected":1,"tools_available":3`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %s does not hold %s", target, body, want)
			}
		}
	}
}

func TestTools(t *testing.T) {
	host := &fakeHost{
		status: []mcphost.ServerStatus{{Name: "fs", State: mcphost.StateConnected, Tools: 1}, {Name: "web", State: mcphost.StateFailed, Error: "no such command"}},
		tools:  []mcphost.Tool{{Server: "fs", Name: "read", FullName: "fs__read", Description: "reads", Parameters: json.RawMessage(`{"z":1,"a":2}`)}},
	}
	_, _, body := ask(t, Options{Host: host}, "GET", "/v1/mcp/tools", "")
	want := `{"tools":[{"type":"function","function":{"name":"fs__read","description":"reads","parameters":{"z":1,"a":2}},"name":"fs__read","server":"fs","tool":"read","description":"reads","parameters":{"z":1,"a":2}}],"count":1,"unavailable":[{"server":"web","state":"failed","error":"no such command"}]}`
	if body != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
	host.tools = nil
	if _, _, body = ask(t, Options{Host: host}, "GET", "/v1/mcp/tools", ""); !strings.Contains(body,
		`"reason":"no server offers a tool now: fs is connected and offers no tools; web is failed (no such command)"`) {
		t.Errorf("the empty list is %s", body)
	}
}

func TestExecute(t *testing.T) {
	host := &fakeHost{result: mcphost.Result{
		Server: "fs", Tool: "read", FullName: "fs__read", Duration: 1500 * time.Microsecond,
		Content: []mcphost.Content{{Type: "text", Text: "a <b>"}},
	}}
	opts := Options{Host: host, Actor: func(*http.Request) string { return "alice" }}
	status, _, body := ask(t, opts, "POST", "/v1/mcp/execute", `{"server":"fs","tool":"read","arguments":{"b":1,"a":2},"other":1}`)
	want := `{"server":"fs","tool":"read","tool_name":"fs__read","result":"a <b>","content":"a <b>","structured_content":null,"is_error":false,"error_message":null,"duration_ms":1.5}`
	if unescaped := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(body); status != 200 || unescaped != want {
		t.Errorf("got %d %s\nwant 200 %s", status, body, want)
	}
	if c := host.call; c.Server != "fs" || c.Tool != "read" || string(c.Arguments) != `{"b":1,"a":2}` || c.Origin != "execute" || c.Actor != "alice" {
		t.Errorf("the call is %+v", c)
	}
	host.result.IsError, host.result.ErrorMessage = true, "no such file"
	if status, _, body = ask(t, opts, "POST", "/v1/mcp/execute", `{"tool_name":"fs__read","arguments":"{}","timeout":1.5,"approved":true}`); status != 200 ||
		!strings.Contains(body, `"is_error":true,"error_message":"no such file"`) {
		t.Errorf("a tool's own failure is %d %s", status, body)
	}
	if c := host.call; c.Tool != "fs__read" || string(c.Arguments) != `"{}"` || c.Timeout != 1500*time.Millisecond || !c.Approved {
		t.Errorf("the call is %+v", c)
	}
}

func TestBadBodies(t *testing.T) {
	tests := []struct {
		body   string
		status int
		want   string
	}{
		{``, 400, "must be a JSON object"},
		{`[]`, 400, "must be a JSON object"},
		{`{"tool":`, 400, "not valid JSON"},
		{`{"tool":"a"} x`, 400, "more than one JSON value"},
		{`{"tool":"a","tool":"b"}`, 400, "given twice"},
		{`{"tool":"a","tool_name":"b"}`, 400, `give one of them`},
		{`{"tool":7}`, 400, `\"tool\" must be a string`},
		{`{"Tool":"a"}`, 400, "names no tool"},
		{`{"server":"fs"}`, 400, "names no tool"},
		{`{"tool":"a","args":{}}`, 400, `did you mean \"arguments\"?`},
		{`{"tool":"a","timeout":-1}`, 400, "from 0 to 86400"},
		{`{"tool":"` + strings.Repeat("a", 2000) + `"}`, 413, "larger than 1000 bytes"},
	}
	for _, test := range tests {
		host := &fakeHost{}
		status, _, body := ask(t, Options{Host: host, MaxBody: 1000}, "POST", "/v1/mcp/execute", test.body)
		if status != test.status || !strings.Contains(body, test.want) || !strings.Contains(body, `"type":"invalid_request_error"`) {
			t.Errorf("%.50s: %d %s, want %d and %s", test.body, status, body, test.status, test.want)
		}
		if host.call.Tool != "" {
			t.Errorf("%.50s: was executed", test.body)
		}
	}
}

func TestErrorStatus(t *testing.T) {
	tests := []struct {
		kind   mcphost.Kind
		status int
		want   string
	}{
		{mcphost.BadArguments, 400, "invalid_request_error"}, {mcphost.PolicyDenied, 403, "permission_error"},
		{mcphost.Unknown, 404, "invalid_request_error"}, {mcphost.NeedsApproval, 409, "permission_error"},
		{mcphost.RateLimited, 429, "rate_limit_error"}, {mcphost.ServerFailed, 502, "server_error"},
		{mcphost.NotConnected, 503, "service_unavailable_error"}, {mcphost.MCPOff, 503, "service_unavailable_error"},
		{mcphost.TimedOut, 504, "timeout_error"}, {mcphost.Canceled, 499, "invalid_request_error"}, {"other", 500, "server_error"},
	}
	for _, test := range tests {
		host := &fakeHost{err: &mcphost.Error{Kind: test.kind, Server: "s", Tool: "t", Message: "why", Param: "arguments.x", RetryAfter: 1200 * time.Millisecond}}
		status, header, body := ask(t, Options{Host: host}, "POST", "/v1/mcp/execute", `{"tool":"t"}`)
		want := `{"error":{"message":"why","type":"` + test.want + `","param":"arguments.x","code":"` + string(test.kind) + `"},"is_error":true,"error_message":"why","result":"why","content":"why","server":"s","tool":"t"}`
		if status != test.status || body != want || header.Get("Retry-After") != "2" {
			t.Errorf("%s: %d %s\nwant %d %s", test.kind, status, body, test.status, want)
		}
	}
}

// fakeLog answers every query with its records and keeps the filter.
type fakeLog struct {
	records []audit.Record
	filter  audit.Filter
}

func (f *fakeLog) Query(filter audit.Filter) []audit.Record {
	f.filter = filter
	return slices.Clone(f.records)
}

func (f *fakeLog) Clear() int {
	n := len(f.records)
	f.records = nil
	return n
}

func TestAudit(t *testing.T) {
	log := &fakeLog{records: []audit.Record{{Seq: 1, Tool: "read"}, {Seq: 2, Tool: "write"}}}
	opts := Options{Host: &fakeHost{}, Audit: log}
	status, _, body := ask(t, opts, "GET", "/v1/mcp/audit?limit=5&tool=re&server=fs&errors=true", "")
	if status != 200 || !strings.Contains(body, `"tool":"read"`) || !strings.Contains(body, `"count":2`) {
		t.Errorf("got %d %s", status, body)
	}
	if want := (audit.Filter{Limit: 5, Tool: "re", Server: "fs", ErrorsOnly: true}); log.filter != want {
		t.Errorf("the filter is %+v", log.filter)
	}
	for _, target := range []string{"?limit=0", "?limit=x", "?errors=maybe"} {
		if status, _, body := ask(t, opts, "GET", "/v1/mcp/audit"+target, ""); status != 400 {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	if _, _, body := ask(t, opts, "DELETE", "/v1/mcp/audit", ""); body != `{"cleared":2}` {
		t.Errorf("clear answers %s", body)
	}
	if _, _, body := ask(t, opts, "GET", "/v1/mcp/audit", ""); !strings.Contains(body, `"entries":[],"count":0,"reason":"no record matches`) {
		t.Errorf("the empty log answers %s", body)
	}
}
