package lenient

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquoter reads the inside of a string in quotes and gives back the text that it means, while it
// arrives. Quote is the quote that ends it.
type Unquoter struct {
	Quote byte
	out   []byte
}

// Write reads from in, behind the opening quote, and returns how many bytes it has taken, the closing
// quote included, and the text that they mean, which is valid until the next Write.
func (u *Unquoter) Write(in string, final bool) (int, []byte, Status) {
	u.out = u.out[:0]
	pos := 0
	for pos < len(in) {
		i := strings.IndexByte(in[pos:], '\\')
		end := strings.IndexByte(in[pos:], u.Quote)
		if end >= 0 && (i < 0 || end < i) {
			u.out = append(u.out, in[pos:pos+end]...)
			return pos + end + 1, u.out, Done
		}
		if i < 0 {
			u.out = append(u.out, in[pos:]...)
			return len(in), u.out, More
		}
		u.out = append(u.out, in[pos:pos+i]...)
		pos += i
		n := u.escape(in[pos:], final)
		if n == 0 {
			return pos, u.out, More
		}
		pos += n
	}
	return pos, u.out, More
}

// escape reads the escape at the beginning of in and returns its length, 0 if it is not all there.
func (u *Unquoter) escape(in string, final bool) int {
	if len(in) < 2 {
		return 0
	}
	const from, to = `"'\/bfnrt`, "\"'\\/\b\f\n\r\t"
	if i := strings.IndexByte(from, in[1]); i >= 0 {
		u.out = append(u.out, to[i])
		return 2
	}
	if in[1] != 'u' {
		u.out = append(u.out, '\\')
		return 1
	}
	if len(in) < 6 && !final {
		return 0
	}
	first, ok := hex4(in)
	if !ok {
		u.out = append(u.out, '\\')
		return 1
	}
	if !utf16.IsSurrogate(first) {
		u.out = utf8.AppendRune(u.out, first)
		return 6
	}
	if len(in) < 12 && !final && strings.HasPrefix(`\u`, in[6:min(8, len(in))]) {
		return 0
	}
	if second, ok := hex4(in[6:]); ok {
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			u.out = utf8.AppendRune(u.out, r)
			return 12
		}
	}
	u.out = utf8.AppendRune(u.out, utf8.RuneError)
	return 6
}

// hex4 reads \uXXXX.
func hex4(in string) (rune, bool) {
	if len(in) < 6 || in[0] != '\\' || in[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(in[2:6], 16, 32)
	return rune(n), err == nil
}

// Unquote returns what text, a string in either quotes, means; as it is where that is unclear.
func Unquote(text string) string {
	valid, ok := Valid(text, Style{})
	var s string
	if !ok || json.Unmarshal([]byte(valid), &s) != nil {
		return text[1 : len(text)-1]
	}
	return s
}
