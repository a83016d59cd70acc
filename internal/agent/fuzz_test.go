package agent

import (
	"testing"
	"unicode/utf8"

	"github.com/toolserve/toolserve/chat"
)

// FuzzCall gives the loop a model that writes any name and arguments: the run ends, the history is
// whole, and a call that runs has an object for arguments.
func FuzzCall(f *testing.F) {
	f.Add("tool", `{"a":1}`)
	f.Add("tool", `{"a":1} {"b":2}`)
	f.Add("other", `[`)
	f.Add("", "\xff")
	f.Fuzz(func(t *testing.T, name, arguments string) {
		req := question()
		model := &scriptedModel{turns: []scriptedTurn{
			{Calls: []chat.ToolCall{{ID: "x", Name: name, Arguments: arguments}, {ID: "x", Name: name, Arguments: arguments}}},
		}}
		loop := New(Options{Model: model, Tools: scriptedTools{"tool": arguments}, MaxRounds: 2, MaxResultBytes: 16})
		for e, err := range loop.Run(t.Context(), req) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == CallEnd && e.Outcome == Ran && checkArguments(e.Call.Arguments) != nil {
				t.Fatalf("ran with %q", e.Call.Arguments)
			}
			if text := e.Result.Text(); utf8.ValidString(name+arguments) && !utf8.ValidString(text) {
				t.Fatalf("result %q splits a character", text)
			}
		}
		checkHistory(t, req.Messages)
	})
}
