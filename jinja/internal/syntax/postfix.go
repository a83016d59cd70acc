package syntax

// postfix reads the attributes, subscripts and calls after a primary expression.
func (p *parser) postfix(x Expr) Expr {
	for n := 0; ; n++ {
		at := At(p.cur().at)
		switch {
		case p.isOp("."):
			p.pos++
			x = p.attribute(x, at)
		case p.isOp("["):
			p.pos++
			x = p.subscript(x, at)
		case p.isOp("("):
			x = &Call{at, x, p.args()}
		default:
			return x
		}
		p.link(n)
	}
}

func (p *parser) attribute(x Expr, at At) Expr {
	switch t := p.advance(); t.kind {
	case tokName:
		return &Attr{at, x, t.text}
	case tokInt:
		return &Index{at, x, &Literal{At(t.at), integer(t)}}
	default:
		fail(t.at, "expected a name or a number after '.', got %s", t)
		return nil
	}
}

func (p *parser) subscript(x Expr, at At) Expr {
	var keys []Expr
	for !p.isOp("]") {
		if len(keys) > 0 {
			p.expectOp(",")
			if p.isOp("]") {
				break
			}
		}
		keys = append(keys, p.subscribed(x, at))
	}
	p.expectOp("]")
	if len(keys) == 1 {
		if s, ok := keys[0].(*Slice); ok {
			return s
		}
		return &Index{at, x, keys[0]}
	}
	for _, k := range keys {
		if _, ok := k.(*Slice); ok {
			fail(int(at), "a slice among several subscripts")
		}
	}
	return &Index{at, x, &List{At: at, Items: keys, Tuple: true}}
}

// subscribed reads one subscript: a key, or a slice of x.
func (p *parser) subscribed(x Expr, at At) Expr {
	s := &Slice{At: at, X: x}
	if !p.isOp(":") {
		s.From = p.expr()
		if !p.isOp(":") {
			return s.From
		}
	}
	p.expectOp(":")
	if !p.isOp("]") && !p.isOp(":") && !p.isOp(",") {
		s.To = p.expr()
	}
	if p.skipOp(":") && !p.isOp("]") && !p.isOp(",") {
		s.Step = p.expr()
	}
	return s
}

// filtered reads the filters and tests after an expression, and the calls of their results.
func (p *parser) filtered(x Expr) Expr {
	for n := 0; ; n++ {
		switch {
		case p.skipOp("|"):
			x = p.filter(x)
		case p.cur().is(tokName, "is"):
			x = p.test(x)
		case p.isOp("("):
			at := At(p.cur().at)
			x = &Call{at, x, p.args()}
		default:
			return x
		}
		p.link(n)
	}
}

// filters reads a chain of filters for a block's text.
func (p *parser) filters() []*Filter {
	var out []*Filter
	for p.skipOp("|") {
		out = append(out, p.filter(nil))
	}
	return out
}

func (p *parser) dottedName() string {
	name := p.expectName()
	for p.skipOp(".") {
		name += "." + p.expectName()
	}
	return name
}

func (p *parser) filter(x Expr) *Filter {
	at := p.cur().at
	name := p.dottedName()
	if !p.soft && !p.opts.Filter(name) {
		fail(at, "No filter named '%s'.", name)
	}
	f := &Filter{At: At(at), X: x, ID: use(&p.tree.Filters, name)}
	if p.isOp("(") {
		f.Args = p.args()
	}
	return f
}

func (p *parser) test(x Expr) Expr {
	at := p.advance().at
	t := &Test{At: At(at), X: x, Negate: p.skipName("not")}
	name := p.dottedName()
	if !p.soft && !p.opts.Test(name) {
		fail(at, "No test named '%s'.", name)
	}
	t.ID = use(&p.tree.Tests, name)
	if p.isOp("(") {
		t.Args = p.args()
		return t
	}
	if p.testArgAhead() {
		if p.cur().is(tokName, "is") {
			fail(p.cur().at, "You cannot chain multiple tests with is")
		}
		p.enter()
		t.Args.Pos = []Expr{p.postfix(p.primary())}
		p.leave()
	}
	return t
}

// testArgAhead reports whether an argument without parentheses follows a test's name.
func (p *parser) testArgAhead() bool {
	switch t := p.cur(); t.kind {
	case tokName:
		return t.text != "else" && t.text != "or" && t.text != "and"
	case tokString, tokInt, tokFloat:
		return true
	case tokOp:
		return t.text == "[" || t.text == "{"
	}
	return false
}

// args reads the arguments of a call in parentheses.
func (p *parser) args() Args {
	var a Args
	open := p.cur().at
	ensure := func(ok bool) {
		if !ok {
			fail(open, "invalid syntax for function call expression")
		}
	}
	p.expectOp("(")
	for first := true; !p.isOp(")"); first = false {
		if !first {
			p.expectOp(",")
			if p.isOp(")") {
				break
			}
		}
		switch {
		case p.skipOp("*"):
			ensure(a.Star == nil && a.Kws == nil)
			a.Star = p.expr()
		case p.skipOp("**"):
			ensure(a.Kws == nil)
			a.Kws = p.expr()
		case p.cur().kind == tokName && p.peek().is(tokOp, "="):
			ensure(a.Kws == nil)
			name := p.advance().text
			p.pos++
			a.Kw = append(a.Kw, Keyword{name, p.expr()})
		default:
			ensure(a.Star == nil && a.Kws == nil && len(a.Kw) == 0)
			a.Pos = append(a.Pos, p.expr())
		}
	}
	p.expectOp(")")
	return a
}
