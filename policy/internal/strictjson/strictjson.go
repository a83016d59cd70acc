// Package strictjson reads the arguments of a tool call the way no two parsers can disagree about:
// one object, valid UTF-8, no member twice, bounded in size and depth. It decodes nothing into Go
// values; a visitor sees each string where it stands.
package strictjson

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits bound the text.
type Limits struct{ Bytes, Depth int }

// Visitor sees each member name and each string value. It returns false to end the walk.
type Visitor func(n Node) bool

// Node is a string in the text.
type Node struct {
	// Text is the string, decoded. Member is the nearest member name: for a value in an array, the
	// array's. IsName says that Text is itself a member name.
	Text, Member string
	IsName       bool
	// Depth is 1 for the members of the outermost object.
	Depth int
	p     *parser
}

// Path is where the string stands, such as "edits.[0].path".
func (n Node) Path() string { return n.p.path() }

// Error says where the text is not what it must be.
type Error struct {
	// Offset is the byte at which reading stopped.
	Offset int
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (at byte %d)", e.Msg, e.Offset) }

type frame struct {
	member string
	names  []string
	seen   map[string]bool // takes over from names in a large object
	index  int             // -1 in an object
}

type parser struct {
	text  string
	pos   int
	depth int
	stack []frame
	visit Visitor
	ended bool
	err   *Error
}

// Walk reads data, which must be one object, and shows its strings to visit (which may be nil).
// Outermost members that differ in case alone are refused, because some parsers take them for one.
func Walk(data []byte, lim Limits, visit Visitor) error {
	if len(data) > lim.Bytes {
		return &Error{Msg: fmt.Sprintf("%d bytes are more than the limit of %d", len(data), lim.Bytes)}
	}
	p := &parser{text: string(data), depth: lim.Depth, stack: make([]frame, 0, 3), visit: visit}
	if !utf8.ValidString(p.text) {
		return &Error{Msg: "not valid UTF-8"}
	}
	p.space()
	if p.peek() != '{' {
		return &Error{Offset: p.pos, Msg: "not a JSON object"}
	}
	p.value("")
	if p.err == nil && !p.ended {
		p.space()
		if p.pos < len(p.text) {
			p.fail("text behind the object")
		}
	}
	if p.err != nil {
		return p.err
	}
	return nil
}

func (p *parser) path() string {
	var b strings.Builder
	for _, f := range p.stack {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if f.index >= 0 {
			b.WriteString("[" + strconv.Itoa(f.index) + "]")
		} else {
			b.WriteString(f.member)
		}
	}
	return b.String()
}

func (p *parser) fail(msg string) {
	if p.err == nil {
		p.err = &Error{Offset: p.pos, Msg: msg}
	}
}

func (p *parser) stop() bool { return p.err != nil || p.ended }

func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) expect(c byte) bool {
	p.space()
	if p.peek() != c {
		p.fail("expected '" + string(c) + "'")
		return false
	}
	p.pos++
	return true
}

func (p *parser) value(member string) {
	p.space()
	switch c := p.peek(); {
	case c == '{':
		p.object()
	case c == '[':
		p.array(member)
	case c == '"':
		if s, ok := p.str(); ok && p.visit != nil && !p.visit(Node{Text: s, Member: member, Depth: len(p.stack), p: p}) {
			p.ended = true
		}
	case c == '-' || c >= '0' && c <= '9':
		p.number()
	default:
		for _, word := range [...]string{"true", "false", "null"} {
			if strings.HasPrefix(p.text[p.pos:], word) {
				p.pos += len(word)
				return
			}
		}
		p.fail("not a JSON value")
	}
}

func (p *parser) push(index int) bool {
	if len(p.stack) >= p.depth {
		p.fail(fmt.Sprintf("nested deeper than the limit of %d", p.depth))
		return false
	}
	p.stack = append(p.stack, frame{index: index})
	return true
}

func (p *parser) object() {
	p.pos++
	if !p.push(-1) {
		return
	}
	p.space()
	if p.peek() == '}' {
		p.pos++
	} else {
		for more := true; more && !p.stop(); {
			more = p.member()
		}
	}
	p.stack = p.stack[:len(p.stack)-1]
}

// member reads one member and says whether another one follows.
func (p *parser) member() bool {
	p.space()
	if p.peek() != '"' {
		p.fail("expected a member name")
		return false
	}
	name, ok := p.str()
	if !ok || !p.unique(name) || !p.expect(':') {
		return false
	}
	p.stack[len(p.stack)-1].member = name
	if p.visit != nil && !p.visit(Node{Text: name, Member: name, IsName: true, Depth: len(p.stack), p: p}) {
		p.ended = true
		return false
	}
	p.value(name)
	if p.stop() {
		return false
	}
	p.space()
	if p.peek() == ',' {
		p.pos++
		return true
	}
	p.expect('}')
	return false
}

// unique refuses a member name that the object holds already.
func (p *parser) unique(name string) bool {
	f := &p.stack[len(p.stack)-1]
	outer := len(p.stack) == 1
	key := name
	if outer {
		key = fold(name)
	}
	dup := f.seen[key]
	for i := 0; i < len(f.names) && !dup; i++ {
		dup = f.names[i] == key
	}
	if dup {
		p.fail(fmt.Sprintf("the member %+q stands twice", name))
		return false
	}
	if f.seen != nil {
		f.seen[key] = true
		return true
	}
	if f.names = append(f.names, key); len(f.names) > 16 {
		f.seen = make(map[string]bool, 64)
		for _, n := range f.names {
			f.seen[n] = true
		}
		f.names = nil
	}
	return true
}

// fold returns a text that is the same for all names that case folding takes for one.
func fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return strings.Map(func(r rune) rune {
				least := unicode.ToLower(r)
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					if f >= 'a' && f <= 'z' {
						return f
					}
					least = min(least, unicode.ToLower(f))
				}
				return least
			}, s)
		}
	}
	return s
}

// SameFolded says whether two member names are one under case folding.
func SameFolded(a, b string) bool { return strings.EqualFold(a, b) }

func (p *parser) array(member string) {
	p.pos++
	if !p.push(0) {
		return
	}
	p.space()
	if p.peek() == ']' {
		p.pos++
		p.stack = p.stack[:len(p.stack)-1]
		return
	}
	for !p.stop() {
		p.value(member)
		if p.stop() {
			break
		}
		p.space()
		if p.peek() != ',' {
			p.expect(']')
			break
		}
		p.pos++
		p.stack[len(p.stack)-1].index++
	}
	p.stack = p.stack[:len(p.stack)-1]
}

func (p *parser) digits() bool {
	start := p.pos
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	return p.pos > start
}

// number reads a number. One beyond a double is refused: some readers take it for infinity, others fail.
func (p *parser) number() {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	ok := true
	if p.peek() == '0' {
		p.pos++
	} else {
		ok = p.digits()
	}
	if ok && p.peek() == '.' {
		p.pos++
		ok = p.digits()
	}
	if c := p.peek(); ok && (c == 'e' || c == 'E') {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		ok = p.digits()
	}
	if !ok {
		p.fail("not a number")
		return
	}
	if _, err := strconv.ParseFloat(p.text[start:p.pos], 64); err != nil {
		p.fail("a number that is too large")
	}
}
