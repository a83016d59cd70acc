package toolcall

import (
	"fmt"
	"strings"
)

// otherFamilies are the families that write calls as Python or in messages with a header.
func otherFamilies() []*Family {
	harmony := headerBody{ends: []string{"<|message|>"}, read: harmonyHeader,
		write: func(name string) string {
			return "commentary to=functions." + name + " <|constrain|>json<|message|>"
		}}
	return []*Family{
		{
			name: "gpt_oss", aliases: []string{"harmony", "openai", "gptoss"}, templates: [][]string{{"<|channel|>", "<|start|>", "!<atem:"}},
			reasoning: []span{{close: "<|end|>", write: "<|channel|>analysis<|message|>", next: "<|start|>assistant"}}, breaks: []string{"<|end|>", "<|return|>", "<|call|>"},
			forms: []form{{open: []string{"<|channel|>", "<|start|>"}, close: []string{"<|call|>", "<|end|>", "<|return|>"},
				header: true, once: true, join: "<|start|>assistant", body: harmony}},
		},
		{
			name: "inkling", templates: [][]string{{"<|content_invoke_tool_json|>"}},
			reasoning: []span{{close: "<|end_message|>", write: "<|message_model|><|content_thinking|>"}}, breaks: []string{"<|end_message|>"},
			forms: []form{{open: []string{"<|message_model|>"}, close: []string{"<|end_message|>"}, header: true, once: true,
				body: headerBody{ends: []string{"<|content_invoke_tool_json|>", "<|content_thinking|>", "<|content_text|>"},
					read: inklingHeader, argsKey: "args", write: func(name string) string { return name + "<|content_invoke_tool_json|>" }}}},
		},
		{
			name: "llama4_pythonic", templates: [][]string{{"<|python_start|>"}}, ends: []string{"<|eot|>", "<|eom|>"},
			forms: []form{barePython, {open: []string{"<|python_start|>"}, close: []string{"<|python_end|>"}, body: pythonBody{}}},
		},
		{
			name: "pythonic", aliases: []string{"toolace", "raven"}, ends: []string{"<|eot_id|>"},
			forms: []form{barePython, {body: pythonBody{known: true}}},
		},
		{
			name: "olmo3", aliases: []string{"olmo"}, templates: [][]string{{"<function_calls>", "!DSML", "!atem:"}}, reasoning: think,
			forms: []form{{open: []string{"<function_calls>"}, close: []string{"</function_calls>"}, join: "\n", body: pythonBody{}}},
		},
		{
			name: "lfm2", aliases: []string{"lfm2.5"}, templates: [][]string{{"<|tool_call_start|>"}, {"<|tool_list_start|>"}, {"<|tool_response_start|>"}, {"List of tools: ["}},
			reasoning: think, ends: []string{"<|im_end|>"},
			forms: []form{{open: []string{"<|tool_call_start|>"}, close: []string{"<|tool_call_end|>"}, body: pythonBody{list: true}},
				{open: []string{"<|tool_call_start|>"}, close: []string{"<|tool_call_end|>"}, body: jsonBody{array: true}}},
		},
	}
}

// inklingHeader tells the kind of a message from the marker that ends the header.
func inklingHeader(_, end string) message {
	switch end {
	case "<|content_thinking|>":
		return message{kind: messageReasoning}
	case "<|content_invoke_tool_json|>":
		return message{kind: messageNamed}
	}
	return message{kind: messageContent}
}

// autoFamily reads every notation that cannot be mistaken for something else.
func autoFamily(rows []*Family) *Family {
	auto := &Family{name: "auto", aliases: []string{"generic"}}
	seen := map[string]bool{}
	for _, f := range rows {
		auto.adopt(f, seen)
	}
	return auto
}

// adopt adds the markers of another family that are not there yet.
func (f *Family) adopt(from *Family, seen map[string]bool) {
	isNew := func(key string) bool {
		old := seen[key]
		seen[key] = true
		return !old
	}
	for _, s := range from.reasoning {
		if (s.open == "" || isMarkup(s.open)) && isNew("reasoning "+s.open+s.close) {
			f.reasoning = append(f.reasoning, s)
		}
	}
	for _, fm := range from.forms {
		if fm.certain() && isNew(fmt.Sprintf("form %q %T %+v", fm.open, fm.body, fm.body)) {
			f.forms = append(f.forms, fm)
		}
	}
	for _, w := range from.wrappers {
		if strings.Contains(w, "|") && isNew("wrapper "+w) {
			f.wrappers = append(f.wrappers, w)
		}
	}
	for _, e := range from.ends {
		if isNew("end " + e) {
			f.ends = append(f.ends, e)
		}
	}
	for _, b := range from.breaks {
		if isNew("break " + b) {
			f.breaks = append(f.breaks, b)
		}
	}
}

// isMarkup reports whether a marker looks like one, and not like words.
func isMarkup(marker string) bool { return strings.ContainsAny(marker[:1], "<[]") }

// certain reports whether the form can be told from ordinary text without knowing the family.
func (fm *form) certain() bool {
	if len(fm.open) > 0 {
		return fm.text || isMarkup(fm.open[0])
	}
	switch b := fm.body.(type) {
	case jsonBody:
		return b.strict
	case pythonBody:
		return b.known && b.bracket
	case namedBody:
		return b.known
	case taggedBody:
		return b.known
	}
	return false
}
