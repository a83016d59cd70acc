package toolloop

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/policy"
)

const filesNever = `"tools":[{"type":"mcp","server_label":"files","require_approval":"never"}]`

func TestCallsAreRunUntilTheModelAnswers(t *testing.T) {
	r := newRig(t, turn{"Let me look.", []string{`files__read {"path":"a"}`, `files__read {"path":"b"}`}},
		turn{"", []string{`files__write {"path":"c"}`}}, turn{"Done.", nil})
	r.caller = Caller{Actor: "ann", Request: "r1"}
	a := r.ask(filesNever, user("go"))
	if got := strings.Join(r.host.calls(), "; "); got != `read {"path":"a"}; read {"path":"b"}; write {"path":"c"}` {
		t.Errorf("calls %s", got)
	}
	for _, c := range r.host.ran {
		if c.Origin != "loop" || c.Actor != "ann" || c.Request != "r1" || c.Approved {
			t.Errorf("call %+v", c)
		}
	}
	if *a.Content != "Let me look.\n\nDone." || a.finish != "stop" || len(a.ToolCalls) > 0 || a.usage.Prompt != 30 || a.usage.Completion != 15 {
		t.Errorf("answer %q %s %+v", *a.Content, a.finish, a.usage)
	}
	if len(a.Items) != 4 || a.Items[0].Type != "mcp_list_tools" || len(a.Items[0].Tools) != 2 || a.Items[0].Tools[0]["name"] != "read" {
		t.Fatalf("items %+v", a.Items)
	}
	last := a.Items[3]
	if last.Type != "mcp_call" || last.Server != "files" || last.Name != "write" || last.Arguments != `{"path":"c"}` ||
		last.Status != "completed" || *last.Output != `result of write {"path":"c"}` || string(last.Error) != "null" {
		t.Errorf("item %+v", last)
	}
	if got := r.model.history(2); !strings.Contains(got, "tool:result of read {\"path\":\"b\"}\nassistant: files__write {\"path\":\"c\"}\ntool:result of write") {
		t.Errorf("the model saw\n%s", got)
	}
	if len(r.model.asked[0].Tools) != 2 || r.model.asked[0].ToolServers != nil {
		t.Errorf("the model was asked %+v", r.model.asked[0])
	}
}

func TestFailuresAreToldToTheModel(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__write {"path":"full"}`, `files__read {}`}}, turn{"Sorry.", nil})
	r.host.fail["read"] = errors.New("server 'files' failed")
	a := r.ask(filesNever, user("go"))
	if got := r.model.history(1); !strings.Contains(got, "tool:Error: result of write") || !strings.Contains(got, "tool:Error: server 'files' failed") {
		t.Errorf("the model saw\n%s", got)
	}
	errs := map[string]string{}
	for _, it := range a.Items[1:] {
		if errs[it.Name] = string(it.Error); it.Status != "failed" || it.Output != nil {
			t.Errorf("item %+v", it)
		}
	}
	if !strings.Contains(errs["write"], `"mcp_tool_execution_error"`) || !strings.Contains(errs["read"], `"mcp_protocol_error","code":-32000,"message":"server 'files' failed"`) {
		t.Errorf("errors %v", errs)
	}
}

func TestLimits(t *testing.T) {
	endless := turn{"", []string{`files__read {"path":"a"}`}}
	t.Run("rounds", func(t *testing.T) {
		r := newRig(t, endless, turn{"", []string{`files__read {"path":"b"}`}}, turn{"x", []string{`files__read {"path":"c"}`}})
		r.opts.MaxRounds = 2
		if a := r.ask(filesNever, user("go")); a.finish != "stop" || len(r.host.ran) != 2 || *a.Content != "x" {
			t.Errorf("%s after %d calls: %+v", a.finish, len(r.host.ran), a)
		}
	})
	t.Run("rounds of the host", func(t *testing.T) {
		r := newRig(t, endless)
		if r.ask(filesNever, user("go")); len(r.host.ran) != 3 || len(r.model.asked) != 5 {
			t.Errorf("%d calls ran in %d turns; want 3, the last refused as a repetition, and 5", len(r.host.ran), len(r.model.asked))
		}
	})
	t.Run("max_tool_calls", func(t *testing.T) {
		r := newRig(t, turn{"", []string{`files__read {"path":"a"}`, `files__read {"path":"b"}`}}, turn{"x", nil})
		a := r.ask(filesNever+`,"max_tool_calls":1`, user("go"))
		if len(r.host.ran) != 1 || r.model.asked[1].ToolChoice.Mode != chat.ToolNone || a.Items[2].Status == a.Items[1].Status {
			t.Errorf("%d calls ran; items %+v", len(r.host.ran), a.Items)
		}
	})
	t.Run("max_tokens", func(t *testing.T) {
		r := newRig(t, endless)
		a := r.ask(filesNever+`,"max_tokens":8`, user("go"))
		if a.finish != "length" || a.usage.Completion != 10 || r.model.asked[1].MaxTokens != 3 {
			t.Errorf("%s after %d tokens in %d turns", a.finish, a.usage.Completion, len(r.model.asked))
		}
	})
}

func TestFilters(t *testing.T) {
	for filter, want := range map[string]string{
		`["write"]`: "files__write", `["files__read"]`: "files__read", `{"read_only":true}`: "files__read", `{"read_only":false}`: "files__write",
		`{"tool_names":["read","write"],"read_only":true}`: "files__read", `[]`: "", `{}`: "files__read files__write",
	} {
		r := newRig(t, turn{"x", nil})
		r.ask(`"tools":[{"type":"mcp","server_label":"files","allowed_tools":`+filter+`}]`, user("go"))
		var names []string
		for _, tool := range r.model.asked[0].Tools {
			names = append(names, tool.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s offers %q, want %q", filter, got, want)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	r := newRig(t)
	tools := func(text string) string { return r.body(`"tools":[`+text+`]`, user("go")) }
	r.refuses(400, tools(`{"type":"mcp","server_label":"nope"}`), `"tools[0].server_label"`, `\"files\", \"web\", \"down\"`)
	r.refuses(503, tools(`{"type":"mcp","server_label":"down"}`), "retrying: it does not start")
	r.refuses(403, tools(`{"type":"mcp","server_label":"x","server_url":"https://example.org/mcp"}`), "tools[0].server_url")
	r.refuses(400, tools(`{"type":"mcp","server_label":"files","allowed_tools":["rm"]}`), "allowed_tools", `\"rm\"`, `\"read\"`)
	r.refuses(400, tools(`{"type":"mcp","server_label":"files","require_approval":{"never":{"tool_names":["rm"]}}}`), "require_approval.never")
	r.refuses(400, tools(`{"type":"function","function":{"name":"files__read"}},{"type":"mcp","server_label":"files"}`), "tools[1]", "files__read")
	r.refuses(400, r.body(filesNever+`,"tool_choice":{"type":"mcp","server_label":"files","name":"rm"}`, user("go")), "tool_choice")
	r.refuses(400, r.body(filesNever+`,"continue_final_message":true`, user("go"), map[string]any{"role": "assistant", "content": "I"}), "continue_final_message")
	r.refuses(400, r.body(`"tool_choice":"required"`, user("go")), "tool_choice")
	r.caller.NoTools = true
	r.refuses(403, r.body(filesNever, user("go")), "missing_scope", `scope \"tools\"`)
}

func TestPolicyStandsAboveTheRequest(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__read {}`}}, turn{"", []string{`files__write {}`}}, turn{"x", nil})
	r.host.decide["read"] = policy.Decision{Action: policy.Deny}
	r.host.decide["write"] = policy.Decision{Action: policy.Ask}
	a := r.ask(filesNever, user("go"))
	if a.finish != "tool_calls" || len(r.host.ran) != 0 || len(a.ToolCalls) != 1 || a.ToolCalls[0].Function.Name != "files__write" {
		t.Errorf("%s, %d calls ran: %+v", a.finish, len(r.host.ran), a)
	}
	if !strings.Contains(r.model.history(1), "tool:Error: refused by policy") {
		t.Errorf("the model saw\n%s", r.model.history(1))
	}
}

func TestWhichCallsWantConsent(t *testing.T) {
	for rule, asked := range map[string]string{
		`"always"`: "files__read files__write web__get", `"never"`: "", `null`: "files__read files__write",
		`{"never":{"read_only":true}}`:                                  "files__write",
		`{"never":{"tool_names":["read","write"]}}`:                     "",
		`{"always":{"tool_names":["write"]}}`:                           "files__write",
		`{"always":{"read_only":true},"never":{"tool_names":["read"]}}`: "files__read files__write",
	} {
		r := newRig(t, turn{"", []string{`files__read {}`, `files__write {}`, `web__get {}`}}, turn{"x", nil})
		web := rule
		if strings.Contains(rule, "{") {
			web = "null"
		}
		a := r.ask(`"tools":[{"type":"mcp","server_label":"files","require_approval":`+rule+`},{"type":"mcp","server_label":"web","require_approval":`+web+`}]`, user("go"))
		var names []string
		for _, call := range a.ToolCalls {
			names = append(names, call.Function.Name)
		}
		if got := strings.Join(names, " "); got != asked {
			t.Errorf("%s asks about %q, want %q", rule, got, asked)
		}
	}
}

func TestToolChoice(t *testing.T) {
	two := `"tools":[{"type":"mcp","server_label":"files","require_approval":"never"},{"type":"mcp","server_label":"web","require_approval":"never"}]`
	r := newRig(t, turn{"", []string{`web__get {}`}}, turn{"x", nil})
	r.ask(two+`,"tool_choice":{"type":"mcp","server_label":"web"}`, user("go"))
	if got := r.model.asked; got[0].ToolChoice.Mode != chat.ToolRequired || len(got[0].Tools) != 1 || got[1].ToolChoice.Mode != chat.ToolAuto || len(got[1].Tools) != 3 {
		t.Errorf("asked %+v and %+v", got[0].ToolChoice, got[1].ToolChoice)
	}
	for _, choice := range []string{`{"type":"mcp","server_label":"files","name":"write"}`, `{"type":"function","function":{"name":"files__write"}}`} {
		r = newRig(t, turn{"", []string{`files__write {}`}}, turn{"x", nil})
		r.ask(two+`,"tool_choice":`+choice, user("go"))
		if got := r.model.asked[0].ToolChoice; got != (chat.ToolChoice{Mode: chat.ToolNamed, Name: "files__write"}) {
			t.Errorf("%s became %+v", choice, got)
		}
	}
}

func TestAutoTools(t *testing.T) {
	for members, offered := range map[string]int{
		"": 3, `"tool_choice":"required"`: 3, `"tool_choice":"none"`: 0, `"response_format":{"type":"json_object"}`: 0,
		`"tools":[{"type":"function","function":{"name":"f"}}]`: 1, filesNever: 2,
	} {
		r := newRig(t, turn{"x", nil})
		r.opts.AutoTools = true
		r.ask(members, user("go"))
		if got := len(r.model.asked[0].Tools); got != offered {
			t.Errorf("%s: %d tools are offered, want %d", members, got, offered)
		}
	}
	r := newRig(t, turn{"", []string{`files__write {}`}}, turn{"x", nil})
	r.opts.AutoTools = true
	if a := r.ask("", user("go")); len(r.host.ran) != 1 || a.finish != "stop" || len(a.Items) != 1 {
		t.Errorf("%d calls ran: %+v", len(r.host.ran), a)
	}
	r = newRig(t, turn{"x", nil})
	r.opts.AutoTools, r.caller.NoTools = true, true
	if r.ask("", user("go")); len(r.model.asked[0].Tools) != 0 {
		t.Error("a caller without the scope is offered tools")
	}
	r.refuses(http.StatusBadRequest, r.body(`"tool_choice":"required"`, user("go")), "tool_choice")
}

// TestStream wants the events of a run in their order.
func TestStream(t *testing.T) {
	r := newRig(t, turn{"Look.", []string{`files__read {}`}}, turn{"Done.", nil})
	status, body := r.post(r.body(filesNever+`,"stream":true`, user("go")))
	at := 0
	for _, want := range []string{
		`"type":"mcp_list_tools"`, `"content":"Look."`, `"response.output_item.added"`, `"status":"in_progress"`,
		`"response.mcp_call.in_progress","sequence_number":3,"output_index":1,"item_id":"mcp_TestStream2","progress":{"progress":1,"total":2,"message":"half"}`,
		`"response.output_item.done"`, `"status":"completed"`, `"content":"\n\n"`, `"content":"Done."`, `"finish_reason":"stop"`, "[DONE]",
	} {
		i := strings.Index(body[at:], want)
		if i < 0 {
			t.Fatalf("status %d: %s does not come, or not in its turn:\n%s", status, want, body)
		}
		at += i
	}
	if strings.Contains(body, "tool_calls") {
		t.Errorf("a call that the server runs is handed on:\n%s", body)
	}
}
