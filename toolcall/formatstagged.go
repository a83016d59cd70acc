package toolcall

import "strings"

// glmXML is NAME with pairs of <arg_key> and <arg_value>; suffix is appended to the name of every tag.
func glmXML(suffix, gap string) taggedBody {
	tag := func(t string) string { return strings.Replace(t, ">", suffix+">", 1) }
	return taggedBody{
		key: []string{tag("<arg_key>")}, keyEnd: tag("</arg_key>"), valOpen: tag("<arg_value>"),
		valClose: []string{tag("</arg_value>")}, gap: gap,
	}
}

// invokeXML is <invoke name="..."> with <parameter name="...">; prefix stands in front of the names of the
// tags.
func invokeXML(prefix string) taggedBody {
	return taggedBody{
		nameOpen: []string{"<" + prefix + "invoke"}, attr: "name", key: []string{"<" + prefix + "parameter"}, keyAttr: "name",
		valClose: []string{"</" + prefix + "parameter>"}, end: []string{"</" + prefix + "invoke>"}, gap: "\n", block: true,
	}
}

// dsmlForms are the calls of DeepSeek from V3.2 on, which say on the wire what is a string.
func dsmlForms() []form {
	dsml := func(prefix, block string) form {
		b := invokeXML(prefix)
		b.wireType, b.wireString = "string", "true"
		return form{open: []string{"<" + prefix + block + ">"}, close: []string{"</" + prefix + block + ">"}, gap: "\n", join: "\n", body: b}
	}
	return []form{dsml("｜DSML｜", "function_calls"), dsml("｜DSML｜", "tool_calls"), dsml("｜DSML｜ ", "calls"), dsml("｜DSML｜ ", "tool_calls")}
}

// taggedFamilies are the families that write each argument in a tag of its own.
func taggedFamilies() []*Family {
	glm := func(gap string) form {
		return form{open: []string{"<tool_call>"}, close: []string{"</tool_call>"}, join: gap, body: glmXML("", gap)}
	}
	glmOld := form{once: true, body: namedBody{seps: []string{"\n"}, known: true}}
	seed := functionXML
	seed.trim = false
	step3 := invokeXML("steptml:")
	step3.lead = []string{"<｜tool_call_begin｜>", "function<｜tool_sep｜>"}
	step3.skipName, step3.block = true, false
	mini := taggedBody{nameOpen: []string{"<function"}, attr: "name", key: []string{"<param"}, keyAttr: "name",
		valClose: []string{"</param>"}, end: []string{"</function>"}, cdata: true}
	k3 := taggedBody{nameOpen: []string{"<|open|>call"}, attr: "tool", tagEnd: "<|sep|>", key: []string{"<|open|>argument"}, keyAttr: "key",
		wireType: "type", wireString: "string", valClose: []string{"<|close|>argument<|sep|>"}, end: []string{"<|close|>call<|sep|>"}, block: true}
	hy := glmXML(":opensource", "\n")
	hy.nameEnd = []string{"<tool_sep:opensource>"}
	hy.lead = []string{"<tool_call:opensource>"}
	dsml := dsmlForms()
	return []*Family{
		{
			name: "qwen3_coder", aliases: []string{"qwen3_xml", "qwen3.5", "qwen3_5", "qwen3.6", "step3p5", "step3.5", "step", "mimo_v2"},
			templates: [][]string{{"<tool_call>", "<function=", "<parameter="}},
			reasoning: think, callsEndReasoning: true, ends: []string{"<|im_end|>", "<|endoftext|>"},
			forms: []form{toolCallXML, toolCallJSON, bareXML, functionJSON},
		},
		{
			name: "nemotron", aliases: []string{"nemotron3", "nemotron_3_nano"},
			reasoning: think, callsEndReasoning: true, ends: []string{"<|im_end|>"},
			forms: []form{toolCallXML, toolCallJSON, arrayForm("<TOOLCALL>", "</TOOLCALL>"), bareXML, functionJSON},
		},
		{
			name: "seed_oss", aliases: []string{"seed"}, templates: [][]string{{"<seed:tool_call>"}},
			reasoning: []span{{open: "<seed:think>", close: "</seed:think>"}}, ends: []string{"<seed:eos>"},
			forms: []form{{open: []string{"<seed:tool_call>"}, close: []string{"</seed:tool_call>"}, gap: "\n", join: "\n", body: seed}},
		},
		{
			name: "minicpm5", aliases: []string{"minicpm"}, templates: [][]string{{`<function name="`}},
			reasoning: think, ends: []string{"<|im_end|>"},
			forms: []form{{body: known(mini), join: "\n", text: true}},
		},
		{
			name: "ling3", aliases: []string{"ling"}, templates: [][]string{{"<arg_key>", "<role>OBSERVATION</role>"}},
			reasoning: think, ends: []string{"<|role_end|>"},
			forms: []form{glm("\n")},
		},
		{
			name: "glm45", aliases: []string{"glm4_moe", "glm46"},
			templates: [][]string{{"<arg_key>", "\n<arg_value>", "!<role>"}, {"<arg_key>", `\n<arg_value>`, "!<role>"}},
			reasoning: think, wrappers: []string{"<|begin_of_box|>", "<|end_of_box|>"}, ends: []string{"<|observation|>", "<|user|>", "</assistant>"},
			forms: []form{glm("\n"), glmOld},
		},
		{
			name: "glm47", aliases: []string{"glm4", "glm", "glm5", "laguna", "poolside_v1", "spark2.5"},
			templates: [][]string{{"<arg_key>", "!\n<arg_value>", `!\n<arg_value>`, "!<role>"}},
			reasoning: think, wrappers: []string{"<|begin_of_box|>", "<|end_of_box|>"}, ends: []string{"<|observation|>", "<|user|>", "</assistant>"},
			forms: []form{glm(""), glmOld},
		},
		{
			name: "hy3", aliases: []string{"hunyuan3", "tencent_hy3"}, templates: [][]string{{"<tool_sep", "<arg_key"}, {"tool_sep", "arg_key", "opensource"}},
			reasoning: []span{{open: "<think:opensource>", close: "</think:opensource>"}}, ends: []string{"<｜hy_eos:opensource｜>"},
			forms: []form{{open: []string{"<tool_calls:opensource>", "<tool_call:opensource>"},
				close: []string{"</tool_call:opensource>", "</tool_calls:opensource>"}, gap: "\n", join: "\n", body: hy}},
		},
		{
			name: "minimax", aliases: []string{"minimax_m2"}, templates: [][]string{{"minimax:tool_call"}},
			reasoning: think, ends: []string{"[e~["},
			forms: []form{
				{open: []string{"<minimax:tool_call>"}, close: []string{"</minimax:tool_call>"}, gap: "\n", join: "\n", body: invokeXML("")},
				{close: []string{"</minimax:tool_call>"}, body: known(invokeXML(""))}},
		},
		{
			name: "minimax_m3", templates: [][]string{{"]<]minimax[>["}},
			reasoning: []span{{open: "<mm:think>", close: "</mm:think>"}}, ends: []string{"[e~["},
			forms: []form{{open: []string{"]<]minimax[>[<tool_call>"}, close: []string{"]<]minimax[>[</tool_call>"}, gap: "\n",
				body: nestedBody{mark: "]<]minimax[>["}}},
		},
		{
			name: "step3", templates: [][]string{{"steptml:"}}, reasoning: think,
			forms: []form{{open: []string{"<｜tool_calls_begin｜>", "<｜tool_call_begin｜>"}, close: []string{"<｜tool_call_end｜>", "<｜tool_calls_end｜>"},
				body: step3}},
		},
		{
			name: "deepseek_v32", aliases: []string{"deepseek_v3_2", "deepseek_v3.2"}, templates: [][]string{{"DSML", "function_calls"}},
			reasoning: think, ends: []string{"<｜end▁of▁sentence｜>"}, forms: dsml,
		},
		{
			name: "deepseek_v4", aliases: []string{"deepseek_v41", "deepseek_v4.1"}, templates: [][]string{{"DSML", "!function_calls"}},
			reasoning: think, ends: []string{"<｜end▁of▁sentence｜>"}, forms: []form{dsml[1], dsml[0], dsml[2], dsml[3]},
		},
		{
			name: "kimi_k3", templates: [][]string{{"<|open|>", "<|sep|>"}},
			reasoning: []span{{open: "<|open|>think<|sep|>", close: "<|close|>think<|sep|>"}},
			wrappers: []string{"<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>", "<|end_of_msg|>",
				`<|open|>message role="assistant"<|sep|>`},
			forms: []form{{open: []string{"<|open|>tools<|sep|>"}, close: []string{"<|close|>tools<|sep|>"}, body: k3}},
		},
		{
			name: "muse_glimmer", aliases: []string{"muse"}, templates: [][]string{{"<atem:"}},
			reasoning: []span{{close: "<|eom|>"}}, breaks: []string{"<|eom|>", "<|eot|>"},
			forms: []form{
				{open: []string{"<atem:function_calls>"}, close: []string{"</atem:function_calls>"}, gap: "\n", join: "\n", body: invokeXML("atem:")},
				{open: []string{"<|start|>"}, header: true, body: headerBody{ends: []string{"<|message|>"}, read: museHeader}},
				{body: headerBody{ends: []string{"<|message|>"}, read: museHeader, starts: []string{" to=", "to="}}, header: true},
			},
		},
	}
}

// museHeader reads a header whose recipient only says that calls follow, which say the name again.
func museHeader(header, end string) message {
	m := recipientHeader(header, end)
	if m.kind == messageCall {
		m.kind = messageContent
	}
	return m
}
