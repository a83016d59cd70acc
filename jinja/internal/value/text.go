package value

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Str is Python's str().
func Str(v Value, budget *Budget) string {
	switch x := v.(type) {
	case String:
		return string(x)
	case Safe:
		return string(x)
	case *Undefined:
		return ""
	case Int:
		return strconv.FormatInt(int64(x), 10)
	}
	return Repr(v, budget)
}

// Repr is Python's repr().
func Repr(v Value, budget *Budget) string {
	b := NewBuffer(budget)
	WriteRepr(b, v, 0)
	return b.Cut(0)
}

// WriteRepr appends Python's repr() of v.
func WriteRepr(b *Buffer, v Value, depth int) {
	b.budget.Spend(1)
	if depth > MaxNesting {
		FailLimit("values are nested more than %d deep", MaxNesting)
	}
	switch x := v.(type) {
	case None:
		b.WriteString("None")
	case Bool:
		if x {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case Int:
		b.WriteString(strconv.FormatInt(int64(x), 10))
	case Big:
		b.WriteString(FormatInt(x, 10, b.budget))
	case Float:
		b.WriteString(FormatFloat(float64(x)))
	case String:
		writeQuoted(b, string(x))
	case Safe:
		b.WriteString("Markup(")
		writeQuoted(b, string(x))
		b.WriteString(")")
	case *List:
		writeList(b, x, depth)
	case *Dict:
		writeDict(b, x, depth)
	case *Range:
		b.WriteString("range(" + strconv.FormatInt(x.Start, 10) + ", " + strconv.FormatInt(x.Stop, 10))
		if x.Step != 1 {
			b.WriteString(", " + strconv.FormatInt(x.Step, 10))
		}
		b.WriteString(")")
	case *Namespace:
		b.WriteString("<Namespace ")
		writeDict(b, x.Attrs, depth)
		b.WriteString(">")
	case *Undefined:
		b.WriteString("Undefined")
	case interface{ Repr() string }:
		b.WriteString(x.Repr())
	default:
		b.WriteString("<" + v.Type() + ">")
	}
}

func writeList(b *Buffer, l *List, depth int) {
	open, end := "[", "]"
	switch l.Kind {
	case Tuple, Group:
		open, end = "(", ")"
		if len(l.Items) == 1 {
			end = ",)"
		}
	case DictKeys, DictVals, DictItems:
		open, end = l.Type()+"([", "])"
	}
	b.WriteString(open)
	for i, v := range l.Items {
		if i > 0 {
			b.WriteString(", ")
		}
		WriteRepr(b, v, depth+1)
	}
	b.WriteString(end)
}

func writeDict(b *Buffer, d *Dict, depth int) {
	b.WriteString("{")
	for i := range d.entries {
		if i > 0 {
			b.WriteString(", ")
		}
		k, v := d.At(i)
		WriteRepr(b, k, depth+1)
		b.WriteString(": ")
		WriteRepr(b, v, depth+1)
	}
	b.WriteString("}")
}

const hexDigits = "0123456789abcdef"

func writeQuoted(b *Buffer, s string) {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	b.budget.Spend(len(s) >> 1)
	_ = b.WriteByte(quote)
	for i, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteString("\\" + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r >= ' ' && r < 0x7f:
			_ = b.WriteByte(s[i])
		case r >= 0x80 && unicode.IsPrint(r):
			b.WriteString(string(r))
		case r < 0x100:
			b.WriteString(`\x`)
			writeHex(b, r, 2)
		case r < 0x10000:
			b.WriteString(`\u`)
			writeHex(b, r, 4)
		default:
			b.WriteString(`\U`)
			writeHex(b, r, 8)
		}
	}
	_ = b.WriteByte(quote)
}

func writeHex(b *Buffer, r rune, digits int) {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		_ = b.WriteByte(hexDigits[r>>shift&15])
	}
}

// FormatFloat is Python's repr() of a float: the shortest text that reads back as the same number.
func FormatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if strings.IndexByte(s, '.') < 0 {
		s += ".0"
	}
	return s
}

// Escape replaces the characters that mean something in HTML, as markupsafe does.
func Escape(s string) string {
	if !strings.ContainsAny(s, `&<>'"`) {
		return s
	}
	special := 0
	for i := range len(s) {
		if strings.IndexByte("&<>'\"", s[i]) >= 0 {
			special++
		}
	}
	var b strings.Builder
	b.Grow(len(s) + 4*special)
	for i := range len(s) {
		switch s[i] {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '\'':
			b.WriteString("&#39;")
		case '"':
			b.WriteString("&#34;")
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// IsSpace reports whether Python's str.isspace() holds for r.
func IsSpace(r rune) bool {
	if r < utf8.RuneSelf {
		return r == ' ' || r >= '\t' && r <= '\r' || r >= 0x1c && r <= 0x1f
	}
	return unicode.IsSpace(r) && r != '\u180e' || r == 0x85
}

// Trim removes from the left, the right or both ends of s the characters of chars, or whitespace where
// chars is nil.
func Trim(s string, chars *string, left, right bool) string {
	cut := IsSpace
	switch {
	case chars == nil:
	case len(*chars) < 32:
		cut = func(r rune) bool { return strings.ContainsRune(*chars, r) }
	default:
		var ascii [utf8.RuneSelf]bool
		others := make(map[rune]bool)
		for _, r := range *chars {
			if r < utf8.RuneSelf {
				ascii[r] = true
			} else {
				others[r] = true
			}
		}
		cut = func(r rune) bool { return r < utf8.RuneSelf && ascii[r] || r >= utf8.RuneSelf && others[r] }
	}
	if left {
		s = strings.TrimLeftFunc(s, cut)
	}
	if right {
		s = strings.TrimRightFunc(s, cut)
	}
	return s
}
