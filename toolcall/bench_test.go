package toolcall

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchSizes are the sizes of the texts in bytes. The last divided by the one before it tells how the
// time grows.
var benchSizes = []int{1 << 10, 100 << 10, 1 << 20}

// BenchmarkCalls reads calls with long arguments in deltas of four bytes, for every family and kind of
// text. It reports for each size the MB/s, in processor time, the allocations for each KB, and as growth the time
// for 1 MB in times of that for 100 KB: the least of as many runs as -benchtime 5x says.
func BenchmarkCalls(b *testing.B) {
	for _, f := range Families() {
		texts := longCalls(b, f)
		for _, kind := range sortedKeys(texts) {
			b.Run(f.Name()+"/"+kind, func(b *testing.B) { measure(b, f, texts[kind]) })
		}
	}
}

// BenchmarkText does the same with text in which no call is, and with reasoning.
func BenchmarkText(b *testing.B) {
	for _, f := range Families() {
		for _, kind := range sortedKeys(plainTexts) {
			b.Run(f.Name()+"/"+kind, func(b *testing.B) {
				measure(b, f, func(size int) string { return repeat(plainTexts[kind], size) })
			})
		}
		if len(f.format.Reasoning) > 0 {
			span := f.format.Reasoning[0]
			b.Run(f.Name()+"/reasoning", func(b *testing.B) {
				measure(b, f, func(size int) string {
					return span.Open + repeat(plainTexts["prose"], size) + span.Close + "Done."
				})
			})
		}
	}
}

// plainTexts are answers without a call, in units to repeat.
var plainTexts = map[string]string{
	"prose": "The tide rises at noon, and falls again by the evening.\n",
	"html":  "<p>A <b>bold</b> [link](x) {a: 1}, `<i>`</p>\n",
	"code":  "func (p *T) f(a []int) {\n\tif a[0] < 1 {\n\t\tm := map[string]int{\"name\": 1}\n\t}\n}\n",
	"json":  "{\"label\": \"x\", \"values\": [1, 2, {\"a\": null}]}\n",
	"space": "   \n\n\t  ",
}

// longCalls returns makers of one call with an argument of a size, by the kind of its text.
func longCalls(t testing.TB, f *Family) map[string]func(size int) string {
	out := map[string]func(int) string{}
	for kind, unit := range contents {
		out[kind] = func(size int) string { return bigCase(t, f.Name(), repeat(unit, size)) }
	}
	if rawStrings(f) {
		for kind, unit := range map[string]string{"rawquotes": `"a" \ 'b' `, "rawlines": "a\nb\n\n\t"} {
			out[kind] = func(size int) string { return bigCase(t, f.Name(), repeat(unit, size)) }
		}
	}
	return out
}

// rawStrings reports whether the strings of the family's calls have no escapes.
func rawStrings(f *Family) bool {
	return slices.ContainsFunc(f.format.Forms[0].Body.Literals(), func(s string) bool {
		return strings.Contains(s, "</") || strings.Contains(s, "]minimax[") || strings.Contains(s, "close")
	})
}

func repeat(unit string, size int) string { return strings.Repeat(unit, max(1, size/len(unit))) }

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// started is the beginning of time for now.
var started = time.Now()

// measure reports the fastest of the runs, in processor time.
func measure(b *testing.B, f *Family, text func(size int) string) {
	texts := make([]string, len(benchSizes))
	for i, size := range benchSizes {
		texts[i] = text(size)
	}
	last := len(texts) - 1
	runs := make([][]float64, len(texts)) // seconds
	for b.Loop() {
		for i, text := range texts {
			// Small texts are read together, so that the clock is fine enough.
			n := max(1, benchSizes[1]/len(text))
			for range max(1, min(5, benchSizes[last]/(n*len(text)))) {
				start := now()
				for range n {
					read(f, text)
				}
				runs[i] = append(runs[i], (now()-start).Seconds()/float64(n))
			}
		}
	}
	b.ReportMetric(0, "ns/op") // of all sizes together it says nothing
	for i, text := range texts {
		b.ReportMetric(float64(len(text))/1e6/slices.Min(runs[i]), fmt.Sprintf("MB/s@%dK", benchSizes[i]>>10))
	}
	b.ReportMetric(slices.Min(runs[last])/slices.Min(runs[last-1]), "growth")
	b.ReportMetric(float64(mallocs(f, texts[last]))/float64(len(texts[last])>>10), "allocs/KB")
}

// read reads text in deltas of four bytes.
func read(f *Family, text string) {
	p := f.NewParser(Options{Tools: testTools})
	for i := 0; i < len(text); i += 4 {
		p.Write(text[i:min(i+4, len(text))])
	}
	p.Close()
}

func mallocs(f *Family, text string) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read(f, text)
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
