package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string. A text without escapes is a part of the input, not a copy.
func (p *parser) str() (string, bool) {
	p.pos++
	start := p.pos
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return p.text[start : p.pos-1], true
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			p.fail("a control character in a string")
			return "", false
		}
		p.pos++
	}
	p.fail("a string without an end")
	return "", false
}

func (p *parser) escaped(start int) (string, bool) {
	b := append(make([]byte, 0, 64), p.text[start:p.pos]...)
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		switch {
		case c == '"':
			return string(b), true
		case c < ' ':
			p.fail("a control character in a string")
			return "", false
		case c != '\\':
			b = append(b, c)
		default:
			r, ok := p.escape()
			if !ok {
				p.fail("a broken escape in a string")
				return "", false
			}
			b = utf8.AppendRune(b, r)
		}
	}
	p.fail("a string without an end")
	return "", false
}

func (p *parser) escape() (rune, bool) {
	c := p.peek()
	p.pos++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 && c != 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	if c != 'u' {
		return 0, false
	}
	r, ok := p.hex()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if !strings.HasPrefix(p.text[min(p.pos, len(p.text)):], `\u`) {
		return 0, false
	}
	p.pos += 2
	low, ok := p.hex()
	r = utf16.DecodeRune(r, low)
	return r, ok && r != utf8.RuneError
}

func (p *parser) hex() (rune, bool) {
	if p.pos+4 > len(p.text) {
		return 0, false
	}
	n, err := strconv.ParseUint(p.text[p.pos:p.pos+4], 16, 32)
	p.pos += 4
	return rune(n), err == nil
}
