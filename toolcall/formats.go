package toolcall

import (
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/notation"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// row is a row of the table: a family's names, the marks of its chat templates (see Family.templates) and
// its format (see stream.Format).
type row struct {
	name      string
	aliases   []string
	templates [][]string

	Forms                              []form
	Reasoning                          []span
	StartsReasoning, CallsEndReasoning bool
	Wrappers, Breaks, Ends             []string
	ShortIDs                           bool
}

type (
	form = stream.Form
	span = stream.Span
)

// table holds every family. No template fits more than one row.
var table = families()

func families() []*Family {
	var rows []row
	for _, group := range [][]row{objectFamilies, arrayFamilies, namedFamilies, gemmaFamilies, taggedFamilies,
		invokeFamilies, otherFamilies} {
		rows = append(rows, group...)
	}
	rows = append(rows, autoFamily(rows))
	out := make([]*Family, 0, len(rows))
	for _, r := range rows {
		f := &Family{name: r.name, aliases: r.aliases, templates: r.templates, format: stream.Format{
			Forms: r.Forms, Reasoning: r.Reasoning, StartsReasoning: r.StartsReasoning, CallsEndReasoning: r.CallsEndReasoning,
			Wrappers: r.Wrappers, Breaks: r.Breaks, Ends: r.Ends, ShortIDs: r.ShortIDs,
		}}
		f.format.Compile()
		out = append(out, f)
	}
	return out
}

// Pieces that several rows share.
var (
	think = []span{{Open: "<think>", Close: "</think>"}}

	// {"name": ..., "arguments": ...} between <tool_call> and </tool_call>.
	toolCallJSON = form{Open: []string{"<tool_call>"}, Close: []string{"</tool_call>"}, Gap: "\n", Join: "\n", Body: notation.JSON{}}
	// <function=NAME> with <parameter=KEY> tags, in the same span or by itself.
	toolCallXML = form{Open: []string{"<tool_call>"}, Close: []string{"</tool_call>"}, Gap: "\n", Join: "\n", Body: functionXML}
	bareXML     = form{Close: []string{"</tool_call>"}, Body: known(functionXML)}
	functionXML = notation.Tagged{NameOpen: []string{"<function="}, Key: []string{"<parameter="},
		ValClose: []string{"</parameter>"}, End: []string{"</function>"}, Trim: true, Gap: "\n"}
	// <function=NAME>{...}</function>.
	functionJSON = form{Close: []string{"</function>"}, Once: true, Text: true,
		Body: notation.Named{Lead: []string{"<function="}, Seps: []string{">"}, Known: true}}
	// A JSON call, or an array of them, without any marker.
	bareJSON   = form{Body: notation.JSON{Strict: true}}
	fencedJSON = form{Open: []string{"```json", "```"}, Close: []string{"```"}, Text: true, Body: notation.JSON{Strict: true}}
	// [f(a=1), g()] without any marker.
	barePython = form{Body: notation.Python{Bracket: true, Known: true}}
	// [Calling tool: f({...})], as servers describe calls to models that know no notation.
	callingTool = form{Open: []string{"[Calling tool:"}, Close: []string{")]", ")"}, Once: true, Text: true,
		Body: notation.Named{Seps: []string{"("}, Known: true}}
)

func known(b notation.Tagged) notation.Tagged {
	b.Known = true
	return b
}

// arrayForm is a JSON array of calls between two markers.
func arrayForm(open, closer string) form {
	f := form{Open: []string{open}, Body: notation.JSON{Array: true}}
	if closer != "" {
		f.Close = []string{closer}
	}
	return f
}

// objectFamilies are the families that write one JSON object for each call.
var objectFamilies = []row{
	{
		name: "hermes", aliases: []string{"nous", "qwen", "qwen2", "qwen2.5", "qwen3", "qwq", "granite4", "mimo", "smollm3", "bielik", "arch"},
		templates: [][]string{{"<tool_call>", "!<arg_key>", "!<function=", "!<tool_calls>", "!<|tool_call|>", "!]<]minimax[>[", "!human:"}},
		Reasoning: think, Ends: []string{"<|im_end|>", "<|endoftext|>", "<|end_of_text|>"},
		Forms: []form{toolCallJSON, toolCallXML, bareXML, functionJSON, callingTool, bareJSON},
	},
	{
		name: "reka", templates: [][]string{{"<tool_call>", "human:"}},
		Reasoning: think, Ends: []string{"<sep>"},
		Forms: []form{{Open: toolCallJSON.Open, Close: toolCallJSON.Close, Gap: "\n", Body: notation.JSON{}}},
	},
	{
		name: "exaone4", aliases: []string{"exaone"}, templates: [][]string{{"[|assistant|]", "<tool_call>"}},
		Reasoning: think, Ends: []string{"[|endofturn|]"},
		Forms: []form{{Open: toolCallJSON.Open, Close: toolCallJSON.Close, Join: "\n", Body: notation.JSON{}}},
	},
	{
		name: "ernie45", aliases: []string{"ernie"}, templates: [][]string{{"<|begin_of_sentence|>", "<tool_call>", "<response>"}},
		Reasoning: think, StartsReasoning: true, Wrappers: []string{"<response>", "</response>"},
		Forms: []form{toolCallJSON},
	},
	{
		name: "longcat", templates: [][]string{{"<longcat_tool_call>"}},
		Reasoning: append([]span{{Open: "<longcat_think>", Close: "</longcat_think>"}}, think...),
		Forms: []form{{Open: []string{"<longcat_tool_call>"}, Close: []string{"</longcat_tool_call>"},
			Gap: "\n", Join: "\n", Body: notation.JSON{}}},
	},
	{
		name: "gigachat3", aliases: []string{"gigachat", "gigachat3.1"},
		templates: [][]string{{"function call", "role_sep"}, {"<|function_call|>"}},
		Wrappers:  []string{"<|message_sep|>"},
		Ends:      []string{"<|message_sep|>"},
		Forms: []form{{Open: []string{"<|function_call|>", "function call<|role_sep|>"}, Close: []string{"<|message_sep|>"},
			Join: "\n\n", Body: notation.JSON{}}},
	},
	{
		name: "internlm2", aliases: []string{"internlm", "intern_s1"}, templates: [][]string{{"<|action_start|>", "<|plugin|>"}},
		Reasoning: think,
		Forms: []form{{Open: []string{"<|action_start|><|plugin|>", "<|action_start|> <|plugin|>"},
			Close: []string{"<|action_end|>"}, Body: notation.JSON{Args: "parameters"}}},
	},
	{
		name: "granite_20b_fc", Forms: []form{{Open: []string{"<function_call>"}, Close: []string{"</function_call>"},
			Gap: " ", Join: " ", Body: notation.JSON{}}},
		templates: [][]string{{"<function_call>", "!<function_calls>"}},
	},
}

var (
	cohere = form{Open: []string{"<|START_ACTION|>"}, Close: []string{"<|END_ACTION|>"},
		Body: notation.JSON{Array: true, Name: "tool_name", Args: "parameters"}}
	cohereText = []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>", "<|END_OF_TURN_TOKEN|>",
		"<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>"}
	cohereThink = []span{{Open: "<|START_THINKING|>", Close: "<|END_THINKING|>"}}
)

// arrayFamilies are the families that write a JSON array of calls.
var arrayFamilies = []row{
	{
		name: "granite", aliases: []string{"granite3"}, templates: [][]string{{"<|tool_call|>", "!<|/tool_call|>"}},
		Reasoning: think, Wrappers: []string{"<response>", "</response>", "<|/tool_call|>"}, Ends: []string{"<|end_of_text|>"},
		Forms: []form{arrayForm("<|tool_call|>", ""),
			{Open: toolCallJSON.Open, Close: toolCallJSON.Close, Body: notation.JSON{Array: true}}},
	},
	{
		name: "phi4", aliases: []string{"phi4_mini", "phi4_mini_json"}, templates: [][]string{{"<|tool_call|>", "<|/tool_call|>"}},
		Ends: []string{"<|end|>"},
		Forms: []form{arrayForm("<|tool_call|>", "<|/tool_call|>"),
			{Open: []string{"functools"}, Text: true, Body: notation.JSON{Strict: true}}},
	},
	{
		name: "firefunction", aliases: []string{"firefunction_v2"}, templates: [][]string{{"functools["}},
		Forms: []form{{Open: []string{"functools"}, Text: true, Body: notation.JSON{Strict: true, Array: true}}},
	},
	{
		name: "apriel", templates: [][]string{{"<tool_calls>[{"}, {"<tool_calls>[", "\"id\""}},
		Reasoning: []span{{Open: "Here are my reasoning steps:", Close: "[BEGIN FINAL RESPONSE]"}},
		Ends:      []string{"<|end|>"},
		Forms:     []form{{Open: []string{"<tool_calls>"}, Close: []string{"</tool_calls>"}, Body: notation.JSON{Array: true, LateID: true}}},
	},
	{
		name: "jamba", templates: [][]string{{"<tool_calls>", "<|bom|>"}},
		Ends: []string{"<|eom|>"}, Forms: []form{arrayForm("<tool_calls>", "</tool_calls>")},
	},
	{
		name: "hunyuan", aliases: []string{"hunyuan_a13b"}, templates: [][]string{{"<tool_calls>", "<answer>"}},
		Reasoning: think, Wrappers: []string{"<answer>", "</answer>"},
		Forms: []form{arrayForm("<tool_calls>", "</tool_calls>")},
	},
	{
		name: "minimax_m1", templates: [][]string{{"<tool_calls>", "<beginning_of_sentence>"}},
		Reasoning: think, Ends: []string{"<end_of_sentence>"},
		Forms: []form{{Open: []string{"<tool_calls>"}, Close: []string{"</tool_calls>"}, Gap: "\n", Join: "\n", Body: notation.JSON{Lines: true}}},
	},
	{
		name: "nemotron_nano_v2", aliases: []string{"llama_nemotron"}, templates: [][]string{{"<TOOLCALL>"}},
		Reasoning: think, Ends: []string{"<SPECIAL_12>"}, Forms: []form{arrayForm("<TOOLCALL>", "</TOOLCALL>")},
	},
	{
		name: "apertus", templates: [][]string{{"<|tools_prefix|>"}, {"<|inner_prefix|>"}},
		Reasoning: []span{{Open: "<|inner_prefix|>", Close: "<|inner_suffix|>"}}, Ends: []string{"<|assistant_end|>"},
		Forms: []form{{Open: []string{"<|tools_prefix|>"}, Close: []string{"<|tools_suffix|>"}, Body: notation.JSON{Array: true, Keyed: true}}},
	},
	{
		name: "command_r7b", aliases: []string{"cohere", "command_a", "command_r", "cohere2moe"},
		templates: [][]string{{"<|START_ACTION|>"}, {"\"tool_name\"", "Action:"}},
		Reasoning: cohereThink, Wrappers: cohereText,
		Forms: []form{cohere, {Open: []string{"Action:\n```json", "Action: ```json"}, Close: []string{"```"}, Text: true, Body: notation.JSON{Strict: true}}},
	},
	{
		name: "xlam", Forms: []form{bareJSON, fencedJSON, arrayForm("[TOOL_CALLS]", ""), toolCallJSON},
		Reasoning: think,
	},
	{
		name: "hammer", Forms: []form{bareJSON, fencedJSON}, Reasoning: think,
	},
	{
		name: "sarashina", templates: [][]string{{"<|tool_calls|>", "!<|tool_call:begin|>"}},
		Forms: []form{{Open: []string{"<|tool_calls|>"}, Body: notation.JSON{Array: true, Style: pythonStyle}}, bareJSON},
	},
}

// kimiHeader takes the name out of functions.NAME:INDEX, which is the id of the call as a whole.
func kimiHeader(header string) (name, id string) {
	id = strings.TrimSpace(header)
	name = strings.TrimPrefix(id, "functions.")
	if i := strings.LastIndexByte(name, ':'); i > 0 {
		return name[:i], id
	}
	return name, ""
}

// solarHeader reads ID<|tool_call:name|>NAME.
func solarHeader(header string) (name, id string) {
	id, name, ok := strings.Cut(header, "<|tool_call:name|>")
	if !ok {
		return header, ""
	}
	return strings.TrimSpace(name), strings.TrimSpace(id)
}
