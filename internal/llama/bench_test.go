package llama

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

// benchThreads returns TOOLSERVE_TEST_THREADS, 0 for the default.
func benchThreads() int {
	n, _ := strconv.Atoi(os.Getenv("TOOLSERVE_TEST_THREADS"))
	return n
}

var benchPools = []struct {
	name string
	opts ContextOptions
}{
	{"new-threads", ContextOptions{}},
	{"kept-poll0", ContextOptions{KeepThreads: true}},
	{"kept-poll50", ContextOptions{KeepThreads: true, Poll: 50}},
}

func benchContext(b *testing.B, opts ContextOptions, sequences int) *Context {
	m := testModel(b)
	opts.Cells, opts.Sequences, opts.Threads = 4096, sequences, benchThreads()
	c, err := m.NewContext(opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkPrefill evaluates prompts of 512 tokens, as llama-bench -p 512 does.
func BenchmarkPrefill(b *testing.B) {
	for _, pool := range benchPools {
		b.Run(pool.name, func(b *testing.B) {
			c := benchContext(b, pool.opts, 1)
			rows := rowsOf(make([]int32, 512), 0, 0)
			for i := range rows {
				rows[i].Token = int32(i*37%1000 + 1000)
			}
			for b.Loop() {
				c.Truncate(0, 0)
				if err := c.Decode(b.Context(), rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "tok/s")
		})
	}
}

// BenchmarkDecode evaluates one token at a time for each of some sequences, in runs of 128.
func BenchmarkDecode(b *testing.B) {
	for _, sequences := range []int{1, 8} {
		for _, pool := range benchPools {
			b.Run(fmt.Sprintf("%d/%s", sequences, pool.name), func(b *testing.B) {
				c := benchContext(b, pool.opts, sequences)
				rows := make([]Row, sequences)
				pos := 0
				for b.Loop() {
					if pos == 128 {
						pos = 0
						for s := range sequences {
							c.Truncate(s, 0)
						}
					}
					for s := range rows {
						rows[s] = Row{Token: int32(1000 + pos), Pos: pos, Seq: s, Logits: true}
					}
					if err := c.Decode(b.Context(), rows); err != nil {
						b.Fatal(err)
					}
					pos++
				}
				b.ReportMetric(float64(sequences*b.N)/b.Elapsed().Seconds(), "tok/s")
			})
		}
	}
}
