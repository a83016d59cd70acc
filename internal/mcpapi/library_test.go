package mcpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

// fakeLibrary answers with what it holds and keeps what it was asked.
type fakeLibrary struct {
	resources mcphost.Listing[*mcphost.Resource]
	templates mcphost.Listing[*mcphost.ResourceTemplate]
	prompts   mcphost.Listing[*mcphost.Prompt]
	read      mcphost.ResourceResult
	got       mcphost.PromptResult
	completed mcphost.Completion
	err       error

	server string
	asked  any
}

func (f *fakeLibrary) Resources(_ context.Context, server string) (mcphost.Listing[*mcphost.Resource], error) {
	f.server = server
	return f.resources, f.err
}

func (f *fakeLibrary) ResourceTemplates(_ context.Context, server string) (mcphost.Listing[*mcphost.ResourceTemplate], error) {
	f.server = server
	return f.templates, f.err
}

func (f *fakeLibrary) Prompts(_ context.Context, server string) (mcphost.Listing[*mcphost.Prompt], error) {
	f.server = server
	return f.prompts, f.err
}

func (f *fakeLibrary) ReadResource(_ context.Context, req mcphost.ResourceRead) (mcphost.ResourceResult, error) {
	f.asked = req
	return f.read, f.err
}

func (f *fakeLibrary) GetPrompt(_ context.Context, req mcphost.PromptGet) (mcphost.PromptResult, error) {
	f.asked = req
	return f.got, f.err
}

func (f *fakeLibrary) Complete(_ context.Context, req mcphost.CompletionRequest) (mcphost.Completion, error) {
	f.asked = req
	return f.completed, f.err
}

func (f *fakeLibrary) options() Options {
	return Options{Lists: f, Reads: f, Actor: func(*http.Request) string { return "alice" }}
}

func TestListsWithoutHost(t *testing.T) {
	for target, want := range map[string]string{
		"/v1/mcp/resources":           `{"resources":[],"count":0,"reason":"MCP is not configured; start the server with --mcp-config FILE","servers":[]}`,
		"/v1/mcp/resources/templates": `{"resource_templates":[],"count":0,"reason":"MCP is not configured; start the server with --mcp-config FILE","servers":[]}`,
		"/v1/mcp/prompts":             `{"prompts":[],"count":0,"reason":"MCP is not configured; start the server with --mcp-config FILE","servers":[]}`,
	} {
		if status, _, body := ask(t, Options{}, "GET", target, ""); status != 200 || body != want {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	for target, body := range map[string]string{
		"/v1/mcp/resources/read": `{"uri":"a:b"}`, "/v1/mcp/prompts/get": `{"name":"x"}`, "/v1/mcp/complete": `{"prompt":"x","argument":"a"}`,
	} {
		if status, _, got := ask(t, Options{}, "POST", target, body); status != 503 || !strings.Contains(got, `"code":"mcp_unavailable"`) {
			t.Errorf("%s: %d %s", target, status, got)
		}
	}
}

func TestLists(t *testing.T) {
	status := []mcphost.ListStatus{
		{Server: "one", State: mcphost.StateConnected, Supported: true, Count: 1, Hidden: 2, Notes: []string{"cut"}, ReadAt: time.Unix(1, 0).UTC()},
		{Server: "two", State: mcphost.StateRetrying, Error: "refused"},
	}
	lib := &fakeLibrary{
		resources: mcphost.Listing[*mcphost.Resource]{Servers: status, Items: []*mcphost.Resource{{
			Server: "one", URI: "demo://a", Name: "a", MIMEType: "text/plain", Size: 3, Raw: json.RawMessage(`{"uri":"demo://a","x":1}`), Findings: []string{"odd"}}}},
		templates: mcphost.Listing[*mcphost.ResourceTemplate]{Servers: status, Items: []*mcphost.ResourceTemplate{{Server: "one", URITemplate: "demo://{x}", Name: "t"}}},
		prompts: mcphost.Listing[*mcphost.Prompt]{Servers: status, Items: []*mcphost.Prompt{{Server: "one", Name: "trip", FullName: "one__trip",
			Arguments: []mcphost.PromptArgument{{Name: "city", Required: true}}}}},
	}
	servers := `"count":1,"servers":[{"server":"one","state":"connected","supported":true,"count":1,"hidden":2,"notes":["cut"],"read_at":"1970-01-01T00:00:01Z"},` +
		`{"server":"two","state":"retrying","supported":false,"count":0,"error":"refused"}]}`
	for target, want := range map[string]string{
		"/v1/mcp/resources?server=one":       `{"resources":[{"server":"one","uri":"demo://a","name":"a","mimeType":"text/plain","size":3,"findings":["odd"]}],` + servers,
		"/v1/mcp/resources?definitions=true": `{"resources":[{"server":"one","uri":"demo://a","name":"a","mimeType":"text/plain","size":3,"findings":["odd"],"definition":{"uri":"demo://a","x":1}}],` + servers,
		"/v1/mcp/resources/templates":        `{"resource_templates":[{"server":"one","uriTemplate":"demo://{x}","name":"t"}],` + servers,
		"/v1/mcp/prompts":                    `{"prompts":[{"name":"one__trip","server":"one","prompt":"trip","arguments":[{"name":"city","required":true}]}],` + servers,
	} {
		status, _, body := ask(t, lib.options(), "GET", target, "")
		if status != 200 || body != want {
			t.Errorf("%s: %d\n%s, want\n%s", target, status, body, want)
		}
		if wantServer := strings.TrimPrefix(target, "/v1/mcp/resources?server="); wantServer != target && lib.server != wantServer {
			t.Errorf("%s: asked for server %q", target, lib.server)
		}
	}
	if status, _, body := ask(t, lib.options(), "GET", "/v1/mcp/prompts?server=a&server=b", ""); status != 400 || !strings.Contains(body, "given 2 times") {
		t.Errorf("%d %s", status, body)
	}
	lib.err = &mcphost.Error{Kind: mcphost.Unknown, Message: "Server 'x' not found"}
	if status, _, body := ask(t, lib.options(), "GET", "/v1/mcp/prompts?server=x", ""); status != 404 || !strings.Contains(body, "Server 'x' not found") {
		t.Errorf("%d %s", status, body)
	}
	lib.err = context.Canceled
	if status, _, _ := ask(t, lib.options(), "GET", "/v1/mcp/prompts", ""); status != 499 {
		t.Errorf("a client that left gets %d", status)
	}
}

func TestEmptyListsSayWhy(t *testing.T) {
	lib := &fakeLibrary{prompts: mcphost.Listing[*mcphost.Prompt]{Servers: []mcphost.ListStatus{
		{Server: "a", State: mcphost.StateConnected, Supported: true},
		{Server: "b", State: mcphost.StateConnected},
		{Server: "c", State: mcphost.StateFailed, Error: "Server 'c' is not connected (failed): no such command"},
		{Server: "d", State: mcphost.StateConnected, Supported: true, Error: "cannot read its list of prompts: boom"},
		{Server: "e", State: mcphost.StateConnected, Supported: true, Hidden: 3},
		{Server: "f", State: mcphost.StateDisabled},
	}}}
	_, _, body := ask(t, lib.options(), "GET", "/v1/mcp/prompts", "")
	want := `"reason":"there are no prompts: a is connected and has none; b is connected and does not offer prompts; ` +
		`Server 'c' is not connected (failed): no such command; d is connected: cannot read its list of prompts: boom; ` +
		`e is connected, and the rules for reading leave out all of its 3; and 1 more"`
	if !strings.Contains(body, want) {
		t.Errorf("%s", body)
	}
}

func TestReadResource(t *testing.T) {
	lib := &fakeLibrary{read: mcphost.ResourceResult{
		Server: "one", URI: "demo://a", Duration: 1500 * time.Microsecond, TTL: time.Second, Scope: "private", Truncated: true, Warnings: []string{"odd"},
		Contents: []mcphost.ResourceContent{
			{Raw: json.RawMessage(`{"uri":"demo://a","text":"hi","_meta":{}}`)},
			{URI: "demo://b", IsText: true, Text: "ab", Size: 5, Truncated: true},
		}}}
	want := `{"server":"one","uri":"demo://a","contents":[{"uri":"demo://a","text":"hi","_meta":{}},` +
		`{"uri":"demo://b","text":"ab\n[cut by toolserve: 2 of 5 bytes shown]","truncated":true,"size":5}],` +
		`"truncated":true,"ttlMs":1000,"cacheScope":"private","warnings":["odd"],"is_error":false,"duration_ms":1.5}`
	asked := mcphost.ResourceRead{Caller: mcphost.Caller{Timeout: 2 * time.Second, Origin: "resources", Actor: "alice"}, Server: "one", URI: "demo://a?b=c&d"}
	status, _, body := ask(t, lib.options(), "GET", "/v1/mcp/resources/read?server=one&timeout=2&uri="+url.QueryEscape("demo://a?b=c&d"), "")
	if status != 200 || body != want || !reflect.DeepEqual(lib.asked, asked) {
		t.Errorf("%d %s, asked %+v", status, body, lib.asked)
	}
	status, _, body = ask(t, lib.options(), "POST", "/v1/mcp/resources/read", `{"server":"one","uri":"demo://a?b=c&d","timeout":2}`)
	if status != 200 || body != want || !reflect.DeepEqual(lib.asked, asked) {
		t.Errorf("%d %s, asked %+v", status, body, lib.asked)
	}
	for _, bad := range [][3]string{
		{"GET", "/v1/mcp/resources/read?uri=a&uri=b", ""}, {"GET", "/v1/mcp/resources/read?uri=a&timeout=x", ""},
		{"GET", "/v1/mcp/resources/read?uri=a&timeout=NaN", ""}, {"POST", "/v1/mcp/resources/read", `{"uri":1}`},
		{"POST", "/v1/mcp/resources/read", `{"uri":"a","uri":"b"}`}, {"POST", "/v1/mcp/resources/read", `[]`},
		{"POST", "/v1/mcp/resources/read", `{"uri":"a","timeout":-1}`},
	} {
		if status, _, body := ask(t, lib.options(), bad[0], bad[1], bad[2]); status != 400 || !strings.Contains(body, `"is_error":true`) {
			t.Errorf("%v: %d %s", bad, status, body)
		}
	}
	lib.err = &mcphost.Error{Kind: mcphost.RateLimited, Message: "too many", RetryAfter: 1500 * time.Millisecond}
	status, header, _ := ask(t, lib.options(), "GET", "/v1/mcp/resources/read?uri=a", "")
	if status != 429 || header.Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %q", status, header.Get("Retry-After"))
	}
}

func TestGetPrompt(t *testing.T) {
	lib := &fakeLibrary{got: mcphost.PromptResult{Server: "one", Name: "trip", FullName: "one__trip", Description: "a plan",
		Messages: []mcphost.PromptMessage{{Role: "user", Content: mcphost.Content{Type: "text", Raw: json.RawMessage(`{"type":"text","text":"go"}`)}}}}}
	status, _, body := ask(t, lib.options(), "POST", "/v1/mcp/prompts/get", `{"server":"one","name":"trip","arguments":{"city":"Oslo","days":3,"slow":true},"approved":true}`)
	want := `{"name":"one__trip","server":"one","prompt":"trip","description":"a plan","messages":[{"role":"user","content":{"type":"text","text":"go"}}],"truncated":false,"is_error":false,"duration_ms":0}`
	asked := mcphost.PromptGet{Caller: mcphost.Caller{Origin: "prompts", Actor: "alice", Approved: true}, Server: "one", Name: "trip",
		Arguments: map[string]string{"city": "Oslo", "days": "3", "slow": "true"}}
	if status != 200 || body != want || !reflect.DeepEqual(lib.asked, asked) {
		t.Errorf("%d %s, asked %+v", status, body, lib.asked)
	}
	for _, bad := range []string{
		`{"name":1}`, `{"name":"a","prompt":"b"}`, `{"name":"a","arguments":[]}`, `{"name":"a","arguments":{"x":{}}}`,
		`{"name":"a","arguments":{"x":null}}`, `{"name":"a","arguments":{"x":"1","x":"2"}}`, `nothing`,
	} {
		if status, _, body := ask(t, lib.options(), "POST", "/v1/mcp/prompts/get", bad); status != 400 || !strings.Contains(body, `"invalid_request"`) {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
}

func TestComplete(t *testing.T) {
	lib := &fakeLibrary{completed: mcphost.Completion{Values: []string{"Paris"}, Total: 3, HasMore: true}}
	asked := mcphost.CompletionRequest{Caller: mcphost.Caller{Origin: "complete", Actor: "alice"}, Prompt: "trip", Argument: "city", Value: "Pa",
		Known: map[string]string{"days": "3"}}
	for _, body := range []string{
		`{"prompt":"trip","argument":"city","value":"Pa","arguments":{"days":"3"}}`,
		`{"ref":{"type":"ref/prompt","name":"trip"},"argument":{"name":"city","value":"Pa"},"context":{"arguments":{"days":"3"}}}`,
	} {
		status, _, got := ask(t, lib.options(), "POST", "/v1/mcp/complete", body)
		if status != 200 || got != `{"values":["Paris"],"total":3,"has_more":true}` || !reflect.DeepEqual(lib.asked, asked) {
			t.Errorf("%d %s, asked %+v", status, got, lib.asked)
		}
	}
	lib.completed = mcphost.Completion{Total: -1}
	_, _, got := ask(t, lib.options(), "POST", "/v1/mcp/complete", `{"ref":{"type":"ref/resource","uri":"demo://{x}"},"argument":{"name":"x","value":"q"}}`)
	if want := `{"values":[],"total":null,"has_more":false,"reason":"the server proposes nothing for \"x\" that goes on from \"q\""}`; got != want {
		t.Errorf("%s", got)
	}
	if lib.asked.(mcphost.CompletionRequest).Template != "demo://{x}" {
		t.Errorf("asked %+v", lib.asked)
	}
	for _, bad := range []string{`{"ref":{"type":"ref/tool"},"argument":"a"}`, `{"ref":1,"argument":"a"}`, `{"prompt":"p","argument":1}`,
		`{"prompt":"p","argument":{"name":1}}`, `{"prompt":"p","argument":"a","context":3}`} {
		if status, _, body := ask(t, lib.options(), "POST", "/v1/mcp/complete", bad); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
}
