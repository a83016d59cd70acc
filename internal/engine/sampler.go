package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// maxTopLogprobs is OpenAI's limit.
const maxTopLogprobs = 20

// sampler draws tokens for one request. It is used by one goroutine at a time.
type sampler struct {
	cfg   Sampling
	rng   *rand.Rand
	seen  map[int32]bool // tokens of prompt and output; nil unless there is a repetition penalty
	count map[int32]int  // how often a token was generated; nil unless there is a penalty that counts

	cands   []candidate // scratch
	weights []float64   // scratch
	ids     []int32     // scratch of the constraint
	ok      []bool      // scratch of the constraint
}

// candidate is a token that may be drawn.
type candidate struct {
	id    int32
	logit float32
}

func newSampler(cfg Sampling, prompt []int32) *sampler {
	seed := rand.Uint64()
	if cfg.Seed != nil {
		seed = *cfg.Seed
	}
	s := &sampler{cfg: cfg, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
	if cfg.RepetitionPenalty != 0 && cfg.RepetitionPenalty != 1 {
		s.seen = make(map[int32]bool, len(prompt))
		for _, id := range prompt {
			s.seen[id] = true
		}
	}
	if cfg.FrequencyPenalty != 0 || cfg.PresencePenalty != 0 {
		s.count = make(map[int32]int)
	}
	return s
}

// accept takes note of a token that was drawn.
func (s *sampler) accept(id int32) {
	if s.seen != nil {
		s.seen[id] = true
	}
	if s.count != nil {
		s.count[id]++
	}
}

// adjusts reports whether adjust changes anything.
func (s *sampler) adjusts() bool {
	return len(s.seen) > 0 || len(s.count) > 0 || len(s.cfg.LogitBias) > 0
}

// adjust applies the penalties and the bias to the logits in place.
func (s *sampler) adjust(logits []float32) {
	penalty := float32(s.cfg.RepetitionPenalty)
	for id := range s.seen {
		if logits[id] > 0 {
			logits[id] /= penalty
		} else {
			logits[id] *= penalty
		}
	}
	for id, n := range s.count {
		logits[id] -= float32(float64(n)*s.cfg.FrequencyPenalty + s.cfg.PresencePenalty)
	}
	for id, bias := range s.cfg.LogitBias {
		if id >= 0 && int(id) < len(logits) {
			logits[id] += float32(bias)
		}
	}
}

// pick draws a token from the adjusted logits.
func (s *sampler) pick(logits []float32) int32 {
	if s.cfg.Temperature == 0 {
		return argmax(logits)
	}
	if k := s.cfg.TopK; k > 0 && k < len(logits) {
		s.cands = topK(logits, k, s.cands)
	} else {
		s.cands = above(logits, s.cutoff(), s.cands)
	}
	return s.pickFrom(s.cands)
}

// negligible is how far below the best a scaled logit may lie before it can be left out: e^-32 of the best
// token's probability is less than the draw's resolution, even a vocabulary's worth of it.
const negligible = 32

// cutoff returns how far below the best logit a token has any chance to be drawn.
func (s *sampler) cutoff() float32 {
	limit := float64(negligible)
	if s.cfg.MinP > 0 {
		limit = min(limit, -math.Log(s.cfg.MinP))
	}
	return float32(limit * s.cfg.Temperature)
}

// pickFrom draws one of the candidates, which it reorders. There must be at least one.
func (s *sampler) pickFrom(cands []candidate) int32 {
	best := cands[0]
	for _, c := range cands {
		if c.logit > best.logit || (c.logit == best.logit && c.id < best.id) {
			best = c
		}
	}
	if s.cfg.Temperature == 0 {
		return best.id
	}
	cands = s.dropUnlikely(cands, best.logit)
	total := 0.0
	s.weights = s.weights[:0]
	for _, c := range cands {
		w := math.Exp(float64(c.logit-best.logit) / s.cfg.Temperature)
		s.weights = append(s.weights, w)
		total += w
	}
	n := len(cands)
	if p := s.cfg.TopP; p > 0 && p < 1 {
		n, total = nucleus(cands, s.weights, p*total)
	}
	x := s.rng.Float64() * total
	for i, w := range s.weights[:n] {
		if x -= w; x < 0 {
			return cands[i].id
		}
	}
	return best.id // rounding left a hair of the total
}

// dropUnlikely removes the candidates that min-p excludes.
func (s *sampler) dropUnlikely(cands []candidate, best float32) []candidate {
	limit := best - s.cutoff()
	kept := cands[:0]
	for _, c := range cands {
		if c.logit >= limit {
			kept = append(kept, c)
		}
	}
	return kept
}

// check refuses numbers that mean nothing.
func (s Sampling) check() error {
	for _, f := range []struct {
		name          string
		value, lo, hi float64
	}{
		{"Temperature", s.Temperature, 0, 100},
		{"TopP", s.TopP, 0, 1},
		{"MinP", s.MinP, 0, 1},
		{"FrequencyPenalty", s.FrequencyPenalty, -100, 100},
		{"PresencePenalty", s.PresencePenalty, -100, 100},
		{"RepetitionPenalty", s.RepetitionPenalty, 0, 100},
	} {
		if !(f.value >= f.lo && f.value <= f.hi) { // so that NaN fails too
			return &RequestError{Field: "Sampling." + f.name, Err: fmt.Errorf("is %v, and must be %v to %v", f.value, f.lo, f.hi)}
		}
	}
	if s.TopK < 0 {
		return &RequestError{Field: "Sampling.TopK", Err: fmt.Errorf("is %d, and cannot be negative", s.TopK)}
	}
	for id, bias := range s.LogitBias {
		if math.IsNaN(bias) || math.IsInf(bias, 1) {
			return &RequestError{Field: "Sampling.LogitBias", Err: fmt.Errorf("of token %d is %v", id, bias)}
		}
	}
	return nil
}
