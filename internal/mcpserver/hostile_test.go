package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

// leave sends a request and leaves when ctx ends.
func leave(t *testing.T, ctx context.Context, url, body string, header ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func TestHostileMessages(t *testing.T) {
	url := serveFake(t, &fakeHost{}, Options{MaxBody: 1 << 20})
	id := begin(t, url, `{}`)
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"nothing", ``, 400, "-32700"},
		{"no JSON", `{"jsonrpc":`, 400, "-32700"},
		{"two values", listTools + listTools, 400, "-32700"},
		{"a number", `7`, 400, "-32600"},
		{"another version", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, 400, "-32600"},
		{"a null id", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, 400, "-32600"},
		{"an object as id", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, 400, "-32600"},
		{"a giant id", `{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 300) + `","method":"ping"}`, 400, "-32600"},
		{"a giant number as id", `{"jsonrpc":"2.0","id":1` + strings.Repeat("0", 300) + `,"method":"ping"}`, 400, "-32600"},
		{"a key twice", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`, 400, "given twice"},
		{"a key in capitals", `{"jsonrpc":"2.0","id":1,"Method":"ping"}`, 400, "-32600"},
		{"a method of another type", `{"jsonrpc":"2.0","id":1,"method":["ping"]}`, 400, "-32600"},
		{"params of another type", `{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}`, 400, "-32600"},
		{"request and response", `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`, 400, "-32600"},
		{"result and error", `{"jsonrpc":"2.0","id":1,"error":{},"result":{}}`, 400, "-32600"},
		{"an empty batch", `[]`, 400, "-32600"},
		{"a large batch", `[` + strings.Repeat(listTools+",", 64) + listTools + `]`, 400, "-32600"},
		{"too deep", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), 400, "-32700"},
		{"too large", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`, 413, "larger than"},
		{"an answer to nothing", `{"jsonrpc":"2.0","id":99,"result":{}}`, 202, ""},
		{"initialize again", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`, 200, "-32601"},
		{"a call of nothing", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, 200, "-32602"},
		{"a call of a number", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}`, 200, "-32602"},
		{"a name twice", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}`, 200, "-32602"},
	}
	for _, test := range tests {
		wants(t, test.name, do(t, "POST", url, test.body, "Mcp-Session-Id", id), test.status, test.want)
	}
}

func TestWrongHeaders(t *testing.T) {
	sealed := tool("fs", "read")
	sealed.Parameters = json.RawMessage(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}`)
	url := serveFake(t, &fakeHost{tools: []mcphost.Tool{sealed}}, Options{})
	list, listHeader := modern("tools/list", `{}`, `{}`)
	call, callHeader := modern("tools/call", `{"name":"fs__read","arguments":{"region":"Zürich","deep":{"n":42}}}`, `{}`)
	plain, plainHeader := modern("tools/call", `{"name":"fs__read","arguments":{"region":null}}`, `{}`)
	good := append(callHeader, "Mcp-Param-Region", "=?base64?WsO8cmljaA==?=", "Mcp-Param-N", "42.0")
	id := begin(t, url, `{}`)
	tests := []struct {
		name, method, body string
		header             []string
		status             int
		want               string
	}{
		{"good", "POST", list, listHeader, 200, `"resultType":"complete","ttlMs":5000`},
		{"good call", "POST", call, good, 200, "hello"},
		{"no arguments", "POST", plain, plainHeader, 200, "hello"},
		{"Accept without JSON", "POST", list, append(listHeader, "Accept", "text/event-stream"), 406, "-32600"},
		{"Accept without a stream", "POST", listTools, []string{"Accept", "application/json", "Mcp-Session-Id", id}, 406, "-32600"},
		{"no revision", "POST", list, []string{"Mcp-Method", "tools/list"}, 400, "-32020"},
		{"another revision", "POST", list, []string{"Mcp-Method", "tools/list", "Mcp-Protocol-Version", "2026-07-29"}, 400, "-32020"},
		{"no method", "POST", list, []string{"Mcp-Protocol-Version", "2026-07-28"}, 400, "-32020"},
		{"another method", "POST", list, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call"}, 400, "-32020"},
		{"another name", "POST", call, append(good, "Mcp-Name", "fs__write"), 400, "-32020"},
		{"no name", "POST", call, append(good, "Mcp-Name", ""), 400, "-32020"},
		{"another argument", "POST", call, append(good, "Mcp-Param-Region", "Bern"), 400, "-32020"},
		{"a missing argument", "POST", call, append(good, "Mcp-Param-N", ""), 400, "-32020"},
		{"a number that is none", "POST", call, append(good, "Mcp-Param-N", "4x"), 400, "-32020"},
		{"base64 that is none", "POST", call, append(good, "Mcp-Param-Region", "=?base64?%%?="), 400, "-32020"},
		{"an argument that is not there", "POST", plain, append(plainHeader, "Mcp-Param-Region", "x"), 400, "-32020"},
		{"a revision of old", "POST", listTools, []string{"Mcp-Protocol-Version", "2024-01-01", "Mcp-Session-Id", id}, 400, "-32022"},
		{"no session", "POST", listTools, nil, 400, "-32600"},
		{"GET without a session", "GET", "", nil, 400, "-32600"},
		{"GET of a page", "GET", "", []string{"Accept", "text/html", "Mcp-Session-Id", id}, 406, "-32600"},
		{"GET of the new revision", "GET", "", []string{"Mcp-Protocol-Version", "2026-07-28"}, 405, "has no sessions"},
		{"DELETE without a session", "DELETE", "", nil, 400, "-32600"},
		{"a huge session id", "POST", listTools, []string{"Mcp-Session-Id", strings.Repeat("x", 10000)}, 404, "-32600"},
	}
	for _, test := range tests {
		wants(t, test.name, do(t, test.method, url, test.body, test.header...), test.status, test.want)
	}
	far, header := modern("tools/list", `{}`, `{}`)
	far = strings.ReplaceAll(far, "2026-07-28", "v999.0.0")
	header[1] = "v999.0.0"
	wants(t, "a revision that will be", do(t, "POST", url, far, header...), 400, `"requested":"v999.0.0"`, `"supported":["2026-07-28"`, `"id":"m"`)
}

func TestManySessions(t *testing.T) {
	now := time.Unix(0, 0)
	hold := make(chan struct{})
	host := &fakeHost{run: func(ctx context.Context, _ mcphost.Call) (mcphost.Result, error) {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return text("held"), nil
	}}
	url := serveFake(t, host, Options{MaxSessions: 5, Now: func() time.Time { return now }, Idle: time.Hour})
	bob := begin(t, url, `{}`, "X-Test-Key", "bob")
	var ids []string
	for i := range 1000 {
		now = now.Add(time.Millisecond)
		ids = append(ids, begin(t, url, `{}`, "X-Test-Key", "ann"))
		_ = i
	}
	for i, id := range ids {
		want := 404
		if i >= 995 {
			want = 200
		}
		if i < 3 || i > 990 {
			wants(t, fmt.Sprint("session ", i), do(t, "POST", url, listTools, "X-Test-Key", "ann", "Mcp-Session-Id", id), want)
		}
	}
	wants(t, "another key's session", do(t, "POST", url, listTools, "X-Test-Key", "bob", "Mcp-Session-Id", bob), 200)

	// Sessions that are in use do not make room.
	got := make(chan reply, 5)
	for _, id := range ids[995:] {
		go func() { got <- do(t, "POST", url, callOf("x"), "X-Test-Key", "ann", "Mcp-Session-Id", id) }()
	}
	soon(t, "the calls", func() bool { host.mu.Lock(); defer host.mu.Unlock(); return len(host.calls) == 5 })
	r := do(t, "POST", url, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`, "X-Test-Key", "ann")
	if wants(t, "no room", r, 429, "too many sessions"); r.header.Get("Retry-After") == "" {
		t.Error("the refusal does not say when to try again")
	}
	close(hold)
	for range 5 {
		wants(t, "a held call", <-got, 200, "held")
	}
	now = now.Add(2 * time.Hour)
	wants(t, "an idle session", do(t, "POST", url, listTools, "X-Test-Key", "ann", "Mcp-Session-Id", ids[999]), 404)
}

func TestManyStreams(t *testing.T) {
	url := serveFake(t, &fakeHost{}, Options{MaxSessions: 3})
	body, header := modern("subscriptions/listen", `{"notifications":{"toolsListChanged":true}}`, `{}`)
	for range 3 {
		newEvents(t, open(t, t.Context(), "POST", url, body, header...)).next()
	}
	wants(t, "one more", do(t, "POST", url, body, header...), 429, "too many streams")
	newEvents(t, open(t, t.Context(), "POST", url, body, append(header, "X-Test-Key", "bob")...)).next()
}

func TestManyCallsAtOnce(t *testing.T) {
	hold := make(chan struct{})
	host := &fakeHost{run: func(context.Context, mcphost.Call) (mcphost.Result, error) { <-hold; return text("ok"), nil }}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	got := make(chan reply, maxInFlight)
	for i := range maxInFlight {
		go func() {
			got <- do(t, "POST", url, strings.Replace(callOf("x"), `"id":7`, fmt.Sprintf(`"id":"c%d"`, i), 1), "Mcp-Session-Id", id)
		}()
	}
	soon(t, "the calls", func() bool { host.mu.Lock(); defer host.mu.Unlock(); return len(host.calls) == maxInFlight })
	wants(t, "one more", do(t, "POST", url, callOf("x"), "Mcp-Session-Id", id), 429, "requests under way")
	close(hold)
	for range maxInFlight {
		wants(t, "a call", <-got, 200, "ok")
	}
}

// A definition that clients could not read takes nothing from the others.
func TestMalformedTools(t *testing.T) {
	odd := tool("fs", "odd")
	odd.Parameters, odd.Output, odd.Annotations = json.RawMessage(`{"type":"array"}`), json.RawMessage(`{"type":"array"}`), json.RawMessage(`{"title":5,"readOnlyHint":true}`)
	plain := tool("fs", "plain")
	plain.Parameters, plain.Output, plain.Annotations = json.RawMessage(`{"properties":{}}`), json.RawMessage(`"x"`), json.RawMessage(`[]`)
	f := &fakeHost{tools: []mcphost.Tool{odd, plain}, run: func(context.Context, mcphost.Call) (mcphost.Result, error) {
		return mcphost.Result{Structured: json.RawMessage(`[1]`)}, nil
	}}
	f.tools[0].Description, f.tools[1].Description = "", ""
	url := serveFake(t, f, Options{})
	const readable = `{"name":"fs__plain","inputSchema":{"type":"object","properties":{}}}`
	body, header := modern("tools/list", `{}`, `{}`)
	wants(t, "without sessions", do(t, "POST", url, body, header...), 200, readable,
		`{"name":"fs__odd","inputSchema":{"type":"object"},"outputSchema":{"type":"array"},"annotations":{"readOnlyHint":true}}`)
	id := begin(t, url, `{}`)
	wants(t, "in a session", do(t, "POST", url, listTools, "Mcp-Session-Id", id), 200,
		`{"name":"fs__plain","inputSchema":{"type":"object","properties":{}},"execution":{"taskSupport":"optional"}}`,
		`{"name":"fs__odd","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true},"execution":{"taskSupport":"optional"}}`)
	wants(t, "a result that is no object", do(t, "POST", url, inSession("tools/call", `{"name":"fs__odd"}`), "Mcp-Session-Id", id), 200,
		`"result":{"content":[{"text":"[1]","type":"text"}]}`)
}
