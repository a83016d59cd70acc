package toolcall

import (
	"slices"
	"testing"
)

// TestWorkIsBounded goes on from many places of an output with text that has no end. Whatever state the
// parser is in, it takes what it reads: what it looks at again with the next piece stays small. That
// makes the work linear in the length of the output.
func TestWorkIsBounded(t *testing.T) {
	const most = 1100 // bytes: a header that may go on, and white space around it
	units := []string{" ", "\n", "\r\n", "<", "{", "[", "(", "x", "x ", "0", "\"", "'", "\\", "`", ",", ":", "a=", "潮", "</", "<|", "]<]", ">", "/", "."}
	for family, cases := range readCases(t) {
		f, ok := Lookup(family)
		if !ok {
			continue
		}
		units := slices.Concat(units, f.format.Forms[0].Open, f.format.Forms[0].Close)
		for n, c := range cases {
			if testing.Short() && n > 0 {
				break
			}
			for at := n % 5; at < len(c.raw); at += 5 {
				unit := units[(at/5+n)%len(units)]
				text := repeat(unit, 8*most)
				p := c.parser(f)
				p.Write(c.raw[:at])
				for _, piece := range split(text, func() int { return 61 }) {
					p.Write(piece)
					if held := len(p.p.In); held > most {
						t.Errorf("%s/%s: behind %q, many times %q: %d bytes are read again and again", family, c.name, c.raw[:at], unit, held)
						break
					}
				}
			}
		}
	}
}
