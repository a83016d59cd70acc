package constrain

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Match reports whether the whole text matches the grammar. It is meant for tests and for checking a
// text that is complete: it keeps every reading of the text at once, so its time may grow with the square
// of the length.
func (g *Grammar) Match(text string) bool {
	m := matcher{g: g, text: text, memo: map[refAt][]int{}}
	return slices.Contains(m.ends(g.Root, 0), len(text))
}

type matcher struct {
	g    *Grammar
	text string
	memo map[refAt][]int
}

type refAt struct{ rule, pos int }

// ends returns the places where a match of e that begins at pos may end, in rising order.
func (m *matcher) ends(e Expr, pos int) []int {
	switch e := e.(type) {
	case Lit:
		if strings.HasPrefix(m.text[pos:], string(e)) {
			return []int{pos + len(e)}
		}
	case Class:
		r, n := utf8.DecodeRuneInString(m.text[pos:])
		if n > 0 && e.has(r) {
			return []int{pos + n}
		}
	case Seq:
		at := []int{pos}
		for _, p := range e {
			at = m.each(p, at)
		}
		return at
	case Alt:
		var out []int
		for _, p := range e {
			out = union(out, m.ends(p, pos))
		}
		return out
	case Repeat:
		return m.repeat(e, pos)
	case Until:
		return m.until(e, pos)
	case Ref:
		key := refAt{e.index, pos}
		if got, ok := m.memo[key]; ok {
			return got
		}
		m.memo[key] = nil // a rule that begins with itself matches nothing that way
		got := m.ends(m.g.rules[e.index].expr, pos)
		m.memo[key] = got
		return got
	}
	return nil
}

func (m *matcher) each(e Expr, at []int) []int {
	var out []int
	for _, pos := range at {
		out = union(out, m.ends(e, pos))
	}
	return out
}

func (m *matcher) repeat(e Repeat, pos int) []int {
	at := []int{pos}
	var out []int
	for n := 0; len(at) > 0 && (e.Max < 0 || n <= e.Max); n++ {
		if n >= e.Min {
			before := len(out)
			out = union(out, at)
			if n > 0 && len(out) == before {
				break
			}
		}
		at = m.each(e.Of, at)
	}
	return out
}

func (m *matcher) until(e Until, pos int) []int {
	a := newStopAutomaton(e.Stops)
	out := []int{pos}
	state := 0
	for i, r := range m.text[pos:] {
		if state = a.next(state, r); state == stopFound {
			break
		}
		out = append(out, pos+i+utf8.RuneLen(r))
	}
	return out
}

// union merges two rising lists.
func union(a, b []int) []int {
	if len(a) == 0 {
		return b
	}
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}
