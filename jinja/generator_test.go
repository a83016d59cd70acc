package jinja_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generatorVars are the variables that random templates use.
const generatorVars = `{"s": "  Hello, Wörld\n\tof <tags> & 'quotes' ", "t": "a-b_c.d", "e": "", "n": 7, "m": -3, "z": 0,
"f": 2.5, "g": -0.125, "big": 123456789012345678901234567890, "y": true, "no": false, "nil": null, "l": [3, 1, 2],
"names": ["bob", "Alice", "carol", "alice"], "mixed": [1, "x", null, 2.0, [1], {"k": "v"}], "empty": [],
"d": {"z": 1, "a": [1, 2, {"k": "v"}], "items": 5, "n": null, "get": "got"}, "ed": {},
"msgs": [{"role": "system", "content": "Be good."}, {"role": "user", "content": "Hi <b>", "n": 2},
{"role": "assistant", "content": null, "tool_calls": [{"name": "f", "arguments": {"x": 1, "y": [1.5, "two"]}}]},
{"role": "tool", "content": "42", "n": 1}]}`

// generator makes random templates that are mostly right.
type generator struct {
	r     *rand.Rand
	depth int
	loops int
}

func (g *generator) pick(options ...string) string { return options[g.r.IntN(len(options))] }

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func (g *generator) template() string {
	var b strings.Builder
	for range 1 + g.r.IntN(3) {
		b.WriteString(g.node())
	}
	return b.String()
}

func (g *generator) body() string {
	g.depth++
	defer func() { g.depth-- }()
	var b strings.Builder
	for range 1 + g.r.IntN(2) {
		b.WriteString(g.node())
	}
	return b.String()
}

// tag writes a block tag with random whitespace control.
func (g *generator) tag(s string) string {
	return g.pick("", "", "  ", "\n", "\n  ") + "{%" + g.pick("", "", "", "-", "+") + " " + s + " " + g.pick("", "", "", "-", "+") + "%}" + g.pick("", "", " ", "\n", "\n\n", " x")
}

func (g *generator) node() string {
	if g.depth > 3 {
		return g.text()
	}
	switch g.r.IntN(14) {
	case 0, 1:
		return g.text()
	case 2:
		s := g.tag("if "+g.expr()) + g.body()
		if g.chance(30) {
			s += g.tag("elif "+g.expr()) + g.body()
		}
		if g.chance(50) {
			s += g.tag("else") + g.body()
		}
		return s + g.tag("endif")
	case 3, 4:
		return g.loop()
	case 5:
		return g.tag(fmt.Sprintf("set %s = %s", g.pick("a", "b", "c"), g.expr()))
	case 6:
		return g.tag(fmt.Sprintf("set ns = namespace(v=%s)", g.atom())) + g.tag("set ns.v = "+g.expr()) + "{{ ns.v }}"
	case 7:
		return g.macro()
	case 8:
		return g.tag("set "+g.pick("a", "b")+g.pick("", "", " | upper", " | trim")) + g.body() + g.tag("endset")
	case 9:
		switch g.r.IntN(4) {
		case 0:
			return g.tag("filter "+g.pick("upper", "trim", "indent(2)", "title")) + g.body() + g.tag("endfilter")
		case 1:
			return g.tag("with a = "+g.expr()+", b = a") + g.body() + g.tag("endwith")
		case 2:
			return g.tag("generation") + g.body() + g.tag("endgeneration")
		}
		return "{#" + g.pick("", "-", "+") + " note " + g.pick("", "-", "+") + "#}" + g.pick("", "\n", "  ")
	}
	return "{{" + g.pick("", "", "-", "+") + " " + g.expr() + " " + g.pick("", "", "-") + "}}" + g.pick("", "\n", "  ")
}

func (g *generator) text() string {
	return g.pick("text", "\n", "  ", " a\n  b ", "é\n", "\t", "\n\n", "<|im_start|>", "{ x }", "\r\n", "\u00a0")
}

func (g *generator) loop() string {
	head := g.pick("x in l", "x in names", "x in msgs", "k, v in d.items()", "k, v in d | items", "x in range(4)",
		"x in s[:4]", "x in l if x > 1", "m in msgs if m.role != 'user'", "x in mixed", "x in nothing",
		"k, v in d | dictsort", "x in l | reverse", "x in msgs[::-1]", "x in names | sort", "(k, v) in [[1, 2], (3, 4)]",
		"x in names | map('upper')")
	g.loops++
	s := g.tag("for " + head)
	if g.chance(50) {
		s += "{{ loop." + g.pick("index", "index0", "first", "last", "length", "revindex", "revindex0", "depth",
			"previtem", "nextitem", "cycle('a', 'b')", "changed(x)") + " }}"
	}
	s += g.body()
	if g.chance(15) {
		s += g.tag("if "+g.expr()) + g.tag(g.pick("break", "continue")) + g.tag("endif")
	}
	g.loops--
	if g.chance(20) {
		s += g.tag("else") + g.body()
	}
	return s + g.tag("endfor")
}

func (g *generator) macro() string {
	name := g.pick("u", "h")
	inside := g.pick("{{ p }}", "{{ p ~ q }}", "{{ kwargs }}", "{{ varargs }}", "{{ caller() if caller else '' }}", "{{ a }}")
	s := g.tag("macro "+name+g.pick("(p, q=1)", "(p)", "()", "(p=l, q=p)")) + inside + g.body() + g.tag("endmacro")
	if g.chance(20) {
		return s + g.tag("call "+name+"(1)") + g.body() + g.tag("endcall")
	}
	return s + "{{ " + name + g.pick("(1)", "()", "(1, 2)", "(p=3)", "(1, q=4)", "(1, z=2)", "(*l)", "(**{'p': 5})") + " }}"
}

func (g *generator) atom() string {
	return g.pick("s", "t", "e", "n", "m", "z", "f", "g", "big", "y", "no", "nil", "l", "names", "mixed", "empty", "d", "ed",
		"msgs", "a", "b", "c", "missing", "x", "'str'", `"it's"`, "'a\\nb'", "1", "0", "2.0", "1e20", "true", "none", "[1, 'a']", "(1, 2)",
		"{'k': 1, 2: 'x'}", "msgs[0]", "msgs[1].content", "msgs[2].tool_calls", "msgs[-1]['role']", "d.a", "d.z", "loop.index",
		"3", "-1", "' pad '", "()", "[]", "{}", "msgs[2].tool_calls[0].arguments")
}

// object is an atom that is no literal: jinja2 computes with constants in its own way.
func (g *generator) object() string {
	return g.pick("s", "t", "e", "n", "f", "nil", "l", "names", "mixed", "empty", "d", "ed", "msgs", "a", "b", "c",
		"msgs[0]", "msgs[1].content", "msgs[2].tool_calls", "msgs[-1]['role']", "d.a", "missing", "(s)")
}

func (g *generator) expr() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 4 {
		return g.atom()
	}
	switch g.r.IntN(16) {
	case 0, 1, 2:
		return g.atom()
	case 3:
		return g.atom() + " " + g.pick("+", "-", "*", "/", "//", "%", "~", "~") + " " + g.expr()
	case 4:
		return g.atom() + " " + g.pick("==", "!=", "<", ">", "<=", ">=", "in", "not in") + " " + g.atom()
	case 5:
		return g.expr() + g.pick(" and ", " or ") + g.expr()
	case 6:
		return "not " + g.expr()
	case 7:
		return "(" + g.expr() + " if " + g.expr() + g.pick("", " else "+g.atom()) + ")"
	case 8, 9, 10:
		return g.atom() + g.filter()
	case 11:
		return g.atom() + " is " + g.pick("", "not ") + g.test()
	case 12, 13:
		return g.object() + g.method()
	case 14:
		return g.object() + g.pick("[0]", "[-1]", "[1:]", "[:-1]", "[::-1]", "['a']", ".k", "[5]", "[::2]", "[-2:]", "[2:0:-1]", ".role")
	}
	return "[" + g.expr() + ", " + g.expr() + "]"
}

func (g *generator) filter() string {
	s := " | " + g.pick("trim", "upper", "lower", "title", "capitalize", "length", "string", "tojson", "list", "first", "last",
		"join(', ')", "join", "default('x')", "default('x', true)", "d", "int", "float", "abs", "round", "round(1)", "round(2, 'ceil')",
		"replace('a', 'bb')", "indent(2)", "indent(2, true)", "indent(2, blank=true)", "tojson(indent=2)", "tojson(separators=(',', ':'))",
		"tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "sort", "sort(reverse=true)", "sort(attribute='role')", "unique | list",
		"dictsort", "items | list", "map('string') | list", "map(attribute='role') | list", "map(attribute='n', default=0) | list",
		"select('string') | list", "reject('none') | list", "selectattr('role') | list", "selectattr('role', 'equalto', 'user') | list",
		"rejectattr('n', 'defined') | list", "sum", "min", "max", "batch(2) | list", "batch(2, 'f') | list", "slice(2) | list",
		"groupby('role') | list", "reverse | list", "escape", "safe", "e", "wordcount", "center(20)", "truncate(8)",
		"truncate(8, true)", "format(1)", "urlencode", "filesizeformat", "attr('role')", "count", "int(5)", "int(base=16)", "float(1.5)",
		"sum(start=1)", "forceescape", "string | length", "trim('x')", "sort(case_sensitive=true)", "join(', ', 'role')", "nofilter")
	if g.chance(25) {
		s += g.filter()
	}
	return s
}

func (g *generator) test() string {
	return g.pick("defined", "undefined", "none", "string", "mapping", "sequence", "iterable", "number", "integer", "float", "boolean",
		"true", "false", "odd", "even", "divisibleby 3", "divisibleby(2)", "in l", "in(names)", "eq 1", "sameas none", "lower", "upper",
		"callable", "escaped", "gt 1", "equalto('a')", "ne 2", "filter", "test")
}

func (g *generator) method() string {
	return g.pick(".strip()", ".upper()", ".lower()", ".title()", ".split()", ".split(',')", ".split(' ', 1)", ".rsplit('-', 1)", ".rsplit()",
		".splitlines()", ".startswith('a')", ".endswith(('d', ' '))", ".replace('l', 'LL')", ".replace('l', 'L', 1)", ".find('o')",
		".count('l')", ".lstrip()", ".rstrip('\\n ')", ".items()", ".items() | list", ".keys() | list", ".values() | list", ".get('a')",
		".get('q', 5)", ".get('k')", ".capitalize()", ".isdigit()", ".isalpha()", ".partition('-')", ".rpartition('.')", ".index(1)", ".append(1)",
		".join(names)", ".format(1, k=2)", ".center(30, '*')", ".zfill(12)", ".removeprefix('a')", ".swapcase()", ".copy()",
		".keys()", ".values()", ".casefold()", ".isupper()", ".islower()", ".istitle()", ".ljust(12)", ".rjust(12, '.')", ".expandtabs(4)",
		".rfind('o')", ".removesuffix('d')", ".update({})", ".isspace()", ".lstrip('a -')", ".split('-')[1]")
}
