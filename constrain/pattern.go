package constrain

import (
	"regexp/syntax"
	"unicode"
)

// maxPattern bounds the length of a pattern, and maxPatternNodes the size of its expression.
const (
	maxPattern      = 1_000
	maxPatternNodes = 2_000
)

// pattern returns the expression of the inside of JSON strings that match a regular expression. It
// reports false for what it cannot express.
func (c *compiler) pattern(pattern string) (Expr, bool) {
	if len(pattern) > maxPattern {
		return nil, false
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, false
	}
	re = re.Simplify()
	p := patternReader{}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	free := Repeat{Of: c.b.anyChar(), Max: -1}
	var out Seq
	if len(parts) > 0 && isBegin(parts[0]) {
		parts = parts[1:]
	} else {
		out = append(out, free)
	}
	open := true
	if n := len(parts); n > 0 && isEnd(parts[n-1]) {
		parts, open = parts[:n-1], false
	}
	for _, part := range parts {
		e, ok := p.expr(part)
		if !ok {
			return nil, false
		}
		out = append(out, e)
	}
	if open {
		out = append(out, free)
	}
	return out, true
}

func isBegin(re *syntax.Regexp) bool {
	return re.Op == syntax.OpBeginText || re.Op == syntax.OpBeginLine
}

func isEnd(re *syntax.Regexp) bool {
	return re.Op == syntax.OpEndText || re.Op == syntax.OpEndLine
}

// patternReader turns the syntax tree of a regular expression into an expression.
type patternReader struct{ nodes int }

func (p *patternReader) expr(re *syntax.Regexp) (Expr, bool) {
	if p.nodes++; p.nodes > maxPatternNodes {
		return nil, false
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return Lit(""), true
	case syntax.OpLiteral:
		return p.literal(re), true
	case syntax.OpCharClass:
		var c Class
		for i := 0; i+1 < len(re.Rune); i += 2 {
			c.Ranges = append(c.Ranges, Range{re.Rune[i], re.Rune[i+1]})
		}
		return escaped(c)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return Alt{plainChar, escapeChar}, true
	case syntax.OpCapture:
		return p.expr(re.Sub[0])
	case syntax.OpConcat:
		parts, ok := p.all(re.Sub)
		return Seq(parts), ok
	case syntax.OpAlternate:
		parts, ok := p.all(re.Sub)
		return Alt(parts), ok
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		return p.repeat(re)
	}
	return nil, false
}

func (p *patternReader) all(list []*syntax.Regexp) ([]Expr, bool) {
	var out []Expr
	for _, re := range list {
		e, ok := p.expr(re)
		if !ok {
			return nil, false
		}
		out = append(out, e)
	}
	return out, true
}

func (p *patternReader) repeat(re *syntax.Regexp) (Expr, bool) {
	e, ok := p.expr(re.Sub[0])
	if !ok || (&checker{g: &Grammar{}}).empty(e) {
		return nil, false
	}
	switch re.Op {
	case syntax.OpQuest:
		return Opt(e), true
	case syntax.OpPlus:
		return Repeat{Of: e, Min: 1, Max: -1}, true
	}
	return Repeat{Of: e, Max: -1}, true
}

func (p *patternReader) literal(re *syntax.Regexp) Expr {
	var out Seq
	for _, r := range re.Rune {
		if re.Flags&syntax.FoldCase != 0 && unicode.SimpleFold(r) != r {
			class := Class{}
			for f := unicode.SimpleFold(r); ; f = unicode.SimpleFold(f) {
				class.Ranges = append(class.Ranges, Range{f, f})
				if f == r {
					break
				}
			}
			out = append(out, class)
			continue
		}
		q := quote(string(r))
		out = append(out, Lit(q[1:len(q)-1]))
	}
	return out
}

// escaped returns the expression of the characters of c as they stand in a JSON string.
func escaped(c Class) (Expr, bool) {
	var plain Class
	var alt Alt
	for _, g := range c.Ranges {
		lo := max(g.Lo, ' ')
		for _, r := range []rune{'"', '\\', 0x7f} {
			if lo <= r && r <= g.Hi {
				if lo < r {
					plain.Ranges = append(plain.Ranges, Range{lo, r - 1})
				}
				if r != 0x7f {
					alt = append(alt, Lit(`\`+string(r)))
				}
				lo = r + 1
			}
		}
		if lo <= g.Hi {
			plain.Ranges = append(plain.Ranges, Range{lo, g.Hi})
		}
		for i, r := range "\n\r\t" {
			if g.Lo <= r && r <= g.Hi {
				alt = append(alt, Lit([]string{`\n`, `\r`, `\t`}[i]))
			}
		}
	}
	if len(plain.Ranges) > 0 {
		alt = append(Alt{plain}, alt...)
	}
	return one(alt), len(alt) > 0
}
