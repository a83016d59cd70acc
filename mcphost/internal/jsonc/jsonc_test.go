package jsonc

import (
	"errors"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	tests := []struct {
		text         string
		line, column int
		message      string
	}{
		{"{\n  \"a\": nul\n}", 2, 8, "invalid"},
		{"{\"a\": 1\n\"b\": 2}", 2, 1, "invalid"},
		{"{\"a\": \"x", 1, 9, "unexpected EOF"},
		{"// only\n", 2, 1, "unexpected EOF"},
		{"  ", 1, 3, "empty"},
		{"/* [[[ */ \"[[[\\\"[[\" x", 1, 21, "after top-level value"},
		{"\xef\xbb\xbf{]", 1, 2, "invalid"},
		{strings.Repeat("[", MaxDepth+1), 1, MaxDepth + 1, "nested deeper than 64 levels"},
	}
	for _, test := range tests {
		_, err := Parse([]byte(test.text))
		var e *Error
		if !errors.As(err, &e) || e.Line != test.line || e.Column != test.column || !strings.Contains(e.Message, test.message) {
			t.Errorf("%q: %v, want line %d, column %d, %s", test.text, err, test.line, test.column, test.message)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"command", "args", "allowed_tools", "env"}
	for got, want := range map[string]string{
		"comand": "command", "Command": "command", "arg": "args", "allowedTools": "allowed_tools", "allow-tools": "allowed_tools",
		"ENV": "env", "timeout": "", "": "", "x": "", "environment": "",
	} {
		if near := Nearest(got, words); near != want {
			t.Errorf("Nearest(%q) is %q, want %q", got, near, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("{\"a\":[1,2,],/*c*/}")
	f.Add("// x\n[\"\\u0041\"]")
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := Parse([]byte(text))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
				t.Errorf("%q: the error %v names no place", text, err)
			}
			return
		}
		if members, err := doc.Members(); err == nil {
			for _, m := range members {
				m.Value.Errorf("here")
			}
		}
	})
}
