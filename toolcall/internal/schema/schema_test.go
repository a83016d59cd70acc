package schema

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestCoerce(t *testing.T) {
	tests := []struct {
		text  string
		types TypeSet
		want  string
	}{
		{"2", String, `"2"`},
		{" x\n\"y\" ", String, `" x\n\"y\" "`},
		{"2", Integer, `2`},
		{" 2\n", Integer, `2`},
		{"0003000", String | Integer, `"0003000"`},
		{"3000", String | Integer, `3000`},
		{"1e999", String | Number, `"1e999"`},
		{"1.50", String | Number, `"1.50"`},
		{"1.5", String | Number, `1.5`},
		{"null", String | Null, `null`},
		{"null", String, `"null"`},
		{"None", Integer | Null, `null`},
		{"True", Boolean, `true`},
		{"yes", Boolean, `"yes"`},
		{"2026-01-15", Integer, `"2026-01-15"`},
		{"12345678901234567890123", Integer, `12345678901234567890123`},
		{"{'a': [1, True]}", Object, `{"a": [1, true]}`},
		{`"5"`, Integer, `5`},
		{`"x"`, Integer, `"x"`},
		{"5", 0, `5`},
		{"five", 0, `"five"`},
		{`"x"`, 0, `"\"x\""`},
		{"", Object, `""`},
	}
	for _, test := range tests {
		if got := Coerce(test.text, test.types); got != test.want {
			t.Errorf("Coerce(%q, %b) = %s, want %s", test.text, test.types, got, test.want)
		}
	}
}

func TestTypes(t *testing.T) {
	tool := New(json.RawMessage(`{"properties":{"z":{"type":"string"},"a":{"type":["integer","null"]},"e":{"enum":["x",1]},
		"r":{"$ref":"#/$defs/d"},"o":{"anyOf":[{"type":"object"},{"type":"array"}]},"any":{},"half":{"anyOf":[{"type":"string"},{}]},
		"loop":{"$ref":"#/properties/loop"}},"$defs":{"d":{"type":"boolean"}}}`))
	want := map[string]TypeSet{"z": String, "a": Integer | Null, "e": String | Integer | Number, "r": Boolean, "o": Object | Array,
		"any": 0, "half": 0, "loop": 0}
	for name, types := range want {
		if got, ok := tool.Param(name); !ok || got != types {
			t.Errorf("%s: types %b, want %b", name, got, types)
		}
	}
	if _, ok := tool.Param("missing"); ok {
		t.Error("a parameter that is not there")
	}
	if got := tool.Order(); !slices.Equal(got, []string{"z", "a", "e", "r", "o", "any", "half", "loop"}) {
		t.Errorf("order %q", got)
	}
	var none *Tool
	if _, ok := none.Param("x"); ok || none.Order() != nil {
		t.Error("a nil tool knows something")
	}
	for _, bad := range []string{``, `[`, `{"properties": 1}`, `{"properties": [1]}`} {
		if _, ok := New(json.RawMessage(bad)).Param("x"); ok {
			t.Errorf("%s: a parameter", bad)
		}
	}
}
