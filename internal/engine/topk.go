package engine

import "math"

// argmax returns the first of the largest logits. NaN is never the largest.
func argmax(logits []float32) int32 {
	best, at := float32(math.Inf(-1)), 0
	i := 0
	for ; i+8 <= len(logits); i += 8 {
		l := (*[8]float32)(logits[i:])
		// New maxima are rare: one look at eight is nearly always enough.
		if l[0] > best || l[1] > best || l[2] > best || l[3] > best || l[4] > best || l[5] > best || l[6] > best || l[7] > best {
			for j, x := range l {
				if x > best {
					best, at = x, i+j
				}
			}
		}
	}
	for ; i < len(logits); i++ {
		if logits[i] > best {
			best, at = logits[i], i
		}
	}
	return int32(at)
}

// topK returns the k largest logits in no particular order, in the memory of scratch. Of equals, those with
// the lower ids win. k must be 1 to len(logits).
func topK(logits []float32, k int, scratch []candidate) []candidate {
	h := scratch[:0]
	for i, l := range logits[:k] {
		h = append(h, candidate{int32(i), l})
	}
	for i := k/2 - 1; i >= 0; i-- {
		sinkMin(h, i)
	}
	least := h[0].logit
	for i := k; i < len(logits); i++ {
		if i+8 <= len(logits) {
			l := (*[8]float32)(logits[i:])
			if !(l[0] > least || l[1] > least || l[2] > least || l[3] > least || l[4] > least || l[5] > least || l[6] > least || l[7] > least) {
				i += 7
				continue
			}
		}
		if l := logits[i]; l > least {
			h[0] = candidate{int32(i), l}
			sinkMin(h, 0)
			least = h[0].logit
		}
	}
	return h
}

// worse orders candidates: a lower logit is worse, and of equals the higher id.
func worse(a, b candidate) bool {
	return a.logit < b.logit || (a.logit == b.logit && a.id > b.id)
}

// sinkMin restores the heap whose root is the worst candidate.
func sinkMin(h []candidate, i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if r := child + 1; r < len(h) && worse(h[r], h[child]) {
			child = r
		}
		if !worse(h[child], h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// above returns the candidates at most cutoff below the best, in the memory of scratch.
func above(logits []float32, cutoff float32, scratch []candidate) []candidate {
	limit := logits[argmax(logits)] - cutoff
	kept := scratch[:0]
	for i, l := range logits {
		if l >= limit {
			kept = append(kept, candidate{int32(i), l})
		}
	}
	if len(kept) == 0 { // only where all are NaN
		kept = append(kept, candidate{})
	}
	return kept
}

// nucleus moves the heaviest candidates whose weights together reach mass to the front and returns how many
// they are and what they weigh. The heaviest weight must be 1.
func nucleus(cands []candidate, weights []float64, mass float64) (n int, total float64) {
	// Only the candidates around the border need an order, so they are sorted into buckets first: one for each
	// power of two that weights lie between.
	var buckets [64]float64
	for _, w := range weights {
		buckets[magnitude(w)] += w
	}
	border := 0
	for border < len(buckets)-1 && total+buckets[border] < mass {
		total += buckets[border]
		border++
	}
	h := weighted{cands, weights}
	end := 0 // of the border's bucket, which follows what is certain
	for i, w := range weights {
		switch m := magnitude(w); {
		case m < border:
			h.swap(i, end)
			h.swap(end, n)
			n++
			end++
		case m == border:
			h.swap(i, end)
			end++
		}
	}
	rest := weighted{cands[n:end], weights[n:end]}
	more, weight := rest.heaviest(mass - total)
	return n + more, total + weight
}

// magnitude returns how many times a weight of at most 1 can be doubled below 1, at most 63.
func magnitude(w float64) int {
	return min(max(0, 1022-int(math.Float64bits(w)>>52)), 63)
}

// heaviest moves the heaviest to the front until they reach mass, and returns how many and what they weigh.
func (h weighted) heaviest(mass float64) (n int, total float64) {
	for i := len(h.cands)/2 - 1; i >= 0; i-- {
		h.sink(i, len(h.cands))
	}
	// Popping the heaviest swaps it to the end of the shrinking heap; the loop below turns the popped tail around
	// to the front.
	rest := len(h.cands)
	for rest > 0 && total < mass {
		rest--
		total += h.weights[0]
		h.swap(0, rest)
		h.sink(0, rest)
	}
	n = len(h.cands) - rest
	for i := range min(n, rest) {
		h.swap(i, len(h.cands)-1-i)
	}
	return n, total
}

// weighted is a heap of candidates whose root is the heaviest.
type weighted struct {
	cands   []candidate
	weights []float64
}

func (h weighted) swap(i, j int) {
	h.cands[i], h.cands[j] = h.cands[j], h.cands[i]
	h.weights[i], h.weights[j] = h.weights[j], h.weights[i]
}

func (h weighted) heavier(i, j int) bool {
	return h.weights[i] > h.weights[j] || (h.weights[i] == h.weights[j] && h.cands[i].id < h.cands[j].id)
}

func (h weighted) sink(i, n int) {
	for {
		child := 2*i + 1
		if child >= n {
			return
		}
		if r := child + 1; r < n && h.heavier(r, child) {
			child = r
		}
		if !h.heavier(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
