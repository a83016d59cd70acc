package inference

// stopFilter holds text back that may be the beginning of a stop text, and ends the output before the first
// stop text that is complete. What it does is independent of how the text is cut into pieces.
//
// Each stop text is matched by its own Knuth-Morris-Pratt automaton, so that the work is linear in the
// output whatever the stop texts are.
type stopFilter struct {
	stops []stopText
	held  []byte
	hit   bool
}

type stopText struct {
	text  string
	fail  []int // fail[i]: length of the longest proper prefix of text[:i+1] that is its suffix too
	state int   // how many bytes of text the output ends with
}

func newStopFilter(texts []string) *stopFilter {
	f := &stopFilter{}
	for _, text := range texts {
		if text == "" {
			continue
		}
		fail := make([]int, len(text))
		for i, n := 1, 0; i < len(text); i++ {
			for n > 0 && text[i] != text[n] {
				n = fail[n-1]
			}
			if text[i] == text[n] {
				n++
			}
			fail[i] = n
		}
		f.stops = append(f.stops, stopText{text: text, fail: fail})
	}
	return f
}

// advance takes the next byte of output and reports whether the stop text is complete.
func (s *stopText) advance(c byte) bool {
	for s.state > 0 && s.text[s.state] != c {
		s.state = s.fail[s.state-1]
	}
	if s.text[s.state] == c {
		s.state++
	}
	return s.state == len(s.text)
}

// write takes more output and returns what may be shown. After a stop text, hit is set and the rest is
// dropped.
func (f *stopFilter) write(text string) string {
	if f.hit {
		return ""
	}
	if len(f.stops) == 0 {
		return text
	}
	f.held = append(f.held, text...)
	for i := range len(text) {
		longest := 0
		for j := range f.stops {
			if s := &f.stops[j]; s.advance(text[i]) {
				longest = max(longest, len(s.text))
			}
		}
		if longest > 0 {
			f.hit = true
			end := len(f.held) - len(text) + i + 1
			shown := string(f.held[:end-longest])
			f.held = f.held[:0]
			return shown
		}
	}
	keep := 0
	for i := range f.stops {
		keep = max(keep, f.stops[i].state)
	}
	shown := string(f.held[:len(f.held)-keep])
	f.held = append(f.held[:0], f.held[len(f.held)-keep:]...)
	return shown
}

// flush returns what is held: no stop text goes across this point.
func (f *stopFilter) flush() string {
	shown := string(f.held)
	f.held = f.held[:0]
	for i := range f.stops {
		f.stops[i].state = 0
	}
	return shown
}
