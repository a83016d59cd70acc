package constrain

import (
	"math/rand/v2"
	"strings"
)

// maxSampleDepth is how deep rules may nest in a sample before it takes the shortest way out.
const maxSampleDepth = 12

// Sample returns a random text that matches the grammar, for tests of whatever reads such texts. It
// returns "" for a grammar that matches nothing.
func (g *Grammar) Sample(r *rand.Rand) string {
	s := sampler{g: g, r: r, least: make([]int, len(g.rules))}
	for i := range s.least {
		s.least[i] = hopeless
	}
	for changed := true; changed; {
		changed = false
		for i, rule := range g.rules {
			if n := s.cost(rule.expr) + 1; n < s.least[i] {
				s.least[i], changed = n, true
			}
		}
	}
	s.write(g.Root, 0)
	return s.out.String()
}

// hopeless is the cost of an expression that matches nothing.
const hopeless = 1 << 20

type sampler struct {
	g     *Grammar
	r     *rand.Rand
	out   strings.Builder
	least []int // for each rule the depth of its shallowest derivation
}

// cost returns the depth of the shallowest derivation of e.
func (s *sampler) cost(e Expr) int {
	switch e := e.(type) {
	case Ref:
		return s.least[e.index]
	case Repeat:
		if e.Min == 0 {
			return 0
		}
		return s.cost(e.Of)
	case Seq:
		n := 0
		for _, p := range e {
			n = max(n, s.cost(p))
		}
		return n
	case Alt:
		n := hopeless
		for _, p := range e {
			n = min(n, s.cost(p))
		}
		return n
	}
	return 0
}

func (s *sampler) write(e Expr, depth int) {
	switch e := e.(type) {
	case Lit:
		s.out.WriteString(string(e))
	case Class:
		s.class(e)
	case Ref:
		s.write(s.g.rules[e.index].expr, depth+1)
	case Seq:
		for _, p := range e {
			s.write(p, depth)
		}
	case Alt:
		s.alternative(e, depth)
	case Repeat:
		n := e.Min
		if most := e.Max; depth < maxSampleDepth && s.cost(e.Of) < hopeless {
			if most < 0 || most > n+4 {
				most = n + 4
			}
			n += s.r.IntN(most - n + 1)
		}
		for range n {
			s.write(e.Of, depth)
		}
	case Until:
		s.until(e)
	}
}

func (s *sampler) alternative(e Alt, depth int) {
	var fit []Expr
	least := hopeless
	for _, p := range e {
		if n := s.cost(p); depth >= maxSampleDepth && n < least {
			least, fit = n, []Expr{p}
		} else if depth < maxSampleDepth && n < hopeless {
			fit = append(fit, p)
		}
	}
	if len(fit) > 0 {
		s.write(fit[s.r.IntN(len(fit))], depth)
	}
}

func (s *sampler) class(c Class) {
	for range 1000 {
		r := rune(' ' + s.r.IntN(95))
		if !c.Negated && len(c.Ranges) > 0 {
			g := c.Ranges[s.r.IntN(len(c.Ranges))]
			r = g.Lo + rune(s.r.IntN(int(min(g.Hi-g.Lo, 500))+1))
		}
		if c.has(r) && r != 0xFFFD {
			s.out.WriteRune(r)
			return
		}
	}
}

// until writes a few words in which no stop occurs.
func (s *sampler) until(u Until) {
	words := []string{"a", "<b>", " é ", "\"x\"", "1", "{", "\\", "潮", "&"}
	var text string
	for range s.r.IntN(6) {
		next := text + words[s.r.IntN(len(words))]
		for _, stop := range u.Stops {
			if strings.Contains(next, stop) {
				next = text
			}
		}
		text = next
	}
	s.out.WriteString(text)
}
