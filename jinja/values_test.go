package jinja_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/jinja"
)

func TestDecodeJSON(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{"z": 1, "a": {"c": 2, "b": 3}}`, `{"z": 1, "a": {"c": 2, "b": 3}}`},
		{` [ 1 , -2, 3.0, 4e2, 1E-3, -0, 0.5 ] `, `[1, -2, 3.0, 400.0, 0.001, 0, 0.5]`},
		{`12345678901234567890123`, `12345678901234567890123`},
		{`{"a":1,"b":2,"a":3}`, `{"a": 3, "b": 2}`},
		{`"\u00e9\n\"\\\/\ud83d\ude00"`, `"é\n\"\\/😀"`},
		{`"\ud83d x"`, "\"\uFFFD x\""},
		{`[null,true,false,{},[]]`, `[null, true, false, {}, []]`},
		{`1e999`, `Infinity`},
		{`{"a1":1,"a2":2,"a3":3,"a4":4,"a5":5,"a6":6,"a7":7,"a8":8,"a9":9,"a10":10,"a11":11,"a12":12,"a13":13,"a14":14,"a15":15,"a16":16,"a17":17,"a1":0}`,
			`{"a1": 0, "a2": 2, "a3": 3, "a4": 4, "a5": 5, "a6": 6, "a7": 7, "a8": 8, "a9": 9, "a10": 10, "a11": 11, "a12": 12, "a13": 13, "a14": 14, "a15": 15, "a16": 16, "a17": 17}`},
	}
	for _, tt := range tests {
		v, err := jinja.DecodeJSON([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if got, err := jinja.EncodeJSON(v); err != nil || got != tt.want {
			t.Errorf("%s is %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "nul", "{", "[1", "[1,]", "[1 2]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a" 1}`, `{1:2}`, `"a`, `"\x"`, `"\u12"`, `"\`,
		"\"a\nb\"", "01", "-", "1.", ".5", "1e", "+1", "1 2", "NaN", "\"\xff\"", strings.Repeat("[", 100_000),
		strings.Repeat(`{"a":`, 100_000), strings.Repeat("9", 100_000), "'a'", "True",
	} {
		if v, err := jinja.DecodeJSON([]byte(in)); err == nil {
			t.Errorf("%.40q is %v", in, v)
		}
	}
}

func TestLenient(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"append", "{% set ns = namespace(l=[]) %}{% set _ = ns.l.append(1) %}{% set _ = ns.l.append('b') %}{{ ns.l }}", "[1, 'b']"},
		{"pop", "{% set l = [1, 2, 3] %}{{ l.pop(0) }}{{ l.pop() }}{{ l }}", "13[2]"},
		{"insert and extend", "{% set l = [1] %}{% set _ = l.insert(0, 'a') %}{% set _ = l.extend([2, 3]) %}{{ l }}", "['a', 1, 2, 3]"},
		{"a copy is its own", "{% set l = [1, 2] %}{% set m = l[1:] %}{% set _ = m.append(3) %}{{ l }}{{ m }}", "[1, 2][2, 3]"},
		{"from_json", `{{ ('{"b": 1, "a": 2.0}' | from_json) }}`, "{'b': 1, 'a': 2.0}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lenient, err := jinja.CompileWith("lenient", tt.source, jinja.CompileOptions{Lenient: true})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := lenient.Render(nil, jinja.RenderOptions{}); err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if strict, err := jinja.Compile("strict", tt.source); err == nil && tt.name != "a copy is its own" {
				if got, err := strict.Render(nil, jinja.RenderOptions{}); err == nil {
					t.Errorf("without leniency it rendered %q", got)
				}
			}
		})
	}
}

// TestLenientLeavesInput sees to it that a lenient template changes only lists of its own: the
// variables may be shared with other renders.
func TestLenientLeavesInput(t *testing.T) {
	for _, source := range []string{"{{ l.append(1) }}", "{{ l[1:].append(1) }}", "{{ d.l.pop() }}"} {
		tmpl, err := jinja.CompileWith("lenient", source, jinja.CompileOptions{Lenient: true})
		if err != nil {
			t.Fatal(err)
		}
		vars, err := jinja.DecodeJSON([]byte(`{"l":[1,2],"d":{"l":[3]}}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Render(vars.(*jinja.Dict), jinja.RenderOptions{})
		if !errors.As(err, new(*jinja.Error)) {
			t.Errorf("%s gave %q, %v", source, got, err)
		}
		if after, _ := jinja.EncodeJSON(vars); after != `{"l": [1, 2], "d": {"l": [3]}}` {
			t.Errorf("%s left %s", source, after)
		}
	}
}

func TestErrorPosition(t *testing.T) {
	_, err := jinja.Compile("name", "é\r\n  é{{ x ? }}")
	var e *jinja.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	want := jinja.Error{Template: "name", Kind: jinja.Syntax, Line: 2, Column: 9, Excerpt: "é{{ x ? }}", Message: "unexpected char '?'"}
	if *e != want {
		t.Errorf("got  %+v\nwant %+v", *e, want)
	}
	_, err = jinja.Compile("name", strings.Repeat("é", 200)+"{{ ? }}"+strings.Repeat("é", 200))
	if !errors.As(err, &e) || len(e.Excerpt) > 70 || !strings.Contains(e.Excerpt, "{{ ? }}") {
		t.Errorf("the excerpt of a long line is %q", e.Excerpt)
	}
}

func TestRenderConcurrently(t *testing.T) {
	tmpl, err := jinja.Compile("shared", "{% for m in messages %}{{ m.role ~ loop.index }}{% set x = m %}{{ x|tojson }}{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	vars, err := jinja.DecodeJSON([]byte(`{"messages":[{"role":"user","a":1,"b":2},{"role":"tool"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	for range 8 {
		go func() {
			text, err := tmpl.Render(vars.(*jinja.Dict), jinja.RenderOptions{})
			if err != nil {
				text = err.Error()
			}
			done <- text
		}()
	}
	for range 8 {
		if got, want := <-done, `user1{"role": "user", "a": 1, "b": 2}tool2{"role": "tool"}`; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
