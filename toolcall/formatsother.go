package toolcall

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/notation"
)

var (
	harmony = notation.Header{Ends: []string{"<|message|>"}, Read: harmonyHeader,
		Write: func(name string) string {
			return "commentary to=functions." + name + " <|constrain|>json<|message|>"
		}}
)

// otherFamilies are the families that write calls as Python or in messages with a header.
var otherFamilies = []row{
	{
		name: "gpt_oss", aliases: []string{"harmony", "openai", "gptoss"}, templates: [][]string{{"<|channel|>", "<|start|>", "!<atem:"}},
		Reasoning: []span{{Close: "<|end|>", Write: "<|channel|>analysis<|message|>", Next: "<|start|>assistant"}}, Breaks: []string{"<|end|>", "<|return|>", "<|call|>"},
		Forms: []form{{Open: []string{"<|channel|>", "<|start|>"}, Close: []string{"<|call|>", "<|end|>", "<|return|>"},
			Header: true, Once: true, Join: "<|start|>assistant", Body: harmony},
			{Close: []string{"<|call|>", "<|end|>", "<|return|>"}, Header: true, Once: true, Body: notation.Header{
				Ends: harmony.Ends, Read: harmonyHeader, Starts: []string{"to="}}}},
	},
	{
		name: "inkling", templates: [][]string{{"<|content_invoke_tool_json|>"}},
		Reasoning: []span{{Close: "<|end_message|>", Write: "<|message_model|><|content_thinking|>"}}, Breaks: []string{"<|end_message|>"},
		Forms: []form{{Open: []string{"<|message_model|>"}, Close: []string{"<|end_message|>"}, Header: true, Once: true,
			Body: notation.Header{Ends: []string{"<|content_invoke_tool_json|>", "<|content_thinking|>", "<|content_text|>"},
				Read: inklingHeader, ArgsKey: "args", Write: func(name string) string { return name + "<|content_invoke_tool_json|>" }}}},
	},
	{
		name: "llama4_pythonic", templates: [][]string{{"<|python_start|>"}}, Ends: []string{"<|eot|>", "<|eom|>"},
		Forms: []form{barePython, {Open: []string{"<|python_start|>"}, Close: []string{"<|python_end|>"}, Body: notation.Python{}}},
	},
	{
		name: "pythonic", aliases: []string{"toolace", "raven"}, Ends: []string{"<|eot_id|>"},
		Forms: []form{barePython, {Body: notation.Python{Known: true}}},
	},
	{
		name: "olmo3", aliases: []string{"olmo"}, templates: [][]string{{"<function_calls>", "!DSML", "!atem:"}}, Reasoning: think,
		Forms: []form{{Open: []string{"<function_calls>"}, Close: []string{"</function_calls>"}, Join: "\n", Body: notation.Python{}}},
	},
	{
		name: "lfm2", aliases: []string{"lfm2.5"}, templates: [][]string{{"<|tool_call_start|>"}, {"<|tool_list_start|>"}, {"<|tool_response_start|>"}, {"List of tools: ["}},
		Reasoning: think, Ends: []string{"<|im_end|>"},
		Forms: []form{{Open: []string{"<|tool_call_start|>"}, Close: []string{"<|tool_call_end|>"}, Body: notation.Python{List: true}},
			{Open: []string{"<|tool_call_start|>"}, Close: []string{"<|tool_call_end|>"}, Body: notation.JSON{Array: true}}},
	},
}

// inklingHeader tells the kind of a message from the marker that ends the header.
func inklingHeader(_, end string) notation.Message {
	switch end {
	case "<|content_thinking|>":
		return notation.Message{Kind: notation.MessageReasoning}
	case "<|content_invoke_tool_json|>":
		return notation.Message{Kind: notation.MessageNamed}
	}
	return notation.Message{Kind: notation.MessageContent}
}

// autoFamily reads every notation that cannot be mistaken for something else.
func autoFamily(rows []row) row {
	auto := row{name: "auto", aliases: []string{"generic"}}
	seen := map[string]bool{}
	for _, f := range rows {
		auto.adopt(f, seen)
	}
	return auto
}

// adopt adds the markers of another family that are not there yet.
func (f *row) adopt(from row, seen map[string]bool) {
	isNew := func(key string) bool {
		old := seen[key]
		seen[key] = true
		return !old
	}
	for _, s := range from.Reasoning {
		if (s.Open == "" || isMarkup(s.Open)) && isNew("reasoning "+s.Open+s.Close) {
			f.Reasoning = append(f.Reasoning, s)
		}
	}
	for _, fm := range from.Forms {
		if certain(fm) && isNew(fmt.Sprintf("form %q %T %+v", fm.Open, fm.Body, fm.Body)) {
			f.Forms = append(f.Forms, fm)
		}
	}
	for _, w := range from.Wrappers {
		if strings.Contains(w, "|") && isNew("wrapper "+w) {
			f.Wrappers = append(f.Wrappers, w)
		}
	}
	for _, e := range from.Ends {
		if isNew("end " + e) {
			f.Ends = append(f.Ends, e)
		}
	}
	for _, b := range from.Breaks {
		if isNew("break " + b) {
			f.Breaks = append(f.Breaks, b)
		}
	}
}

// isMarkup reports whether a marker looks like one, and not like words.
func isMarkup(marker string) bool { return strings.ContainsAny(marker[:1], "<[]") }

// certain reports whether the form can be told from ordinary text without knowing the family.
func certain(fm form) bool {
	if len(fm.Open) > 0 {
		return fm.Text || isMarkup(fm.Open[0])
	}
	switch b := fm.Body.(type) {
	case notation.JSON:
		return b.Strict
	case notation.Python:
		return b.Known && b.Bracket
	case notation.Named:
		return b.Known
	case notation.Tagged:
		return b.Known
	}
	return false
}
