package bench

import (
	"math"
	"slices"
	"time"
)

// row is what is known about one server at one concurrency. The slices have a number for each round, NaN
// where no request of the round succeeded.
type row struct {
	ttft, prefill, stream, total, objects []float64

	requests, errors int
	failure          string // the first error
	compared, same   int    // warm-up answers compared, and those that were the same
	prompts          int    // prefill requests that succeeded
	prompt, cached   int    // tokens of them
	answered, answer int    // decode requests that succeeded, and their tokens
	fitting          int    // answers whose call or object fits
}

func (r *row) fail(err error) {
	r.errors++
	if r.failure == "" {
		r.failure = err.Error()
	}
}

// succeeded counts the samples and returns those without an error.
func (r *row) succeeded(samples []sample) []sample {
	good := make([]sample, 0, len(samples))
	for _, s := range samples {
		r.requests++
		if s.err != nil {
			r.fail(s.err)
			continue
		}
		good = append(good, s)
	}
	return good
}

// addPrefill takes note of a burst of long prompts. The prefill rate is all their tokens that were not cached
// over the time until each answer had begun.
func (r *row) addPrefill(samples []sample) {
	good := r.succeeded(samples)
	var waits []float64
	var last time.Time
	fresh := 0
	for _, s := range good {
		waits = append(waits, s.first.Sub(s.sent).Seconds())
		fresh += s.usage.PromptTokens - s.usage.CachedTokens
		r.prompt += s.usage.PromptTokens
		r.cached += s.usage.CachedTokens
		if s.first.After(last) {
			last = s.first
		}
	}
	r.prompts += len(good)
	r.ttft = append(r.ttft, median(waits))
	r.prefill = append(r.prefill, rate(fresh, began(good), last))
}

// addDecode takes note of a burst of answers. A stream's rate begins with its first token; where the answer is a
// call, whose first tokens show nothing, or an object, it begins when the request was sent.
func (r *row) addDecode(samples []sample, work Work) {
	good := r.succeeded(samples)
	var rates []float64
	var last time.Time
	tokens, objects := 0, 0
	for _, s := range good {
		n := s.usage.CompletionTokens
		if work != Text {
			rates = append(rates, rate(n, s.sent, s.end))
		} else if n > 1 {
			rates = append(rates, rate(n-1, s.first, s.end))
		}
		tokens += n
		if s.fits {
			objects++
		}
		if s.end.After(last) {
			last = s.end
		}
	}
	r.answered += len(good)
	r.answer += tokens
	r.fitting += objects
	r.stream = append(r.stream, median(rates))
	r.total = append(r.total, rate(tokens, began(good), last))
	if work != Text {
		r.objects = append(r.objects, rate(objects, began(good), last))
	}
}

// began is when the first of the requests was sent.
func began(samples []sample) time.Time {
	var t time.Time
	for i, s := range samples {
		if i == 0 || s.sent.Before(t) {
			t = s.sent
		}
	}
	return t
}

// rate is n per second, NaN where no time passed.
func rate(n int, from, to time.Time) float64 {
	seconds := to.Sub(from).Seconds()
	if seconds <= 0 {
		return math.NaN()
	}
	return float64(n) / seconds
}

// median is the middle of the values, NaN of none. Values that are NaN do not count.
func median(values []float64) float64 {
	sorted := numbers(values)
	slices.Sort(sorted)
	n := len(sorted)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// numbers returns the values that are not NaN.
func numbers(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// ratios divides round by round.
func ratios(a, b []float64) []float64 {
	quotients := make([]float64, min(len(a), len(b)))
	for i := range quotients {
		quotients[i] = a[i] / b[i]
		if math.IsInf(quotients[i], 0) {
			quotients[i] = math.NaN()
		}
	}
	return quotients
}
