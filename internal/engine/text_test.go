package engine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAssembler checks that cutting text anywhere changes nothing, and that only whole characters come out.
func FuzzAssembler(f *testing.F) {
	f.Add("grüße 你好 🎉", uint8(1), uint8(3))
	f.Add("a\xff\xe6\x97b\xf0\x9f\x8e", uint8(2), uint8(2))
	f.Add("\xf4\x90\x80\x80\xc0\xaf", uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, text string, first, step uint8) {
		var a assembler
		var got strings.Builder
		rest := text
		for n := int(first); rest != ""; n = max(1, int(step)) {
			n = min(n, len(rest))
			piece := a.push(rest[:n])
			if !utf8.ValidString(piece) {
				t.Fatalf("%q came out", piece)
			}
			got.WriteString(piece)
			rest = rest[n:]
		}
		got.WriteString(a.flush())
		if want := strings.Join(strings.Split(string([]rune(text)), ""), ""); got.String() != want {
			t.Errorf("%q came out as %q, want %q", text, got.String(), want)
		}
	})
}
