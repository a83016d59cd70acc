package stream

import (
	"slices"
	"strings"
)

// action is what a marker means where it is found in text.
type action uint8

const (
	actCall    action = iota // a call may follow
	actReason                // reasoning begins
	actEnd                   // reasoning ends
	actWrapper               // nothing: dropped
	actClose                 // the end of a call that is already over, or was none
	actFinal                 // an end-of-turn token
)

// mark is a marker to look for in text.
type mark struct {
	text  string
	act   action
	forms []*Form // actCall: in the order of the table
	close string  // actReason: what ends it
	bare  bool    // actCall: text is the beginning of the body and no marker in front of it
	line  bool    // actCall: only at the start of a line
}

// markSet finds the next marker in text. It is a trie over the bytes of the markers.
type markSet struct {
	first [256]*markNode
	marks []mark
}

// markNode is the place behind some bytes that one marker or more begin with.
type markNode struct {
	keys  []byte
	next  []*markNode
	ends  []*mark // the markers that end here
	below []*mark // the markers that go on from here
}

// compiled is what the parser needs of a row, made once.
type compiled struct {
	content, quiet markSet // in content: with calls, without
	reasoning      map[string]*markSet
	quietReasoning map[string]*markSet
	bare           []*Form
	pieces         string // all markup that may come as a special token
}

// Compile prepares the format for parsers and returns it.
func (f *Format) Compile() *Format {
	f.compiled = compiled{}
	c := &f.compiled
	c.reasoning, c.quietReasoning = map[string]*markSet{}, map[string]*markSet{}
	pieces := append(append(append([]string{}, f.Wrappers...), f.Ends...), f.Breaks...)
	for i := range f.Forms {
		fm := &f.Forms[i]
		if len(fm.Open) == 0 {
			c.bare = append(c.bare, fm)
		}
		pieces = append(append(append(pieces, fm.Open...), fm.Close...), fm.Body.Literals()...)
	}
	calls, quiet := f.marks()
	for _, s := range f.Reasoning {
		pieces = append(pieces, s.Open, s.Close)
		ends := []mark{{text: s.Close, act: actEnd}}
		for _, b := range f.Breaks {
			ends = append(ends, mark{text: b, act: actEnd})
		}
		for _, m := range quiet {
			if m.act == actCall {
				c.quietReasoning[s.Close] = newMarkSet(append(ends, m))
			}
		}
		if c.quietReasoning[s.Close] == nil {
			c.quietReasoning[s.Close] = newMarkSet(ends)
		}
		c.reasoning[s.Close] = newMarkSet(append(ends, calls...))
	}
	for _, s := range f.Reasoning {
		quiet = append(quiet, mark{text: s.Open, act: actReason, close: s.Close}, mark{text: s.Close, act: actEnd})
	}
	c.quiet = *newMarkSet(quiet)
	c.content = *newMarkSet(append(append(quiet, calls...), f.closers()...))
	c.pieces = strings.Join(pieces, "\n")
	return f
}

// marks returns the markers of calls, and those that hold when there are no tools.
func (f *Format) marks() (calls, quiet []mark) {
	for i := range f.Forms {
		fm := &f.Forms[i]
		for _, open := range fm.Open {
			calls = addCall(calls, mark{text: open}, fm)
		}
		if b, ok := fm.Body.(BareStarter); ok && len(fm.Open) == 0 {
			starts, line := b.LineStarts()
			for _, open := range starts {
				calls = addCall(calls, mark{text: open, bare: true, line: line}, fm)
			}
		}
	}
	for _, m := range calls {
		if slices.ContainsFunc(m.forms, func(fm *Form) bool { return fm.Header }) {
			quiet = append(quiet, m)
		}
	}
	for _, b := range f.Breaks {
		quiet = append(quiet, mark{text: b, act: actEnd})
	}
	for _, w := range f.Wrappers {
		quiet = append(quiet, mark{text: w, act: actWrapper})
	}
	for _, e := range f.Ends {
		quiet = append(quiet, mark{text: e, act: actFinal})
	}
	return calls, quiet
}

// addCall adds the marker m of form fm, together with other forms that have the same.
func addCall(marks []mark, m mark, fm *Form) []mark {
	for i := range marks {
		if marks[i].text == m.text && marks[i].bare == m.bare && marks[i].line == m.line {
			marks[i].forms = append(marks[i].forms, fm)
			return marks
		}
	}
	m.act, m.forms = actCall, []*Form{fm}
	return append(marks, m)
}

func (f *Format) closers() []mark {
	var out []mark
	for _, fm := range f.Forms {
		for _, c := range fm.Close {
			out = append(out, mark{text: c, act: actClose})
		}
	}
	return out
}

func newMarkSet(marks []mark) *markSet {
	s := &markSet{marks: slices.Clone(marks)}
	for i := range s.marks {
		m := &s.marks[i]
		if m.text == "" {
			continue
		}
		if s.first[m.text[0]] == nil {
			s.first[m.text[0]] = &markNode{}
		}
		n := s.first[m.text[0]]
		for k := 1; k < len(m.text); k++ {
			n.below = append(n.below, m)
			n = n.grow(m.text[k])
		}
		n.ends = append(n.ends, m)
	}
	return s
}

// step returns the node behind byte c, or nil.
func (n *markNode) step(c byte) *markNode {
	if i := slices.Index(n.keys, c); i >= 0 {
		return n.next[i]
	}
	return nil
}

func (n *markNode) grow(c byte) *markNode {
	if next := n.step(c); next != nil {
		return next
	}
	next := &markNode{}
	n.keys, n.next = append(n.keys, c), append(n.next, next)
	return next
}

// find returns the first place in text where a marker stands or may begin to stand, and the marker, or
// nil where more text must decide. Without one it returns len(text).
func (s *markSet) find(p *Parser, text string) (int, *mark) {
	for i := 0; i < len(text); i++ {
		if s.first[text[i]] == nil {
			continue
		}
		if m, got := s.at(p, text, i); got != No {
			return i, m
		}
	}
	return len(text), nil
}

// at looks for the longest marker at text[i:].
func (s *markSet) at(p *Parser, text string, i int) (*mark, Match) {
	var best *mark
	n := s.first[text[i]]
	for k := i + 1; ; k++ {
		for _, m := range n.ends {
			if p.accepts(m, text, i) {
				best = m
				break
			}
		}
		if k == len(text) {
			if !p.Final && slices.ContainsFunc(n.below, func(m *mark) bool { return p.accepts(m, text, i) }) {
				return nil, Part
			}
			break
		}
		if n = n.step(text[k]); n == nil {
			break
		}
	}
	if best == nil {
		return nil, No
	}
	return best, Yes
}
