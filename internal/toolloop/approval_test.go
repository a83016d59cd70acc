package toolloop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
)

const (
	filesAsk  = `"tools":[{"type":"mcp","server_label":"files"}]`
	filesBoth = `"tools":[{"type":"mcp","server_label":"files","require_approval":{"never":{"tool_names":["read"]}}},{"type":"function","function":{"name":"clock"}}]`
)

// TestApproval goes through a run with calls that are run, one that waits, and one of the client's, with a
// client that keeps OpenAI's fields only.
func TestApproval(t *testing.T) {
	r := newRig(t, turn{"First.", []string{`files__read {"path":"a"}`}},
		turn{"Then.", []string{`files__write {"path": "b"}`, `files__read {"path":"c"}`, `clock {}`}},
		turn{"Done.", nil}, turn{"More.", nil})
	r.caller.Request = "r1"
	a := r.ask(filesBoth, user("go"))
	if a.finish != "tool_calls" || len(a.ToolCalls) != 2 || a.ToolCalls[0].Function.Arguments != `{"path": "b"}` || a.ToolCalls[1].Function.Name != "clock" {
		t.Fatalf("%s: %+v", a.finish, a)
	}
	if got := strings.Join(r.host.calls(), "; "); got != `read {"path":"a"}; read {"path":"c"}` {
		t.Errorf("before the approval ran %s", got)
	}
	request := a.Items[len(a.Items)-1]
	if request.Type != "mcp_approval_request" || request.Name != "write" || request.Arguments != `{"path": "b"}` ||
		!strings.HasPrefix(a.ToolCalls[0].ID, request.ID+carrierMark) || len(request.ID) != 37 {
		t.Errorf("request %+v for %s", request, a.ToolCalls[0].ID)
	}
	r.host.ran = nil
	r.caller.Request = "r2"
	b := r.ask(filesBoth, user("go"), a.plain(), toolMessage(a.ToolCalls[1].ID, "noon"), consent(a.message, 0, true, ""))
	if len(r.host.ran) != 1 || string(r.host.ran[0].Arguments) != `{"path": "b"}` || !r.host.ran[0].Approved || r.host.ran[0].Request != "r1" {
		t.Fatalf("ran %+v", r.host.ran)
	}
	const both = `user:go
assistant:First. files__read {"path":"a"}
tool:result of read {"path":"a"}
assistant:Then. files__write {"path": "b"} files__read {"path":"c"} clock {}
tool:result of write {"path": "b"}
tool:result of read {"path":"c"}
tool:noon
`
	if got := r.model.history(2); got != both {
		t.Errorf("the model saw\n%s", got)
	}
	if *b.Content != "Done." || b.finish != "stop" || len(b.Items) != 2 || *b.Items[1].Approval != request.ID {
		t.Errorf("answer %q, items %+v", *b.Content, b.Items)
	}
	// The next question: a client that sends the items back shows the model the result, another one does not.
	for name, last := range map[string]message{"items": b.message, "plain": b.plain()} {
		r.model.asked = r.model.asked[:3]
		r.ask(filesBoth, user("go"), a.plain(), toolMessage(a.ToolCalls[1].ID, "noon"), consent(a.message, 0, true, ""), last, user("more"))
		want := both
		if name == "plain" {
			want = strings.Replace(both, `tool:result of write {"path": "b"}`, "tool:"+approvedText, 1)
		}
		if got := r.model.history(3); got != want+"assistant:Done.\nuser:more\n" {
			t.Errorf("%s: the model saw\n%s", name, got)
		}
	}
	if len(r.host.ran) != 1 {
		t.Errorf("old approvals ran calls again: %+v", r.host.ran)
	}
}

// TestApprovalAfterApproval wants the result of the first approved call to reach the model after the second.
func TestApprovalAfterApproval(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__write {"path":"a"}`}}, turn{"", []string{`files__write {"path":"b"}`}}, turn{"x", nil})
	a := r.ask(filesAsk, user("go"))
	first := []any{user("go"), a.plain(), consent(a.message, 0, true, "")}
	b := r.ask(filesAsk, first...)
	r.ask(filesAsk, append(first, b.plain(), consent(b.message, 0, true, ""))...)
	if got := r.model.history(2); !strings.Contains(got, `tool:result of write {"path":"a"}`) || !strings.Contains(got, `tool:result of write {"path":"b"}`) {
		t.Errorf("the model saw\n%s", got)
	}
	if len(r.host.ran) != 2 {
		t.Errorf("%d calls ran", len(r.host.ran))
	}
}

func TestRefusedCall(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__write {"path":"a"}`, `files__read {}`}}, turn{"Sorry.", nil})
	a := r.ask(filesAsk, user("go"))
	b := r.ask(filesAsk, user("go"), a.plain(), consent(a.message, 0, false, "not that file"), consent(a.message, 1, true, ""))
	if got := strings.Join(r.host.calls(), " "); got != "read {}" || fmt.Sprint(r.host.refused) != "[write: not that file]" {
		t.Errorf("ran %s, refused %v", got, r.host.refused)
	}
	if got := r.model.history(1); !strings.Contains(got, `tool:Error: The user refused this call of "files__write": not that file`) {
		t.Errorf("the model saw\n%s", got)
	}
	if b.Items[1].Status != "failed" {
		t.Errorf("items %+v", b.Items)
	}
}

// TestInputItem answers with OpenAI's input item in the place of a message.
func TestInputItem(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__write {"path":"a"}`}}, turn{"x", nil})
	a := r.ask(filesAsk, user("go"))
	response := map[string]any{"type": "mcp_approval_response", "approval_request_id": a.Items[1].ID, "approve": true}
	if r.ask(filesAsk, user("go"), a.message, response); len(r.host.ran) != 1 {
		t.Errorf("%d calls ran", len(r.host.ran))
	}
}

// TestAlteredRequests wants 400 for whatever is not the call that was shown, and nothing run.
func TestAlteredRequests(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__write {"path":"a","n":1.0}`, `files__read {}`}}, turn{"x", nil})
	r.caller.Actor = "ann"
	a := r.ask(filesAsk, user("go"))
	alter := func(change func(*message)) message {
		m := a.plain()
		m.ToolCalls = append([]toolCall{}, m.ToolCalls...)
		change(&m)
		return m
	}
	cases := map[string]struct {
		m    message
		text string
	}{
		"arguments": {alter(func(m *message) { m.ToolCalls[0].Function.Arguments = `{"path":"b","n":1.0}` }), "unknown_approval_request"},
		"number":    {alter(func(m *message) { m.ToolCalls[0].Function.Arguments = `{"path":"a","n":1}` }), "unknown_approval_request"},
		"name":      {alter(func(m *message) { m.ToolCalls[0].Function.Name = "files__read" }), "unknown_approval_request"},
		"state":     {alter(func(m *message) { m.ToolCalls[0].ID += "A" }), "unknown_approval_request"},
		"no state":  {alter(func(m *message) { m.ToolCalls[0].ID, _ = cutCarrier(m.ToolCalls[0].ID) }), "unknown_approval_request"},
		"mac":       {alter(func(m *message) { m.ToolCalls[1].ID = m.ToolCalls[1].ID[:36] + "-" }), "unknown_approval_request"},
		"invented":  {alter(func(m *message) { m.ToolCalls[1].ID = "mcpr_" + strings.Repeat("A", 32) }), "missing_answer"},
		"swapped": {alter(func(m *message) {
			m.ToolCalls[0].Function, m.ToolCalls[1].Function = m.ToolCalls[1].Function, m.ToolCalls[0].Function
		}), "unknown_approval_request"},
		"more":     {alter(func(m *message) { c := m.ToolCalls[1]; c.ID = "x"; m.ToolCalls = append(m.ToolCalls, c) }), "unknown_approval_request"},
		"one gone": {alter(func(m *message) { m.ToolCalls = m.ToolCalls[:1] }), "missing_answer"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r.t = t
			messages := []any{user("go"), c.m}
			for i := range c.m.ToolCalls {
				messages = append(messages, consent(c.m, i, true, ""))
			}
			r.refuses(400, r.body(filesAsk, messages...), c.text, "messages[1]")
		})
	}
	r.t = t
	messages := []any{user("go"), a.plain(), consent(a.message, 0, true, ""), consent(a.message, 1, true, "")}
	r.refuses(400, r.body(filesAsk, messages[:3]...), "missing_answer")
	r.refuses(400, r.body(filesAsk, messages[:2]...), "missing_answer")
	r.refuses(400, r.body(filesAsk, append(messages[:4:4], messages[2])...), "duplicate_answer")
	r.refuses(400, r.body("", messages...), "unknown_tool", "same tools")
	for _, bad := range []string{`{"type":"mcp_approval_response"}`, `{"approve":"yes"}`, `{"approve":null}`, `{"approve":false,"approve":true}`,
		`{"approve":true,"reason":1}`, `{"approve":true,"approval_request_id":"mcpr_other"}`} {
		r.refuses(400, r.body(filesAsk, user("go"), a.plain(), toolMessage(a.ToolCalls[0].ID, bad), messages[3]), "invalid_approval", "messages[2].content")
	}
	r.caller.Actor = "bob"
	r.refuses(400, r.body(filesAsk, messages...), "unknown_approval_request")
	r.caller.Actor, r.opts.Key = "ann", []byte("another")
	r.refuses(400, r.body(filesAsk, messages...), "unknown_approval_request")
	r.opts.Key = []byte("key")
	if len(r.host.ran) != 0 {
		t.Fatalf("ran %+v", r.host.ran)
	}
	// Only the spelling differs: what was shown is run.
	m := alter(func(m *message) { m.ToolCalls[0].Function.Arguments = `{ "n": 1.0, "path": "\u0061" }` })
	r.model.asked = r.model.asked[:0]
	r.model.turns = []turn{{"x", nil}}
	r.ask(filesAsk, user("go"), m, messages[2], messages[3])
	if got := strings.Join(r.host.calls(), "; "); got != `read {}; write {"path":"a","n":1.0}` {
		t.Errorf("ran %s", got)
	}
}

// TestTheClientAnswersInItsOwnWay takes a result that is no approval as the call's result, and a question
// in its place as no consent.
func TestTheClientAnswersInItsOwnWay(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__write {}`}}, turn{"x", nil})
	a := r.ask(filesAsk, user("go"))
	r.ask(filesAsk, user("go"), a.plain(), toolMessage(a.ToolCalls[0].ID, `{"written":true}`))
	if got := r.model.history(1); !strings.HasSuffix(got, "tool:{\"written\":true}\n") {
		t.Errorf("the model saw\n%s", got)
	}
	r.ask(filesAsk, user("go"), a.plain(), user("never mind"))
	if got := r.model.history(2); !strings.HasSuffix(got, "tool:"+unansweredText+"\nuser:never mind\n") {
		t.Errorf("the model saw\n%s", got)
	}
	if len(r.host.ran) != 0 {
		t.Errorf("ran %+v", r.host.ran)
	}
}

// TestClientFunctions wants the calls of a run without anything to carry to be as the model made them.
func TestClientFunctions(t *testing.T) {
	r := newRig(t, turn{"", []string{`clock {}`}}, turn{"x", nil})
	a := r.ask(filesBoth, user("go"))
	if a.finish != "tool_calls" || len(a.ToolCalls) != 1 || a.ToolCalls[0].ID != "call00" {
		t.Errorf("%s: %+v", a.finish, a.ToolCalls)
	}
	r.ask(filesBoth, user("go"), a.plain(), toolMessage("call00", "noon"))
	if got := r.model.history(1); got != "user:go\nassistant: clock {}\ntool:noon\n" {
		t.Errorf("the model saw\n%s", got)
	}
}

// TestItemsOfAFinishedRun wants the calls that a client sends back as items to be in the conversation.
func TestItemsOfAFinishedRun(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__read {"path":"a"}`}}, turn{"Done.", nil}, turn{"x", nil})
	a := r.ask(filesBoth, user("go"))
	b := r.ask(filesBoth, user("go"), a.message, user("more"))
	if got := r.model.history(2); got != "user:go\nassistant: files__read {\"path\":\"a\"}\ntool:result of read {\"path\":\"a\"}\nassistant:Done.\nuser:more\n" {
		t.Errorf("the model saw\n%s", got)
	}
	if len(b.Items) != 0 {
		t.Errorf("the tools are listed again: %+v", b.Items)
	}
}

// TestAnApprovalIsForOneCall wants a later call with the id of an approved one to be asked about too.
func TestAnApprovalIsForOneCall(t *testing.T) {
	r := newRig(t, turn{"", []string{`files__write {"path":"a"}`}}, turn{"", []string{`files__write {"path":"b"}`}})
	r.model.sameIDs = true
	a := r.ask(filesAsk, user("go"))
	b := r.ask(filesAsk, user("go"), a.plain(), consent(a.message, 0, true, ""))
	if got := strings.Join(r.host.calls(), "; "); got != `write {"path":"a"}` || b.finish != "tool_calls" {
		t.Errorf("ran %s, %s", got, b.finish)
	}
}

// TestRoundsAreCountedAcrossAnApproval wants a run that stops and goes on to end where one would that does not,
// and the turns of the client's own loop not to count.
func TestRoundsAreCountedAcrossAnApproval(t *testing.T) {
	r := newRig(t, turn{"", []string{`clock {}`}}, turn{"", []string{`files__read {"path":"a"}`}}, turn{"", []string{`files__write {"path":"a"}`}},
		turn{"", []string{`files__read {"path":"c"}`}}, turn{"", []string{`files__read {"path":"d"}`}})
	r.opts.MaxRounds = 3
	c := r.ask(filesBoth, user("go"))
	before := []any{user("go"), c.plain(), toolMessage(c.ToolCalls[0].ID, "noon")}
	a := r.ask(filesBoth, before...)
	b := r.ask(filesBoth, append(before, a.plain(), consent(a.message, 0, true, ""))...)
	if b.finish != "stop" || len(r.model.asked) != 5 || r.model.asked[4].ToolChoice.Mode != chat.ToolNone {
		t.Errorf("%s after %d turns", b.finish, len(r.model.asked))
	}
}

// TestWhatAConversationCarriesIsBounded sends many ids that hold a lot.
func TestWhatAConversationCarriesIsBounded(t *testing.T) {
	state, err := (&carried{Turns: []carriedTurn{{Text: strings.Repeat(" ", maxInflated-200), Calls: []carriedCall{{ID: "a", Name: "f", Arguments: "{}", Open: "a"}}}}}).encode()
	if err != nil || len(state) > 16<<10 {
		t.Fatalf("%d bytes, %v", len(state), err)
	}
	r := newRig(t, turn{"x", nil})
	for _, s := range []string{state, state[:len(state)-8]} {
		messages := []any{user("go")}
		for i := range 8 {
			id := fmt.Sprint("call", i, carrierMark, s)
			messages = append(messages, message{Role: "assistant", ToolCalls: []toolCall{{ID: id, Type: "function"}}}, toolMessage(id, "x"))
			messages[len(messages)-2].(message).ToolCalls[0].Function.Name = "f"
		}
		r.refuses(400, r.body(filesBoth, messages...), "too_long")
	}
}
