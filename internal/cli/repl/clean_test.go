package repl

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n":                     "plain\ttext\n",
		"a\x1b[1;31mb\x1b[0mc":              "abc",
		"a\u009b31mb":                       "ab",
		"\x1b]8;;http://x\x1b\\link":        "]8;;http://x\\link",
		"\x1b[hidden":                       "idden",
		"\x1b[31\nm":                        "\nm",
		"over\rwrite\b\b":                   "overwrite",
		"\u202eevil\u2066":                  "evil",
		"\U000e0041tag":                     "tag",
		"\xffé":                             "\ufffdé",
		"é\xc3":                             "é\ufffd",
		"\x1b\x1b[31mx":                     "x",
		"family \U0001F468\u200d\U0001F469": "family \U0001F468\u200d\U0001F469",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	if got := Line("a\n b\x1b[2Jcdef\t g", 4); got != "a bc..." {
		t.Errorf("got %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31mé\x1b", uint(3))
	f.Add("\x9b\xc2\x9b", uint(1))
	f.Fuzz(func(t *testing.T, text string, at uint) {
		whole := Clean(text)
		for _, r := range whole {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Fatalf("%q kept %q", text, r)
			}
		}
		if !utf8.ValidString(whole) {
			t.Fatalf("%q became %q", text, whole)
		}
		split := int(at % uint(len(text)+1))
		var c Cleaner
		pieces := c.Clean(text[:split]) + c.Clean(text[split:])
		if !strings.HasPrefix(whole, pieces) || len(whole)-len(pieces) > utf8.UTFMax {
			t.Fatalf("in two pieces %q became %q, whole %q", text, pieces, whole)
		}
	})
}
