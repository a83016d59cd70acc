package mcpserver

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

// asking is a host whose tool asks its caller's user for a name.
func asking() *fakeHost {
	return &fakeHost{run: func(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
		if call.Elicit == nil {
			return text("nobody to ask"), nil
		}
		answer, err := call.Elicit(ctx, mcphost.Elicitation{Mode: mcphost.ModeForm, Message: "Who?", Schema: json.RawMessage(`{"type":"object"}`)})
		if err != nil {
			return text("no answer: " + err.Error()), nil
		}
		if call.OnProgress != nil {
			call.OnProgress(mcphost.Progress{Progress: 1})
		}
		return text(answer.Action + string(answer.Content)), nil
	}}
}

// state is the requestState of an answer.
func state(t *testing.T, r reply) string {
	t.Helper()
	var got struct{ Result struct{ RequestState string } }
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || got.Result.RequestState == "" {
		t.Fatalf("no requestState in %s", r.body)
	}
	return got.Result.RequestState
}

func TestQuestionsWithoutASession(t *testing.T) {
	url := serveFake(t, asking(), Options{})
	body, header := modern("tools/call", `{"name":"x","arguments":{"a":1}}`, `{}`)
	wants(t, "a client that cannot be asked", do(t, "POST", url, body, header...), 200, "nobody to ask")

	body, header = modern("tools/call", `{"name":"x","arguments":{"a":1}}`, `{"elicitation":{}}`)
	r := do(t, "POST", url, body, header...)
	wants(t, "asked", r, 200, `"resultType":"input_required"`, `"inputRequests":{"toolserve_1":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object"}}}}`)

	again := func(params string, more ...string) reply {
		body, header := modern("tools/call", params, `{"elicitation":{}}`)
		return do(t, "POST", url, body, append(header, more...)...)
	}
	with := func(state, name, arguments, responses string) string {
		return `{"name":"` + name + `","arguments":` + arguments + `,"requestState":"` + state + `","inputResponses":` + responses + `}`
	}
	answer := `{"toolserve_1":{"action":"accept","content":{"name":"Ann"}}}`
	s := state(t, r)
	wants(t, "another key", again(with(s, "x", `{"a":1}`, answer), "X-Test-Key", "bob"), 400, `-32602`)
	wants(t, "another tool", again(with(s, "y", `{"a":1}`, answer)), 400, `-32602`)
	wants(t, "other arguments", again(with(s, "x", `{"a":2}`, answer)), 400, `-32602`)
	wants(t, "another state", again(with(s+"x", "x", `{"a":1}`, answer)), 400, `-32602`)
	r = again(with(s, "x", `{"a":1}`, `{"other":{}}`))
	wants(t, "no answer", r, 200, `"resultType":"input_required"`)
	wants(t, "an old state", again(with(s, "x", `{"a":1}`, answer)), 400, `-32602`)
	s = state(t, r)
	wants(t, "answered", again(with(s, "x", `{"a":1}`, answer)), 200, `accept{\"name\":\"Ann\"}`, `"resultType":"complete"`, `"progressToken":"tok"`)
	wants(t, "twice", again(with(s, "x", `{"a":1}`, answer)), 400, `-32602`)
}

func TestQuestionsThatNobodyAnswers(t *testing.T) {
	const patience = 300 * time.Millisecond // within which the first answer must come
	url := serveFake(t, asking(), Options{AskTimeout: patience})
	body, header := modern("tools/call", `{"name":"x"}`, `{"elicitation":{"form":{}}}`)
	s := state(t, do(t, "POST", url, body, header...))
	time.Sleep(2 * patience)
	body, header = modern("tools/call", `{"name":"x","requestState":"`+s+`","inputResponses":{"toolserve_1":{"action":"accept"}}}`, `{"elicitation":{}}`)
	wants(t, "too late", do(t, "POST", url, body, header...), 400, "its time is over")

	id := begin(t, url, `{"elicitation":{}}`)
	in := newEvents(t, open(t, t.Context(), "POST", url, callOf("x"), "Mcp-Session-Id", id))
	if asked := in.next(); !strings.Contains(asked, "elicitation/create") {
		t.Fatalf("the client was told %s", asked)
	}
	if got := in.next(); !strings.Contains(got, "no answer") {
		t.Errorf("the call ended with %s", got)
	}
}

func TestManyWaitingCalls(t *testing.T) {
	url := serveFake(t, asking(), Options{})
	body, header := modern("tools/call", `{"name":"x"}`, `{"elicitation":{}}`)
	for range maxParked {
		wants(t, "asked", do(t, "POST", url, body, header...), 200, "input_required")
	}
	wants(t, "one more", do(t, "POST", url, body, header...), 200, "too many calls wait")
	wants(t, "another key's", do(t, "POST", url, body, append(header, "X-Test-Key", "bob")...), 200, "input_required")
}

func TestChangesAreTold(t *testing.T) {
	host := &fakeHost{}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	own := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id))
	body, header := modern("subscriptions/listen", `{"notifications":{"toolsListChanged":true,"resourcesListChanged":true}}`, `{}`)
	listening := newEvents(t, open(t, t.Context(), "POST", url, body, header...))
	if got := listening.next(); got != `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"m"},"notifications":{"toolsListChanged":true}}}` {
		t.Errorf("the first message is %s", got)
	}
	host.change(tool("fs", "new"))
	if got := own.next(); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}` {
		t.Errorf("the session was told %s", got)
	}
	if got := listening.next(); !strings.Contains(got, `"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"m"}}`) {
		t.Errorf("who listens was told %s", got)
	}
	wants(t, "the list", do(t, "POST", url, listTools, "Mcp-Session-Id", id), 200, "fs__new")

	// A second stream of a session takes the place of the first, and its end ends the stream.
	second := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id))
	if got := own.next(); got != "" {
		t.Errorf("the first stream goes on with %s", got)
	}
	wants(t, "DELETE", do(t, "DELETE", url, "", "Mcp-Session-Id", id), 204)
	if got := second.next(); got != "" {
		t.Errorf("the stream outlives its session with %s", got)
	}
	body, header = modern("subscriptions/listen", `{"notifications":{"promptsListChanged":true}}`, `{}`)
	wants(t, "nothing to listen to", do(t, "POST", url, body, header...), 200, `"notifications":{}`)
	body, header = modern("subscriptions/listen", `{}`, `{}`)
	wants(t, "no filter", do(t, "POST", url, body, header...), 400, `-32602`)
}
