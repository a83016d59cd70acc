package toolcall

// table holds every family. Order matters where a template fits more than one row.
var table = compileAll([]*Family{
	{
		name: "hermes", aliases: []string{"nous", "qwen", "qwen3"},
		templates: [][]string{{"<tool_call>", `"name"`}},
		reasoning: []span{{"<think>", "</think>"}},
		ends:      []string{"<|im_end|>"},
		forms: []form{
			{open: []string{"<tool_call>"}, close: []string{"</tool_call>"}, gap: "\n", join: "\n", body: jsonBody{}},
		},
	},
})

func compileAll(rows []*Family) []*Family {
	for _, f := range rows {
		f.compile()
	}
	return rows
}
