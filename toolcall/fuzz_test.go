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
	f.Fuzz(func(t *testing.T, raw string, row, size uint8, open bool) {
		family := table[int(row)%len(table)]
		c := testCase{raw: raw, opts: caseOptions{ReasoningOpen: open}}
		whole := c.run(t, family, raw).String()
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

func BenchmarkPlainText(b *testing.B) {
	text := strings.Repeat("The tide rises at noon, and falls again by the evening.\n", 2000)
	html := strings.Repeat("<p>A <b>bold</b> [link](x) {a: 1}, `<i>`</p>\n", 2500)
	for _, name := range []string{"hermes", "auto", "gpt_oss", "minicpm5"} {
		f, _ := Lookup(name)
		b.Run(name+"/prose", func(b *testing.B) { benchmark(b, f, text) })
		b.Run(name+"/html", func(b *testing.B) { benchmark(b, f, html) })
	}
}

func BenchmarkCall(b *testing.B) {
	f, _ := Lookup("hermes")
	prose := strings.Repeat(`The tide \"rises\" at {noon}, and falls\n`, 2500)
	benchmark(b, f, `<tool_call>`+"\n"+`{"name": "write_file", "arguments": {"content": "`+prose+`"}}`+"\n</tool_call>")
}

// benchmark reads text in deltas of four bytes.
func benchmark(b *testing.B, f *Family, text string) {
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		p := f.NewParser(Options{Tools: testTools})
		for i := 0; i < len(text); i += 4 {
			p.Write(text[i:min(i+4, len(text))])
		}
		p.Close()
	}
}
