package toolcall

import (
	"errors"
	"fmt"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
)

// maxForcedCalls bounds how many calls a grammar lets a model write, so that it comes to an end.
const maxForcedCalls = 16

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
	g := &grammarBuilder{single: opts.Single}
	fm := &f.forms[0]
	calls, err := fm.body.grammar(g, fm, tools)
	if err != nil {
		return nil, err
	}
	return g.Builder.Grammar(constrain.Seq{f.freeReasoning(opts.ReasoningOpen), calls}), nil
}

// freeReasoning returns what may be written before the calls.
func (f *Family) freeReasoning(open bool) constrain.Expr {
	if len(f.reasoning) == 0 {
		return constrain.Lit("")
	}
	s := f.reasoning[0]
	var stops []string
	for _, fm := range f.forms {
		stops = append(stops, fm.open...)
	}
	lines := constrain.Repeat{Of: constrain.Lit("\n"), Max: 2}
	rest := constrain.Seq{constrain.Until{Stops: append(stops, s.close)}, constrain.Lit(s.close + s.next), lines}
	begin := s.write
	if begin == "" {
		begin = s.open
	}
	switch {
	case open || f.startsReasoning:
		return rest
	case begin == "":
		return constrain.Lit("")
	}
	return constrain.Opt(constrain.Seq{constrain.Lit(begin), rest})
}

// grammarBuilder collects the rules of forced calls.
type grammarBuilder struct {
	constrain.Builder
	single bool
}

// args returns the expression of a tool's arguments as JSON.
func (g *grammarBuilder) args(t chat.Tool) (constrain.Expr, error) {
	if len(t.Parameters) == 0 {
		return constrain.Lit("{}"), nil
	}
	e, err := g.JSONSchema(t.Parameters)
	if err != nil {
		return nil, fmt.Errorf("the parameters of tool %q: %w", t.Name, err)
	}
	return g.Rule("args-"+t.Name, e), nil
}

// eachTool returns the choice between the tools, each as call writes it.
func (g *grammarBuilder) eachTool(tools []chat.Tool, call func(chat.Tool) (constrain.Expr, error)) (constrain.Expr, error) {
	var alt constrain.Alt
	for _, t := range tools {
		e, err := call(t)
		if err != nil {
			return nil, err
		}
		alt = append(alt, e)
	}
	return g.Rule("call", alt), nil
}

// several returns one call or, where allowed, more with join between them.
func (g *grammarBuilder) several(call constrain.Expr, join string) constrain.Expr {
	if g.single {
		return call
	}
	more := constrain.Expr(call)
	if join != "" {
		more = constrain.Seq{constrain.Lit(join), call}
	}
	return constrain.Seq{call, constrain.Repeat{Of: more, Max: maxForcedCalls - 1}}
}

// span puts the form's markers around e.
func (fm *form) span(e constrain.Expr) constrain.Expr {
	return constrain.Seq{constrain.Lit(first(fm.open) + fm.gap), e, constrain.Lit(fm.gap + first(fm.close))}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (b jsonBody) grammar(g *grammarBuilder, fm *form, tools []chat.Tool) (constrain.Expr, error) {
	name, args := b.name, b.args
	if name == "" {
		name = "name"
	}
	if args == "" {
		args = "arguments"
	}
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		e, err := g.args(t)
		if b.keyed {
			return constrain.Seq{constrain.Lit("{" + jsonString(t.Name) + ": "), e, constrain.Lit("}")}, err
		}
		head := fmt.Sprintf(`{%s: %s, %s: `, jsonString(name), jsonString(t.Name), jsonString(args))
		return constrain.Seq{constrain.Lit(head), e, constrain.Lit("}")}, err
	})
	if err != nil {
		return nil, err
	}
	if b.array {
		return fm.span(constrain.Seq{constrain.Lit("["), g.several(call, ", "), constrain.Lit("]")}), nil
	}
	if b.lines {
		return fm.span(g.several(call, fm.join)), nil
	}
	return g.several(fm.span(call), fm.join), nil
}

// eachParameter calls write for each parameter of the tool in the order of the schema, with the
// expression of its value as JSON, or nil where the value may be a string.
func (g *grammarBuilder) eachParameter(t chat.Tool, write func(name string, value constrain.Expr, required bool)) error {
	tl := &tool{schema: t.Parameters}
	tl.load()
	props, required := tl.properties()
	for _, name := range tl.order {
		var value constrain.Expr
		if tl.types[name]&typeString == 0 {
			e, err := g.JSONSchema(props[name])
			if err != nil {
				return fmt.Errorf("the parameter %q of tool %q: %w", name, t.Name, err)
			}
			value = e
		}
		write(name, value, required[name])
	}
	return nil
}

// parameters returns the expression of a tool's arguments one after the other, those that are not
// required left out at will. write gets nil for the value of a string.
func (g *grammarBuilder) parameters(t chat.Tool, write func(string, constrain.Expr) constrain.Expr) (constrain.Expr, error) {
	var out constrain.Seq
	err := g.eachParameter(t, func(name string, value constrain.Expr, required bool) {
		e := write(name, value)
		if !required {
			e = constrain.Opt(e)
		}
		out = append(out, e)
	})
	return out, err
}

// pairs is like parameters, with sep between the arguments.
func (g *grammarBuilder) pairs(t chat.Tool, sep string, write func(string, constrain.Expr) constrain.Expr) (constrain.Expr, error) {
	type pair struct {
		expr     constrain.Expr
		required bool
	}
	var list []pair
	err := g.eachParameter(t, func(name string, value constrain.Expr, required bool) {
		list = append(list, pair{g.Rule("pair-"+name, write(name, value)), required})
	})
	// rest is what may follow an argument, begin what may stand where none has been written yet.
	rest, begin := constrain.Expr(constrain.Lit("")), constrain.Expr(constrain.Lit(""))
	for i := len(list) - 1; i >= 0; i-- {
		next := constrain.Seq{constrain.Lit(sep), list[i].expr}
		if list[i].required {
			begin = constrain.Seq{list[i].expr, rest}
			rest = g.Rule("more", constrain.Seq{next, rest})
		} else {
			begin = constrain.Alt{constrain.Seq{list[i].expr, rest}, begin}
			rest = g.Rule("more", constrain.Seq{constrain.Opt(next), rest})
		}
	}
	return begin, err
}
