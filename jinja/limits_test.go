package jinja_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/jinja"
)

// bombs are templates that would take all time or memory if they were let.
var bombs = map[string]string{
	"huge range":           "{{ range(10**12) | list }}",
	"huge range in a loop": "{% for i in range(10**12) %}{% endfor %}",
	"nested loops":         "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
	"nested silent loops":  "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
	"string product":       "{{ 'a' * 10**12 }}",
	"string product twice": "{{ ('a' * 10**6) * 10**6 }}",
	"list product":         "{{ [1] * 10**12 }}",
	"list of lists":        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
	"string doubling":      "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
	"big integer":          "{{ 10 ** (10 ** 10) }}",
	"integer squaring":     "{% set ns = namespace(n=3) %}{% for i in range(999) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
	"macro recursion":      "{% macro a(x) %}{{ a(x) }}{% endmacro %}{{ a(1) }}",
	"mutual recursion":     "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
	"macro tree":           "{% macro a(n) %}{% if n %}{{ a(n-1) }}{{ a(n-1) }}{% endif %}{% endmacro %}{{ a(60) }}",
	"caller recursion":     "{% macro a() %}{% call a() %}{{ caller() }}{% endcall %}{% endmacro %}{{ a() }}",
	"loop recursion":       "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
	"deep parentheses":     "{{ " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000) + " }}",
	"deep lists":           "{{ " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + " }}",
	"deep nots":            "{{ " + strings.Repeat("not ", 100_000) + "1 }}",
	"deep minus":           "{{ " + strings.Repeat("-", 100_000) + "1 }}",
	"deep ifs":             strings.Repeat("{% if 1 %}", 100_000),
	"long sum":             "{{ 1" + strings.Repeat(" + 1", 200_000) + " }}",
	"long chain":           "{{ a" + strings.Repeat(".b", 400_000) + " }}",
	"long filters":         "{{ a" + strings.Repeat("|e", 400_000) + " }}",
	"long calls":           "{{ a" + strings.Repeat("()", 400_000) + " }}",
	"nested targets":       "{% set " + strings.Repeat("(", 100_000) + "a",
	"large source":         strings.Repeat("x", 2<<20),
	"wide padding":         "{{ 'a'.center(10**12) }}",
	"wide format":          "{{ '%1000000000000d' % 1 }}",
	"wide format method":   "{{ '{:>1000000000000}'.format(1) }}",
	"precise format":       "{{ '%.1000000000f' % 1 }}",
	"wide indent":          "{{ ('a\\n' * 100000) | indent(100000) }}",
	"wide tojson":          "{{ [[1]] | tojson(indent=10**12) }}",
	"replace":              "{{ ('a' * 10**6).replace('a', 'b' * 10**6) }}",
	"replace nothing":      "{{ ('a' * 10**6).replace('', 'b' * 10**6) }}",
	"join":                 "{{ ('a' * 10**6).join('b' * 10**6) }}",
	"list of a text":       "{% for i in range(99) %}{% set x = ('a' * 8000000) | list %}{% endfor %}",
	"split":                "{% for i in range(99) %}{% set x = ('a ' * 4000000).split() %}{% endfor %}",
	"deep value":           "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
	"deep value as JSON":   "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l | tojson }}",
	"deep comparison": "{% set a = namespace(l=[]) %}{% set b = namespace(l=[]) %}{% for i in range(9999) %}" +
		"{% set a.l = [a.l] %}{% set b.l = [b.l] %}{% endfor %}{{ a.l == b.l }}",
	"shared comparison": "{% set a = namespace(l=[]) %}{% set b = namespace(l=[]) %}{% for i in range(60) %}" +
		"{% set a.l = [a.l, a.l] %}{% set b.l = [b.l, b.l] %}{% endfor %}{{ a.l == b.l }}",
	"shared value":     "{% set a = namespace(l=[]) %}{% for i in range(60) %}{% set a.l = [a.l, a.l] %}{% endfor %}{{ a.l }}",
	"shared key":       "{% set a = namespace(l=()) %}{% for i in range(60) %}{% set a.l = (a.l, a.l) %}{% endfor %}{{ {a.l: 1} }}",
	"endless output":   "{% for a in range(99999) %}{% for b in range(99999) %}" + strings.Repeat("x", 10_000) + "{% endfor %}{% endfor %}",
	"sort":             "{% for i in range(9999) %}{% set x = range(99999) | sort(reverse=true) %}{% endfor %}",
	"many macros":      strings.Repeat("{% macro a() %}", 100_000),
	"search":           "{% for i in range(99999) %}{% set x = 'b' in ('a' * 1000000) %}{% endfor %}",
	"membership":       "{% set l = range(99999) | list %}{% for i in range(99999) %}{% set x = 'b' in l %}{% endfor %}",
	"copying":          "{% set l = range(99999) | list %}{% for i in range(99999) %}{% set x = l[1:] %}{% endfor %}",
	"own namespace":    "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}",
	"many keys":        "{% for i in range(9999) %}{% set x = dict(range(99999) | batch(2)) %}{% endfor %}",
	"filter block":     strings.Repeat("{% filter upper %}", 100_000),
	"float of a text":  "{% set s = '9' * 4000000 %}{% for i in range(99999) %}{% set x = s | float %}{% endfor %}",
	"key of a text":    "{% set s = 'a' * 4000000 %}{% for i in range(99999) %}{% set x = {(s,): 1} %}{% endfor %}",
	"spread arguments": "{% set l = range(99999) | list %}{% for i in range(9999) %}{{ loop.cycle(*l) }}{% endfor %}",
	"grouped digits":   "{% set b = 2 ** 14000 %}{% for i in range(99999) %}{% set x = '{:,}'.format(b) %}{% endfor %}",
	"long integer":     "{{ " + strings.Repeat("9", 900_000) + " }}",
	"integer division": "{% set b = 2 ** 14000 %}{% for a in range(99999) %}{% for i in range(99) %}{% set x = b // (b - 1) %}{% endfor %}{% endfor %}",
	"sort by paths":    "{% set p = 'a,' * 2000000 %}{{ [{}, {}] | sort(attribute=p) }}",
	"trim of a set":    "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set x = s.strip('b' * 1000000 ~ 'a') %}{% endfor %}",
	"first of a dict":  "{% set d = dict(range(99999) | batch(2)) %}{% for a in range(99999) %}{% for b in range(99) %}{% set x = d | list %}{% endfor %}{% endfor %}",
	"pairs of a dict":  "{% set ns = namespace(l=none) %}{% set d = dict(range(2000) | batch(2)) %}{% for i in range(99999) %}{% set ns.l = [ns.l, d.items()] %}{% endfor %}",
	"lines":            "{% set s = 'a\n' * 2000000 %}{% for i in range(99) %}{% set x = s.splitlines() %}{% endfor %}",
	"strftime":         "{{ strftime_now('%A' * 500000) }}",
	"call arguments":   "{{ range(*range(99999)) }}{% for i in range(99999) %}{% set x = dict(*range(99999)) %}{% endfor %}",
}

func TestBombs(t *testing.T) {
	for name, source := range bombs {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			tmpl, err := jinja.Compile("bomb", source)
			if err == nil {
				_, err = tmpl.Render(nil, jinja.RenderOptions{})
			}
			runtime.ReadMemStats(&after)
			var e *jinja.Error
			if !errors.As(err, &e) {
				t.Fatalf("the error is %v", err)
			}
			if grown := after.HeapSys - min(before.HeapSys, after.HeapSys); grown > 64<<20 {
				t.Errorf("the heap grew by %d MB before %v", grown>>20, err)
			}
		})
	}
}

// TestTextInPieces puts long texts together piece by piece, which takes their length and not its square.
func TestTextInPieces(t *testing.T) {
	const pieces = 20_000
	source := "{% set ns = namespace(a='', b='') %}{% for i in range(20000) %}" +
		"{% set ns.a = ns.a ~ i ~ ',' %}{% set ns.b = ns.b + '<' + (i | string) + '>' %}{% endfor %}{{ ns.a }}{{ ns.b }}"
	tmpl, err := jinja.Compile("pieces", source)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Render(nil, jinja.RenderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	for i := range pieces {
		fmt.Fprintf(&a, "%d,", i)
		fmt.Fprintf(&b, "<%d>", i)
	}
	if got != a.String()+b.String() {
		t.Error("the text is another")
	}
}

// TestTextContinuedTwice continues one long text in two ways, and then each of them.
func TestTextContinuedTwice(t *testing.T) {
	source := "{% set s = 'x' * 300 %}{% set s = s ~ 'y' %}{% set a = s ~ 'a' %}{% set b = s ~ 'b' %}" +
		"{% set aa = a ~ 'a' %}{% set ac = a ~ 'c' %}{{ [s, a, b, aa, ac] | map('replace', 'x', '') | join(' ') }}"
	tmpl, err := jinja.Compile("twice", source)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Render(nil, jinja.RenderOptions{}); err != nil || got != "y ya yb yaa yac" {
		t.Errorf("%q, %v", got, err)
	}
}
