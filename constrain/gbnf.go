package constrain

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxRepeat is the largest bound that llama.cpp takes in a repetition; it expands every repetition, so
// larger ones are loosened here to "without bound".
const maxRepeat = 256

// GBNF writes the grammar in llama.cpp's grammar language. It fails only on a grammar that no engine
// could use: a repetition of the empty text, or a rule that begins with itself.
func (g *Grammar) GBNF() (string, error) {
	w := gbnfWriter{g: g}
	if err := g.check(); err != nil {
		return "", err
	}
	w.line("root", g.Root)
	for _, r := range g.rules {
		w.line(r.name, r.expr)
	}
	for i := 0; i < len(w.repeated); i++ {
		w.line(fmt.Sprintf("repeated-%d", i), w.repeated[i])
	}
	for i := range w.untils {
		w.until(i)
	}
	return w.out.String(), nil
}

type gbnfWriter struct {
	g        *Grammar
	out      strings.Builder
	untils   []Until
	repeated []Expr
}

func (w *gbnfWriter) line(name string, e Expr) {
	w.out.WriteString(name)
	w.out.WriteString(" ::= ")
	w.expr(e, false)
	w.out.WriteByte('\n')
}

// expr writes e; grouped says that e stands where an alternative or a sequence needs parentheses.
func (w *gbnfWriter) expr(e Expr, grouped bool) {
	switch e := e.(type) {
	case Lit:
		w.literal(string(e))
	case Class:
		w.class(e)
	case Ref:
		w.out.WriteString(w.g.rules[e.index].name)
	case Until:
		fmt.Fprintf(&w.out, "until-%d", w.untilIndex(e))
	case Repeat:
		if e.Min > 1 || e.Max > 1 {
			w.repeat(e.Of)
		} else {
			w.expr(e.Of, true)
		}
		w.bounds(e.Min, e.Max)
	case Seq:
		w.list(e, " ", grouped)
	case Alt:
		w.list(e, " | ", grouped)
	}
}

func (w *gbnfWriter) list(parts []Expr, sep string, grouped bool) {
	if len(parts) == 0 {
		if sep == " " {
			w.out.WriteString(`""`)
			return
		}
		// The empty alternative matches nothing: a class without members.
		w.out.WriteString(`[^\x00-\U0010FFFF]`)
		return
	}
	if len(parts) == 1 {
		w.expr(parts[0], grouped)
		return
	}
	if grouped {
		w.out.WriteByte('(')
	}
	for i, p := range parts {
		if i > 0 {
			w.out.WriteString(sep)
		}
		w.expr(p, true)
	}
	if grouped {
		w.out.WriteByte(')')
	}
}

// repeat writes what a counted repetition repeats. llama.cpp bounds the count times the size of that,
// where a rule of its own counts as one.
func (w *gbnfWriter) repeat(e Expr) {
	switch e.(type) {
	case Class, Ref:
		w.expr(e, true)
		return
	}
	fmt.Fprintf(&w.out, "repeated-%d", len(w.repeated))
	w.repeated = append(w.repeated, e)
}

func (w *gbnfWriter) bounds(lo, hi int) {
	if lo > maxRepeat {
		lo = maxRepeat
	}
	if hi > maxRepeat {
		hi = -1
	}
	switch {
	case lo == 0 && hi == 1:
		w.out.WriteByte('?')
	case lo == 0 && hi < 0:
		w.out.WriteByte('*')
	case lo == 1 && hi < 0:
		w.out.WriteByte('+')
	case hi < 0:
		fmt.Fprintf(&w.out, "{%d,}", lo)
	case lo == hi:
		fmt.Fprintf(&w.out, "{%d}", lo)
	default:
		fmt.Fprintf(&w.out, "{%d,%d}", lo, hi)
	}
}

func (w *gbnfWriter) literal(s string) {
	w.out.WriteByte('"')
	for _, r := range s {
		w.char(r)
	}
	w.out.WriteByte('"')
}

func (w *gbnfWriter) class(c Class) {
	w.out.WriteByte('[')
	if c.Negated {
		w.out.WriteByte('^')
	}
	for _, g := range c.Ranges {
		w.char(g.Lo)
		if g.Hi != g.Lo {
			w.out.WriteByte('-')
			w.char(g.Hi)
		}
	}
	w.out.WriteByte(']')
}

// char writes one code point so that it stands for itself in a literal and in a class.
func (w *gbnfWriter) char(r rune) {
	switch r {
	case '\n':
		w.out.WriteString(`\n`)
	case '\r':
		w.out.WriteString(`\r`)
	case '\t':
		w.out.WriteString(`\t`)
	case '"', '\\', '[', ']':
		w.out.WriteByte('\\')
		w.out.WriteRune(r)
	default:
		switch {
		case r == '^' || r == '-' || r < ' ' || r == 0x7f:
			fmt.Fprintf(&w.out, `\x%02X`, r)
		case r < utf8.RuneSelf:
			w.out.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&w.out, `\u%04X`, r)
		default:
			fmt.Fprintf(&w.out, `\U%08X`, r)
		}
	}
}

func (w *gbnfWriter) untilIndex(u Until) int {
	for i, v := range w.untils {
		if strings.Join(v.Stops, "\x00") == strings.Join(u.Stops, "\x00") {
			return i
		}
	}
	w.untils = append(w.untils, u)
	return len(w.untils) - 1
}

// until writes the rules of one Until: a right-linear grammar, one rule for each state of the automaton
// that searches for the stops. Every state may end the text.
func (w *gbnfWriter) until(i int) {
	a := newStopAutomaton(w.untils[i].Stops)
	name := func(state int) string {
		if state == 0 {
			return fmt.Sprintf("until-%d", i)
		}
		return fmt.Sprintf("until-%d-%d", i, state)
	}
	for state := range a.states {
		w.out.WriteString(name(state))
		w.out.WriteString(" ::= ")
		moves := a.moves(state)
		for _, m := range moves {
			if m.next == stopFound {
				continue
			}
			w.class(Class{Ranges: []Range{{m.char, m.char}}})
			w.out.WriteString(" " + name(m.next) + " | ")
		}
		// Any other character goes back to the start state.
		var others Class
		others.Negated = true
		for _, m := range moves {
			others.Ranges = append(others.Ranges, Range{m.char, m.char})
		}
		w.class(others)
		w.out.WriteString(" " + name(0) + " | \"\"\n")
	}
}
