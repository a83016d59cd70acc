package toolcall

import (
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
)

var pythonStyle = lenient.Style{Python: true}

// spellings returns the markers of DeepSeek as they are and in the spellings that models confuse them with.
func spellings(markers ...string) []string {
	out := markers
	for _, m := range markers {
		ascii := []rune(m)
		for i, r := range ascii {
			if r == '▁' {
				ascii[i] = '_'
			}
		}
		out = append(out, string(ascii))
	}
	return out
}

// namedFamilies are the families that write the name of the tool outside of the JSON arguments.
func namedFamilies() []*Family {
	deepseek := func(lead []string, sep string, fence bool) form {
		return form{
			open:  spellings("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"),
			close: spellings("<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"),
			once:  true, body: namedBody{
				lead: append(lead, "<｜tool▁call▁begin｜>", "<｜tool_call_begin｜>", "function<｜tool▁sep｜>", "function<｜tool_sep｜>"),
				seps: []string{sep, "\n", "<｜tool▁sep｜>", "<｜tool_sep｜>", "```json"}, fence: fence,
				wire: deepseekWire(sep, fence)},
		}
	}
	deepseekEnds := []string{"<｜end▁of▁sentence｜>"}
	kimi := form{
		open:  []string{"<|tool_calls_section_begin|>", "<|tool_call_section_begin|>", "<|tool_call_begin|>"},
		close: []string{"<|tool_call_end|>", "<|tool_calls_section_end|>", "<|tool_call_section_end|>"}, once: true,
		body: namedBody{lead: []string{"<|tool_call_begin|>"}, seps: []string{"<|tool_call_argument_begin|>"}, split: kimiHeader,
			wire: kimiWire()},
	}
	function := functionJSON
	function.open, function.text = []string{"<function="}, false
	function.body = namedBody{seps: []string{">"}}
	gemma := func(open, closer, quote string) form {
		return form{open: []string{open}, close: []string{closer}, body: namedBody{lead: []string{"call:"}, seps: nil,
			style: lenient.Style{Quote: quote, Bare: true}}}
	}
	return []*Family{
		{
			name: "mistral", aliases: []string{"ministral", "magistral", "devstral", "mistral_nemo", "mistral_v11"},
			templates: [][]string{{"[TOOL_CALLS]"}},
			reasoning: append([]span{{open: "[THINK]", close: "[/THINK]"}}, think...), ends: []string{"</s>"}, shortIDs: true,
			forms: []form{
				{open: []string{"[TOOL_CALLS]"}, close: []string{"[/TOOL_CALLS]"}, once: true,
					body: namedBody{seps: []string{"[ARGS]"}, idMark: "[CALL_ID]"}},
				{open: []string{"[TOOL_CALLS]"}, close: []string{"[/TOOL_CALLS]"}, body: jsonBody{array: true, lateID: true}},
			},
		},
		{
			name: "deepseek_v31", aliases: []string{"deepseek_v3_1", "deepseek_v3.1"},
			templates: [][]string{{"tool▁call▁begin", "!```json"}},
			reasoning: think, ends: deepseekEnds,
			forms: []form{deepseek(nil, "<｜tool▁sep｜>", false)},
		},
		{
			name: "deepseek_v3", aliases: []string{"deepseek", "deepseek_r1", "deepseek_v3_0324", "cogito"},
			templates: [][]string{{"tool▁call▁begin", "```json"}},
			reasoning: think, ends: deepseekEnds,
			forms: append([]form{deepseek(nil, "\n", true)}, dsmlForms()...),
		},
		{
			name: "kimi_k2", aliases: []string{"kimi", "moonshot", "kimi_k2_thinking", "kimi_k2.5"},
			templates: [][]string{{"<|tool_call_argument_begin|>"}},
			reasoning: think, callsEndReasoning: true, ends: []string{"<|im_end|>"},
			forms: []form{kimi},
		},
		{
			name: "functionary_v32", templates: [][]string{{">>>all", "!<|recipient|>"}, {">>>", "recipient"}},
			ends: []string{"<|eot_id|>"},
			forms: []form{
				{open: []string{">>>"}, header: true, body: headerBody{ends: []string{"\n"}, read: recipientHeader,
					write: func(name string) string { return name + "\n" }}},
				{header: true, body: headerBody{ends: []string{"\n"}, read: recipientHeader, starts: []string{"all\n"}}},
				{once: true, body: namedBody{seps: []string{"\n"}, known: true}},
			},
		},
		{
			name: "functionary", aliases: []string{"meetkai", "functionary_v31"},
			templates: [][]string{{"<function=", "<|python_tag|>", "!<parameter="}, {"<|recipient|>"}},
			ends:      []string{"<|eom_id|>", "<|eot_id|>", "<|stop|>"}, wrappers: []string{"<|from|>assistant\n"},
			forms: []form{function,
				{open: []string{"<|recipient|>"}, close: []string{"<|stop|>"}, header: true,
					body: headerBody{ends: []string{"<|content|>"}, read: recipientHeader}},
				{open: []string{">>>"}, header: true, body: headerBody{ends: []string{"\n"}, read: recipientHeader}},
				{header: true, body: headerBody{ends: []string{"\n"}, read: recipientHeader, starts: []string{"all\n"}}},
				{once: true, body: namedBody{seps: []string{"\n"}, known: true}},
				{open: []string{"<|python_tag|>"}, body: jsonBody{}}, bareJSON},
		},
		{
			name: "llama3", aliases: []string{"llama", "llama4", "llama3_json", "llama4_json", "llama3.1"},
			templates: [][]string{{`"parameters": `, "<|start_header_id|>", "!<function=", "!functools", "!>>>", "!<tool_call>", "!tool▁call▁begin"}},
			ends:      []string{"<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>"},
			forms: []form{
				{body: jsonBody{strict: true, args: "parameters"}},
				{open: []string{"<|python_tag|>"}, body: jsonBody{args: "parameters"}},
				{open: []string{"<|python_tag|>"}, body: pythonBody{}},
				functionJSON,
				{open: []string{"<|python_start|>"}, close: []string{"<|python_end|>"}, body: pythonBody{}},
				barePython},
		},
		{
			name: "solar_open", aliases: []string{"solar"}, templates: [][]string{{"<|tool_call:begin|>"}},
			reasoning: []span{{open: "<|think|>", close: "<|end|>"}}, ends: []string{"<|calls|>"},
			wrappers: []string{"<|begin|>assistant", "<|content|>", "<|end|>", "<|tool_calls|>", "<|calls|>"},
			forms: []form{{open: []string{"<|tool_call:begin|>"}, close: []string{"<|tool_call:end|>"}, once: true,
				body: namedBody{seps: []string{"<|tool_call:args|>"}, split: solarHeader, wire: solarWire()}}},
		},
		{
			name: "gemma4", templates: [][]string{{"<|tool_call>call:"}},
			reasoning: []span{{open: "<|channel>thought", close: "<channel|>"}}, ends: []string{"<turn|>", "<|tool_response>"},
			forms: []form{gemma("<|tool_call>", "<tool_call|>", `<|"|>`)},
		},
		{
			name: "functiongemma", templates: [][]string{{"<start_function_call>"}}, ends: []string{"<end_of_turn>"},
			forms: []form{gemma("<start_function_call>", "<end_function_call>", "<escape>")},
		},
	}
}

func deepseekWire(sep string, fence bool) *wire {
	w := &wire{
		begin: "<｜tool▁calls▁begin｜>", head: constrain.Lit("<｜tool▁call▁begin｜>"), mid: constrain.Lit(sep),
		tail: "<｜tool▁call▁end｜>", end: "<｜tool▁calls▁end｜>",
	}
	if fence {
		w.head, w.mid = constrain.Lit("<｜tool▁call▁begin｜>function<｜tool▁sep｜>"), constrain.Lit("\n```json\n")
		w.tail, w.join = "\n```<｜tool▁call▁end｜>", "\n"
	}
	return w
}

func kimiWire() *wire {
	return &wire{
		begin: "<|tool_calls_section_begin|>", head: constrain.Lit("<|tool_call_begin|>functions."),
		mid: constrain.Seq{constrain.Lit(":"), constrain.Repeat{Of: constrain.Chars("09"), Min: 1, Max: 4},
			constrain.Lit("<|tool_call_argument_begin|>")},
		tail: "<|tool_call_end|>", end: "<|tool_calls_section_end|>",
	}
}

func solarWire() *wire {
	return &wire{
		begin: "<|tool_calls|>", head: constrain.Seq{constrain.Lit("<|tool_call:begin|>"),
			constrain.Repeat{Of: constrain.Chars("azAZ09"), Min: 1, Max: 32}, constrain.Lit("<|tool_call:name|>")},
		mid: constrain.Lit("<|tool_call:args|>"), tail: "<|tool_call:end|>", end: "<|calls|>",
	}
}
