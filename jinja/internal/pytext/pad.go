package pytext

import (
	"math"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// starWidth is a width or character given as an argument.
func starWidth(v value.Value) int {
	n, ok := value.Int64(v)
	if !ok {
		value.Fail("* wants int")
	}
	return int(max(-1<<40, min(n, 1<<40)))
}

// firstRunes cuts s after n characters.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// grouped puts a separator between thousands, or between fours of a base other than ten.
func grouped(digits string, separator byte, base int) string {
	if separator == 0 {
		return digits
	}
	size := 3
	if base != 10 {
		size = 4
	}
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%size == 0 {
			b.WriteByte(separator)
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// Pad fills s to width characters; align is '<', '>' or '^' as in a format specification, or 'c' for
// str.center, which puts the odd character elsewhere.
func Pad(b *value.Budget, s string, width int, fill string, align byte) string {
	missing := width - len([]rune(s))
	if missing <= 0 {
		return s
	}
	if width > math.MaxInt32 {
		b.CheckText(math.MaxInt)
	}
	left := 0
	switch align {
	case '>':
		left = missing
	case '^':
		left = missing / 2
	case 'c':
		left = missing/2 + missing&width&1
	}
	buf := value.NewBuffer(b)
	buf.Pad(fill, left)
	buf.WriteString(s)
	buf.Pad(fill, missing-left)
	return buf.Cut(0)
}
