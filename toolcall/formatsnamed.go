package toolcall

import (
	"slices"
	"strings"

	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
	"github.com/toolserve/toolserve/toolcall/internal/notation"
)

var pythonStyle = lenient.Style{Python: true}

// spellings returns the markers of DeepSeek as they are and in the spellings that models confuse them with.
func spellings(markers ...string) []string {
	out := slices.Clone(markers)
	for _, m := range markers {
		for _, gap := range []string{"_", " ", `\_`} {
			out = append(out, strings.ReplaceAll(m, "▁", gap))
		}
		if mixed := strings.Replace(m, "▁", "_", 1); !slices.Contains(out, mixed) {
			out = append(out, mixed)
		}
	}
	return out
}

// deepseekForm is a call of DeepSeek up to V3.1; sep stands behind the name.
func deepseekForm(sep string, fence bool) form {
	return form{
		Open:  append(spellings("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"), "<｜tool▁calls｜>"),
		Close: spellings("<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"),
		Once:  true, Body: notation.Named{
			Lead: spellings("<｜tool▁call▁begin｜>", "function<｜tool▁sep｜>"),
			Seps: slices.Concat([]string{sep, "\n"}, spellings("<｜tool▁sep｜>"), []string{"```json"}), Fence: fence,
			Wire: deepseekWire(sep, fence)},
	}
}

var (
	deepseekEnds = []string{"<｜end▁of▁sentence｜>"}

	kimiForm = form{
		Open:  []string{"<|tool_calls_section_begin|>", "<|tool_call_section_begin|>", "<|tool_call_begin|>"},
		Close: []string{"<|tool_call_end|>", "<|tool_calls_section_end|>", "<|tool_call_section_end|>"}, Once: true,
		Body: notation.Named{Lead: []string{"<|tool_call_begin|>"}, Seps: []string{"<|tool_call_argument_begin|>"}, Split: kimiHeader,
			Wire: kimiWire()},
	}
	functionaryForm = form{Open: []string{"<function="}, Close: []string{"</function>"}, Once: true,
		Body: notation.Named{Seps: []string{">"}}}
	// nameLineForm is the name in a line by itself, then the arguments.
	nameLineForm = form{Once: true, Body: notation.Named{Seps: []string{"\n"}, Known: true}}
)

// gemmaForm is call:NAME{key:value} between two markers, with quotes of its own.
func gemmaForm(open, closer, quote string) form {
	return form{Open: []string{open}, Close: []string{closer},
		Body: notation.Named{Lead: []string{"call:", ":"}, Style: lenient.Style{Quote: quote, Bare: true}}}
}

// namedFamilies are the families that write the name of the tool outside of the JSON arguments.
var namedFamilies = []row{
	{
		name: "mistral", aliases: []string{"ministral", "magistral", "devstral", "mistral_nemo", "mistral_v11"},
		templates: [][]string{{"[TOOL_CALLS]"}},
		Reasoning: append([]span{{Open: "[THINK]", Close: "[/THINK]"}}, think...), Ends: []string{"</s>"}, ShortIDs: true,
		Forms: []form{
			{Open: []string{"[TOOL_CALLS]"}, Close: []string{"[/TOOL_CALLS]"}, Once: true,
				Body: notation.Named{Seps: []string{"[ARGS]"}, IDMark: "[CALL_ID]"}},
			{Open: []string{"[TOOL_CALLS]"}, Close: []string{"[/TOOL_CALLS]"}, Body: notation.JSON{Array: true, LateID: true}},
		},
	},
	{
		name: "deepseek_v31", aliases: []string{"deepseek_v3_1", "deepseek_v3.1"},
		templates: [][]string{{"tool▁call▁begin", "!```json"}},
		Reasoning: think, Ends: deepseekEnds,
		Forms: []form{deepseekForm("<｜tool▁sep｜>", false)},
	},
	{
		name: "deepseek_v3", aliases: []string{"deepseek", "deepseek_r1", "deepseek_v3_0324", "cogito"},
		templates: [][]string{{"tool▁call▁begin", "```json"}},
		Reasoning: think, Ends: deepseekEnds,
		Forms: append([]form{deepseekForm("\n", true)}, dsmlForms()...),
	},
	{
		name: "kimi_k2", aliases: []string{"kimi", "moonshot", "kimi_k2_thinking", "kimi_k2.5"},
		templates: [][]string{{"<|tool_call_argument_begin|>"}},
		Reasoning: think, CallsEndReasoning: true, Ends: []string{"<|im_end|>"},
		Forms: []form{kimiForm},
	},
	{
		name: "functionary_v32", templates: [][]string{{">>>all", "!<|recipient|>"}, {">>>", "recipient"}},
		Ends: []string{"<|eot_id|>"},
		Forms: []form{
			{Open: []string{">>>"}, Header: true, Body: notation.Header{Ends: []string{"\n"}, Read: recipientHeader,
				Write: func(name string) string { return name + "\n" }}},
			{Header: true, Body: notation.Header{Ends: []string{"\n"}, Read: recipientHeader, Starts: []string{"all\n"}}},
			nameLineForm,
		},
	},
	{
		name: "functionary", aliases: []string{"meetkai", "functionary_v31"},
		templates: [][]string{{"<function=", "<|python_tag|>", "!<parameter="}, {"<|recipient|>"}},
		Ends:      []string{"<|eom_id|>", "<|eot_id|>", "<|stop|>"}, Wrappers: []string{"<|from|>assistant\n"},
		Forms: []form{functionaryForm,
			{Open: []string{"<|recipient|>"}, Close: []string{"<|stop|>"}, Header: true,
				Body: notation.Header{Ends: []string{"<|content|>"}, Read: recipientHeader}},
			{Open: []string{">>>"}, Header: true, Body: notation.Header{Ends: []string{"\n"}, Read: recipientHeader}},
			{Header: true, Body: notation.Header{Ends: []string{"\n"}, Read: recipientHeader, Starts: []string{"all\n"}}},
			nameLineForm,
			{Open: []string{"<|python_tag|>"}, Body: notation.JSON{}}, bareJSON},
	},
	{
		name: "llama3", aliases: []string{"llama", "llama4", "llama3_json", "llama4_json", "llama3.1"},
		templates: [][]string{{`"parameters": `, "<|start_header_id|>", "!<function=", "!functools", "!>>>", "!<tool_call>", "!tool▁call▁begin"}},
		Ends:      []string{"<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>"},
		Forms: []form{
			{Body: notation.JSON{Strict: true, Args: "parameters"}},
			{Open: []string{"<|python_tag|>"}, Body: notation.JSON{Args: "parameters"}},
			{Open: []string{"<|python_tag|>"}, Body: notation.Python{}},
			functionJSON,
			{Open: []string{"<|python_start|>"}, Close: []string{"<|python_end|>"}, Body: notation.Python{}},
			barePython},
	},
	{
		name: "solar_open", aliases: []string{"solar"}, templates: [][]string{{"<|tool_call:begin|>"}},
		Reasoning: []span{{Open: "<|think|>", Close: "<|end|>"}}, Ends: []string{"<|calls|>"},
		Wrappers: []string{"<|begin|>assistant", "<|content|>", "<|end|>", "<|tool_calls|>", "<|calls|>"},
		Forms: []form{{Open: []string{"<|tool_call:begin|>"}, Close: []string{"<|tool_call:end|>"}, Once: true,
			Body: notation.Named{Seps: []string{"<|tool_call:args|>"}, Split: solarHeader, Wire: solarWire()}}},
	},
}

// gemmaFamilies are the families with quotes of their own.
var gemmaFamilies = []row{
	{
		name: "gemma4", templates: [][]string{{"<|tool_call>call:"}},
		Reasoning: []span{{Open: "<|channel>thought", Close: "<channel|>"}}, Ends: []string{"<turn|>", "<|tool_response>"},
		Forms: []form{gemmaForm("<|tool_call>", "<tool_call|>", `<|"|>`)},
	},
	{
		name: "functiongemma", templates: [][]string{{"<start_function_call>"}}, Ends: []string{"<end_of_turn>", "<start_function_response>"},
		Forms: []form{gemmaForm("<start_function_call>", "<end_function_call>", "<escape>")},
	},
}

func deepseekWire(sep string, fence bool) *notation.Wire {
	w := &notation.Wire{
		Begin: "<｜tool▁calls▁begin｜>", Head: constrain.Lit("<｜tool▁call▁begin｜>"), Mid: constrain.Lit(sep),
		Tail: "<｜tool▁call▁end｜>", End: "<｜tool▁calls▁end｜>",
	}
	if fence {
		w.Head, w.Mid = constrain.Lit("<｜tool▁call▁begin｜>function<｜tool▁sep｜>"), constrain.Lit("\n```json\n")
		w.Tail, w.Join = "\n```<｜tool▁call▁end｜>", "\n"
	}
	return w
}

func kimiWire() *notation.Wire {
	return &notation.Wire{
		Begin: "<|tool_calls_section_begin|>", Head: constrain.Lit("<|tool_call_begin|>functions."),
		Mid: constrain.Seq{constrain.Lit(":"), constrain.Repeat{Of: constrain.Chars("09"), Min: 1, Max: 4},
			constrain.Lit("<|tool_call_argument_begin|>")},
		Tail: "<|tool_call_end|>", End: "<|tool_calls_section_end|>",
	}
}

func solarWire() *notation.Wire {
	return &notation.Wire{
		Begin: "<|tool_calls|>", Head: constrain.Seq{constrain.Lit("<|tool_call:begin|>"),
			constrain.Repeat{Of: constrain.Chars("azAZ09"), Min: 1, Max: 32}, constrain.Lit("<|tool_call:name|>")},
		Mid: constrain.Lit("<|tool_call:args|>"), Tail: "<|tool_call:end|>", End: "<|calls|>",
	}
}
