package toolcall

import (
	"strings"
	"testing"
)

// FuzzParser compares an output read whole with the same output cut into pieces, for every family.
func FuzzParser(f *testing.F) {
	for family, cases := range readCases(f) {
		for i, row := range table {
			if row.name == family {
				for _, c := range cases {
					f.Add(c.raw, uint8(i), uint8(1), c.opts.ReasoningOpen)
				}
			}
		}
	}
	var accounts []*books
	for _, row := range table {
		accounts = append(accounts, newBooks(row))
	}
	f.Fuzz(func(t *testing.T, raw string, row, size uint8, open bool) {
		family := table[int(row)%len(table)]
		c := testCase{raw: raw, opts: caseOptions{ReasoningOpen: open}}
		o := c.run(t, family, raw)
		whole := o.String()
		if fault := accounts[int(row)%len(table)].check(raw, o); fault != "" {
			t.Fatalf("%s: %s:\n%s", family.name, fault, whole)
		}
		n := 1 + int(size)%5
		if got := c.run(t, family, split(raw, func() int { return n })...).String(); got != whole {
			t.Fatalf("%s in pieces of %d:\n%swhole:\n%s", family.name, n, got, whole)
		}
		c.opts.NoTools = true
		if o := c.run(t, family, raw); len(o.calls) > 0 {
			t.Fatalf("%s: a call without tools", family.name)
		}
	})
}

// TestTextIsUntouched: text without markers comes out as it went in, however it is cut.
func TestTextIsUntouched(t *testing.T) {
	text := "  A <b>bold</b> word, [a link](x) & {\"json\": [1, 2]}.\n\n```go\nx := a[i] < b\n```\n \xe2\x82 \xff é\n\n"
	want := strings.ReplaceAll(strings.ReplaceAll(text, "\xe2\x82 ", "\uFFFD\uFFFD "), "\xff", "\uFFFD")
	for _, f := range table {
		if f.format.StartsReasoning {
			continue
		}
		for n := 1; n < len(text); n++ {
			c := testCase{}
			o := c.run(t, f, split(text, func() int { return n })...)
			if got := o.content.String(); got != want {
				t.Errorf("%s in pieces of %d: %q", f.name, n, got)
				break
			}
		}
	}
}
