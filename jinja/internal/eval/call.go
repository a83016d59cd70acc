package eval

import (
	"slices"

	"github.com/toolserve/toolserve/jinja/internal/builtin"
	"github.com/toolserve/toolserve/jinja/internal/syntax"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// macro is a macro with the scope that it was defined in.
type macro struct {
	def   *syntax.Macro
	scope *scope
}

// Type implements [value.Value].
func (*macro) Type() string { return "Macro" }

// Repr is how the macro prints.
func (m *macro) Repr() string {
	if m.def.Anonymous {
		return "<Macro anonymous>"
	}
	return "<Macro '" + m.def.Name + "'>"
}

// Attr implements [builtin.Object].
func (m *macro) Attr(name string) value.Value {
	switch name {
	case "name":
		return value.String(m.def.Name)
	case "arguments":
		names := value.NewTuple()
		for i := range m.def.Params {
			names.Items = append(names.Items, value.String(m.def.Params[i].Name))
		}
		return names
	case "catch_varargs":
		return value.Bool(m.def.UsesVarargs)
	case "catch_kwargs":
		return value.Bool(m.def.UsesKw)
	case "caller":
		return value.Bool(m.def.UsesCaller)
	}
	return nil
}

// args evaluates the arguments of a call. The dict is nil where there are no keywords.
func (in *interp) args(a *syntax.Args, sc *scope) (pos []value.Value, kw *value.Dict) {
	if len(a.Pos) > 0 {
		pos = make([]value.Value, len(a.Pos))
		for i, x := range a.Pos {
			pos[i] = in.eval(x, sc)
		}
	}
	if a.Star != nil {
		more := value.Collect(in.eval(a.Star, sc), &in.Budget)
		in.Budget.AllocItems(len(more))
		pos = append(pos, more...)
	}
	if len(a.Kw) == 0 && a.Kws == nil {
		return pos, nil
	}
	kw = value.NewDict(len(a.Kw))
	for _, k := range a.Kw {
		if _, twice := kw.Lookup(k.Name); twice {
			value.Fail("keyword argument repeated: %s", k.Name)
		}
		kw.Set(k.Name, in.eval(k.Value, sc))
	}
	if a.Kws != nil {
		in.spread(in.eval(a.Kws, sc), kw)
	}
	return pos, kw
}

// spread adds the entries of a ** argument.
func (in *interp) spread(v value.Value, kw *value.Dict) {
	d, ok := v.(*value.Dict)
	if !ok {
		value.Fail("argument after ** must be a mapping, not %s", v.Type())
	}
	in.Budget.AllocItems(6 * d.Len())
	for i := range d.Len() {
		k, v := d.At(i)
		name, ok := value.Text(k)
		if !ok {
			value.Fail("keywords must be strings")
		}
		if _, twice := kw.Lookup(name); twice {
			value.Fail("got multiple values for keyword argument '%s'", name)
		}
		kw.Set(name, v)
	}
}

// call calls any value.
func (in *interp) call(fn value.Value, pos []value.Value, kw *value.Dict) value.Value {
	switch f := fn.(type) {
	case *macro:
		start := in.out.Len()
		in.runMacro(f, pos, kw)
		return value.String(in.out.Cut(start))
	case *builtin.Function:
		in.Budget.Spend(2)
		return f.Fn(&in.Env, pos, kw)
	case *builtin.Bound:
		return in.CallMethod(f.Recv, f.Name, pos, kw)
	case *loop:
		if f.again == nil {
			value.Fail("The loop must have the 'recursive' marker to be called recursively.")
		}
		if len(pos) != 1 || kw != nil {
			value.Fail("loop() takes exactly one argument")
		}
		return f.again(pos[0])
	case *value.Undefined:
		value.FailUndefined(f)
	}
	value.Fail("'%s' object is not callable", fn.Type())
	return nil
}

// runMacro writes what the macro makes of its arguments to the output.
func (in *interp) runMacro(m *macro, pos []value.Value, kw *value.Dict) {
	in.enter()
	sc := newScope(m.scope)
	used := in.bindParams(m, pos, kw, sc)
	if m.def.UsesCaller && !hasParam(m.def.Params, "caller") {
		var caller value.Value = &value.Undefined{Name: "caller", Hint: "No caller defined"}
		if v, ok := builtin.Keyword(kw, "caller"); ok {
			caller = v
			used++
		}
		in.set(in.t.callerID, caller, sc)
	}
	if m.def.UsesVarargs {
		var extra []value.Value
		if len(pos) > len(m.def.Params) {
			extra = pos[len(m.def.Params):]
		}
		in.set(in.t.varargsID, value.NewTuple(extra...), sc)
	} else if len(pos) > len(m.def.Params) {
		value.Fail("macro '%s' takes not more than %d argument(s)", m.def.Name, len(m.def.Params))
	}
	if m.def.UsesKw {
		in.set(in.t.kwargsID, otherKw(m.def, len(pos), kw, &in.Budget), sc)
	} else if kw != nil && used < kw.Len() {
		k, _ := otherKw(m.def, len(pos), kw, &in.Budget).At(0)
		value.Fail("macro '%s' takes no keyword argument '%s'", m.def.Name, k)
	}
	in.exec(m.def.Body, sc)
	in.depth--
}

// bindParams sets the parameters, and returns how many keywords it used.
func (in *interp) bindParams(m *macro, pos []value.Value, kw *value.Dict, sc *scope) (used int) {
	for i := range m.def.Params {
		p := &m.def.Params[i]
		v, named := builtin.Keyword(kw, p.Name)
		switch {
		case i < len(pos):
			v = pos[i] // a keyword of the same name is then one too many
		case named:
			used++
		case p.Default != nil:
			v = in.eval(p.Default, sc)
		default:
			v = &value.Undefined{Name: p.Name, Hint: "parameter '" + p.Name + "' was not provided"}
		}
		in.set(p.ID, v, sc)
	}
	return used
}

func hasParam(params []syntax.Param, name string) bool {
	return slices.ContainsFunc(params, func(p syntax.Param) bool { return p.Name == name })
}

// otherKw returns the keywords that are no parameters of the macro behind the first given ones.
func otherKw(def *syntax.Macro, given int, kw *value.Dict, budget *value.Budget) *value.Dict {
	other := value.NewDict(0)
	open := def.Params[min(given, len(def.Params)):]
	if kw == nil {
		return other
	}
	budget.AllocItems(3 * kw.Len())
	for i := range kw.Len() {
		k, v := kw.At(i)
		name, _ := value.Text(k)
		if !hasParam(open, name) && !(name == "caller" && def.UsesCaller) {
			other.Set(name, v)
		}
	}
	return other
}

func (in *interp) callBlock(n *syntax.CallBlock, sc *scope) {
	fn := in.eval(n.Call.Fn, sc)
	pos, kw := in.args(&n.Call.Args, sc)
	if kw == nil {
		kw = value.NewDict(1)
	}
	kw.Set("caller", &macro{def: n.Caller, scope: sc})
	in.at = n.Offset()
	if m, ok := fn.(*macro); ok {
		in.runMacro(m, pos, kw)
		return
	}
	in.out.WriteString(in.Str(in.call(fn, pos, kw)))
}
