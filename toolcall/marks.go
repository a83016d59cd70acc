package toolcall

import "strings"

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
	forms []*form // actCall: in the order of the table
	close string  // actReason: what ends it
	bare  bool    // actCall: text is only the beginning of a body, at the start of a line
}

// markSet finds the next marker in text.
type markSet struct {
	first [256]bool
	marks []mark
}

// compiled is what the parser needs of a row, made once.
type compiled struct {
	content, quiet markSet // in content: with calls, without
	reasoning      map[string]*markSet
	quietReasoning map[string]*markSet
	bare           []*form
	pieces         string // all markup that may come as a special token
}

func (f *Family) compile() *Family {
	c := &f.compiled
	c.reasoning, c.quietReasoning = map[string]*markSet{}, map[string]*markSet{}
	pieces := append(append([]string{}, f.wrappers...), f.ends...)
	for i := range f.forms {
		fm := &f.forms[i]
		if len(fm.open) == 0 {
			c.bare = append(c.bare, fm)
		}
		pieces = append(append(append(pieces, fm.open...), fm.close...), fm.body.literals()...)
	}
	calls, quiet := f.marks()
	for _, s := range f.reasoning {
		pieces = append(pieces, s.open, s.close)
		end := mark{text: s.close, act: actEnd}
		c.reasoning[s.close] = newMarkSet(append([]mark{end}, calls...))
		c.quietReasoning[s.close] = newMarkSet([]mark{end})
		quiet = append(quiet, mark{text: s.open, act: actReason, close: s.close})
		quiet = append(quiet, end)
	}
	c.quiet = *newMarkSet(quiet)
	c.content = *newMarkSet(append(append(quiet, calls...), f.closers()...))
	c.pieces = strings.Join(pieces, "\n")
	return f
}

// marks returns the markers of calls, and those that hold when there are no tools.
func (f *Family) marks() (calls, quiet []mark) {
	for i := range f.forms {
		fm := &f.forms[i]
		for _, open := range fm.open {
			calls = addCall(calls, open, fm)
		}
		if b, ok := fm.body.(bareStarter); ok && len(fm.open) == 0 {
			for _, open := range b.lineStarts() {
				calls = addCall(calls, open, fm)
				calls[len(calls)-1].bare = true
			}
		}
	}
	for _, w := range f.wrappers {
		quiet = append(quiet, mark{text: w, act: actWrapper})
	}
	for _, e := range f.ends {
		quiet = append(quiet, mark{text: e, act: actFinal})
	}
	return calls, quiet
}

// bareStarter is a body that, without an opening marker, may also begin a later line of the answer.
type bareStarter interface{ lineStarts() []string }

func addCall(marks []mark, text string, fm *form) []mark {
	for i := range marks {
		if marks[i].text == text {
			marks[i].forms = append(marks[i].forms, fm)
			return marks
		}
	}
	return append(marks, mark{text: text, act: actCall, forms: []*form{fm}})
}

func (f *Family) closers() []mark {
	var out []mark
	for _, fm := range f.forms {
		for _, c := range fm.close {
			out = append(out, mark{text: c, act: actClose})
		}
	}
	return out
}

func newMarkSet(marks []mark) *markSet {
	s := &markSet{}
	for _, m := range marks {
		if m.text != "" {
			s.first[m.text[0]] = true
			s.marks = append(s.marks, m)
		}
	}
	return s
}

// find returns the first place in text where a marker stands or may begin to stand, and the marker, or
// nil where more text must decide. Without one it returns len(text).
func (s *markSet) find(p *Parser, text string) (int, *mark) {
	for i := 0; i < len(text); i++ {
		if !s.first[text[i]] {
			continue
		}
		if m, got := s.at(p, text, i); got != matchNo {
			return i, m
		}
	}
	return len(text), nil
}

// at looks for the longest marker at text[i:].
func (s *markSet) at(p *Parser, text string, i int) (*mark, match) {
	rest := text[i:]
	var best *mark
	for k := range s.marks {
		m := &s.marks[k]
		if strings.HasPrefix(rest, m.text) {
			if (best == nil || len(m.text) > len(best.text)) && p.accepts(m, text, i) {
				best = m
			}
		} else if len(rest) < len(m.text) && strings.HasPrefix(m.text, rest) && !p.final {
			if p.accepts(m, text, i) {
				return nil, matchPart
			}
		}
	}
	if best == nil {
		return nil, matchNo
	}
	return best, matchYes
}
