package prompt

import "strings"

// Caps says what a template can do, as found by rendering probes.
type Caps struct {
	// Tools: it shows tools. Otherwise they are described in the system turn in Hermes form.
	Tools bool
	// ToolCalls: it shows the calls that an assistant message made.
	ToolCalls bool
	// ParallelCalls: it takes several calls in one assistant message.
	ParallelCalls bool
	// TextArguments: it wants the arguments of a call as JSON text rather than as an object.
	TextArguments bool
	// ToolRole: it shows messages of role tool.
	ToolRole bool
	// System: it shows a system message at the start. Otherwise that goes into the first user message.
	System bool
	// LaterSystem: it shows system messages further on. Otherwise they go to the start.
	LaterSystem bool
	// Developer: it knows the role developer. Otherwise that becomes system.
	Developer bool
	// Strings and Parts: it takes content as a string, and as a list of parts.
	Strings, Parts bool
	// Images and Audio: it has placeholders for them.
	Images, Audio bool
	// Reasoning: it shows the reasoning of earlier assistant messages, if only of the latest.
	Reasoning bool
	// OpensReasoning: its generation prompt opens a reasoning block.
	OpensReasoning bool
	// EnableThinking and ReasoningEffort: these settings of a request change the prompt.
	EnableThinking, ReasoningEffort bool
	// PrefixStable: adding turns does not change the text of the earlier ones, so that a prefix cache
	// holds. PrefixBreak says which turns change it otherwise.
	PrefixStable bool
	PrefixBreak  string
}

// reasoningMarks are the pairs of texts around reasoning.
var reasoningMarks = [...][2]string{
	{"<think>", "</think>"},
	{"<thinking>", "</thinking>"},
	{"<seed:think>", "</seed:think>"},
	{"[THINK]", "[/THINK]"},
	{"<|START_THINKING|>", "<|END_THINKING|>"},
	{"<|inner_prefix|>", "<|inner_suffix|>"},
	{"<reasoning>", "</reasoning>"},
}

// endsInReasoning reports whether a prompt ends right behind the opening of a reasoning block.
func endsInReasoning(text string) bool {
	text = strings.TrimRight(text, " \t\r\n")
	for _, marks := range reasoningMarks {
		if strings.HasSuffix(text, marks[0]) {
			return true
		}
	}
	return false
}
