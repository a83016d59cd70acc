package eval

import (
	"fmt"

	"github.com/toolserve/toolserve/jinja/internal/syntax"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// jump says how a body ended.
type jump uint8

const (
	jumpNone jump = iota
	jumpBreak
	jumpContinue
)

func (in *interp) exec(body []syntax.Stmt, sc *scope) jump {
	for _, stmt := range body {
		in.Budget.Spend(1)
		switch n := stmt.(type) {
		case *syntax.Text:
			in.out.WriteString(n.Text)
		case *syntax.Output:
			in.output(n, sc)
		case *syntax.If:
			if j := in.exec(in.branch(n, sc), sc); j != jumpNone {
				return j
			}
		case *syntax.Set:
			v := in.eval(n.X, sc)
			in.at = n.Offset()
			in.assign(&n.Target, v, sc)
		case *syntax.For:
			in.forLoop(n, in.eval(n.Iter, sc), sc, 0)
		default:
			if j := in.execRare(stmt, sc); j != jumpNone {
				return j
			}
		}
	}
	return jumpNone
}

// execRare runs the statements that are not worth a place in the loop of exec.
func (in *interp) execRare(stmt syntax.Stmt, sc *scope) jump {
	switch n := stmt.(type) {
	case *syntax.Macro:
		in.set(n.ID, &macro{def: n, scope: sc}, sc)
	case *syntax.SetBlock:
		text, j := in.capture(n.Body, newScope(sc))
		if j != jumpNone {
			return j
		}
		in.assign(&n.Target, in.filterAll(n.Filters, text, sc), sc)
	case *syntax.FilterBlock:
		text, j := in.capture(n.Body, newScope(sc))
		if j != jumpNone {
			return j
		}
		in.out.WriteString(in.Str(in.filterAll(n.Filters, text, sc)))
	case *syntax.CallBlock:
		in.callBlock(n, sc)
	case *syntax.With:
		inner := newScope(sc)
		for i := range n.Targets {
			in.assign(&n.Targets[i], in.eval(n.Values[i], sc), inner)
		}
		return in.exec(n.Body, inner)
	case *syntax.Scope:
		if n.Top {
			sc = nil
		}
		return in.exec(n.Body, newScope(sc))
	case *syntax.Break:
		return jumpBreak
	case *syntax.Continue:
		return jumpContinue
	default:
		panic(fmt.Sprintf("jinja: unknown statement %T", stmt))
	}
	return jumpNone
}

// output writes a value. What a macro or tojson writes goes straight to the output.
func (in *interp) output(n *syntax.Output, sc *scope) {
	switch x := n.X.(type) {
	case *syntax.Call:
		if in.outputMacro(x, sc) {
			return
		}
	case *syntax.Filter:
		v := in.eval(x.X, sc)
		f := in.filter(x)
		pos, kw := in.args(&x.Args, sc)
		in.at = x.Offset()
		if !in.Write(f, in.out, v, pos, kw) {
			in.write(in.Filter(f, v, pos, kw))
		}
		return
	}
	v := in.eval(n.X, sc)
	in.at = n.Offset()
	in.write(v)
}

func (in *interp) write(v value.Value) {
	switch s := v.(type) {
	case value.String:
		in.out.WriteString(string(s))
	case value.Safe:
		in.out.WriteString(string(s))
	default:
		in.out.WriteString(in.Str(v))
	}
}

// outputMacro runs the call if it is one of a macro by its name.
func (in *interp) outputMacro(call *syntax.Call, sc *scope) bool {
	name, ok := call.Fn.(*syntax.Name)
	if !ok {
		return false
	}
	m, ok := in.lookup(name.ID, sc).(*macro)
	if !ok {
		return false
	}
	pos, kw := in.args(&call.Args, sc)
	in.at = call.Offset()
	in.runMacro(m, pos, kw)
	return true
}

func (in *interp) branch(n *syntax.If, sc *scope) []syntax.Stmt {
	for i := range n.Branches {
		if value.Truth(in.eval(n.Branches[i].Test, sc)) {
			return n.Branches[i].Body
		}
	}
	return n.Else
}

// capture runs a body and returns what it wrote.
func (in *interp) capture(body []syntax.Stmt, sc *scope) (value.Value, jump) {
	start := in.out.Len()
	j := in.exec(body, sc)
	return value.String(in.out.Cut(start)), j
}

func (in *interp) assign(t *syntax.Target, v value.Value, sc *scope) {
	switch {
	case t.Tuple:
		in.unpack(t.Items, v, sc)
	case t.Attr != "":
		ns, ok := in.lookup(t.ID, sc).(*value.Namespace)
		if !ok {
			value.Fail("cannot assign attribute on non-namespace object")
		}
		ns.Attrs.Set(t.Attr, v)
	default:
		in.set(t.ID, v, sc)
	}
}

func (in *interp) unpack(targets []syntax.Target, v value.Value, sc *scope) {
	values := value.Collect(v, &in.Budget)
	if len(values) > len(targets) {
		value.Fail("too many values to unpack (expected %d)", len(targets))
	}
	if len(values) < len(targets) {
		value.Fail("not enough values to unpack (expected %d, got %d)", len(targets), len(values))
	}
	for i := range targets {
		in.assign(&targets[i], values[i], sc)
	}
}
