package toolcall_test

import (
	"fmt"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/toolcall"
)

func ExampleParser() {
	family, ok := toolcall.Lookup("qwen3")
	if !ok {
		return
	}
	p := family.NewParser(toolcall.Options{
		Tools: []chat.Tool{{Name: "get_tide"}},
		NewID: func() string { return "call_1" },
	})
	show := func(events []chat.Event) {
		for _, e := range events {
			switch e.Kind {
			case chat.ReasoningDelta:
				fmt.Printf("reasoning %q\n", e.Text)
			case chat.ContentDelta:
				fmt.Printf("content %q\n", e.Text)
			case chat.CallStart:
				fmt.Println("call", e.ID, e.Name)
			case chat.CallDelta:
				fmt.Printf("arguments %q\n", e.Text)
			}
		}
	}
	for _, piece := range []string{"<think>Tide?</th", "ink>Let me look.\n<tool_", "call>{\"name\": \"get_tide\", \"argum", "ents\": {\"port\": \"Bre", "st\"}}</tool_call>"} {
		show(p.Write(piece))
	}
	show(p.Close())
	// Output:
	// reasoning "Tide?"
	// content "Let me look."
	// call call_1 get_tide
	// arguments "{\"port\": \"Bre"
	// arguments "st\"}"
}
