package syntax

// statement reads a tag, whose name is the current token, and what belongs to it.
func (p *parser) statement(at int) Stmt {
	keyword := p.cur()
	switch name := p.expectName(); name {
	case "if":
		return p.ifStmt(at)
	case "for":
		return p.forStmt(at)
	case "set":
		return p.setStmt(at)
	case "macro":
		return p.macroStmt(at)
	case "call":
		return p.callStmt(at)
	case "filter":
		return p.filterStmt(at)
	case "with":
		return p.withStmt(at)
	case "generation":
		return p.generationStmt(at)
	case "block":
		return p.blockStmt(at)
	case "break", "continue":
		return p.jump(at, name)
	case "include", "import", "from", "extends", "autoescape":
		fail(keyword.at, "the tag '%s' is not supported: a chat template stands alone", name)
	default:
		fail(keyword.at, "unknown tag '%s'", name)
	}
	return nil
}

func (p *parser) jump(at int, name string) Stmt {
	if p.loops == 0 {
		fail(at, "'%s' outside a loop", name)
	}
	p.expectEnd()
	if name == "break" {
		return &Break{At(at)}
	}
	return &Continue{At(at)}
}

func (p *parser) ifStmt(at int) Stmt {
	soft := p.soft
	p.soft = true
	defer func() { p.soft = soft }()
	n := &If{At: At(at)}
	for {
		test := p.tuple(false)
		p.expectEnd()
		body := p.body("elif", "else", "endif")
		n.Branches = append(n.Branches, Branch{test, body})
		switch p.advance().text {
		case "elif":
			continue
		case "else":
			p.expectEnd()
			n.Else = p.endBody("endif")
			return n
		}
		p.expectEnd()
		return n
	}
}

func (p *parser) forStmt(at int) Stmt {
	n := &For{At: At(at)}
	n.Target = p.target("in")
	p.onlyNames(&n.Target)
	if n.Target.any(func(t *Target) bool { return p.tree.Names[t.ID] == "loop" }) {
		fail(at, "a loop cannot assign to 'loop'")
	}
	if !p.skipName("in") {
		fail(p.cur().at, "expected 'in', got %s", p.cur())
	}
	n.Iter = p.tuple(false, "recursive")
	if p.skipName("if") {
		n.Filter = p.expr()
	}
	n.Recursive = p.skipName("recursive")
	p.expectEnd()
	before := p.closures
	p.loops++
	n.Body = p.hard(func() []Stmt { return p.body("else", "endfor") })
	p.loops--
	n.Closures = n.Recursive || p.closures > before
	if p.advance().text == "else" {
		p.expectEnd()
		n.Else = p.hard(func() []Stmt { return p.endBody("endfor") })
		return n
	}
	p.expectEnd()
	return n
}

func (p *parser) setStmt(at int) Stmt {
	target := p.target("")
	if p.skipOp("=") {
		n := &Set{At(at), target, p.tuple(true)}
		p.expectEnd()
		return n
	}
	n := &SetBlock{At: At(at), Target: target, Filters: p.filters()}
	p.expectEnd()
	n.Body = p.hard(func() []Stmt { return p.endBody("endset") })
	return n
}

func (p *parser) macroStmt(at int) Stmt {
	name := p.expectName()
	m := &Macro{At: At(at), Name: name, ID: p.intern(name)}
	p.signature(m)
	p.expectEnd()
	m.Body = p.macroBody(m, "endmacro", true)
	return m
}

// macroBody reads the body of a macro or call block; jinja2 allows the macro's name after endmacro.
func (p *parser) macroBody(m *Macro, end string, named bool) []Stmt {
	p.closures++
	p.macros = append(p.macros, m)
	loops := p.loops
	p.loops = 0
	body := p.hard(func() []Stmt { return p.body(end) })
	p.loops = loops
	for _, param := range m.Params {
		switch {
		case param.Name == "varargs":
			m.UsesVarargs = false
		case param.Name == "kwargs":
			m.UsesKw = false
		case param.Name == "caller" && m.UsesCaller && param.Default == nil:
			fail(int(m.At), "the parameter 'caller' needs a default")
		}
	}
	p.macros = p.macros[:len(p.macros)-1]
	p.pos++
	if named {
		p.skipName(m.Name)
	}
	p.expectEnd()
	return body
}

func (p *parser) callStmt(at int) Stmt {
	m := &Macro{At: At(at), Name: "caller", Anonymous: true}
	if p.isOp("(") {
		p.signature(m)
	}
	call, ok := p.expr().(*Call)
	if !ok {
		fail(at, "expected a call")
	}
	p.expectEnd()
	m.Body = p.macroBody(m, "endcall", false)
	return &CallBlock{At(at), call, m}
}

func (p *parser) signature(m *Macro) {
	p.expectOp("(")
	defaults := false
	for !p.isOp(")") {
		if len(m.Params) > 0 {
			p.expectOp(",")
		}
		at := p.cur().at
		name := p.expectName()
		if isConstant(name) {
			fail(at, "cannot assign to '%s'", name)
		}
		param := Param{Name: name, ID: p.intern(name)}
		if p.skipOp("=") {
			param.Default = p.expr()
			defaults = true
		} else if defaults {
			fail(at, "a parameter without default after one that has a default")
		}
		m.Params = append(m.Params, param)
	}
	p.expectOp(")")
}

func (p *parser) filterStmt(at int) Stmt {
	n := &FilterBlock{At: At(at)}
	n.Filters = append([]*Filter{p.filter(nil)}, p.filters()...)
	p.expectEnd()
	n.Body = p.hard(func() []Stmt { return p.endBody("endfilter") })
	return n
}

func (p *parser) withStmt(at int) Stmt {
	n := &With{At: At(at)}
	for p.cur().kind != tokBlockEnd {
		if len(n.Targets) > 0 {
			p.expectOp(",")
		}
		n.Targets = append(n.Targets, p.targetPrimary())
		p.onlyNames(&n.Targets[len(n.Targets)-1])
		p.expectOp("=")
		n.Values = append(n.Values, p.expr())
	}
	p.expectEnd()
	n.Body = p.hard(func() []Stmt { return p.endBody("endwith") })
	return n
}

// generationStmt reads the tag around what the assistant said; for rendering it only opens a scope.
func (p *parser) generationStmt(at int) Stmt {
	p.expectEnd()
	loops := p.loops
	p.loops = 0
	body := p.hard(func() []Stmt { return p.endBody("endgeneration") })
	p.loops = loops
	return &Scope{At: At(at), Body: body}
}

func (p *parser) blockStmt(at int) Stmt {
	name := p.expectName()
	if p.blocks[name] {
		fail(at, "block '%s' defined twice", name)
	}
	if p.blocks == nil {
		p.blocks = map[string]bool{}
	}
	p.blocks[name] = true
	scoped := p.skipName("scoped")
	p.expectEnd()
	loops := p.loops
	p.loops = 0
	body := p.hard(func() []Stmt { return p.body("endblock") })
	p.loops = loops
	p.pos++
	p.skipName(name)
	p.expectEnd()
	return &Scope{At: At(at), Body: body, Top: !scoped}
}

func isConstant(name string) bool {
	switch name {
	case "true", "false", "none", "True", "False", "None":
		return true
	}
	return false
}

// target reads what is assigned to, up to the name end where one is given.
func (p *parser) target(end string) Target {
	first := p.targetPrimary()
	if !p.isOp(",") {
		return first
	}
	t := Target{At: first.At, Tuple: true, Items: []Target{first}}
	for p.skipOp(",") {
		if p.isOp(")") || p.isOp("=") || p.cur().kind == tokBlockEnd || end != "" && p.cur().is(tokName, end) {
			break
		}
		t.Items = append(t.Items, p.targetPrimary())
	}
	return t
}

// onlyNames fails where t assigns to an attribute: only a set tag may, and not in parentheses.
func (p *parser) onlyNames(t *Target) {
	if t.any(func(t *Target) bool { return t.Attr != "" }) {
		fail(int(t.At), "only set assigns to an attribute")
	}
}

func (p *parser) targetPrimary() Target {
	p.enter()
	defer p.leave()
	at := p.cur().at
	if p.skipOp("(") {
		t := p.target("")
		p.onlyNames(&t)
		p.expectOp(")")
		return t
	}
	name := p.expectName()
	if isConstant(name) {
		fail(at, "cannot assign to '%s'", name)
	}
	t := Target{At: At(at), ID: p.intern(name)}
	if p.skipOp(".") {
		t.Attr = p.expectName()
	}
	return t
}
