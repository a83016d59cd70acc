package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomLogits(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(math.Round(rng.NormFloat64()*20)) / 10 // with ties
	}
	return logits
}

func sorted(logits []float32) []candidate {
	all := make([]candidate, len(logits))
	for i, l := range logits {
		all[i] = candidate{int32(i), l}
	}
	slices.SortFunc(all, better)
	return all
}

func TestTopKAndArgmax(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 257, 5000} {
		logits := randomLogits(n, uint64(n))
		want := sorted(logits)
		if got := argmax(logits); got != want[0].id {
			t.Errorf("of %d: argmax = %d, want %d", n, got, want[0].id)
		}
		for _, k := range []int{1, 2, 40, n} {
			if k > n {
				continue
			}
			got := topK(logits, k, nil)
			slices.SortFunc(got, better)
			for i := range got {
				if got[i].logit != want[i].logit {
					t.Fatalf("top %d of %d: place %d has logit %v, want %v", k, n, i, got[i].logit, want[i].logit)
				}
			}
		}
	}
	nan := float32(math.NaN())
	if got := argmax([]float32{nan, 1, nan, 3, 2}); got != 3 {
		t.Errorf("argmax among NaN = %d, want 3", got)
	}
	if got := argmax([]float32{nan, nan}); got != 0 {
		t.Errorf("argmax of NaN = %d, want 0", got)
	}
}

func TestNucleus(t *testing.T) {
	for seed := range uint64(50) {
		logits := randomLogits(1+int(seed)*7, seed)
		cands := sorted(logits)
		rand.New(rand.NewPCG(seed, 2)).Shuffle(len(cands), func(i, j int) { cands[i], cands[j] = cands[j], cands[i] })
		weights := make([]float64, len(cands))
		sum := 0.0
		for i, c := range cands {
			weights[i] = math.Exp(float64(c.logit - sorted(logits)[0].logit))
			sum += weights[i]
		}
		mass := 0.9 * sum
		n, total := nucleus(cands, weights, mass)
		want, acc := 0, 0.0
		for _, c := range sorted(logits) {
			if acc >= mass {
				break
			}
			acc += math.Exp(float64(c.logit - sorted(logits)[0].logit))
			want++
		}
		if n != want || math.Abs(total-acc) > 1e-9*sum {
			t.Errorf("of %d: kept %d weighing %v, want %d weighing %v", len(logits), n, total, want, acc)
		}
		slices.SortFunc(cands[:n], better)
		for i, c := range sorted(logits)[:n] {
			if cands[i] != c {
				t.Fatalf("of %d: place %d is %v, want %v", len(logits), i, cands[i], c)
			}
		}
	}
}

// TestDistribution draws many times and compares the frequencies with the probabilities.
func TestDistribution(t *testing.T) {
	logits := []float32{2, 1, 0, -1, 1.5}
	for _, tt := range []struct {
		cfg  Sampling
		want func(p []float64) // turns softmax into what cfg makes of it, not normalised
	}{
		{Sampling{Temperature: 1}, func([]float64) {}},
		{Sampling{Temperature: 2}, func(p []float64) {
			for i := range p {
				p[i] = math.Sqrt(p[i])
			}
		}},
		{Sampling{Temperature: 1, TopK: 2}, func(p []float64) { p[1], p[2], p[3] = 0, 0, 0 }},
		{Sampling{Temperature: 1, TopK: 100}, func([]float64) {}},
		{Sampling{Temperature: 1, MinP: 0.3}, func(p []float64) { p[2], p[3] = 0, 0 }},
		{Sampling{Temperature: 1, TopP: 0.6}, func(p []float64) { p[1], p[2], p[3] = 0, 0, 0 }},
		{Sampling{Temperature: 1, TopP: 0.6, TopK: 4}, func(p []float64) { p[1], p[2], p[3] = 0, 0, 0 }},
		{Sampling{Temperature: 1, TopP: 1e-9}, func(p []float64) { p[1], p[2], p[3], p[4] = 0, 0, 0, 0 }},
		{Sampling{Temperature: 1e-6}, func(p []float64) { p[1], p[2], p[3], p[4] = 0, 0, 0, 0 }},
		{Sampling{}, func(p []float64) { p[1], p[2], p[3], p[4] = 0, 0, 0, 0 }},
	} {
		t.Run(fmt.Sprintf("%+v", tt.cfg), func(t *testing.T) {
			seed := uint64(3)
			tt.cfg.Seed = &seed
			s := newSampler(tt.cfg, nil)
			p, sum := make([]float64, len(logits)), 0.0
			for i, l := range logits {
				p[i] = math.Exp(float64(l))
			}
			tt.want(p)
			for _, x := range p {
				sum += x
			}
			const n = 40000
			count := make([]float64, len(logits))
			for range n {
				count[s.pick(slices.Clone(logits))]++
			}
			for i := range p {
				if got, want := count[i]/n, p[i]/sum; math.Abs(got-want) > 0.012 || want == 0 && got > 0 {
					t.Errorf("token %d is drawn with frequency %.4f, want %.4f", i, got, want)
				}
			}
		})
	}
}

func TestPenalties(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Sampling
		want []float32
	}{
		{"none", Sampling{RepetitionPenalty: 1}, []float32{2, -2, 1, 4}},
		{"repetition", Sampling{RepetitionPenalty: 2}, []float32{1, -4, 1, 2}},
		{"frequency", Sampling{FrequencyPenalty: 0.5}, []float32{2, -2.5, 1, 3}},
		{"presence", Sampling{PresencePenalty: 0.25}, []float32{2, -2.25, 1, 3.75}},
		{"bias", Sampling{LogitBias: map[int32]float64{2: 3, 9: 1, -1: 1}}, []float32{2, -2, 4, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSampler(tt.cfg, []int32{0})
			for _, id := range []int32{1, 3, 3} {
				s.accept(id)
			}
			got := []float32{2, -2, 1, 4}
			if s.adjusts() {
				s.adjust(got)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("logits %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSeed(t *testing.T) {
	logits := randomLogits(500, 1)
	run := func(seed *uint64) []int32 {
		s := newSampler(Sampling{Temperature: 2, Seed: seed}, nil)
		var ids []int32
		for range 20 {
			ids = append(ids, s.pick(logits))
		}
		return ids
	}
	one, two := uint64(1), uint64(2)
	if a, b := run(&one), run(&one); !slices.Equal(a, b) {
		t.Errorf("one seed gives %v and %v", a, b)
	}
	if slices.Equal(run(&one), run(&two)) || slices.Equal(run(nil), run(nil)) {
		t.Error("different seeds give the same draws")
	}
}

// only is a constraint that allows the ids from some number on.
type only int32

func (o only) Allowed(ids []int32, ok []bool) error {
	for i, id := range ids {
		ok[i] = id >= int32(o)
	}
	return nil
}

func (o only) Accept(id int32) error {
	if id < int32(o) {
		return fmt.Errorf("token %d was not allowed", id)
	}
	return nil
}

func (only) Close() {}

// TestConstrainedDraw checks that the best allowed token is found however far down the list it is.
func TestConstrainedDraw(t *testing.T) {
	logits := make([]float32, 5000)
	for i := range logits {
		logits[i] = -float32(i) / 100
	}
	for _, first := range []int32{0, 1, 63, 64, 1023, 1024, 4999} {
		for _, cfg := range []Sampling{{}, {Temperature: 1e-6}, {Temperature: 1e-6, TopK: 3}} {
			id, err := newSampler(cfg, nil).draw(logits, only(first))
			if err != nil || id != first {
				t.Errorf("%+v: of the tokens from %d on, %d was drawn, %v", cfg, first, id, err)
			}
		}
	}
	if _, err := newSampler(Sampling{}, nil).draw(logits, only(5000)); err == nil {
		t.Error("a draw without any allowed token: no error")
	}
}

// BenchmarkSample draws from the vocabulary of a large model.
func BenchmarkSample(b *testing.B) {
	const vocab = 151936
	flat := make([]float32, vocab)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range flat {
		flat[i] = float32(rng.NormFloat64() * 2)
	}
	peaked := slices.Clone(flat)
	for range 30 {
		peaked[rng.IntN(vocab)] = 12 + float32(rng.Float64()*6)
	}
	for _, logits := range []struct {
		name   string
		logits []float32
	}{{"peaked", peaked}, {"flat", flat}} {
		for _, bm := range []struct {
			name string
			cfg  Sampling
		}{
			{"greedy", Sampling{}},
			{"default", Sampling{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}},
			{"top-p", Sampling{Temperature: 1, TopP: 0.95}},
			{"min-p", Sampling{Temperature: 1, MinP: 0.05}},
			{"temperature", Sampling{Temperature: 1}},
		} {
			b.Run(logits.name+"/"+bm.name, func(b *testing.B) {
				s := newSampler(bm.cfg, nil)
				b.ReportAllocs()
				for b.Loop() {
					s.pick(logits.logits)
				}
			})
		}
	}
}
