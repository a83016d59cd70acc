package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// lexer cuts a normalised source into tokens, with trim_blocks and lstrip_blocks as chat templates
// expect them: a block's own line leaves neither its indentation nor its newline.
type lexer struct {
	src string
	pos int
	// lineStart says that the text at pos begins a line.
	lineStart bool
	out       []token
}

func lex(src string) []token {
	l := &lexer{src: src, lineStart: true, out: make([]token, 0, min(len(src)/8+8, maxTokens))}
	for l.pos < len(l.src) {
		l.next()
	}
	l.emit(tokEOF, "", len(src))
	return l.out
}

func (l *lexer) emit(k kind, text string, at int) {
	if len(l.out) >= maxTokens {
		fail(at, "the template has more than %d tokens", maxTokens)
	}
	l.out = append(l.out, token{k, text, at})
}

// next reads the text up to the next tag, and the tag.
func (l *lexer) next() {
	start := l.pos
	tag := l.findTag(start)
	if tag < 0 {
		l.emit(tokText, l.src[start:], start)
		l.pos = len(l.src)
		return
	}
	tagKind := l.src[tag+1]
	l.pos = tag + 2
	sign := l.sign("-+")
	if text := l.stripBefore(l.src[start:tag], sign, tagKind != '{'); text != "" {
		l.emit(tokText, text, start)
	}
	switch {
	case tagKind == '#':
		l.comment(tag)
	case tagKind == '{':
		l.emit(tokVarBegin, "", tag)
		l.inside("}}", tag)
	case !l.raw(tag):
		l.emit(tokBlockBegin, "", tag)
		l.inside("%}", tag)
	}
}

func (l *lexer) findTag(from int) int {
	for {
		i := strings.IndexByte(l.src[from:], '{')
		if i < 0 || from+i+1 >= len(l.src) {
			return -1
		}
		from += i
		if c := l.src[from+1]; c == '{' || c == '%' || c == '#' {
			return from
		}
		from++
	}
}

// sign consumes one of the whitespace control signs at pos, and returns 0 if there is none.
func (l *lexer) sign(signs string) byte {
	if l.pos < len(l.src) && strings.IndexByte(signs, l.src[l.pos]) >= 0 {
		l.pos++
		return l.src[l.pos-1]
	}
	return 0
}

// stripBefore removes from the text before a tag what the tag's sign or lstrip_blocks takes.
func (l *lexer) stripBefore(text string, sign byte, block bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(text, value.IsSpace)
	}
	if sign == '+' || !block {
		return text
	}
	line := strings.LastIndexByte(text, '\n') + 1
	if (line > 0 || l.lineStart) && strings.TrimLeftFunc(text[line:], value.IsSpace) == "" {
		return text[:line]
	}
	return text
}

// stripAfter moves past the whitespace that the end of a tag takes.
func (l *lexer) stripAfter(sign byte, trimNewline bool) {
	if sign == '-' {
		rest := l.src[l.pos:]
		l.pos += len(rest) - len(strings.TrimLeftFunc(rest, value.IsSpace))
	} else if sign != '+' && trimNewline && l.pos < len(l.src) && l.src[l.pos] == '\n' {
		l.pos++
	}
	l.lineStart = l.src[l.pos-1] == '\n'
}

func (l *lexer) comment(tag int) {
	end := strings.Index(l.src[l.pos:], "#}")
	if end < 0 {
		fail(tag, "Missing end of comment tag")
	}
	var sign byte
	if end > 0 {
		if c := l.src[l.pos+end-1]; c == '-' || c == '+' {
			sign = c
		}
	}
	l.pos += end + 2
	l.stripAfter(sign, true)
}

// raw reads {% raw %}...{% endraw %} as text; it reports false if the tag is another one.
func (l *lexer) raw(tag int) bool {
	p := l.skipSpace(l.pos)
	if !strings.HasPrefix(l.src[p:], "raw") {
		return false
	}
	p = l.skipSpace(p + len("raw"))
	var sign byte
	if strings.HasPrefix(l.src[p:], "-%}") {
		sign = '-'
		p++
	}
	if !strings.HasPrefix(l.src[p:], "%}") {
		return false
	}
	l.pos = p + 2
	l.stripAfter(sign, false)
	body := l.pos
	for from := body; ; {
		i := strings.Index(l.src[from:], "{%")
		if i < 0 {
			fail(tag, "Missing end of raw directive")
		}
		from += i
		if l.endRaw(body, from) {
			return true
		}
		from += 2
	}
}

// endRaw reads {% endraw %} at end and emits the raw text; false if there is another tag.
func (l *lexer) endRaw(body, end int) bool {
	l.pos = end + 2
	before := l.sign("-+")
	p := l.skipSpace(l.pos)
	if !strings.HasPrefix(l.src[p:], "endraw") {
		return false
	}
	l.pos = l.skipSpace(p + len("endraw"))
	after := l.sign("-+")
	if !strings.HasPrefix(l.src[l.pos:], "%}") {
		return false
	}
	if text := l.stripBefore(l.src[body:end], before, true); text != "" {
		l.emit(tokText, text, body)
	}
	l.pos += 2
	l.stripAfter(after, true)
	return true
}

func (l *lexer) skipSpace(p int) int {
	rest := l.src[p:]
	return p + len(rest) - len(strings.TrimLeftFunc(rest, value.IsSpace))
}

// inside reads the tokens of one tag up to its closer. An open bracket hides the closer.
func (l *lexer) inside(closer string, tag int) {
	var brackets []byte
	for {
		l.pos = l.skipSpace(l.pos)
		if l.pos >= len(l.src) {
			fail(tag, "unexpected end of template: this tag is not closed")
		}
		if len(brackets) == 0 && l.closes(closer) {
			return
		}
		at := l.pos
		switch c := l.src[at]; {
		case c >= '0' && c <= '9':
			l.number()
		case c == '"' || c == '\'':
			l.text(c)
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf:
			l.name()
		default:
			brackets = l.operator(brackets)
		}
	}
}

func (l *lexer) closes(closer string) bool {
	p := l.pos
	var sign byte
	if c := l.src[p]; c == '-' || c == '+' && closer == "%}" {
		sign = c
		p++
	}
	if !strings.HasPrefix(l.src[p:], closer) {
		return false
	}
	k := tokVarEnd
	if closer == "%}" {
		k = tokBlockEnd
	}
	l.emit(k, "", l.pos)
	l.pos = p + 2
	l.stripAfter(sign, closer == "%}")
	return true
}

func (l *lexer) name() {
	start := l.pos
	for i, r := range l.src[start:] {
		if r != '_' && !unicode.In(r, unicode.L, unicode.Nl, unicode.Nd, unicode.Mn, unicode.Mc) {
			if i == 0 {
				fail(start, "unexpected char %q", r)
			}
			break
		}
		l.pos = start + i + utf8.RuneLen(r)
	}
	l.emit(tokName, l.src[start:l.pos], start)
}

func (l *lexer) operator(brackets []byte) []byte {
	at, op := l.pos, l.src[l.pos:l.pos+1]
	if at+1 < len(l.src) {
		switch two := l.src[at : at+2]; two {
		case "==", "!=", "<=", ">=", "//", "**":
			op = two
		}
	}
	switch c := op[0]; {
	case strings.IndexByte("([{", c) >= 0:
		if len(brackets) >= maxNesting {
			fail(at, "nested more than %d deep", maxNesting)
		}
		brackets = append(brackets, ")]}"[strings.IndexByte("([{", c)])
	case strings.IndexByte(")]}", c) >= 0:
		if len(brackets) == 0 {
			fail(at, "unexpected '%c'", c)
		}
		if want := brackets[len(brackets)-1]; want != c {
			fail(at, "unexpected '%c', expected '%c'", c, want)
		}
		brackets = brackets[:len(brackets)-1]
	case op == "!" || strings.IndexByte("+-*/%~<>=!.,:|;", c) < 0:
		fail(at, "unexpected char %q", c)
	}
	l.pos += len(op)
	l.emit(tokOp, op, at)
	return brackets
}
