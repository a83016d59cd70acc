package toolsearch

import (
	"strings"
	"unicode"
)

// terms splits a text into words, cut down to what their forms have in common. Names of all styles are
// taken apart: read_text_file, readTextFile, HTTPServer. Scripts without spaces give a word for each
// character.
func terms(text string) []string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, stem(strings.ToLower(string(word))))
			word = word[:0]
		}
	}
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case r >= '\u0e00' && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai):
			flush()
			words = append(words, string(r))
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case i > 0 && len(word) > 0 && begins(runes[i-1], r, next(runes, i)):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return words
}

func next(runes []rune, i int) rune {
	if i+1 < len(runes) {
		return runes[i+1]
	}
	return 0
}

// begins reports whether a word begins at r inside a run of letters and digits: after a small letter, before
// the last capital of several, or between letters and digits.
func begins(before, r, after rune) bool {
	return unicode.IsUpper(r) && (unicode.IsLower(before) || unicode.IsUpper(before) && unicode.IsLower(after)) ||
		unicode.IsDigit(r) != unicode.IsDigit(before)
}

// minStem is the fewest letters that are left of a word.
const minStem = 3

// stem takes the commonest endings of English off a word. Other languages lose little by it.
func stem(word string) string {
	for _, ending := range [...]struct{ cut, put string }{
		{"ies", "y"}, {"sses", "ss"}, {"ches", "ch"}, {"shes", "sh"}, {"xes", "x"}, {"ss", "ss"}, {"us", "us"}, {"s", ""},
	} {
		if root, ok := strings.CutSuffix(word, ending.cut); ok && len(root)+len(ending.put) >= minStem {
			word = root + ending.put
			break
		}
	}
	for _, cut := range [...]string{"ing", "ed"} {
		root, ok := strings.CutSuffix(word, cut)
		if !ok || len(root) < minStem || !strings.ContainsAny(root, "aeiouy") {
			continue
		}
		if n := len(root); root[n-1] == root[n-2] && !strings.ContainsRune("lsz", rune(root[n-1])) {
			root = root[:n-1] // running, getting
		}
		return strings.TrimSuffix(root, "e")
	}
	if len(word) > minStem+1 {
		word = strings.TrimSuffix(word, "e") // so that create, created and creating agree
	}
	return word
}
