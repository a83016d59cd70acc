package form

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const everything = `{"type":"object","required":["name"],"properties":{
	"name":{"type":"string","title":"Your name","minLength":2,"maxLength":10},
	"mail":{"type":"string","format":"email"},
	"site":{"type":"string","format":"uri"},
	"born":{"type":"string","format":"date"},
	"when":{"type":"string","format":"date-time"},
	"code":{"type":"string","pattern":"^[A-Z]+$"},
	"age":{"type":"integer","minimum":1,"maximum":100,"default":42},
	"size":{"type":"number","default":3.14},
	"agree":{"type":"boolean","default":true},
	"pet":{"type":"string","enum":["cat","dog"],"enumNames":["Cat","Dog"],"default":"dog"},
	"hero":{"type":"string","oneOf":[{"const":"h1","title":"Superman"},{"const":"h2","title":"Lantern"}]},
	"play":{"type":"array","minItems":1,"maxItems":2,"items":{"type":"string","enum":["drums","bass","flute"]},"default":["bass"]},
	"fish":{"type":"array","items":{"anyOf":[{"const":"f1","title":"Tuna"}]}}}}`

func mustParse(t *testing.T, schema string) *Form {
	t.Helper()
	f, err := Parse(json.RawMessage(schema))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	f := mustParse(t, everything)
	var kinds []string
	for _, field := range f.Fields {
		kinds = append(kinds, field.Name+":"+string(field.Kind))
	}
	want := "name:text mail:text site:text born:text when:text code:text age:integer size:number agree:boolean pet:choice hero:choice play:choices fish:choices"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("fields\n got %s\nwant %s", got, want)
	}
	if n := f.Fields[0]; !n.Required || n.Label() != "Your name" || f.Fields[1].Label() != "mail" {
		t.Errorf("the first fields: %+v", f.Fields[:2])
	}
	if o := f.field("pet").Options; !slices.Equal(o, []Option{{"cat", "Cat"}, {"dog", "Dog"}}) {
		t.Errorf("legacy titles: %v", o)
	}
	if o := f.field("hero").Options; !slices.Equal(o, []Option{{"h1", "Superman"}, {"h2", "Lantern"}}) {
		t.Errorf("titles: %v", o)
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 20) + "1" + strings.Repeat("}", 20)
	var many, options []string
	for i := range MaxFields + 1 {
		many = append(many, fmt.Sprintf(`"f%d":{"type":"string"}`, i))
	}
	for i := range MaxOptions + 1 {
		options = append(options, fmt.Sprintf(`"o%d"`, i))
	}
	for schema, want := range map[string]string{
		`[]`:                                     "type object",
		`{"type":"string"}`:                      "type object",
		`{"properties":[]}`:                      "\"properties\" must be an object",
		`{"type":"object"`:                       "no usable JSON",
		`{"type":1,"type":"object"}`:             "twice",
		`{"properties":{"a":{"type":"object"}}}`: "forms are flat",
		`{"properties":{"a":{"type":"string","properties":{}}}}`:             "forms are flat",
		`{"properties":{"a":{"type":"null"}}}`:                               `the type "null"`,
		`{"properties":{"a":{}}}`:                                            "no type",
		`{"properties":{"a":true}}`:                                          "described by an object",
		`{"properties":{"a":{"type":"array"}}}`:                              "may be chosen",
		`{"properties":{"a":{"type":"array","items":{"type":"string"}}}}`:    "nothing to choose from",
		`{"properties":{"a":{"enum":[1]}}}`:                                  "no short string",
		`{"properties":{"a":{"enum":[]}}}`:                                   "nothing to choose from",
		`{"required":["x"]}`:                                                 "does not have",
		`{"required":"x"}`:                                                   "must be a list",
		`{"properties":{` + strings.Join(many, ",") + `}}`:                   "more than 64 fields",
		`{"properties":{"a":{"enum":[` + strings.Join(options, ",") + `]}}}`: "more than 256 choices",
		`{"x":"` + strings.Repeat("x", MaxSchema) + `"}`:                     "larger than",
		`{"properties":{"a":` + deep + `}}`:                                  "too deep",
	} {
		if _, err := Parse(json.RawMessage(schema)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", schema, err, want)
		}
	}
}

func TestComplete(t *testing.T) {
	f := mustParse(t, everything)
	for _, test := range []struct{ content, want, problem string }{
		{`{"name":"Ann"}`, `{"name":"Ann","age":42,"size":3.14,"agree":true,"pet":"dog","play":["bass"]}`, ""},
		{`{"agree":false,"name":"Ann","age":7.0,"fish":["f1"]}`, `{"name":"Ann","age":7.0,"size":3.14,"agree":false,"pet":"dog","play":["bass"],"fish":["f1"]}`, ""},
		{``, "", `"name" is required`},
		{`null`, "", `"name" is required`},
		{`[]`, "", "must be an object"},
		{`{"name":"Ann","name":"Bob"}`, "", "twice"},
		{`{"name":"Ann","other":1}`, "", `no field "other"`},
		{`{"name":"A"}`, "", "at least 2"},
		{`{"name":"Ännnnnnnnnn"}`, "", "at most 10"},
		{`{"name":null}`, "", "must be a string"},
		{`{"name":"Ann","mail":"Ann <a@b.c>"}`, "", "e-mail"},
		{`{"name":"Ann","site":"example.org"}`, "", "address such as"},
		{`{"name":"Ann","born":"2026-02-30"}`, "", "date such as"},
		{`{"name":"Ann","when":"2026-02-03"}`, "", "date and time"},
		{`{"name":"Ann","code":"a"}`, "", "must match"},
		{`{"name":"Ann","age":1.5}`, "", "whole number"},
		{`{"name":"Ann","age":0}`, "", "at least 1"},
		{`{"name":"Ann","age":101}`, "", "at most 100"},
		{`{"name":"Ann","age":"7"}`, "", "must be a number"},
		{`{"name":"Ann","size":1e999}`, "", "must be a number"},
		{`{"name":"Ann","agree":"true"}`, "", "true or false"},
		{`{"name":"Ann","pet":"Cat"}`, "", `one of "cat", "dog"`},
		{`{"name":"Ann","play":[]}`, "", "at least 1"},
		{`{"name":"Ann","play":["drums","bass","flute"]}`, "", "at most 2"},
		{`{"name":"Ann","play":["drums","drums"]}`, "", "at most once"},
		{`{"name":"Ann","play":["horn"]}`, "", "a list of some"},
	} {
		got, err := f.Complete(json.RawMessage(test.content))
		switch {
		case test.problem == "" && (err != nil || string(got) != test.want):
			t.Errorf("%s: %s %v", test.content, got, err)
		case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)):
			t.Errorf("%s: %v, want %q", test.content, err, test.problem)
		}
	}
	if got, err := mustParse(t, `{"type":"object"}`).Complete(nil); err != nil || string(got) != "{}" {
		t.Errorf("an empty form: %s %v", got, err)
	}
}

func TestDefaultsThatDoNotFitAreDropped(t *testing.T) {
	f := mustParse(t, `{"properties":{"a":{"type":"integer","default":"x"},"b":{"type":"string","enum":["y"],"default":"z"}}}`)
	if got, err := f.Complete(nil); err != nil || string(got) != "{}" {
		t.Errorf("%s %v", got, err)
	}
}

func TestRead(t *testing.T) {
	f := mustParse(t, everything)
	for _, test := range []struct{ field, typed, want string }{
		{"name", "Ann ", `"Ann "`}, {"age", " 7 ", "7"}, {"size", "-2.5e3", "-2.5e3"}, {"agree", "No", "false"}, {"agree", "y", "true"},
		{"pet", "2", `"dog"`}, {"pet", "CAT", `"cat"`}, {"hero", "lantern", `"h2"`}, {"play", "1, bass", `["drums","bass"]`},
		{"age", "x", ""}, {"age", "0", ""}, {"agree", "maybe", ""}, {"pet", "3", ""}, {"play", "", ""}, {"play", "1,1", ""}, {"size", "0x10", ""},
	} {
		got, err := f.field(test.field).Read(test.typed)
		if (err == nil) != (test.want != "") || err == nil && string(got) != test.want {
			t.Errorf("%s %q: %s %v", test.field, test.typed, got, err)
		}
	}
}

func FuzzComplete(f *testing.F) {
	f.Add([]byte(everything), []byte(`{"name":"Ann","play":["bass"]}`))
	f.Add([]byte(`{"properties":{"a":{"oneOf":[{"const":"x"}]}}}`), []byte(`{"a":"x"}`))
	f.Fuzz(func(t *testing.T, schema, content []byte) {
		form, err := Parse(schema)
		if err != nil {
			return
		}
		if len(form.Fields) > MaxFields {
			t.Fatalf("%d fields", len(form.Fields))
		}
		out, err := form.Complete(content)
		if err != nil {
			return
		}
		again, err := form.Complete(out)
		if err != nil || string(again) != string(out) {
			t.Fatalf("an answer that fits does not fit again: %s, %s, %v", out, again, err)
		}
	})
}
