package audit

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON returns the JSON text of raw without secrets and without space: values of secret fields are
// replaced whole, strings are redacted as Text does. Text that is not one JSON value comes back as
// a JSON string. The answer is at most 64 KiB long; what is longer becomes a note of its length.
func (r *Redactor) JSON(raw []byte) []byte {
	return r.appendJSON(make([]byte, 0, len(raw)+16), raw)
}

// appendJSON appends what JSON returns to dst.
func (r *Redactor) appendJSON(dst, raw []byte) []byte {
	if len(raw) > maxJSON {
		return appendString(dst, "[truncated, "+strconv.Itoa(len(raw))+" bytes total]")
	}
	w := rewriter{r: r, in: string(raw), out: dst}
	w.space()
	if w.value(0, false) {
		w.space()
		if w.pos == len(w.in) {
			return w.out
		}
	}
	return appendString(dst, r.Text(string(raw)))
}

const maxDepth = 100

// rewriter copies one JSON text, redacting it.
type rewriter struct {
	r   *Redactor
	in  string
	pos int
	out []byte
	// nested says that the text stands in a string, hid that something was hidden.
	nested, hid bool
}

// text appends a string without secrets. What stands in a string is cut there, as a whole.
func (w *rewriter) text(s string) {
	hide := w.r.Text
	if w.nested {
		hide = w.r.Hide
	}
	shown := hide(s)
	w.hid = w.hid || shown != s
	w.out = appendString(w.out, shown)
}

func (w *rewriter) space() {
	for w.pos < len(w.in) && (w.in[w.pos] == ' ' || w.in[w.pos] == '\t' || w.in[w.pos] == '\n' || w.in[w.pos] == '\r') {
		w.pos++
	}
}

func (w *rewriter) peek() byte {
	if w.pos < len(w.in) {
		return w.in[w.pos]
	}
	return 0
}

// value copies one value; of a secret one, only null, true and false are shown. It returns false
// where the text is not JSON.
func (w *rewriter) value(depth int, secret bool) bool {
	if depth > maxDepth {
		return false
	}
	mark := len(w.out)
	ok := false
	switch c := w.peek(); c {
	case '{':
		ok = w.object(depth)
	case '[':
		ok = w.array(depth)
	case '"':
		var s string
		if s, ok = w.str(); ok {
			w.text(s)
		}
	default:
		start := w.pos
		for w.pos < len(w.in) && (isToken(w.in[w.pos]) || w.in[w.pos] == '+' || w.in[w.pos] == '.') {
			w.pos++
		}
		word := w.in[start:w.pos]
		if lit := w.r.literals.Load(); lit != nil && lit.hide(word) != word {
			secret = true
		}
		w.out = append(w.out, word...)
		if word == "null" || word == "true" || word == "false" {
			return true
		}
		ok = isNumber(word)
	}
	if ok && secret {
		w.hid = true
		w.out = append(w.out[:mark], `"`+Redacted+`"`...)
	}
	return ok
}

// isNumber says whether a word is a JSON number.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}

func (w *rewriter) object(depth int) bool {
	w.pos++
	w.out = append(w.out, '{')
	named := false // an earlier member "name" or "key" of this object names a secret
	for first := true; ; first = false {
		w.space()
		if first && w.peek() == '}' {
			break
		}
		name, ok := w.str()
		if !ok {
			return false
		}
		w.space()
		if w.peek() != ':' {
			return false
		}
		w.pos++
		w.space()
		w.text(name)
		w.out = append(w.out, ':')
		secret := w.r.secretKey(name) || named && (name == "value" || name == "Value")
		if (name == "name" || name == "key" || name == "Name" || name == "Key") && w.peek() == '"' {
			at := w.pos
			if s, ok := w.str(); ok && w.r.secretKey(s) {
				named, secret = true, false
			}
			w.pos = at
		}
		if !w.value(depth+1, secret) {
			return false
		}
		w.space()
		if w.peek() != ',' {
			break
		}
		w.pos++
		w.out = append(w.out, ',')
	}
	if w.peek() != '}' {
		return false
	}
	w.pos++
	w.out = append(w.out, '}')
	return true
}

func (w *rewriter) array(depth int) bool {
	w.pos++
	w.out = append(w.out, '[')
	flag := false // the element before is an option that wants a secret: "--token"
	for first := true; ; first = false {
		w.space()
		if first && w.peek() == ']' {
			break
		}
		option, wants := w.option()
		secret := flag && !option
		flag = wants
		if !w.value(depth+1, secret) {
			return false
		}
		w.space()
		if w.peek() != ',' {
			break
		}
		w.pos++
		w.out = append(w.out, ',')
	}
	if w.peek() != ']' {
		return false
	}
	w.pos++
	w.out = append(w.out, ']')
	return true
}

// option says whether the string at the current place is an option, and whether its value is a secret.
func (w *rewriter) option() (is, secret bool) {
	if !strings.HasPrefix(w.in[w.pos:], `"-`) {
		return false, false
	}
	at := w.pos
	s, ok := w.str()
	w.pos = at
	return ok, ok && !strings.ContainsAny(s, "= ") && w.r.secretKey(s)
}

// str reads a string at the current place and returns it decoded.
func (w *rewriter) str() (string, bool) {
	if w.peek() != '"' {
		return "", false
	}
	w.pos++
	start := w.pos
	for w.pos < len(w.in) {
		switch c := w.in[w.pos]; {
		case c == '"':
			w.pos++
			return w.in[start : w.pos-1], true
		case c == '\\':
			return w.escaped(start)
		case c < ' ':
			return "", false
		}
		w.pos++
	}
	return "", false
}

func (w *rewriter) escaped(start int) (string, bool) {
	b := append(make([]byte, 0, 64), w.in[start:w.pos]...)
	for w.pos < len(w.in) {
		c := w.in[w.pos]
		w.pos++
		switch {
		case c == '"':
			return string(b), true
		case c < ' ':
			return "", false
		case c != '\\':
			b = append(b, c)
			continue
		}
		esc := w.peek()
		w.pos++
		switch esc {
		case '"', '\\', '/':
			b = append(b, esc)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := w.unit()
			if !ok {
				return "", false
			}
			b = utf8.AppendRune(b, r)
		default:
			return "", false
		}
	}
	return "", false
}

// unit reads the four digits behind "\u", and a second escape where they are half of a pair.
func (w *rewriter) unit() (rune, bool) {
	r, ok := w.hex()
	if ok && utf16.IsSurrogate(r) && w.pos+6 <= len(w.in) && w.in[w.pos:w.pos+2] == `\u` {
		at := w.pos
		w.pos += 2
		if low, ok := w.hex(); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, true
			}
		}
		w.pos = at
	}
	return r, ok
}

func (w *rewriter) hex() (rune, bool) {
	if w.pos+4 > len(w.in) {
		return 0, false
	}
	n, err := strconv.ParseUint(w.in[w.pos:w.pos+4], 16, 32)
	w.pos += 4
	return rune(n), err == nil
}

// appendString appends s as a JSON string. Control characters, bytes that are no UTF-8 and the line
// separators of JavaScript are escaped.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c == '\t':
				dst = append(dst, '\\', 't')
			case c == '\r':
				dst = append(dst, '\\', 'r')
			case c < ' ' || c == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', '2', '0', '2', hex[r&15])
		default:
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
	return append(dst, '"')
}
