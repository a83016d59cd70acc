package eval

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/builtin"
	"github.com/toolserve/toolserve/jinja/internal/syntax"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

func (in *interp) eval(x syntax.Expr, sc *scope) value.Value {
	in.Budget.Spend(1)
	switch n := x.(type) {
	case *syntax.Literal:
		return n.Value
	case *syntax.Name:
		return in.lookup(n.ID, sc)
	case *syntax.Attr:
		v := in.eval(n.X, sc)
		in.at = n.Offset()
		return in.Attr(v, n.Name)
	case *syntax.Index:
		v, key := in.eval(n.X, sc), in.eval(n.Key, sc)
		in.at = n.Offset()
		return in.Item(v, key)
	case *syntax.Call:
		return in.evalCall(n, sc)
	case *syntax.Filter:
		return in.applyFilter(n, in.eval(n.X, sc), sc)
	case *syntax.Test:
		return in.evalTest(n, sc)
	case *syntax.Binary:
		return in.binary(n, sc)
	case *syntax.And:
		if a := in.eval(n.A, sc); !value.Truth(a) {
			return a
		}
		return in.eval(n.B, sc)
	case *syntax.Or:
		if a := in.eval(n.A, sc); value.Truth(a) {
			return a
		}
		return in.eval(n.B, sc)
	case *syntax.Not:
		return value.Bool(!value.Truth(in.eval(n.X, sc)))
	case *syntax.Compare:
		return value.Bool(in.comparison(n, sc))
	case *syntax.Cond:
		return in.evalCond(n, sc)
	}
	return in.evalRare(x, sc)
}

// evalRare evaluates what makes new values and is not worth a place in eval.
func (in *interp) evalRare(x syntax.Expr, sc *scope) value.Value {
	switch n := x.(type) {
	case *syntax.Concat:
		return in.concat(n, sc)
	case *syntax.Slice:
		return in.slice(n, sc)
	case *syntax.Sign:
		v := in.eval(n.X, sc)
		in.at = n.Offset()
		if n.Minus {
			return value.Negate(v, &in.Budget)
		}
		return value.Positive(v)
	case *syntax.List:
		in.Budget.AllocItems(len(n.Items))
		l := &value.List{Items: make([]value.Value, len(n.Items)), Local: true}
		if n.Tuple {
			l.Kind = value.Tuple
		}
		for i, item := range n.Items {
			l.Items[i] = in.eval(item, sc)
		}
		return l
	case *syntax.Dict:
		d := value.NewDict(len(n.Keys))
		for i := range n.Keys {
			k := in.eval(n.Keys[i], sc)
			in.SpendEntry(k)
			d.Put(k, in.eval(n.Values[i], sc))
		}
		return d
	}
	panic(fmt.Sprintf("jinja: unknown expression %T", x))
}

func (in *interp) evalCall(n *syntax.Call, sc *scope) value.Value {
	if a, ok := n.Fn.(*syntax.Attr); ok {
		recv := in.eval(a.X, sc)
		in.at = a.Offset()
		if u, ok := recv.(*value.Undefined); ok {
			value.FailUndefined(u)
		}
		if !in.HasMethod(recv, a.Name) {
			fn := in.Attr(recv, a.Name)
			pos, kw := in.args(&n.Args, sc)
			in.at = n.Offset()
			return in.call(fn, pos, kw)
		}
		pos, kw := in.args(&n.Args, sc)
		in.at = a.Offset()
		return in.CallMethod(recv, a.Name, pos, kw)
	}
	fn := in.eval(n.Fn, sc)
	pos, kw := in.args(&n.Args, sc)
	in.at = n.Offset()
	return in.call(fn, pos, kw)
}

func (in *interp) binary(n *syntax.Binary, sc *scope) value.Value {
	a, b := in.eval(n.A, sc), in.eval(n.B, sc)
	in.at = n.Offset()
	if n.Op == value.Mod {
		if s, ok := value.Text(a); ok {
			return in.Percent(a, s, b)
		}
	}
	return value.Arith(n.Op, a, b, &in.Budget)
}

func (in *interp) comparison(n *syntax.Compare, sc *scope) bool {
	a := in.eval(n.X, sc)
	for i, op := range n.Ops {
		b := in.eval(n.Rest[i], sc)
		in.at = n.Offset()
		if !in.Compare(op, a, b) {
			return false
		}
		a = b
	}
	return true
}

func (in *interp) evalCond(n *syntax.Cond, sc *scope) value.Value {
	if value.Truth(in.eval(n.Test, sc)) {
		return in.eval(n.Then, sc)
	}
	if n.Else == nil {
		return &value.Undefined{Hint: "the inline if-expression evaluated to false and no else section was defined."}
	}
	return in.eval(n.Else, sc)
}

// concat joins texts; without autoescape it never escapes.
func (in *interp) concat(n *syntax.Concat, sc *scope) value.Value {
	parts := make([]string, len(n.Parts))
	total := 0
	for i, x := range n.Parts {
		parts[i] = in.Str(in.eval(x, sc))
		total += len(parts[i])
	}
	in.at = n.Offset()
	in.Budget.CheckText(total)
	rest := strings.Join(parts[1:], "")
	in.Budget.Alloc(len(rest))
	return value.String(in.Budget.Join(parts[0], rest))
}

func (in *interp) applyFilter(n *syntax.Filter, v value.Value, sc *scope) value.Value {
	f := in.filter(n)
	pos, kw := in.args(&n.Args, sc)
	in.at = n.Offset()
	return in.Filter(f, v, pos, kw)
}

// filter returns the filter that n names; one that does not exist fails only here, when it is reached.
func (in *interp) filter(n *syntax.Filter) *builtin.Filter {
	f := in.t.filters[n.ID]
	if f == nil {
		in.at = n.Offset()
		value.Fail("No filter named '%s' found.", in.t.tree.Filters[n.ID])
	}
	return f
}

func (in *interp) filterAll(filters []*syntax.Filter, v value.Value, sc *scope) value.Value {
	for _, f := range filters {
		v = in.applyFilter(f, v, sc)
	}
	return v
}

func (in *interp) evalTest(n *syntax.Test, sc *scope) value.Value {
	v := in.eval(n.X, sc)
	t := in.t.tests[n.ID]
	if t == nil {
		in.at = n.Offset()
		value.Fail("No test named '%s' found.", in.t.tree.Tests[n.ID])
	}
	if len(n.Args.Pos) == 0 && n.Args.Star == nil {
		in.at = n.Offset()
		return value.Bool(in.Test(t, v, nil) != n.Negate)
	}
	pos, kw := in.args(&n.Args, sc)
	in.at = n.Offset()
	if kw != nil && kw.Len() > 0 {
		value.Fail("test '%s' takes no keyword arguments", in.t.tree.Tests[n.ID])
	}
	return value.Bool(in.Test(t, v, pos) != n.Negate)
}

func (in *interp) slice(n *syntax.Slice, sc *scope) value.Value {
	v := in.eval(n.X, sc)
	var bounds [3]value.Value
	for i, x := range [...]syntax.Expr{n.From, n.To, n.Step} {
		if x != nil {
			bounds[i] = in.eval(x, sc)
		}
	}
	in.at = n.Offset()
	return in.Slice(v, bounds)
}
