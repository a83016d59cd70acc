// Package notation holds the ways in which models write calls: as JSON, as a name with JSON behind it, as
// tags, as Python, in messages with a header. Each is a description in data, from which come a machine
// that reads it from a stream and a grammar that writes it.
package notation

import (
	"fmt"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/schema"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// MaxCalls bounds how many calls a grammar lets a model write, so that it comes to an end.
const MaxCalls = 16

// Body is a notation that can be read and written.
type Body interface {
	stream.Body
	// Grammar returns the expression of the calls that the form fm writes of the tools.
	Grammar(g *Builder, fm *stream.Form, tools []chat.Tool) (constrain.Expr, error)
}

// Builder collects the rules of forced calls.
type Builder struct {
	constrain.Builder
	// Single allows one call only.
	Single bool
}

// args returns the expression of a tool's arguments as JSON.
func (g *Builder) args(t chat.Tool) (constrain.Expr, error) {
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
func (g *Builder) eachTool(tools []chat.Tool, call func(chat.Tool) (constrain.Expr, error)) (constrain.Expr, error) {
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
func (g *Builder) several(call constrain.Expr, join string) constrain.Expr {
	if g.Single {
		return call
	}
	more := constrain.Expr(call)
	if join != "" {
		more = constrain.Seq{constrain.Lit(join), call}
	}
	return constrain.Seq{call, constrain.Repeat{Of: more, Max: MaxCalls - 1}}
}

// span puts the form's markers around e.
func span(fm *stream.Form, e constrain.Expr) constrain.Expr {
	return constrain.Seq{constrain.Lit(first(fm.Open) + fm.Gap), e, constrain.Lit(fm.Gap + first(fm.Close))}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// eachParameter calls write for each parameter of the tool in the order of the schema, with the
// expression of its value as JSON, or nil where the value may be a string.
func (g *Builder) eachParameter(t chat.Tool, write func(name string, value constrain.Expr, required bool)) error {
	tl := schema.New(t.Parameters)
	props, required := tl.Properties()
	for _, name := range tl.Order() {
		var value constrain.Expr
		if types, _ := tl.Param(name); types&schema.String == 0 {
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
func (g *Builder) parameters(t chat.Tool, write func(string, constrain.Expr) constrain.Expr) (constrain.Expr, error) {
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
func (g *Builder) pairs(t chat.Tool, sep string, write func(string, constrain.Expr) constrain.Expr) (constrain.Expr, error) {
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
