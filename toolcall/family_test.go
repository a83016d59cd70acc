package toolcall_test

import (
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/toolcall"
)

func TestWithReasoning(t *testing.T) {
	calls, _ := toolcall.Lookup("llama3")
	reasoning, _ := toolcall.Lookup("mistral")
	if !reasoning.Reasons() {
		t.Fatal("the row mistral has no reasoning to borrow")
	}
	read := func(f *toolcall.Family) (thought, call string) {
		p := f.NewParser(toolcall.Options{Tools: []chat.Tool{{Name: "look"}}})
		events := append([]chat.Event(nil), p.Write("[THINK]why[/THINK]<|python_tag|>{\"name\": \"look\", \"parameters\": {}}")...)
		for _, ev := range append(events, p.Close()...) {
			switch ev.Kind {
			case chat.ReasoningDelta:
				thought += ev.Text
			case chat.CallStart:
				call = ev.Name
			}
		}
		return thought, call
	}
	if thought, call := read(calls.WithReasoning(reasoning)); thought != "why" || call != "look" {
		t.Errorf("read reasoning %q and a call of %q", thought, call)
	}
	if thought, _ := read(calls); thought != "" {
		t.Errorf("the family itself now reads reasoning %q", thought)
	}
}
