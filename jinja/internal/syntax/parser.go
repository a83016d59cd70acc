package syntax

import "slices"

// The limits of what is read. They are far above what any chat template needs, and keep the evaluator's
// recursion within a few megabytes of stack.
const (
	// MaxSource is the longest source in bytes.
	MaxSource = 1 << 20
	// maxTokens is the largest number of tokens.
	maxTokens = 100_000
	// maxNesting bounds brackets, operators and blocks inside each other.
	maxNesting = 150
	// freeLinks is how long a chain such as a + b + c may be at no charge; maxLinks bounds the links
	// of all longer chains together.
	freeLinks = 64
	maxLinks  = 10_000
)

// Options tell the parser which filters and tests exist.
type Options struct {
	Filter, Test func(name string) bool
}

// Parse reads a normalised source. The error is an [*Error].
func Parse(source string, opts Options) (tree *Tree, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			tree, err = nil, e
		}
	}()
	if len(source) > MaxSource {
		fail(0, "the template is longer than %d bytes", MaxSource)
	}
	p := &parser{tokens: lex(source), opts: opts, names: map[string]int{}}
	p.tree.Body = p.body()
	return &p.tree, nil
}

type parser struct {
	tokens []token
	pos    int
	opts   Options
	tree   Tree
	names  map[string]int
	depth  int
	links  int
	// soft says that an unknown filter or test here is an error only when it is reached: inside an if.
	soft bool
	// macros are the macros around, innermost last.
	macros []*Macro
	// closures counts the macros and call blocks so far.
	closures int
	// loops counts the loops around, up to the next macro or block.
	loops  int
	blocks map[string]bool
}

func (p *parser) cur() token  { return p.tokens[p.pos] }
func (p *parser) peek() token { return p.tokens[min(p.pos+1, len(p.tokens)-1)] }

func (p *parser) advance() token {
	t := p.tokens[p.pos]
	if p.pos < len(p.tokens)-1 {
		p.pos++
	}
	return t
}

func (p *parser) isOp(op string) bool { return p.cur().is(tokOp, op) }

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.cur().is(tokName, name) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expectOp(op string) {
	if !p.skipOp(op) {
		fail(p.cur().at, "expected '%s', got %s", op, p.cur())
	}
}

func (p *parser) expectName() string {
	if p.cur().kind != tokName {
		fail(p.cur().at, "expected a name, got %s", p.cur())
	}
	return p.advance().text
}

func (p *parser) expectEnd() {
	if p.cur().kind != tokBlockEnd {
		fail(p.cur().at, "expected '%%}', got %s", p.cur())
	}
	p.pos++
}

// enter counts one more level of nesting; leave is its end.
func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		fail(p.cur().at, "nested more than %d deep", maxNesting)
	}
}

func (p *parser) leave() { p.depth-- }

// link counts link n of a chain of operators.
func (p *parser) link(n int) {
	if n > freeLinks {
		if p.links++; p.links > maxLinks {
			fail(p.cur().at, "too many operators in a row")
		}
	}
}

// intern returns the index of a variable's name.
func (p *parser) intern(name string) int {
	id, ok := p.names[name]
	if !ok {
		id = len(p.tree.Names)
		p.names[name] = id
		p.tree.Names = append(p.tree.Names, name)
	}
	return id
}

// use returns the index of name in list, adding it where it is new.
func use(list *[]string, name string) int {
	i := slices.Index(*list, name)
	if i < 0 {
		i = len(*list)
		*list = append(*list, name)
	}
	return i
}

// body reads statements up to one of the tags that end it, and leaves the parser at that tag's name.
func (p *parser) body(ends ...string) []Stmt {
	p.enter()
	defer p.leave()
	var out []Stmt
	for {
		t := p.cur()
		switch t.kind {
		case tokText:
			p.pos++
			out = append(out, &Text{At(t.at), t.text})
		case tokVarBegin:
			p.pos++
			out = append(out, &Output{At(t.at), p.tuple(true)})
			if p.cur().kind != tokVarEnd {
				fail(p.cur().at, "expected '}}', got %s", p.cur())
			}
			p.pos++
		case tokBlockBegin:
			p.pos++
			if p.cur().kind == tokName && slices.Contains(ends, p.cur().text) {
				return out
			}
			out = append(out, p.statement(t.at))
		default:
			if len(ends) > 0 {
				fail(t.at, "unexpected end of template: missing '%s'", ends[len(ends)-1])
			}
			return out
		}
	}
}

// endBody reads a body up to the one tag that ends it, and that tag.
func (p *parser) endBody(end string) []Stmt {
	body := p.body(end)
	p.pos++
	p.expectEnd()
	return body
}

// hard runs read where an unknown filter is an error at once, as in a new frame of jinja2.
func (p *parser) hard(read func() []Stmt) []Stmt {
	soft := p.soft
	p.soft = false
	body := read()
	p.soft = soft
	return body
}
