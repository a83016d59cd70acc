// Package pytext holds what Python does to texts: letter case, splitting, reading and formatting
// numbers, and dates. Its functions fail as package value describes.
package pytext

import (
	"strings"
	"unicode"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// Lower is str.Lower(), with the Greek final sigma.
func Lower(s string) string {
	l := strings.ToLower(s)
	if !strings.ContainsRune(l, 'σ') || !strings.ContainsRune(s, 'Σ') {
		return l
	}
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		last := i+1 == len(runes) || !unicode.IsLetter(runes[i+1])
		if r == 'Σ' && last && i > 0 && unicode.IsLetter(runes[i-1]) {
			b.WriteRune('ς')
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Upper is str.Upper(), with the letters that become several.
func Upper(s string) string {
	if strings.ContainsAny(s, "ßﬀﬁﬂﬃﬄﬅﬆŉ") {
		s = strings.NewReplacer("ß", "SS", "ﬀ", "FF", "ﬁ", "FI", "ﬂ", "FL", "ﬃ", "FFI", "ﬄ", "FFL",
			"ﬅ", "ST", "ﬆ", "ST", "ŉ", "ʼN").Replace(s)
	}
	return strings.ToUpper(s)
}

// Capitalize is str.capitalize().
func Capitalize(s string) string {
	for i, r := range s {
		if i > 0 {
			return strings.ToTitle(s[:i]) + Lower(s[i:])
		}
		_ = r
	}
	return Upper(s)
}

// TitleWords raises the first letter of every word, where whitespace, a hyphen or an open bracket
// begins one.
func TitleWords(s string) string {
	var b strings.Builder
	begin := true
	for _, r := range s {
		if begin {
			b.WriteString(Upper(string(r)))
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
		begin = value.IsSpace(r) || strings.ContainsRune("-({[<", r)
	}
	return b.String()
}

// Title is str.title(), where a word is a run of letters.
func Title(s string) string {
	var b strings.Builder
	inWord := false
	for _, r := range s {
		if inWord {
			b.WriteRune(unicode.ToLower(r))
		} else {
			b.WriteRune(unicode.ToTitle(r))
		}
		inWord = unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
	}
	return b.String()
}

// SwapCase is str.swapcase().
func SwapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
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
