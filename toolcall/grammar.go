package toolcall

import (
	"errors"
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/notation"
)

// ErrNoTools is the error of a grammar that would have to force a call of no tool.
var ErrNoTools = errors.New("toolcall: no tools to call")

// GrammarOptions says which calls a grammar forces.
type GrammarOptions struct {
	Tools []chat.Tool
	// Choice is the request's tool choice: ToolNamed forces the one tool, everything else any of Tools.
	Choice chat.ToolChoice
	// Single allows one call only; otherwise there may be up to 16.
	Single bool
	// ReasoningOpen says that the prompt ended inside a reasoning block: it is finished freely first.
	ReasoningOpen bool
}

// Grammar returns the grammar of an output that calls tools: reasoning, where the family reasons, then
// one call or more in the family's own notation, with arguments that fit the tools' schemas. It fails
// when there is no tool to call, or with the error of a schema that is no JSON Schema.
func (f *Family) Grammar(opts GrammarOptions) (*constrain.Grammar, error) {
	tools := opts.Tools
	if opts.Choice.Mode == chat.ToolNamed {
		tools = nil
		for _, t := range opts.Tools {
			if t.Name == opts.Choice.Name {
				tools = []chat.Tool{t}
			}
		}
		if tools == nil {
			return nil, fmt.Errorf("toolcall: the tool %q to be called is not among the tools", opts.Choice.Name)
		}
	}
	if len(tools) == 0 {
		return nil, ErrNoTools
	}
	g := &notation.Builder{Single: opts.Single}
	fm := &f.format.Forms[0]
	calls, err := fm.Body.(notation.Body).Grammar(g, fm, tools)
	if err != nil {
		return nil, err
	}
	return g.Builder.Grammar(constrain.Seq{f.freeReasoning(opts.ReasoningOpen), calls}), nil
}

// freeReasoning returns what may be written before the calls.
func (f *Family) freeReasoning(open bool) constrain.Expr {
	if len(f.format.Reasoning) == 0 {
		return constrain.Lit("")
	}
	s := f.format.Reasoning[0]
	stops := append(slices.Clone(f.format.Forms[0].Open), s.Close)
	lines := constrain.Repeat{Of: constrain.Lit("\n"), Max: 2}
	rest := constrain.Seq{constrain.Until{Stops: stops}, constrain.Lit(s.Close + s.Next), lines}
	begin := s.Write
	if begin == "" {
		begin = s.Open
	}
	switch {
	case open || f.format.StartsReasoning:
		return rest
	case begin == "":
		return constrain.Lit("")
	}
	return constrain.Opt(constrain.Seq{constrain.Lit(begin), rest})
}
