package toolcall

import (
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/notation"
)

// glmXML is NAME with pairs of <arg_key> and <arg_value>; suffix is appended to the name of every tag.
func glmXML(suffix, gap string) notation.Tagged {
	tag := func(t string) string { return strings.Replace(t, ">", suffix+">", 1) }
	return notation.Tagged{
		Key: []string{tag("<arg_key>")}, KeyEnd: tag("</arg_key>"), ValOpen: tag("<arg_value>"),
		ValClose: []string{tag("</arg_value>")}, Gap: gap,
	}
}

// invokeXML is <invoke name="..."> with <parameter name="...">; prefix stands in front of the names of the
// tags.
func invokeXML(prefix string) notation.Tagged {
	return notation.Tagged{
		NameOpen: []string{"<" + prefix + "invoke"}, Attr: "name", Key: []string{"<" + prefix + "parameter"}, KeyAttr: "name",
		ValClose: []string{"</" + prefix + "parameter>"}, End: []string{"</" + prefix + "invoke>"}, Gap: "\n", Block: true,
	}
}

// dsmlForms are the calls of DeepSeek from V3.2 on, which say on the wire what is a string.
func dsmlForms() []form {
	dsml := func(prefix, block string) form {
		b := invokeXML(prefix)
		b.WireType, b.WireString = "string", "true"
		return form{Open: []string{"<" + prefix + block + ">"}, Close: []string{"</" + prefix + block + ">"}, Gap: "\n", Join: "\n", Body: b}
	}
	return []form{dsml("｜DSML｜", "function_calls"), dsml("｜DSML｜", "tool_calls"), dsml("｜DSML｜ ", "calls"), dsml("｜DSML｜ ", "tool_calls")}
}

// glmForm is glmXML between the usual markers.
func glmForm(gap string) form {
	return form{Open: []string{"<tool_call>"}, Close: []string{"</tool_call>"}, Join: gap, Body: glmXML("", gap)}
}

// seedXML is functionXML with the values inline.
func seedXML() notation.Tagged {
	b := functionXML
	b.Trim = false
	return b
}

// hyXML is glmXML with a suffix on every tag and a separator behind the name.
func hyXML() notation.Tagged {
	b := glmXML(":opensource", "\n")
	b.NameEnd = []string{"<tool_sep:opensource>"}
	b.Lead = []string{"<tool_call:opensource>"}
	return b
}

// step3XML is invokeXML behind the name in DeepSeek's markers.
func step3XML() notation.Tagged {
	b := invokeXML("steptml:")
	b.Lead = []string{"<｜tool_call_begin｜>", "function<｜tool_sep｜>"}
	b.SkipName, b.Block = true, false
	return b
}

var (
	miniXML = notation.Tagged{NameOpen: []string{"<function"}, Attr: "name", Key: []string{"<param"}, KeyAttr: "name",
		ValClose: []string{"</param>"}, End: []string{"</function>"}, CDATA: true, Known: true}
	k3XML = notation.Tagged{NameOpen: []string{"<|open|>call"}, Attr: "tool", TagEnd: "<|sep|>", Key: []string{"<|open|>argument"}, KeyAttr: "key",
		WireType: "type", WireString: "string", ValClose: []string{"<|close|>argument<|sep|>"}, End: []string{"<|close|>call<|sep|>"}, Block: true}
	dsml = dsmlForms()
)

// taggedFamilies are the families that write each argument in a tag of its own.
var taggedFamilies = []row{
	{
		name: "qwen3_coder", aliases: []string{"qwen3_xml", "qwen3.5", "qwen3_5", "qwen3.6", "step3p5", "step3.5", "step", "mimo_v2"},
		templates: [][]string{{"<tool_call>", "<function=", "<parameter="}},
		Reasoning: think, CallsEndReasoning: true, Ends: []string{"<|im_end|>", "<|endoftext|>"},
		Forms: []form{toolCallXML, toolCallJSON, bareXML, functionJSON},
	},
	{
		name: "nemotron", aliases: []string{"nemotron3", "nemotron_3_nano"},
		Reasoning: think, CallsEndReasoning: true, Ends: []string{"<|im_end|>"},
		Forms: []form{toolCallXML, toolCallJSON, arrayForm("<TOOLCALL>", "</TOOLCALL>"), bareXML, functionJSON},
	},
	{
		name: "seed_oss", aliases: []string{"seed"}, templates: [][]string{{"<seed:tool_call>"}},
		Reasoning: []span{{Open: "<seed:think>", Close: "</seed:think>"}}, Ends: []string{"<seed:eos>"},
		Forms: []form{{Open: []string{"<seed:tool_call>"}, Close: []string{"</seed:tool_call>"}, Gap: "\n", Join: "\n", Body: seedXML()}},
	},
	{
		name: "minicpm5", aliases: []string{"minicpm"}, templates: [][]string{{`<function name="`}},
		Reasoning: think, Ends: []string{"<|im_end|>"},
		Forms: []form{{Body: miniXML, Join: "\n", Text: true}},
	},
	{
		name: "ling3", aliases: []string{"ling"}, templates: [][]string{{"<arg_key>", "<role>OBSERVATION</role>"}},
		Reasoning: think, Ends: []string{"<|role_end|>"},
		Forms: []form{glmForm("\n")},
	},
	{
		name: "glm45", aliases: []string{"glm4_moe", "glm46"},
		templates: [][]string{{"<arg_key>", "\n<arg_value>", "!<role>"}, {"<arg_key>", `\n<arg_value>`, "!<role>"}},
		Reasoning: think, Wrappers: []string{"<|begin_of_box|>", "<|end_of_box|>"}, Ends: []string{"<|observation|>", "<|user|>", "</assistant>"},
		Forms: []form{glmForm("\n"), nameLineForm},
	},
	{
		name: "glm47", aliases: []string{"glm4", "glm", "glm5", "laguna", "poolside_v1", "spark2.5"},
		templates: [][]string{{"<arg_key>", "!\n<arg_value>", `!\n<arg_value>`, "!<role>"}},
		Reasoning: think, Wrappers: []string{"<|begin_of_box|>", "<|end_of_box|>"}, Ends: []string{"<|observation|>", "<|user|>", "</assistant>"},
		Forms: []form{glmForm(""), nameLineForm},
	},
	{
		name: "hy3", aliases: []string{"hunyuan3", "tencent_hy3"}, templates: [][]string{{"<tool_sep", "<arg_key"}, {"tool_sep", "arg_key", "opensource"}},
		Reasoning: []span{{Open: "<think:opensource>", Close: "</think:opensource>"}}, Ends: []string{"<｜hy_eos:opensource｜>"},
		Forms: []form{{Open: []string{"<tool_calls:opensource>", "<tool_call:opensource>"},
			Close: []string{"</tool_call:opensource>", "</tool_calls:opensource>"}, Gap: "\n", Join: "\n", Body: hyXML()}},
	},
}

// invokeFamilies are the families that name tools and arguments in attributes, or in tags of their own.
var invokeFamilies = []row{
	{
		name: "minimax", aliases: []string{"minimax_m2"}, templates: [][]string{{"minimax:tool_call"}},
		Reasoning: think, Ends: []string{"[e~["},
		Forms: []form{
			{Open: []string{"<minimax:tool_call>"}, Close: []string{"</minimax:tool_call>"}, Gap: "\n", Join: "\n", Body: invokeXML("")},
			{Close: []string{"</minimax:tool_call>"}, Body: known(invokeXML(""))}},
	},
	{
		name: "minimax_m3", templates: [][]string{{"]<]minimax[>["}},
		Reasoning: []span{{Open: "<mm:think>", Close: "</mm:think>"}}, Ends: []string{"[e~["},
		Forms: []form{{Open: []string{"]<]minimax[>[<tool_call>"}, Close: []string{"]<]minimax[>[</tool_call>"}, Gap: "\n",
			Body: notation.Nested{Mark: "]<]minimax[>["}}},
	},
	{
		name: "step3", templates: [][]string{{"steptml:"}}, Reasoning: think,
		Forms: []form{{Open: []string{"<｜tool_calls_begin｜>", "<｜tool_call_begin｜>"}, Close: []string{"<｜tool_call_end｜>", "<｜tool_calls_end｜>"},
			Body: step3XML()}},
	},
	{
		name: "deepseek_v32", aliases: []string{"deepseek_v3_2", "deepseek_v3.2"}, templates: [][]string{{"DSML", "function_calls"}},
		Reasoning: think, Ends: []string{"<｜end▁of▁sentence｜>"}, Forms: dsml,
	},
	{
		name: "deepseek_v4", aliases: []string{"deepseek_v41", "deepseek_v4.1"}, templates: [][]string{{"DSML", "!function_calls"}},
		Reasoning: think, Ends: []string{"<｜end▁of▁sentence｜>"}, Forms: []form{dsml[1], dsml[0], dsml[2], dsml[3]},
	},
	{
		name: "kimi_k3", templates: [][]string{{"<|open|>", "<|sep|>"}},
		Reasoning: []span{{Open: "<|open|>think<|sep|>", Close: "<|close|>think<|sep|>"}},
		Wrappers: []string{"<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>", "<|end_of_msg|>",
			`<|open|>message role="assistant"<|sep|>`},
		Forms: []form{{Open: []string{"<|open|>tools<|sep|>"}, Close: []string{"<|close|>tools<|sep|>"}, Body: k3XML}},
	},
	{
		name: "muse_glimmer", aliases: []string{"muse"}, templates: [][]string{{"<atem:"}},
		Reasoning: []span{{Close: "<|eom|>"}}, Breaks: []string{"<|eom|>", "<|eot|>"},
		Forms: []form{
			{Open: []string{"<atem:function_calls>"}, Close: []string{"</atem:function_calls>"}, Gap: "\n", Join: "\n", Body: invokeXML("atem:")},
			{Open: []string{"<|start|>"}, Header: true, Body: notation.Header{Ends: []string{"<|message|>"}, Read: museHeader}},
			{Body: notation.Header{Ends: []string{"<|message|>"}, Read: museHeader, Starts: []string{" to=", "to=", "<|message|>"}}, Header: true},
		},
	},
}

// museHeader reads a header whose recipient only says that calls follow, which say the name again.
func museHeader(header, end string) notation.Message {
	m := recipientHeader(header, end)
	if m.Kind == notation.MessageCall {
		m.Kind = notation.MessageContent
	}
	return m
}
