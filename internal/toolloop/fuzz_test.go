package toolloop

import (
	"encoding/json"
	"testing"

	"github.com/toolserve/toolserve/chat"
)

// FuzzCarried gives any state to the reader: what it takes is sound, and survives another turn.
func FuzzCarried(f *testing.F) {
	c := carried{Turns: []carriedTurn{{Text: "x", Calls: []carriedCall{{ID: "a", Name: "f", Arguments: "{}", Open: "a"}}}}, Answers: map[string]string{"b": "c"}}
	state, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state)
	f.Add("")
	f.Add("H4sI")
	f.Fuzz(func(t *testing.T, state string) {
		c, _, err := decodeCarried(state)
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := decodeCarried(again); err != nil && len(again) <= maxCarried {
			t.Fatalf("%+v: %v", c, err)
		}
	})
}

// FuzzUnfold gives any ids and answers to the conversation: nothing that was not asked for is decided, each
// call has at most one answer, and arguments stay objects.
func FuzzUnfold(f *testing.F) {
	f.Add("mcpr_x.mcp1.y", `{"approve":true}`, `{"t":[{"k":[{"i":"a","n":"f","a":"{}","o":"mcpr_x"}]}]}`, true)
	f.Add("a", `{"type":"mcp_approval_response"}`, `{"t":[{"c":"text","k":[{"i":"a","n":"f","a":"{}","r":"done"},{"i":"b","n":"f","a":"{}","o":"a"}]}]}`, false)
	f.Fuzz(func(t *testing.T, id, content, inner string, last bool) {
		var c carried
		if json.Unmarshal([]byte(inner), &c) == nil {
			if state, err := c.encode(); err == nil {
				id += carrierMark + state
			}
		}
		l := New(Options{Key: []byte("key")})
		r := &run{loop: l, tools: map[string]*tool{"f": {}}}
		messages := []chat.Message{
			{Role: chat.RoleUser, Content: chat.Text("hi")},
			{Role: chat.RoleAssistant, ToolCalls: []chat.ToolCall{{ID: id, Name: "f", Arguments: "{}"}}},
			{Role: chat.RoleTool, ToolCallID: id, Content: chat.Text(content)},
		}
		if !last {
			messages = append(messages, chat.Message{Role: chat.RoleAssistant, Content: chat.Text("done")})
		}
		out, err := r.unfold(messages)
		if len(r.decisions) > 0 {
			t.Fatalf("decided %v", r.decisions)
		}
		if err != nil {
			return
		}
		for _, m := range out {
			for _, call := range m.ToolCalls {
				var object map[string]json.RawMessage
				if json.Unmarshal([]byte(call.Arguments), &object) != nil || object == nil {
					t.Fatalf("arguments %q", call.Arguments)
				}
			}
		}
	})
}

// FuzzApproval gives any text to the reader of approvals: consent needs a clear word.
func FuzzApproval(f *testing.F) {
	f.Add(`{"type":"mcp_approval_response","approve":true,"approval_request_id":"a"}`)
	f.Add(`{"approve":false,"reason":"no"} {}`)
	f.Add(`{"Approve":true}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, is, err := readApproval(text, "a")
		if err != nil || !is || !d.approve {
			return
		}
		var members map[string]any
		if json.Unmarshal([]byte(text), &members) != nil || members["approve"] != true {
			t.Fatalf("%q is taken for consent", text)
		}
		if id, ok := members["approval_request_id"]; ok && id != "a" && id != nil {
			t.Fatalf("%q is taken for consent to %q", text, id)
		}
		if len(d.reason) > maxReason {
			t.Fatalf("reason of %d bytes", len(d.reason))
		}
	})
}
