package syntax

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// number reads an integer in any base or a float, with underscores between digits.
func (l *lexer) number() {
	start := l.pos
	if end := l.float(start); end > 0 && (start == 0 || l.src[start-1] != '.') {
		l.take(tokFloat, end)
		return
	}
	if l.src[start] == '0' && start+1 < len(l.src) {
		digits := ""
		switch l.src[start+1] | 0x20 {
		case 'x':
			digits = "0123456789abcdefABCDEF"
		case 'o':
			digits = "01234567"
		case 'b':
			digits = "01"
		}
		if end := l.digits(start+2, digits); digits != "" && end > start+2 {
			l.take(tokInt, end)
			return
		}
	}
	if l.src[start] == '0' {
		l.take(tokInt, l.digits(start, "0"))
		return
	}
	l.take(tokInt, l.digits(start, "0123456789"))
}

func (l *lexer) take(k kind, end int) {
	l.emit(k, strings.ReplaceAll(l.src[l.pos:end], "_", ""), l.pos)
	l.pos = end
}

// digits returns the end of a run of digits with single underscores between them.
func (l *lexer) digits(p int, set string) int {
	for p < len(l.src) {
		c := l.src[p]
		if c == '_' && p+1 < len(l.src) && strings.IndexByte(set, l.src[p+1]) >= 0 {
			p++
		} else if strings.IndexByte(set, c) < 0 {
			break
		}
		p++
	}
	return p
}

// float returns the end of a float at p, or 0 if there is only an integer.
func (l *lexer) float(p int) int {
	const decimal = "0123456789"
	p = l.digits(p, decimal)
	found := false
	if p+1 < len(l.src) && l.src[p] == '.' && strings.IndexByte(decimal, l.src[p+1]) >= 0 {
		p, found = l.digits(p+1, decimal), true
	}
	if p < len(l.src) && l.src[p]|0x20 == 'e' {
		q := p + 1
		if q < len(l.src) && (l.src[q] == '+' || l.src[q] == '-') {
			q++
		}
		if q < len(l.src) && strings.IndexByte(decimal, l.src[q]) >= 0 {
			p, found = l.digits(q, decimal), true
		}
	}
	if !found {
		return 0
	}
	return p
}

// text reads a quoted string.
func (l *lexer) text(quote byte) {
	start := l.pos
	for p := start + 1; p < len(l.src); p++ {
		switch l.src[p] {
		case '\\':
			p++
		case quote:
			l.emit(tokString, unescape(l.src[start+1:p], start+1), start)
			l.pos = p + 1
			return
		}
	}
	fail(start, "a string without its closing quote")
}

const (
	escapes  = `\'"abfnrtv`
	escapeds = "\\'\"\a\b\f\n\r\t\v"
)

// unescape resolves Python's escapes; at is the offset of s for errors.
func unescape(s string, at int) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case strings.IndexByte(escapes, c) >= 0:
			b.WriteByte(escapeds[strings.IndexByte(escapes, c)])
		case c == '\n':
		case c == 'x' || c == 'u' || c == 'U':
			r, n := codePoint(s[i:], at+i)
			b.WriteRune(r)
			i += n - 1
		case c >= '0' && c <= '7':
			n := 1
			for n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7' {
				n++
			}
			r, _ := strconv.ParseUint(s[i:i+n], 8, 32)
			b.WriteRune(rune(r))
			i += n - 1
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String()
}

// codePoint reads xHH, uHHHH (or a pair of surrogates) or UHHHHHHHH.
func codePoint(s string, at int) (r rune, size int) {
	size = map[byte]int{'x': 3, 'u': 5, 'U': 9}[s[0]]
	if len(s) < size {
		fail(at, "truncated \\%cXX escape", s[0])
	}
	n, err := strconv.ParseUint(s[1:size], 16, 32)
	if err != nil || n > utf8.MaxRune {
		fail(at, "a bad \\%c escape", s[0])
	}
	r = rune(n)
	if utf16.IsSurrogate(r) && len(s) >= 11 && s[5] == '\\' && s[6] == 'u' {
		if low, err := strconv.ParseUint(s[7:11], 16, 32); err == nil {
			if pair := utf16.DecodeRune(r, rune(low)); pair != utf8.RuneError {
				return pair, 11
			}
		}
	}
	return r, size
}
