package syntax

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// tuple reads an expression, or several with commas between them as a tuple. Where cond is false an
// inline if is left for the statement.
func (p *parser) tuple(cond bool, ends ...string) Expr {
	at := p.cur().at
	first := p.tupleItem(cond)
	if !p.isOp(",") {
		return first
	}
	list := &List{At: At(at), Items: []Expr{first}, Tuple: true}
	for p.skipOp(",") {
		t := p.cur()
		if t.kind == tokVarEnd || t.kind == tokBlockEnd || p.isOp(")") ||
			len(ends) > 0 && t.is(tokName, ends[0]) {
			break
		}
		list.Items = append(list.Items, p.tupleItem(cond))
	}
	return list
}

func (p *parser) tupleItem(cond bool) Expr {
	if cond {
		return p.expr()
	}
	return p.or()
}

func (p *parser) expr() Expr {
	p.enter()
	defer p.leave()
	at := p.cur().at
	if !p.condAhead() {
		return p.cond(at, p.or())
	}
	soft := p.soft
	p.soft = true
	x := p.cond(at, p.or())
	p.soft = soft
	return x
}

// condAhead reports whether the expression that begins here has an inline if. It is then soft from its
// start, before the if is read.
func (p *parser) condAhead() bool {
	if p.soft {
		return false
	}
	depth := 0
	for i := p.pos; i < len(p.tokens); i++ {
		switch t := p.tokens[i]; {
		case t.kind == tokVarEnd || t.kind == tokBlockEnd:
			return false
		case t.kind == tokName && t.text == "if" && depth == 0:
			return true
		case t.kind == tokOp && strings.Contains("([{", t.text):
			depth++
		case t.kind == tokOp && strings.Contains(")]}", t.text):
			if depth--; depth < 0 {
				return false
			}
		case t.kind == tokOp && t.text == "," && depth == 0:
			return false
		}
	}
	return false
}

func (p *parser) cond(at int, x Expr) Expr {
	for n := 0; p.skipName("if"); n++ {
		p.link(n)
		c := &Cond{At: At(at), Then: x, Test: p.or()}
		if p.skipName("else") {
			c.Else = p.expr()
		}
		x = c
	}
	return x
}

func (p *parser) or() Expr {
	x := p.and()
	for n := 0; p.cur().is(tokName, "or"); n++ {
		p.link(n)
		at := p.advance().at
		x = &Or{At(at), x, p.and()}
	}
	return x
}

func (p *parser) and() Expr {
	x := p.not()
	for n := 0; p.cur().is(tokName, "and"); n++ {
		p.link(n)
		at := p.advance().at
		x = &And{At(at), x, p.not()}
	}
	return x
}

func (p *parser) not() Expr {
	if !p.cur().is(tokName, "not") {
		return p.compare()
	}
	p.enter()
	defer p.leave()
	at := p.advance().at
	return &Not{At(at), p.not()}
}

func (p *parser) compare() Expr {
	x := p.sum()
	at := p.cur().at
	op := p.comparison()
	if op == "" {
		return x
	}
	c := &Compare{At: At(at), X: x}
	for ; op != ""; op = p.comparison() {
		c.Ops = append(c.Ops, op)
		c.Rest = append(c.Rest, p.sum())
	}
	return c
}

// comparison consumes a comparison's operator, and returns "" if there is none.
func (p *parser) comparison() string {
	t := p.cur()
	switch {
	case t.kind == tokOp:
		switch t.text {
		case "==", "!=", "<", "<=", ">", ">=":
			p.pos++
			return t.text
		}
	case t.is(tokName, "in"):
		p.pos++
		return "in"
	case t.is(tokName, "not") && p.peek().is(tokName, "in"):
		p.pos += 2
		return "not in"
	}
	return ""
}

func (p *parser) sum() Expr {
	x := p.concat()
	for n := 0; ; n++ {
		op := value.Add
		if p.isOp("-") {
			op = value.Sub
		} else if !p.isOp("+") {
			return x
		}
		p.link(n)
		at := p.advance().at
		x = &Binary{At(at), op, x, p.concat()}
	}
}

func (p *parser) concat() Expr {
	x := p.product()
	if !p.isOp("~") {
		return x
	}
	c := &Concat{At: At(p.cur().at), Parts: []Expr{x}}
	for p.skipOp("~") {
		c.Parts = append(c.Parts, p.product())
	}
	return c
}

func (p *parser) product() Expr {
	x := p.power()
	for n := 0; p.cur().kind == tokOp; n++ {
		var op value.Op
		switch p.cur().text {
		case "*":
			op = value.Mul
		case "/":
			op = value.Div
		case "//":
			op = value.FloorDiv
		case "%":
			op = value.Mod
		default:
			return x
		}
		p.link(n)
		at := p.advance().at
		x = &Binary{At(at), op, x, p.power()}
	}
	return x
}

func (p *parser) power() Expr {
	x := p.unary(true)
	for n := 0; p.isOp("**"); n++ {
		p.link(n)
		at := p.advance().at
		x = &Binary{At(at), value.Pow, x, p.unary(true)}
	}
	return x
}

func (p *parser) unary(filters bool) Expr {
	p.enter()
	defer p.leave()
	var x Expr
	at := p.cur().at
	switch {
	case p.skipOp("-"):
		x = &Sign{At(at), p.unary(false), true}
	case p.skipOp("+"):
		x = &Sign{At(at), p.unary(false), false}
	default:
		x = p.primary()
	}
	x = p.postfix(x)
	if filters {
		x = p.filtered(x)
	}
	return x
}

func (p *parser) primary() Expr {
	t := p.advance()
	at := At(t.at)
	switch t.kind {
	case tokName:
		return p.nameExpr(t)
	case tokString:
		s := t.text
		for p.cur().kind == tokString {
			s += p.advance().text
		}
		return &Literal{at, value.String(s)}
	case tokInt:
		return &Literal{at, integer(t)}
	case tokFloat:
		f, _ := strconv.ParseFloat(t.text, 64) // out of range is infinity
		return &Literal{at, value.Float(f)}
	case tokOp:
		switch t.text {
		case "(":
			if p.skipOp(")") {
				return &List{At: at, Tuple: true}
			}
			x := p.tuple(true)
			p.expectOp(")")
			return x
		case "[":
			return &List{At: at, Items: p.list("]")}
		case "{":
			return p.dict(at)
		}
	}
	fail(t.at, "expected an expression, got %s", t)
	return nil
}

func (p *parser) nameExpr(t token) Expr {
	at := At(t.at)
	switch t.text {
	case "true", "True":
		return &Literal{at, value.Bool(true)}
	case "false", "False":
		return &Literal{at, value.Bool(false)}
	case "none", "None":
		return &Literal{at, value.None{}}
	case "varargs":
		for _, m := range p.macros {
			m.UsesVarargs = true
		}
	case "kwargs":
		for _, m := range p.macros {
			m.UsesKw = true
		}
	case "caller":
		for _, m := range p.macros {
			m.UsesCaller = true
		}
	}
	return &Name{at, p.intern(t.text)}
}

func integer(t token) value.Value {
	base := 10
	text := t.text
	if len(text) > 2 && text[0] == '0' {
		switch text[1] | 0x20 {
		case 'x', 'o', 'b':
			base = 0
		}
	}
	if n, err := strconv.ParseInt(text, base, 64); err == nil {
		return value.Int(n)
	}
	if len(text) > 4300 {
		fail(t.at, "an integer that is too large")
	}
	n, ok := new(big.Int).SetString(text, base)
	if !ok {
		fail(t.at, "'%s' is no integer", text)
	}
	return value.Big{V: n}
}

func (p *parser) list(end string) []Expr {
	var items []Expr
	for !p.isOp(end) {
		if len(items) > 0 {
			p.expectOp(",")
			if p.isOp(end) {
				break
			}
		}
		items = append(items, p.expr())
	}
	p.expectOp(end)
	return items
}

func (p *parser) dict(at At) Expr {
	d := &Dict{At: at}
	for !p.isOp("}") {
		if len(d.Keys) > 0 {
			p.expectOp(",")
			if p.isOp("}") {
				break
			}
		}
		d.Keys = append(d.Keys, p.expr())
		p.expectOp(":")
		d.Values = append(d.Values, p.expr())
	}
	p.expectOp("}")
	return d
}
