package builtin

import (
	"slices"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// hasMethod reports whether Python's type of v has a method of that name.
func (env *Env) HasMethod(v value.Value, name string) bool {
	switch x := v.(type) {
	case *value.Dict:
		switch name {
		case "items", "keys", "values", "get", "copy":
			return true
		}
		return isDictMutator(name)
	case value.String, value.Safe:
		return env.Lib.textMethods[name] != nil
	case *value.List:
		switch x.Kind {
		case value.Plain:
			return env.Lib.listMethods[name] != nil || isListMutator(name)
		case value.Tuple, value.Group:
			return name == "index" || name == "count"
		}
	}
	return false
}

// isDictMutator and isListMutator name the methods that change an object. The sandbox refuses them; a
// lenient template may call those of listMethods on lists that it made.
func isDictMutator(name string) bool {
	switch name {
	case "clear", "pop", "popitem", "setdefault", "update":
		return true
	}
	return false
}

func isListMutator(name string) bool {
	switch name {
	case "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort":
		return true
	}
	return false
}

// refused says why a method may not be called, or returns "".
func (env *Env) refused(v value.Value, name string) string {
	switch x := v.(type) {
	case *value.Dict:
		if isDictMutator(name) {
			return "access to attribute '" + name + "' of 'dict' object is unsafe."
		}
	case *value.List:
		if isListMutator(name) && !(env.Lib.mutable && x.Local && env.Lib.listMethods[name] != nil) {
			return "access to attribute '" + name + "' of 'list' object is unsafe."
		}
	}
	return ""
}

// callMethod calls a method that hasMethod found.
func (env *Env) CallMethod(recv value.Value, name string, pos []value.Value, kw *value.Dict) value.Value {
	if reason := env.refused(recv, name); reason != "" {
		value.Fail("%s", reason)
	}
	switch x := recv.(type) {
	case *value.Dict:
		if name == "get" && kw == nil && len(pos) > 0 && len(pos) < 3 { // the one that matters for speed
			env.SpendKey(pos[0])
			return getMethod(env, x, pos)
		}
		return env.Filter(env.Lib.dictMethods[name], recv, pos, kw)
	case value.String:
		return env.Filter(env.Lib.textMethods[name], recv, pos, kw)
	case value.Safe:
		return env.markupMethod(x, name, pos, kw)
	}
	return env.Filter(env.Lib.listMethods[name], recv, pos, kw)
}

// markupMethod calls a method of str on markup: what comes out is markup, and plain texts that go in
// are escaped first.
func (env *Env) markupMethod(s value.Safe, name string, pos []value.Value, kw *value.Dict) value.Value {
	if name == "join" { // escapes its items itself
		return value.Safe(textOf(env.Filter(env.Lib.textMethods[name], s, pos, kw)))
	}
	escaped := slices.Clone(pos)
	for i, v := range pos {
		if text, ok := v.(value.String); ok && (name == "replace" || name == "format") {
			escaped[i] = value.String(value.Escape(string(text)))
		}
	}
	switch v := env.Filter(env.Lib.textMethods[name], value.String(s), escaped, kw).(type) {
	case value.String:
		return value.Safe(v)
	case *value.List:
		for i, item := range v.Items {
			if text, ok := item.(value.String); ok {
				v.Items[i] = value.Safe(text)
			}
		}
		return v
	default:
		return v
	}
}

func dictMethods() []Filter {
	view := func(kind value.ListKind, size int, items func(*value.Dict) []value.Value) func(*Env, value.Value, []value.Value) value.Value {
		return func(env *Env, v value.Value, _ []value.Value) value.Value {
			d := v.(*value.Dict)
			env.Budget.AllocItems(size * d.Len())
			return &value.List{Items: items(d), Kind: kind}
		}
	}
	return []Filter{
		{name: "items", fn: view(value.DictItems, itemSize, (*value.Dict).Items)},
		{name: "keys", fn: view(value.DictKeys, 2, (*value.Dict).Keys)},
		{name: "values", fn: view(value.DictVals, 1, (*value.Dict).Values)},
		// get takes no keywords in Python: the empty names cannot be given as such.
		{name: "get", params: []string{"", ""}, need: 1, fn: getMethod},
		{name: "copy", fn: func(env *Env, v value.Value, _ []value.Value) value.Value {
			d := v.(*value.Dict)
			env.Budget.AllocItems(3 * d.Len())
			return d.Copy()
		}},
	}
}

func getMethod(_ *Env, v value.Value, a []value.Value) value.Value {
	if item, ok := v.(*value.Dict).Get(a[0]); ok {
		return item
	}
	return arg(a, 1, value.None{})
}

func listMethods() []Filter {
	return []Filter{
		{name: "index", params: []string{"", "", ""}, need: 1, fn: indexMethod},
		{name: "count", params: []string{""}, need: 1, fn: countMethod},
		{name: "copy", fn: func(env *Env, v value.Value, _ []value.Value) value.Value { return env.list(v) }},
		{name: "append", params: []string{""}, need: 1, fn: changing(func(_ *Env, l *value.List, a []value.Value) value.Value {
			l.Items = append(l.Items, a[0])
			return value.None{}
		})},
		{name: "extend", params: []string{""}, need: 1, fn: changing(func(env *Env, l *value.List, a []value.Value) value.Value {
			more := value.Collect(a[0], &env.Budget)
			env.Budget.AllocItems(len(more))
			l.Items = append(l.Items, more...)
			return value.None{}
		})},
		{name: "insert", params: []string{"", ""}, need: 2, fn: changing(func(env *Env, l *value.List, a []value.Value) value.Value {
			env.Budget.AllocItems(len(l.Items))
			at, _, _ := sliceBounds(len(l.Items), [3]value.Value{a[0]})
			l.Items = slices.Insert(slices.Clone(l.Items), at, a[1])
			return value.None{}
		})},
		{name: "pop", params: []string{""}, fn: changing(popMethod)},
	}
}

// changing wraps a method that changes its list.
func changing(fn func(*Env, *value.List, []value.Value) value.Value) func(*Env, value.Value, []value.Value) value.Value {
	return func(env *Env, v value.Value, a []value.Value) value.Value {
		env.Budget.AllocItems(1)
		return fn(env, v.(*value.List), a)
	}
}

func popMethod(env *Env, l *value.List, a []value.Value) value.Value {
	at, n := argInt(a, 0, -1), len(l.Items)
	if at < 0 {
		at += n
	}
	if at < 0 || at >= n {
		value.Fail("pop from an empty list or index out of range")
	}
	item := l.Items[at]
	env.Budget.AllocItems(n)
	l.Items = slices.Delete(slices.Clone(l.Items), at, at+1)
	return item
}

func indexMethod(env *Env, v value.Value, a []value.Value) value.Value {
	items := v.(*value.List).Items
	from, to, _ := sliceBounds(len(items), [3]value.Value{arg(a, 1, nil), arg(a, 2, nil)})
	for i := from; i < to; i++ {
		if value.Equal(items[i], a[0], &env.Budget) {
			return value.Int(i)
		}
	}
	value.Fail("%s is not in list", value.Repr(a[0], &env.Budget))
	return nil
}

func countMethod(env *Env, v value.Value, a []value.Value) value.Value {
	n := 0
	for _, item := range v.(*value.List).Items {
		if value.Equal(item, a[0], &env.Budget) {
			n++
		}
	}
	return value.Int(n)
}
