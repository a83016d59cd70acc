package builtin

import (
	"slices"

	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

type testFunc = func(env *Env, v value.Value, a []value.Value) bool

// allTests returns the tests of the language by name.
func allTests() map[string]*Test {
	tests := map[string]*Test{}
	add := func(args int, fn testFunc, names ...string) {
		for _, name := range names {
			tests[name] = &Test{name, args, fn}
		}
	}
	add(0, func(_ *Env, v value.Value, _ []value.Value) bool { return !value.IsUndefined(v) }, "defined")
	add(0, func(_ *Env, v value.Value, _ []value.Value) bool { return value.IsUndefined(v) }, "undefined")
	add(0, ofType("NoneType"), "none")
	add(0, ofType("str", "Markup"), "string")
	add(0, ofType("dict"), "mapping")
	add(0, ofType("bool"), "boolean")
	add(0, ofType("int"), "integer")
	add(0, ofType("float"), "float")
	add(0, ofType("int", "float", "bool"), "number")
	add(0, ofType("str", "Markup", "list", "tuple", "dict", "range", "Undefined"), "sequence")
	add(0, ofType("str", "Markup", "list", "tuple", "dict", "range", "Undefined", "generator", "dict_keys",
		"dict_values", "dict_items", "LoopContext"), "iterable")
	add(0, ofType("function", "Macro", "builtin_function_or_method", "LoopContext", "Undefined"), "callable")
	add(0, ofType("Markup"), "escaped")
	add(0, func(_ *Env, v value.Value, _ []value.Value) bool { return v == value.Bool(true) }, "true")
	add(0, func(_ *Env, v value.Value, _ []value.Value) bool { return v == value.Bool(false) }, "false")
	add(0, remainder(2, 1), "odd")
	add(0, remainder(2, 0), "even")
	add(1, divisible, "divisibleby")
	add(1, sameAs, "sameas")
	add(0, cased(pytext.IsLower, pytext.IsUpper), "lower")
	add(0, cased(pytext.IsUpper, pytext.IsLower), "upper")
	add(1, func(env *Env, v value.Value, a []value.Value) bool {
		return value.Contains(a[0], v, &env.Budget)
	}, "in")
	add(0, func(env *Env, v value.Value, _ []value.Value) bool { return env.Lib.Filters[nameOf(v)] != nil }, "filter")
	add(0, func(env *Env, v value.Value, _ []value.Value) bool { return env.Lib.Tests[nameOf(v)] != nil }, "test")
	add(1, comparison("=="), "eq", "equalto", "==")
	add(1, comparison("!="), "ne", "!=")
	add(1, comparison("<"), "lt", "lessthan", "<")
	add(1, comparison(">"), "gt", "greaterthan", ">")
	add(1, comparison("<="), "le", "<=")
	add(1, comparison(">="), "ge", ">=")
	return tests
}

func ofType(types ...string) testFunc {
	return func(_ *Env, v value.Value, _ []value.Value) bool { return slices.Contains(types, v.Type()) }
}

// nameOf is a name to look up; what is no text is no name.
func nameOf(v value.Value) string {
	if !value.Hashable(v) {
		value.Fail("unhashable type: '%s'", v.Type())
	}
	name, _ := value.Text(v)
	return name
}

func comparison(op string) testFunc {
	return func(env *Env, v value.Value, a []value.Value) bool { return env.Compare(op, v, a[0]) }
}

func remainder(by, want value.Int) testFunc {
	return func(env *Env, v value.Value, _ []value.Value) bool {
		return value.Equal(value.Arith(value.Mod, v, by, &env.Budget), want, &env.Budget)
	}
}

func divisible(env *Env, v value.Value, a []value.Value) bool {
	return value.Equal(value.Arith(value.Mod, v, a[0], &env.Budget), value.Int(0), &env.Budget)
}

// sameAs is Python's "is": containers are the same only if they are one object.
func sameAs(env *Env, v value.Value, a []value.Value) bool {
	switch v.(type) {
	case value.None, value.Bool, value.Int, value.Float, value.Big, value.String, value.Safe:
		return v.Type() == a[0].Type() && value.Equal(v, a[0], &env.Budget)
	}
	return v == a[0]
}

// cased reports whether a text has letters of one case and none of the other.
func cased(want, other func(rune) bool) testFunc {
	return func(env *Env, v value.Value, _ []value.Value) bool { return pytext.HasCase(env.Str(v), want, other) }
}

// Test applies a test.
func (env *Env) Test(t *Test, v value.Value, pos []value.Value) bool {
	if len(pos) != t.args {
		value.Fail("test '%s' takes %d argument(s), not %d", t.name, t.args, len(pos))
	}
	env.read(v, pos)
	return t.fn(env, v, pos)
}

// Compare evaluates one comparison, or the membership of in and not in.
func (env *Env) Compare(op string, a, b value.Value) bool {
	switch op {
	case "==":
		return value.Equal(a, b, &env.Budget)
	case "!=":
		return !value.Equal(a, b, &env.Budget)
	case "in":
		return value.Contains(b, a, &env.Budget)
	case "not in":
		return !value.Contains(b, a, &env.Budget)
	}
	return value.Compare(op, a, b, &env.Budget)
}
