package constrain

import "slices"

// stopFound is the pseudo state of a stopAutomaton in which a stop has been read.
const stopFound = -1

// stopAutomaton recognises, one code point at a time, the first place where one of its stops ends.
type stopAutomaton struct {
	// states holds the proper prefixes of the stops; state 0 is the empty one.
	states [][]rune
	stops  [][]rune
}

// move is one character that matters in a state and the state it leads to.
type move struct {
	char rune
	next int
}

func newStopAutomaton(stops []string) *stopAutomaton {
	a := &stopAutomaton{states: [][]rune{nil}}
	for _, s := range stops {
		if s == "" {
			continue
		}
		stop := []rune(s)
		a.stops = append(a.stops, stop)
		for n := 1; n < len(stop); n++ {
			if a.find(stop[:n]) < 0 {
				a.states = append(a.states, stop[:n])
			}
		}
	}
	return a
}

func (a *stopAutomaton) find(prefix []rune) int {
	return slices.IndexFunc(a.states, func(s []rune) bool { return slices.Equal(s, prefix) })
}

// next returns the state after char, or stopFound.
func (a *stopAutomaton) next(state int, char rune) int {
	text := append(slices.Clone(a.states[state]), char)
	for ; len(text) > 0; text = text[1:] {
		for _, stop := range a.stops {
			if slices.Equal(stop, text) {
				return stopFound
			}
		}
		if n := a.find(text); n >= 0 {
			return n
		}
	}
	return 0
}

// moves returns, in a fixed order, every character that does not lead from state back to the start.
func (a *stopAutomaton) moves(state int) []move {
	var out []move
	for _, stop := range a.stops {
		for _, char := range stop {
			if slices.ContainsFunc(out, func(m move) bool { return m.char == char }) {
				continue
			}
			if next := a.next(state, char); next != 0 {
				out = append(out, move{char, next})
			}
		}
	}
	return out
}
