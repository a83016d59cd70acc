package toolcall

import (
	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
)

// GrammarOptions says which calls a grammar forces.
type GrammarOptions struct {
	Tools []chat.Tool
	// Choice is the request's tool choice: ToolNamed forces the one tool, everything else any of Tools.
	Choice chat.ToolChoice
	// Single allows one call only.
	Single bool
	// ReasoningOpen says that the prompt ended inside a reasoning block: it is finished freely first.
	ReasoningOpen bool
}

// Grammar returns the grammar of forced calls.
func (f *Family) Grammar(opts GrammarOptions) (*constrain.Grammar, error) {
	var b constrain.Builder
	return b.Grammar(constrain.Lit("")), nil
}
