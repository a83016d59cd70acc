package toolcall

import "strings"

// table holds every family. A template that fits several rows belongs to the first.
var table = compileAll(jsonFamilies(), namedFamilies(), taggedFamilies(), otherFamilies())

func compileAll(groups ...[]*Family) []*Family {
	var rows []*Family
	for _, group := range groups {
		for _, f := range group {
			rows = append(rows, f.compile())
		}
	}
	return append(rows, autoFamily(rows).compile())
}

// Pieces that several rows share.
var (
	think = []span{{open: "<think>", close: "</think>"}}

	// {"name": ..., "arguments": ...} between <tool_call> and </tool_call>.
	toolCallJSON = form{open: []string{"<tool_call>"}, close: []string{"</tool_call>"}, gap: "\n", join: "\n", body: jsonBody{}}
	// <function=NAME> with <parameter=KEY> tags, in the same span or by itself.
	toolCallXML = form{open: []string{"<tool_call>"}, close: []string{"</tool_call>"}, gap: "\n", join: "\n", body: functionXML}
	bareXML     = form{close: []string{"</tool_call>"}, body: known(functionXML)}
	functionXML = taggedBody{nameOpen: []string{"<function="}, key: []string{"<parameter="},
		valClose: []string{"</parameter>"}, end: []string{"</function>"}, trim: true, gap: "\n"}
	// <function=NAME>{...}</function>.
	functionJSON = form{close: []string{"</function>"}, once: true, text: true,
		body: namedBody{lead: []string{"<function="}, seps: []string{">"}, known: true}}
	// A JSON call, or an array of them, without any marker.
	bareJSON   = form{body: jsonBody{strict: true}}
	fencedJSON = form{open: []string{"```json", "```"}, close: []string{"```"}, text: true, body: jsonBody{strict: true}}
	// [f(a=1), g()] without any marker.
	barePython = form{body: pythonBody{bracket: true, known: true}}
	// [Calling tool: f({...})], as servers describe calls to models that know no notation.
	callingTool = form{open: []string{"[Calling tool:"}, close: []string{")]", ")"}, once: true, text: true,
		body: namedBody{seps: []string{"("}, known: true}}
)

func known(b taggedBody) taggedBody {
	b.known = true
	return b
}

// arrayForm is a JSON array of calls between two markers.
func arrayForm(open, closer string) form {
	f := form{open: []string{open}, body: jsonBody{array: true}}
	if closer != "" {
		f.close = []string{closer}
	}
	return f
}

// jsonFamilies are the families whose calls are JSON objects or arrays of them.
func jsonFamilies() []*Family {
	cohere := form{open: []string{"<|START_ACTION|>"}, close: []string{"<|END_ACTION|>"},
		body: jsonBody{array: true, name: "tool_name", args: "parameters"}}
	cohereText := []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>", "<|END_OF_TURN_TOKEN|>",
		"<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>"}
	cohereThink := []span{{open: "<|START_THINKING|>", close: "<|END_THINKING|>"}}
	return []*Family{
		{
			name: "hermes", aliases: []string{"nous", "qwen", "qwen2", "qwen2.5", "qwen3", "qwq", "granite4", "mimo", "smollm3", "bielik", "arch"},
			templates: [][]string{{"<tool_call>", "!<arg_key>", "!<function=", "!<tool_calls>", "!<|tool_call|>", "!]<]minimax[>[", "!human:"}},
			reasoning: think, ends: []string{"<|im_end|>", "<|endoftext|>", "<|end_of_text|>"},
			forms: []form{toolCallJSON, toolCallXML, bareXML, functionJSON, callingTool, bareJSON},
		},
		{
			name: "reka", templates: [][]string{{"<tool_call>", "human:"}},
			reasoning: think, ends: []string{"<sep>"},
			forms: []form{{open: toolCallJSON.open, close: toolCallJSON.close, gap: "\n", body: jsonBody{}}},
		},
		{
			name: "exaone4", aliases: []string{"exaone"}, templates: [][]string{{"[|assistant|]", "<tool_call>"}},
			reasoning: think, ends: []string{"[|endofturn|]"},
			forms: []form{{open: toolCallJSON.open, close: toolCallJSON.close, join: "\n", body: jsonBody{}}},
		},
		{
			name: "ernie45", aliases: []string{"ernie"}, templates: [][]string{{"<|begin_of_sentence|>", "<tool_call>", "<response>"}},
			reasoning: think, startsReasoning: true, wrappers: []string{"<response>", "</response>"},
			forms: []form{toolCallJSON},
		},
		{
			name: "longcat", templates: [][]string{{"<longcat_tool_call>"}},
			reasoning: append([]span{{open: "<longcat_think>", close: "</longcat_think>"}}, think...),
			forms: []form{{open: []string{"<longcat_tool_call>"}, close: []string{"</longcat_tool_call>"},
				gap: "\n", join: "\n", body: jsonBody{}}},
		},
		{
			name: "gigachat3", aliases: []string{"gigachat", "gigachat3.1"},
			templates: [][]string{{"function call", "role_sep"}, {"<|function_call|>"}},
			ends:      []string{"<|message_sep|>"},
			forms: []form{{open: []string{"<|function_call|>", "function call<|role_sep|>"}, close: []string{"<|message_sep|>"},
				join: "\n\n", body: jsonBody{}}},
		},
		{
			name: "internlm2", aliases: []string{"internlm", "intern_s1"}, templates: [][]string{{"<|action_start|>", "<|plugin|>"}},
			reasoning: think,
			forms: []form{{open: []string{"<|action_start|><|plugin|>", "<|action_start|> <|plugin|>"},
				close: []string{"<|action_end|>"}, body: jsonBody{args: "parameters"}}},
		},
		{
			name: "granite_20b_fc", forms: []form{{open: []string{"<function_call>"}, close: []string{"</function_call>"},
				gap: " ", join: " ", body: jsonBody{}}},
			templates: [][]string{{"<function_call>", "!<function_calls>"}},
		},
		{
			name: "granite", aliases: []string{"granite3"}, templates: [][]string{{"<|tool_call|>", "!<|/tool_call|>"}},
			reasoning: think, wrappers: []string{"<response>", "</response>"}, ends: []string{"<|end_of_text|>"},
			forms: []form{arrayForm("<|tool_call|>", ""),
				{open: toolCallJSON.open, close: toolCallJSON.close, body: jsonBody{array: true}}},
		},
		{
			name: "phi4", aliases: []string{"phi4_mini", "phi4_mini_json"}, templates: [][]string{{"<|tool_call|>", "<|/tool_call|>"}},
			ends: []string{"<|end|>"},
			forms: []form{arrayForm("<|tool_call|>", "<|/tool_call|>"),
				{open: []string{"functools"}, text: true, body: jsonBody{strict: true}}},
		},
		{
			name: "firefunction", aliases: []string{"firefunction_v2"}, templates: [][]string{{"functools["}},
			forms: []form{{open: []string{"functools"}, text: true, body: jsonBody{strict: true, array: true}}},
		},
		{
			name: "apriel", templates: [][]string{{"<tool_calls>[{"}, {"<tool_calls>[", "\"id\""}},
			reasoning: []span{{open: "Here are my reasoning steps:", close: "[BEGIN FINAL RESPONSE]"}},
			ends:      []string{"<|end|>"},
			forms:     []form{{open: []string{"<tool_calls>"}, close: []string{"</tool_calls>"}, body: jsonBody{array: true, lateID: true}}},
		},
		{
			name: "jamba", templates: [][]string{{"<tool_calls>", "<|bom|>"}},
			ends: []string{"<|eom|>"}, forms: []form{arrayForm("<tool_calls>", "</tool_calls>")},
		},
		{
			name: "hunyuan", aliases: []string{"hunyuan_a13b"}, templates: [][]string{{"<tool_calls>", "<answer>"}},
			reasoning: think, wrappers: []string{"<answer>", "</answer>"},
			forms: []form{arrayForm("<tool_calls>", "</tool_calls>")},
		},
		{
			name: "minimax_m1", templates: [][]string{{"<tool_calls>", "<beginning_of_sentence>"}},
			reasoning: think, ends: []string{"<end_of_sentence>"},
			forms: []form{{open: []string{"<tool_calls>"}, close: []string{"</tool_calls>"}, gap: "\n", join: "\n", body: jsonBody{lines: true}}},
		},
		{
			name: "nemotron_nano_v2", aliases: []string{"llama_nemotron"}, templates: [][]string{{"<TOOLCALL>"}},
			reasoning: think, ends: []string{"<SPECIAL_12>"}, forms: []form{arrayForm("<TOOLCALL>", "</TOOLCALL>")},
		},
		{
			name: "apertus", templates: [][]string{{"<|tools_prefix|>"}, {"<|inner_prefix|>"}},
			reasoning: []span{{open: "<|inner_prefix|>", close: "<|inner_suffix|>"}}, ends: []string{"<|assistant_end|>"},
			forms: []form{{open: []string{"<|tools_prefix|>"}, close: []string{"<|tools_suffix|>"}, body: jsonBody{array: true, keyed: true}}},
		},
		{
			name: "command_r7b", aliases: []string{"cohere", "command_a", "command_r", "cohere2moe"},
			templates: [][]string{{"<|START_ACTION|>"}, {"\"tool_name\"", "Action:"}},
			reasoning: cohereThink, wrappers: cohereText,
			forms: []form{cohere, {open: []string{"Action:\n```json", "Action: ```json"}, close: []string{"```"}, text: true, body: jsonBody{strict: true}}},
		},
		{
			name: "xlam", forms: []form{bareJSON, fencedJSON, arrayForm("[TOOL_CALLS]", ""), toolCallJSON},
			reasoning: think,
		},
		{
			name: "hammer", forms: []form{bareJSON, fencedJSON}, reasoning: think,
		},
		{
			name: "sarashina", templates: [][]string{{"<|tool_calls|>", "!<|tool_call:begin|>"}},
			forms: []form{{open: []string{"<|tool_calls|>"}, body: jsonBody{array: true, style: pythonStyle}}, bareJSON},
		},
	}
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
