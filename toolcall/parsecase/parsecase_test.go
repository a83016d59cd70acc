package parsecase

import (
	"fmt"
	"regexp"
	"testing"
)

func ExampleLine() {
	answer := Line([]byte(`{"format":"qwen3","reasoning_open":true,"tools":[{"type":"function","function":{"name":"ping"}}],
		"chunks":["So.</think>Hi. <tool_call>{\"name\": \"ping\", ","\"arguments\": {\"a\": 1}}</tool_call>"]}`))
	fmt.Println(regexp.MustCompile("call_[A-Z0-9]{24}").ReplaceAllString(string(answer), "ID"))
	// Output: {"reasoning":"So.","content":"Hi.","tool_calls":[{"id":"ID","name":"ping","arguments":"{\"a\": 1}"}],"deltas":[{"reasoning_content":"So."},{"content":"Hi."},{"tool_calls":[{"index":0,"id":"ID","type":"function","function":{"name":"ping","arguments":""}}]},{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": 1}"}}]}]}
}

func TestLine(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{`, `{"error":"the case is not readable: unexpected end of JSON input"}`},
		{`{"format":"nonsense","text":"x"}`, `{"error":"unknown format \"nonsense\": use \"auto\" or one of the names in docs/tool-calls.md"}`},
		{`{"format":"hermes","tools":[{"type":"function"}],"text":"x"}`, `{"error":"tool 0 has no name"}`},
		{`{"format":"hermes","tools":[],"text":"<tool_call>{\"name\": \"f\"}</tool_call>"}`,
			`{"reasoning":"","content":"<tool_call>{\"name\": \"f\"}</tool_call>","tool_calls":[],"deltas":[{"content":"<tool_call>{\"name\": \"f\"}</tool_call>"}]}`},
		{`{"format":"hermes","chunks":["a",{"special":"<tool_call>"},"b"]}`,
			`{"reasoning":"","content":"ab","tool_calls":[],"deltas":[{"content":"a"},{"content":"b"}]}`},
		{`{"format":"hermes","chunks":[1]}`, `{"error":"the case is not readable: a chunk is a string or {\"special\": \"<token>\"}"}`},
	}
	for _, test := range tests {
		if got := string(Line([]byte(test.in))); got != test.want {
			t.Errorf("Line(%s)\n got %s\nwant %s", test.in, got, test.want)
		}
	}
}
