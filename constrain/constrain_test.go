package constrain

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func ExampleJSONGrammar() {
	g, err := JSONGrammar(json.RawMessage(`{"type": "object", "properties": {"port": {"enum": ["Brest", "Ostend"]}}, "required": ["port"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Match(`{"port": "Brest"}`), g.Match(`{"port": "Paris"}`))
	// Output: true false
}

func TestJSONSchema(t *testing.T) {
	tests := []struct {
		schema string
		yes    []string
		no     []string
		notes  int
	}{
		{schema: ``, yes: []string{`{}`, `{"a":1,"b": [true, null]}`}, no: []string{`1`, `[]`, ``}},
		{schema: `{}`, yes: []string{`{}`, `1.5e10`, `"x"`, `null`}, no: []string{`{`, `01`}},
		{schema: `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"},"c":{"type":"boolean"}},"required":["b"]}`,
			yes: []string{`{"b": 1}`, `{"a": "x", "b": 1}`, `{"b":1,"c":true}`, `{"a":"","b":-20,"c":false}`},
			no:  []string{`{}`, `{"a":"x"}`, `{"b":1,"a":"x"}`, `{"b":1.5}`, `{"b":1,}`, `{"b":1, "d":2}`, `{"b":  1}`}},
		{schema: `{"type":"object","properties":{"a":{},"b":{}}}`,
			yes: []string{`{}`, `{"a":1}`, `{"b":1}`, `{"a":1, "b":{}}`}, no: []string{`{"b":1,"a":1}`}},
		{schema: `{"type":"object","properties":{"a":{"type":"null"}},"additionalProperties":{"type":"integer"}}`,
			yes: []string{`{}`, `{"a":null}`, `{"a":null,"x":1,"y":2}`, `{"x":1}`}, no: []string{`{"x":"1"}`}},
		{schema: `{"type":"object","additionalProperties":false}`, yes: []string{`{}`}, no: []string{`{"a":1}`}},
		{schema: `{"enum":["a","b\"c",3,null,{"x":[1, 2]}]}`, yes: []string{`"a"`, `"b\"c"`, `3`, `null`, `{"x":[1,2]}`}, no: []string{`"c"`}},
		{schema: `{"const":"<&>é"}`, yes: []string{`"<&>é"`}, no: []string{`"x"`}},
		{schema: `{"type":["string","null"]}`, yes: []string{`"x"`, `null`, `"\u00e9\n"`}, no: []string{`1`, `"\x"`, "\"\n\""}},
		{schema: `{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3}`,
			yes: []string{`[1]`, `[1,2]`, `[1, 2, 3]`}, no: []string{`[]`, `[1,2,3,4]`, `["1"]`}},
		{schema: `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`,
			yes: []string{`["a", 1]`}, no: []string{`["a", 1, 2]`, `[1]`}},
		{schema: `{"type":"string","minLength":2,"maxLength":3}`, yes: []string{`"ab"`, `"a\n"`, `"abc"`}, no: []string{`"a"`, `"abcd"`}},
		{schema: `{"type":"string","pattern":"^[a-c\"]+-\\d{2}$"}`, yes: []string{`"ab-12"`, `"\"-12"`}, no: []string{`"d-12"`, `"a-1"`, `"x"`}},
		{schema: `{"type":"string","pattern":"b+"}`, yes: []string{`"abc"`}, no: []string{`"ac"`}},
		{schema: `{"type":"string","pattern":"(?=x)"}`, yes: []string{`"anything"`}, no: []string{`1`}, notes: 1},
		{schema: `{"type":"string","format":"date"}`, yes: []string{`"2026-01-31"`}, no: []string{`"2026-13-01"`, `"x"`}},
		{schema: `{"type":"string","format":"email"}`, yes: []string{`"x"`}, notes: 1},
		{schema: `{"type":"integer","minimum":1,"maximum":12}`, yes: []string{`1`, `12`}, no: []string{`0`, `13`, `-1`}},
		{schema: `{"type":"integer","minimum":0}`, yes: []string{`0`, `99`}, no: []string{`-1`, `01`}},
		{schema: `{"type":"number","exclusiveMinimum":-5}`, yes: []string{`1.25`, `-7`, `1E-3`}, notes: 1},
		{schema: `{"anyOf":[{"type":"integer"},{"type":"array","items":{"type":"string"}}]}`, yes: []string{`1`, `["a"]`}, no: []string{`"a"`, `[1]`}},
		{schema: `{"allOf":[{"$ref":"#/$defs/a"},{"properties":{"y":{"type":"integer"}},"required":["y"]}],"$defs":{"a":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}}`,
			yes: []string{`{"x":1,"y":2}`}, no: []string{`{"x":1}`, `{"y":1}`}},
		{schema: `{"$ref":"#/definitions/n","definitions":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/definitions/n"}},"required":["v"]}}}`,
			yes: []string{`{"v":1}`, `{"v":1,"next":{"v":2,"next":{"v":3}}}`}, no: []string{`{"v":1,"next":{}}`}},
		{schema: `{"$ref":"#"}`, yes: []string{`1`}, notes: 1},
		{schema: `{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"integer"}]}}}`,
			yes: []string{`1`, `null`}, notes: 1},
		{schema: `{"$ref":"https://example.com/x"}`, yes: []string{`1`}, notes: 1},
		{schema: `{"type":"array","uniqueItems":true}`, yes: []string{`[1,1]`}, notes: 1},
		{schema: `{"type":"array","items":{"type":"integer"},"maxItems":100000}`, yes: []string{`[1,1]`}, notes: 1},
		{schema: `false`, yes: []string{`1`}, notes: 1},
	}
	for _, test := range tests {
		g, err := JSONGrammar(json.RawMessage(test.schema))
		if err != nil {
			t.Errorf("%s: %v", test.schema, err)
			continue
		}
		if _, err := g.GBNF(); err != nil {
			t.Errorf("%s: %v", test.schema, err)
		}
		for _, text := range test.yes {
			if !g.Match(text) {
				t.Errorf("%s refuses %s", test.schema, text)
			}
		}
		for _, text := range test.no {
			if g.Match(text) {
				t.Errorf("%s takes %s", test.schema, text)
			}
		}
		if len(g.Notes) != test.notes {
			t.Errorf("%s: notes %q", test.schema, g.Notes)
		}
	}
}

func TestSchemaErrors(t *testing.T) {
	for _, schema := range []string{`{`, `"x"`, `[1]`, `12`, `{"a":"` + strings.Repeat("x", maxSchemaBytes) + `"}`} {
		if _, err := JSONGrammar(json.RawMessage(schema)); err == nil {
			t.Errorf("%.20s: no error", schema)
		}
	}
}

func TestHostileSchemas(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 5000) + `{}` + strings.Repeat(`}`, 5000)
	var wide strings.Builder
	wide.WriteString(`{"type":"object","properties":{`)
	for i := range 3000 {
		fmt.Fprintf(&wide, `"p%d":{"$ref":"#"},`, i)
	}
	wide.WriteString(`"z":{}}}`)
	// Every definition uses the next one twice.
	var bomb strings.Builder
	bomb.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range 60 {
		fmt.Fprintf(&bomb, `"d%d":{"type":"array","prefixItems":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	bomb.WriteString(`"d60":{}}}`)
	for name, schema := range map[string]string{"deep": deep, "wide": wide.String(), "bomb": bomb.String()} {
		g, err := JSONGrammar(json.RawMessage(schema))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text, err := g.GBNF(); err != nil || len(text) > 4<<20 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}

func TestUntil(t *testing.T) {
	var b Builder
	g := b.Grammar(Seq{Until{Stops: []string{"</a>", "<b"}}, Lit("</a>")})
	for text, want := range map[string]bool{
		"</a>": true, "x<</a>": true, "é < /a></a>": true, "</a></a>": false, "<b</a>": false, "x": false, "</</a>": true,
	} {
		if got := g.Match(text); got != want {
			t.Errorf("Match(%q) = %v", text, got)
		}
	}
}

func TestGBNF(t *testing.T) {
	var b Builder
	word := b.Rule("A word!", Repeat{Of: Chars("az^^]]"), Min: 1, Max: -1})
	g := b.Grammar(Seq{Lit("a\"\n\\é🌊"), Alt{word, Seq{Lit("x"), Opt(word)}}, Until{Stops: []string{"ab"}}})
	const want = `root ::= "a\"\n\\\u00E9\U0001F30A" (a-word | ("x" a-word?)) until-0
a-word ::= [a-z\x5E\]]+
until-0 ::= [a] until-0-1 | [^a] until-0 | ""
until-0-1 ::= [a] until-0-1 | [^ab] until-0 | ""
`
	got, err := g.GBNF()
	if err != nil || got != want {
		t.Errorf("got\n%s, %v\nwant\n%s", got, err, want)
	}
}

func TestBadGrammars(t *testing.T) {
	var b Builder
	loop := b.Declare("loop")
	b.Define(loop, Seq{Opt(Lit("x")), loop})
	if _, err := b.Grammar(loop).GBNF(); err == nil {
		t.Error("a rule that begins with itself is no error")
	}
	if _, err := b.Grammar(Repeat{Of: Until{Stops: []string{"x"}}, Max: -1}).GBNF(); err == nil {
		t.Error("a repetition of the empty text is no error")
	}
}

func FuzzJSONSchema(f *testing.F) {
	for _, seed := range []string{
		`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a","b"]}`,
		`{"anyOf":[{"$ref":"#/anyOf/1"},{"$ref":"#/anyOf/0"}]}`,
		`{"type":"string","pattern":"^(a|b)*[^\\n\"]{2,3}$","minLength":3}`,
		`{"allOf":[{"$ref":"#"}],"enum":[1]}`, `{"type":"integer","minimum":-3,"maximum":1e300}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		g, err := JSONGrammar(json.RawMessage(schema))
		if err != nil {
			return
		}
		text, err := g.GBNF()
		if err != nil || !utf8.ValidString(text) {
			t.Fatalf("%s: %v\n%s", schema, err, text)
		}
		g.Match(`{"a": 1}`)
	})
}
