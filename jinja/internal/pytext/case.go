// Package pytext holds what Python does to texts: letter case, splitting, reading and formatting
// numbers, and dates. Its functions fail as package value describes.
package pytext

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// The letters that become several in upper case, each with these, and those whose title case is not the
// upper case of the first and the rest as it is.
const (
	upperTexts = "ßSS ŉ\u02bcN ǰJ\u030c \u0390\u0399\u0308\u0301 \u03b0\u03a5\u0308\u0301 \u0587\u0535\u0552 " +
		"\u1e96H\u0331 \u1e97T\u0308 \u1e98W\u030a \u1e99Y\u030a \u1e9aA\u02be \u1f50\u03a5\u0313 " +
		"\u1f52\u03a5\u0313\u0300 \u1f54\u03a5\u0313\u0301 \u1f56\u03a5\u0313\u0342 \u1f80\u1f08\u0399 " +
		"\u1f81\u1f09\u0399 \u1f82\u1f0a\u0399 \u1f83\u1f0b\u0399 \u1f84\u1f0c\u0399 \u1f85\u1f0d\u0399 " +
		"\u1f86\u1f0e\u0399 \u1f87\u1f0f\u0399 \u1f88\u1f08\u0399 \u1f89\u1f09\u0399 \u1f8a\u1f0a\u0399 " +
		"\u1f8b\u1f0b\u0399 \u1f8c\u1f0c\u0399 \u1f8d\u1f0d\u0399 \u1f8e\u1f0e\u0399 \u1f8f\u1f0f\u0399 " +
		"\u1f90\u1f28\u0399 \u1f91\u1f29\u0399 \u1f92\u1f2a\u0399 \u1f93\u1f2b\u0399 \u1f94\u1f2c\u0399 " +
		"\u1f95\u1f2d\u0399 \u1f96\u1f2e\u0399 \u1f97\u1f2f\u0399 \u1f98\u1f28\u0399 \u1f99\u1f29\u0399 " +
		"\u1f9a\u1f2a\u0399 \u1f9b\u1f2b\u0399 \u1f9c\u1f2c\u0399 \u1f9d\u1f2d\u0399 \u1f9e\u1f2e\u0399 " +
		"\u1f9f\u1f2f\u0399 \u1fa0\u1f68\u0399 \u1fa1\u1f69\u0399 \u1fa2\u1f6a\u0399 \u1fa3\u1f6b\u0399 " +
		"\u1fa4\u1f6c\u0399 \u1fa5\u1f6d\u0399 \u1fa6\u1f6e\u0399 \u1fa7\u1f6f\u0399 \u1fa8\u1f68\u0399 " +
		"\u1fa9\u1f69\u0399 \u1faa\u1f6a\u0399 \u1fab\u1f6b\u0399 \u1fac\u1f6c\u0399 \u1fad\u1f6d\u0399 " +
		"\u1fae\u1f6e\u0399 \u1faf\u1f6f\u0399 \u1fb2\u1fba\u0399 \u1fb3\u0391\u0399 \u1fb4\u0386\u0399 " +
		"\u1fb6\u0391\u0342 \u1fb7\u0391\u0342\u0399 \u1fbc\u0391\u0399 \u1fc2\u1fca\u0399 " +
		"\u1fc3\u0397\u0399 \u1fc4\u0389\u0399 \u1fc6\u0397\u0342 \u1fc7\u0397\u0342\u0399 " +
		"\u1fcc\u0397\u0399 \u1fd2\u0399\u0308\u0300 \u1fd3\u0399\u0308\u0301 \u1fd6\u0399\u0342 " +
		"\u1fd7\u0399\u0308\u0342 \u1fe2\u03a5\u0308\u0300 \u1fe3\u03a5\u0308\u0301 \u1fe4\u03a1\u0313 " +
		"\u1fe6\u03a5\u0342 \u1fe7\u03a5\u0308\u0342 \u1ff2\u1ffa\u0399 \u1ff3\u03a9\u0399 " +
		"\u1ff4\u038f\u0399 \u1ff6\u03a9\u0342 \u1ff7\u03a9\u0342\u0399 \u1ffc\u03a9\u0399 \ufb00FF " +
		"\ufb01FI \ufb02FL \ufb03FFI \ufb04FFL \ufb05ST \ufb06ST \ufb13\u0544\u0546 \ufb14\u0544\u0535 " +
		"\ufb15\u0544\u053b \ufb16\u054e\u0546 \ufb17\u0544\u053d"
	titleTexts = "ßSs \u0587\u0535\u0582 \u1fb2\u1fba\u0345 \u1fb4\u0386\u0345 \u1fb7\u0391\u0342\u0345 " +
		"\u1fc2\u1fca\u0345 \u1fc4\u0389\u0345 \u1fc7\u0397\u0342\u0345 \u1ff2\u1ffa\u0345 " +
		"\u1ff4\u038f\u0345 \u1ff7\u03a9\u0342\u0345 \ufb00Ff \ufb01Fi \ufb02Fl \ufb03Ffi \ufb04Ffl " +
		"\ufb05St \ufb06St \ufb13\u0544\u0576 \ufb14\u0544\u0565 \ufb15\u0544\u056b \ufb16\u054e\u0576 " +
		"\ufb17\u0544\u056d"
)

// caseTables are upperTexts and titleTexts by letter.
var caseTables = sync.OnceValue(func() (t struct{ upper, title map[rune]string }) {
	table := func(texts string) map[rune]string {
		m := map[rune]string{}
		for field := range strings.FieldsSeq(texts) {
			r, n := utf8.DecodeRuneInString(field)
			m[r] = field[n:]
		}
		return m
	}
	t.upper, t.title = table(upperTexts), table(titleTexts)
	return t
})

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Lower is str.lower(), with the Greek final sigma.
func Lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	if strings.ContainsRune(s, 'İ') {
		s = strings.ReplaceAll(s, "İ", "i̇")
	}
	if !strings.ContainsRune(s, 'Σ') {
		return strings.ToLower(s)
	}
	runes := []rune(s)
	for i, r := range runes {
		if r == 'Σ' && isFinal(runes, i) {
			runes[i] = 'ς'
		}
	}
	return strings.ToLower(string(runes))
}

// isFinal reports whether a letter with case comes before place i, and none after it, in its word.
func isFinal(runes []rune, i int) bool {
	cased := func(at, step int) bool {
		for at += step; at >= 0 && at < len(runes); at += step {
			if !isCaseIgnorable(runes[at]) {
				return isCased(runes[at])
			}
		}
		return false
	}
	return cased(i, -1) && !cased(i, 1)
}

func isCaseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:·՟״‘’․‧︓﹒﹕＇．：", r)
}

// Upper is str.upper().
func Upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	table := caseTables().upper
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if text, ok := table[r]; ok {
			b.WriteString(text)
		} else {
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return b.String()
}

// Fold is str.casefold().
func Fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	table := caseTables().upper
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch text, ok := table[r]; {
		case ok:
			b.WriteString(strings.ToLower(text))
		case r == 'ẞ':
			b.WriteString("ss")
		case r == 'İ':
			b.WriteString("i̇")
		case r == 'ı' || r >= 'Ꭰ' && r <= 'Ᏽ':
			b.WriteRune(r)
		case r >= 'ᏸ' && r <= 'ᏽ' || r >= 'ꭰ' && r <= 'ꮿ': // Cherokee folds to its capitals
			b.WriteRune(unicode.ToUpper(r))
		default:
			b.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
		}
	}
	return b.String()
}

// titleLetter is one letter at the beginning of a word.
func titleLetter(r rune) string {
	t := caseTables()
	if text, ok := t.title[r]; ok {
		return text
	}
	if u := unicode.ToTitle(r); u != r {
		return string(u)
	}
	if text, ok := t.upper[r]; ok && !unicode.IsTitle(r) {
		return text
	}
	return string(r)
}

// Capitalize is str.capitalize().
func Capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return titleLetter(r) + Lower(s)[len(Lower(s[:n])):]
}

// TitleWords is the filter title: whitespace, a hyphen or an open bracket begins a word.
func TitleWords(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	ends := func(r rune) bool { return value.IsSpace(r) || strings.ContainsRune("-({[<", r) }
	for s != "" {
		_, n := utf8.DecodeRuneInString(s)
		end := strings.IndexFunc(s[n:], ends)
		if end < 0 {
			end = len(s) - n
		}
		if word := s[:n]; end == 0 || ends([]rune(word)[0]) {
			b.WriteString(Upper(word))
			s = s[n:]
			continue
		}
		b.WriteString(Upper(s[:n]))
		b.WriteString(Lower(s[n : n+end]))
		s = s[n+end:]
	}
	return b.String()
}

// Title is str.title(), where a word is a run of letters that have a case.
func Title(s string) string {
	lower := []rune(s)
	if strings.ContainsRune(s, 'Σ') {
		for i, r := range lower {
			if r == 'Σ' && isFinal(lower, i) {
				lower[i] = 'ς'
			}
		}
	}
	var b strings.Builder
	b.Grow(len(s))
	inWord := false
	for _, r := range lower {
		switch {
		case inWord && r == 'İ':
			b.WriteString("i̇")
		case inWord:
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteString(titleLetter(r))
		}
		inWord = isCased(r)
	}
	return b.String()
}

// SwapCase is str.swapcase().
func SwapCase(s string) string {
	lower := []rune(Lower(strings.ReplaceAll(s, "İ", "I")))
	var b strings.Builder
	b.Grow(len(s))
	i := 0
	for _, r := range s {
		switch {
		case r == 'İ':
			b.WriteString("i̇")
		case IsUpper(r):
			b.WriteRune(lower[i])
		case IsLower(r):
			b.WriteString(Upper(string(r)))
		default:
			b.WriteRune(r)
		}
		i++
	}
	return b.String()
}

// IsLower and IsUpper are the properties Lowercase and Uppercase, which some that are no letters have.
func IsLower(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }

// IsUpper is the property Uppercase.
func IsUpper(r rune) bool { return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) }

func isCased(r rune) bool { return IsLower(r) || IsUpper(r) || unicode.IsTitle(r) }

// IsTitle is str.istitle().
func IsTitle(s string) bool {
	found, inWord := false, false
	for _, r := range s {
		switch {
		case IsUpper(r) || unicode.IsTitle(r):
			if inWord {
				return false
			}
			found, inWord = true, true
		case IsLower(r):
			if !inWord {
				return false
			}
		default:
			inWord = false
		}
	}
	return found
}

// HasCase reports whether s has characters of the wanted case and none of the other.
func HasCase(s string, want, other func(rune) bool) bool {
	found := false
	for _, r := range s {
		if other(r) || unicode.IsTitle(r) {
			return false
		}
		found = found || want(r)
	}
	return found
}
