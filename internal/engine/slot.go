package engine

// slot is the book-keeping for one sequence. It belongs to the loop.
type slot struct {
	seq int
	// tokens are those that the sequence holds evaluated, those of an ended request included.
	tokens []int32
	// stream is the request under way, nil while the slot is free. What it still has to evaluate is
	// stream.all[len(tokens):].
	stream *stream
	// matched is whether the slot was prepared for its stream: reusable tokens kept, the rest forgotten.
	matched bool
	// admitted orders the running slots by arrival; used orders the free ones by when they were last at work.
	admitted, used uint64
	// rows are how many tokens of the stream are in the batch under evaluation, and output the row whose
	// logits are the stream's next token, -1 if none.
	rows, output int
}

// pending returns the tokens still to evaluate; at least one in a slot that is matched and runs.
func (s *slot) pending() []int32 { return s.stream.all[len(s.tokens):] }

// drawing reports whether only the last drawn token is still to evaluate.
func (s *slot) drawing() bool {
	return s.matched && s.stream.generated() > 0 && len(s.pending()) == 1
}

// reuse returns how many tokens a request with the given tokens need not evaluate when it starts from the
// slot's. The last one is always evaluated, because its logits are needed.
func (s *slot) reuse(all []int32) int {
	return min(commonPrefix(s.tokens, all), len(all)-1)
}

func commonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// freeSlot picks the free slot for a request: the one whose tokens the request goes on from, or else the one
// longest unused. It returns nil where none is free.
func (l *loop) freeSlot(all []int32) *slot {
	var oldest, best *slot
	for _, s := range l.slots {
		if s.stream != nil {
			continue
		}
		if oldest == nil || s.used < oldest.used {
			oldest = s
		}
		if best == nil || s.reuse(all) > best.reuse(all) {
			best = s
		}
	}
	// A slot is cut back only by a request that keeps at least half of it: two conversations that share no
	// more than a system prompt each keep their own slot, and the second copies the prompt from the first.
	if best != nil && best.reuse(all) > 0 && 2*best.reuse(all) >= len(best.tokens) {
		return best
	}
	return oldest
}

// worthSharing is the length from which a common prefix with another request is waited for and copied.
const worthSharing = 16

// match prepares a slot for its stream and reports whether the stream can go on; it cannot while another
// slot is still evaluating tokens that both need.
func (l *loop) match(s *slot) bool {
	all := s.stream.all
	own := s.reuse(all)
	source, shared := s, own
	for _, o := range l.slots {
		if o == s {
			continue
		}
		if n := o.reuse(all); n > shared && n >= own+worthSharing {
			source, shared = o, n
		}
	}
	for _, o := range l.slots {
		if o == s || o.stream == nil || !o.matched || o.drawing() {
			continue
		}
		if coming := min(commonPrefix(o.stream.all, all), len(all)-1); coming >= shared+worthSharing {
			return false
		}
	}
	if source != s {
		l.clear(s)
		if err := l.e.backend.Share(source.seq, s.seq, shared); err == nil {
			s.tokens = append(s.tokens, source.tokens[:shared]...)
		}
	} else {
		l.truncate(s, own)
	}
	s.matched = true
	l.begin(s)
	return true
}

// begin tells the reader, and counts, what was reused.
func (l *loop) begin(s *slot) {
	if s.stream.started {
		return // it comes back from a preemption
	}
	s.stream.started = true
	cached := len(s.tokens)
	s.stream.begin(Start{PromptTokens: len(s.stream.req.Prompt), CachedTokens: cached})
	l.e.mu.Lock()
	l.e.stats.CachedTokens += uint64(cached)
	l.e.mu.Unlock()
}

// truncate makes the sequence hold at most its first n tokens: fewer where the model cannot cut there.
func (l *loop) truncate(s *slot, n int) {
	if n == len(s.tokens) {
		return
	}
	if n == 0 || !l.e.backend.Truncate(s.seq, n) {
		l.clear(s)
		return
	}
	s.tokens = s.tokens[:n]
}

// clear empties the sequence.
func (l *loop) clear(s *slot) {
	l.e.backend.Truncate(s.seq, 0)
	s.tokens = s.tokens[:0]
}
