package builtin

import (
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// splitMethods are the methods of str that cut a text into several.
func splitMethods() []Filter {
	return []Filter{
		{name: "split", params: names("sep maxsplit"), fn: splitMethod},
		{name: "rsplit", params: names("sep maxsplit"), fn: rsplitMethod},
		{name: "splitlines", params: names("keepends"), fn: func(env *Env, v value.Value, a []value.Value) value.Value {
			return env.texts(pytext.SplitLines(&env.Budget, textOf(v), argBool(a, 0)))
		}},
		{name: "partition", params: []string{""}, need: 1, fn: func(_ *Env, v value.Value, a []value.Value) value.Value {
			return partition(textOf(v), separator(a), false)
		}},
		{name: "rpartition", params: []string{""}, need: 1, fn: func(_ *Env, v value.Value, a []value.Value) value.Value {
			return partition(textOf(v), separator(a), true)
		}},
	}
}

func separator(a []value.Value) string {
	sep := argText(a, 0)
	if sep == "" {
		value.Fail("empty separator")
	}
	return sep
}

// texts returns a list of strings.
func (env *Env) texts(parts []string) value.Value {
	env.Budget.AllocItems(2 * len(parts))
	l := &value.List{Items: make([]value.Value, len(parts)), Local: true}
	for i, s := range parts {
		l.Items[i] = value.String(s)
	}
	return l
}

func splitMethod(env *Env, v value.Value, a []value.Value) value.Value {
	s, most := textOf(v), argInt(a, 1, -1)
	if given(a, 0) == nil {
		return env.texts(pytext.SplitSpace(&env.Budget, s, most))
	}
	sep := separator(a)
	env.Budget.AllocItems(3 * strings.Count(s, sep))
	if most >= 0 {
		most++
	}
	return env.texts(strings.SplitN(s, sep, most))
}

func rsplitMethod(env *Env, v value.Value, a []value.Value) value.Value {
	s, most := textOf(v), argInt(a, 1, -1)
	var parts []string
	if given(a, 0) == nil {
		if most < 0 {
			return env.texts(pytext.SplitSpace(&env.Budget, s, -1))
		}
		parts = pytext.RSplitSpace(&env.Budget, s, most)
	} else {
		sep := separator(a)
		env.Budget.AllocItems(3 * strings.Count(s, sep))
		for most != 0 {
			i := strings.LastIndex(s, sep)
			if i < 0 {
				break
			}
			parts = append(parts, s[i+len(sep):])
			s = s[:i]
			most--
		}
		parts = append(parts, s)
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return env.texts(parts)
}

func partition(s, sep string, last bool) value.Value {
	i := strings.Index(s, sep)
	if last {
		i = strings.LastIndex(s, sep)
	}
	switch {
	case i >= 0:
		return value.NewTuple(value.String(s[:i]), value.String(sep), value.String(s[i+len(sep):]))
	case last:
		return value.NewTuple(value.String(""), value.String(""), value.String(s))
	}
	return value.NewTuple(value.String(s), value.String(""), value.String(""))
}
