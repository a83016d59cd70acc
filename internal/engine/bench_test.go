package engine_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/engine/enginetest"
)

// instant is a backend that costs nothing, so that what remains is the engine.
type instant struct {
	*enginetest.Backend
	logits []float32
}

func (b instant) Decode(context.Context, []engine.Row) error { return nil }

func (b instant) Logits(int) ([]float32, error) { return b.logits, nil }

func (b instant) Truncate(int, int) bool { return true }

func (b instant) Share(int, int, int) error { return nil }

// BenchmarkStep measures what the engine adds to each step of n requests: its own work with a vocabulary that costs
// nothing to sample from, and sampling with a large one.
func BenchmarkStep(b *testing.B) {
	for _, vocab := range []int{257, 151936} {
		for _, n := range []int{1, 8} {
			b.Run(fmt.Sprintf("vocab%d/x%d", vocab, n), func(b *testing.B) {
				backend := instant{enginetest.New(enginetest.Options{MaxSeqs: n, ContextSize: 1 << 40}), make([]float32, vocab)}
				backend.logits['a'] = 9
				e := engine.New(backend, engine.Options{MaxSeqs: n})
				defer e.Close()
				req := engine.Request{Prompt: []int32{1}, MaxTokens: max(1, b.N), Sampling: engine.Sampling{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}}
				b.ReportAllocs()
				var wg sync.WaitGroup
				for range n {
					wg.Go(func() {
						for _, err := range e.Generate(b.Context(), req) {
							if err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkLlama measures the engine over a real model: one operation is one token of one request.
func BenchmarkLlama(b *testing.B) {
	threads, _ := strconv.Atoi(os.Getenv("TOOLSERVE_TEST_THREADS"))
	for _, bm := range []struct {
		name             string
		prompt, generate int
		seqs             int
	}{
		{"prefill512", 512, 1, 1},
		{"decode128", 1, 128, 1},
		{"decode64x8", 1, 64, 8},
		{"decode64x16", 1, 64, 16},
	} {
		b.Run(bm.name, func(b *testing.B) {
			e := engine.New(testLlama(b, engine.LlamaOptions{ContextSize: 1024, MaxSeqs: bm.seqs, Threads: threads}), engine.Options{MaxSeqs: bm.seqs})
			defer e.Close()
			run := func(round int) {
				var wg sync.WaitGroup
				for s := range bm.seqs {
					wg.Go(func() {
						prompt := make([]int32, bm.prompt)
						for i := range prompt {
							prompt[i] = int32(1000 + (i*37+round*bm.seqs+s)%1000)
						}
						req := engine.Request{Prompt: prompt, MaxTokens: bm.generate, Sampling: engine.Sampling{LogitBias: map[int32]float64{0: -100, 2: -100}}}
						for _, err := range e.Generate(b.Context(), req) {
							if err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
			}
			run(0)
			round := 1
			for b.Loop() {
				run(round)
				round++
			}
			tokens := bm.generate * bm.seqs
			if bm.prompt > 1 {
				tokens = bm.prompt
			}
			b.ReportMetric(float64(tokens*b.N)/b.Elapsed().Seconds(), "tok/s")
		})
	}
}
