package toolcall

import (
	"strings"
	"testing"
)

// bigCase returns an output of the family that writes a file with this content.
func bigCase(t testing.TB, family, content string) string {
	for _, c := range readCases(t)[family] {
		before, rest, ok := strings.Cut(c.raw, "line 1")
		if i := strings.Index(rest, "[1}"); ok && i >= 0 {
			return before + content + rest[i+len("[1}"):]
		}
	}
	t.Fatalf("no case for %s", family)
	return ""
}

// contents are the kinds of text that arguments hold, in units to repeat. They are written so that they
// are the same in JSON, in Python and between tags.
var contents = map[string]string{
	"prose":  "The tide rises at noon and falls again by the evening. ",
	"braces": "{[({})]}{a}[b](c)<d></d>;,:",
	"quotes": `\"a\" \\ \"\" `,
	"lines":  `a\nb\n\n\t`,
}

// TestLongArguments reads long arguments in small pieces: they arrive whole, as they come.
func TestLongArguments(t *testing.T) {
	const most = 2000 // bytes that may be held back: a header, a value that is no string
	for _, f := range Families() {
		for kind, unit := range contents {
			text := bigCase(t, f.Name(), strings.Repeat(unit, 2000))
			p := f.NewParser(Options{Tools: testTools})
			o := &outcome{}
			read, behind := 0, 0
			for _, piece := range split(text, func() int { return 4 }) {
				read += len(piece)
				o.add(t, p.Write(piece))
				if len(o.calls) > 0 {
					behind = max(behind, read-o.calls[0].args.Len())
				}
			}
			o.add(t, p.Close())
			if len(o.calls) != 1 || o.calls[0].args.Len() < 1500*len(unit) || behind > most {
				t.Errorf("%s: %s: %d calls, up to %d bytes behind", f.Name(), kind, len(o.calls), behind)
			}
		}
	}
}
