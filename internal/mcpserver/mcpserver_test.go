package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/listing"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
)

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

func callOf(name string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + name + `","arguments":{"a":1},"_meta":{"progressToken":5}}}`
}

func TestOff(t *testing.T) {
	url := serveFake(t, nil, Options{})
	for _, method := range []string{"POST", "GET", "DELETE"} {
		wants(t, method, do(t, method, url, listTools), 503, "--mcp-config", `"code":-32000`)
	}
}

func TestSession(t *testing.T) {
	host := &fakeHost{tools: []mcphost.Tool{tool("fs", "read"), tool("web", "get")}}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`, "X-Test-Key", "ann")
	ann := []string{"X-Test-Key", "ann", "Mcp-Session-Id", id}
	wants(t, "list", do(t, "POST", url, listTools, ann...), 200, `"fs__read"`, `"web__get"`, `"id":1`, mcphost.InstancesKey)
	wants(t, "note", do(t, "POST", url, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, ann...), 202)
	wants(t, "call", do(t, "POST", url, callOf("fs__read"), ann...), 200, `"content":[{"text":"hello","type":"text"}]`)
	if call := host.last(); call.Tool != "fs__read" || call.Server != "" || call.Actor != "ann" || call.Origin != "mcp" || string(call.Arguments) != `{"a":1}` || call.Approved {
		t.Errorf("the call was %+v", call)
	}
	wants(t, "ping", do(t, "POST", url, `{"jsonrpc":"2.0","id":2,"method":"ping"}`, ann...), 200, `"result":{}`)
	wants(t, "unknown", do(t, "POST", url, `{"jsonrpc":"2.0","id":2,"method":"tools/list2"}`, ann...), 200, `-32601`)
	wants(t, "discover", do(t, "POST", url, `{"jsonrpc":"2.0","id":2,"method":"server/discover"}`, ann...), 200, `-32601`)

	// To another key, at another endpoint and after its end the session is not there.
	wants(t, "other key", do(t, "POST", url, listTools, "X-Test-Key", "bob", "Mcp-Session-Id", id), 404)
	wants(t, "no key", do(t, "POST", url, listTools, "Mcp-Session-Id", id), 404)
	wants(t, "other key's DELETE", do(t, "DELETE", url, "", "X-Test-Key", "bob", "Mcp-Session-Id", id), 404)
	wants(t, "other key's GET", do(t, "GET", url, "", "X-Test-Key", "bob", "Mcp-Session-Id", id), 404)
	wants(t, "other endpoint", do(t, "POST", url+"/fs", listTools, ann...), 404)
	wants(t, "fixed id", do(t, "POST", url, strings.Replace(listTools, "tools/list", "initialize", 1), "Mcp-Session-Id", "chosen-by-the-client"), 404)
	wants(t, "DELETE", do(t, "DELETE", url, "", ann...), 204)
	wants(t, "after DELETE", do(t, "POST", url, listTools, ann...), 404, "begin one with")
}

func TestOneServer(t *testing.T) {
	host := &fakeHost{tools: []mcphost.Tool{tool("fs", "read"), tool("web", "get")}}
	url := serveFake(t, host, Options{})
	id := begin(t, url+"/web", `{}`)
	r := do(t, "POST", url+"/web", listTools, "Mcp-Session-Id", id)
	if wants(t, "list", r, 200, `"name":"get"`); strings.Contains(r.body, "read") {
		t.Errorf("the list holds another server's tools: %s", r.body)
	}
	do(t, "POST", url+"/web", callOf("get"), "Mcp-Session-Id", id)
	if call := host.last(); call.Server != "web" || call.Tool != "get" {
		t.Errorf("the call was %+v", call)
	}
	wants(t, "unknown server", do(t, "POST", url+"/nope", listTools), 404, "fs, web")
}

func TestDefinitionsKeepTheirBytes(t *testing.T) {
	one := tool("fs", "read")
	one.Title, one.Description = "Réad <it>", "a & b"
	one.Parameters = json.RawMessage(`{"type":"object", "$defs":{"z":1e400,"a":{}},"x-odd":[ 1 ]}`)
	one.Output, one.Annotations = json.RawMessage(`{"type":"object","properties":{"n":{"const":12345678901234567890}}}`), json.RawMessage(`{"readOnlyHint":true,"own":null}`)
	one.Icons, one.Meta = json.RawMessage(`[{"src":"https://x/y.png"}]`), json.RawMessage(`{"own":[1e400],"io.toolserve/x":1}`)
	bad := tool("fs", "bad")
	bad.Icons, bad.Meta = json.RawMessage(`[{"src":"javascript:alert(1)"}]`), json.RawMessage(`[]`)
	host := &fakeHost{tools: []mcphost.Tool{one, bad}, run: func(context.Context, mcphost.Call) (mcphost.Result, error) {
		return mcphost.Result{
			Content:    []mcphost.Content{{Type: "hologram", Raw: json.RawMessage(`{"type":"hologram","data":"<&>","n":12345678901234567890}`)}, {Type: "text", Text: "cut"}},
			Structured: json.RawMessage(`{"n":12345678901234567890, "z":"<"}`), Warnings: []string{"careful"},
			Meta: json.RawMessage(`{"b":12345678901234567890,"io.modelcontextprotocol/serverInfo":{"name":"behind"}}`),
		}, nil
	}}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	wants(t, "list", do(t, "POST", url, listTools, "Mcp-Session-Id", id), 200,
		`"title":"Réad <it>","description":"a & b","inputSchema":`+string(one.Parameters)+`,"outputSchema":`+string(one.Output)+`,"annotations":`+string(one.Annotations)+`,"icons":[{"src":"https://x/y.png"}],"_meta":{"own":[1e400]},"execution":{"taskSupport":"optional"}}`,
		`{"name":"fs__bad","description":"Does bad.","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"}}`)
	result := `"content":[{"type":"hologram","data":"<&>","n":12345678901234567890},{"text":"cut","type":"text"}],"structuredContent":{"n":12345678901234567890, "z":"<"}}`
	wants(t, "call", do(t, "POST", url, callOf("fs__read"), "Mcp-Session-Id", id), 200, result, `"_meta":{"io.toolserve/warnings":["careful"],"b":12345678901234567890}`)
	body, header := modern("tools/call", `{"name":"fs__read","arguments":{}}`, `{}`)
	r := do(t, "POST", url, body, header...)
	if wants(t, "call without a session", r, 200, result, `"resultType":"complete"`, `"io.toolserve/warnings"`); strings.Count(r.body, `"_meta"`) != 1 || !json.Valid([]byte(r.body)) {
		t.Errorf("the answer is %s", r.body)
	}
}

func TestInstructions(t *testing.T) {
	host := &fakeHost{}
	url := serveFake(t, host, Options{Instructions: func(server string) string { return map[string]string{"web": "Fetch once."}[server] }})
	hello := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	wants(t, "all servers", do(t, "POST", url, hello), 200, `"instructions":"Tools and prompts are named server__name. These`, `\n# web\n\n> Fetch once.\n"`)
	wants(t, "one server", do(t, "POST", url+"/web", hello), 200, `"instructions":"Fetch once."`)
	body, header := modern("server/discover", `{}`, `{}`)
	wants(t, "discover", do(t, "POST", url, body, header...), 200, `\n# web\n\n> Fetch once.\n"`)
	if r := do(t, "POST", url+"/fs", hello); strings.Contains(r.body, "instructions") {
		t.Errorf("a server without instructions has %s", r.body)
	}
}

func TestPages(t *testing.T) {
	host := &fakeHost{}
	for i := range listing.PageItems + 10 {
		host.tools = append(host.tools, tool("fs", fmt.Sprint("t", i)))
	}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	first := do(t, "POST", url, listTools, "Mcp-Session-Id", id)
	wants(t, "first page", first, 200, `"nextCursor":"500"`, `"fs__t499"`)
	second := do(t, "POST", url, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"500"}}`, "Mcp-Session-Id", id)
	if wants(t, "second page", second, 200, `"fs__t500"`, `"fs__t509"`); strings.Contains(second.body, "nextCursor") || strings.Contains(first.body, "fs__t500") {
		t.Error("the pages overlap or do not end")
	}
	for _, cursor := range []string{`"x"`, `"-1"`, `"511"`, `7`, `"99999999999999999999999"`} {
		wants(t, cursor, do(t, "POST", url, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":`+cursor+`}}`, "Mcp-Session-Id", id), 200, `-32602`)
	}
}

func TestErrorsOfCalls(t *testing.T) {
	fail := func(e mcphost.Error) error { return &e }
	tests := []struct {
		name     string
		err      error
		sessions string // the answer in a session
		status   int    // without one
	}{
		{"unknown", fail(mcphost.Error{Kind: mcphost.Unknown, Message: "no such tool"}), `"error":{"code":-32602,"message":"no such tool"}`, 400},
		{"policy", fail(mcphost.Error{Kind: mcphost.PolicyDenied, Message: "not <this>"}), `"content":[{"text":"not <this>","type":"text"}],"isError":true`, 200},
		{"rate", fail(mcphost.Error{Kind: mcphost.RateLimited, Message: "slowly", RetryAfter: 3 * time.Second}), `slowly (try again in 3 s)`, 200},
		{"arguments", fail(mcphost.Error{Kind: mcphost.BadArguments, Message: "path is missing"}), `path is missing","type":"text"}],"isError":true`, 200},
		{"upstream", fail(mcphost.Error{Kind: mcphost.ServerFailed, Message: "refused", Code: -32021, Data: json.RawMessage(`{"requiredCapabilities":{"sampling":{}}}`)}),
			`"error":{"code":-32021,"message":"refused","data":{"requiredCapabilities":{"sampling":{}}}}`, 400},
		{"down", fail(mcphost.Error{Kind: mcphost.NotConnected, Message: "away"}), `"isError":true`, 200},
	}
	for _, test := range tests {
		host := &fakeHost{run: func(context.Context, mcphost.Call) (mcphost.Result, error) { return mcphost.Result{}, test.err }}
		url := serveFake(t, host, Options{})
		wants(t, test.name, do(t, "POST", url, callOf("x"), "Mcp-Session-Id", begin(t, url, `{}`)), 200, test.sessions)
		body, header := modern("tools/call", `{"name":"x"}`, `{}`)
		wants(t, test.name+" without a session", do(t, "POST", url, body, header...), test.status)
	}
}

func TestWhatIsSaidDuringACall(t *testing.T) {
	host := &fakeHost{run: func(_ context.Context, call mcphost.Call) (mcphost.Result, error) {
		for i := range 3 {
			call.OnProgress(mcphost.Progress{Progress: float64(i), Total: 3, Message: "m"})
		}
		if call.OnLog != nil {
			call.OnLog(mcphost.LogMessage{Level: "debug", Data: json.RawMessage(`"too fine"`)})
			call.OnLog(mcphost.LogMessage{Level: "error", Logger: "l", Data: json.RawMessage(`{"a":1}`)})
		}
		return text("done"), nil
	}}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	in := newEvents(t, open(t, t.Context(), "POST", url, callOf("x"), "Mcp-Session-Id", id))
	for _, want := range []string{
		`"method":"notifications/progress","params":{"progressToken":5,"progress":0,"total":3,"message":"m"}`, `"progress":1`, `"progress":2`,
		`"method":"notifications/message","params":{"level":"error","logger":"l","data":{"a":1}}`, `"id":7,"result":{"content"`,
	} {
		if got := in.next(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	wants(t, "setLevel", do(t, "POST", url, `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"emergency"}}`, "Mcp-Session-Id", id), 200, `"result":{}`)
	wants(t, "a level that is none", do(t, "POST", url, `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"loud"}}`, "Mcp-Session-Id", id), 200, `-32602`)
	if r := do(t, "POST", url, callOf("x"), "Mcp-Session-Id", id); strings.Contains(r.body, "notifications/message") {
		t.Errorf("a log under the level was sent: %s", r.body)
	}
	// Revision 2026-07-28 has no logs where the request asks for none.
	body, header := modern("tools/call", `{"name":"x"}`, `{}`)
	if r := do(t, "POST", url, body, header...); strings.Contains(r.body, "notifications/message") || !strings.Contains(r.body, `"progressToken":"tok"`) {
		t.Errorf("the stream is %s", r.body)
	}
}

func TestCancel(t *testing.T) {
	started, ended := make(chan struct{}, 3), make(chan error, 3)
	host := &fakeHost{run: func(ctx context.Context, _ mcphost.Call) (mcphost.Result, error) {
		started <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return mcphost.Result{}, &mcphost.Error{Kind: mcphost.Canceled, Message: "given up"}
	}}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	got := make(chan reply, 1)
	go func() { got <- do(t, "POST", url, callOf("x"), "Mcp-Session-Id", id) }()
	<-started
	wants(t, "the same id again", do(t, "POST", url, callOf("x"), "Mcp-Session-Id", id), 429, "is under way")
	wants(t, "cancel another", do(t, "POST", url, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}`, "Mcp-Session-Id", id), 202)
	wants(t, "cancel", do(t, "POST", url, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`, "Mcp-Session-Id", id), 202)
	<-ended
	wants(t, "the call", <-got, 200, `"id":7`, "given up")

	// A client that leaves cancels, in both eras, and so does the end of the session.
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	body, header := modern("tools/call", `{"name":"x"}`, `{}`)
	leave(t, ctx, url, body, header...)
	<-ended
	go func() { got <- do(t, "POST", url, callOf("x"), "Mcp-Session-Id", id) }()
	<-started
	wants(t, "DELETE", do(t, "DELETE", url, "", "Mcp-Session-Id", id), 204)
	<-ended
	<-got
}

func TestBatch(t *testing.T) {
	host := &fakeHost{}
	url := serveFake(t, host, Options{})
	r := do(t, "POST", url, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{}}}`)
	wants(t, "initialize", r, 200, `"protocolVersion":"2025-03-26"`)
	id := r.header.Get("Mcp-Session-Id")
	batch := `[` + listTools + `,{"jsonrpc":"2.0","method":"notifications/initialized"},` + callOf("x") + `]`
	r = do(t, "POST", url, batch, "Mcp-Session-Id", id)
	var answers []struct{ ID int }
	if json.Unmarshal([]byte(r.body), &answers) != nil || len(answers) != 2 || answers[0].ID != 1 || answers[1].ID != 7 {
		t.Errorf("the batch's answer is %s", r.body)
	}
	wants(t, "notes only", do(t, "POST", url, `[{"jsonrpc":"2.0","method":"notifications/initialized"}]`, "Mcp-Session-Id", id), 202)
	wants(t, "a later revision", do(t, "POST", url, batch, "Mcp-Session-Id", begin(t, url, `{}`)), 400, "knows no batches")
}

func TestApproval(t *testing.T) {
	host := &fakeHost{decision: policy.Decision{Action: policy.Ask, Reason: "it deletes"}}
	host.run = func(_ context.Context, call mcphost.Call) (mcphost.Result, error) {
		if call.Approved {
			return text("deleted"), nil
		}
		return mcphost.Result{}, &mcphost.Error{Kind: mcphost.NeedsApproval, Server: "fs", Tool: "rm", Message: "it deletes"}
	}
	url := serveFake(t, host, Options{})
	wants(t, "a client that cannot ask", do(t, "POST", url, callOf("rm"), "Mcp-Session-Id", begin(t, url, `{}`)), 200, `"isError":true`, `it deletes; approve it with`)
	id := begin(t, url, `{"elicitation":{}}`)
	for answer, want := range map[string]string{
		`"result":{"action":"accept","content":{"approve":true}}`:  `"text":"deleted"`,
		`"result":{"action":"accept","content":{"approve":false}}`: `the user refused`,
		`"result":{"action":"accept","content":{"approve":"yes"}}`: `the user refused`,
		`"result":{"action":"decline"}`:                            `the user did not allow`,
		`"error":{"code":-1,"message":"no"}`:                       `the user did not allow`,
	} {
		in := newEvents(t, open(t, t.Context(), "POST", url, callOf("rm"), "Mcp-Session-Id", id))
		asked := in.next()
		if !strings.Contains(asked, `"elicitation/create"`) || !strings.Contains(asked, "it deletes") || !strings.Contains(asked, `{\"a\":1}`) {
			t.Fatalf("the client was asked %s", asked)
		}
		var q struct{ ID json.RawMessage }
		if err := json.Unmarshal([]byte(asked), &q); err != nil {
			t.Fatal(err)
		}
		wants(t, "answer", do(t, "POST", url, `{"jsonrpc":"2.0","id":`+string(q.ID)+`,`+answer+`}`, "Mcp-Session-Id", id), 202)
		if got := in.next(); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", answer, got, want)
		}
	}
}
