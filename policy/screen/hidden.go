package screen

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// isHidden reports whether a character takes no room, changes the direction of its neighbours, is blank although
// it is a letter, or has no shape of its own.
func isHidden(r rune) bool {
	switch {
	case r < 0x80:
		return false
	case r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x2800, r == 0x3164, r == 0xffa0, r == 0xfffc, r == 0x34f, r == 0x2028, r == 0x2029:
		return true
	case unicode.Is(unicode.Cf, r):
		return !unicode.Is(unicode.Prepended_Concatenation_Mark, r) // signs of Arabic and others, which are seen
	}
	return isTag(r) || isSelector(r) || unicode.In(r, unicode.Co, unicode.Noncharacter_Code_Point, unicode.Other_Default_Ignorable_Code_Point)
}

// isTag: the tags block repeats ASCII in characters that nothing shows.
func isTag(r rune) bool { return r >= 0xe0000 && r <= 0xe007f }

func isSelector(r rune) bool {
	return r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef || r >= 0x180b && r <= 0x180d
}

func isControl(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r <= 0x9f
}

// characters finds hidden characters and terminal escapes.
func (s *Screener) characters(where, text string) {
	if isPlainASCII(text) {
		return
	}
	runes := []rune(text)
	rightToLeft := strings.ContainsFunc(text, isRightToLeft)
	marks := 0 // above and below the letter before
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		if !unicode.Is(unicode.Mn, r) || isSelector(r) {
			marks = 0
		} else if marks++; marks == maxMarks+1 {
			s.add(CodeHidden, where, "holds more than %d marks on one letter", maxMarks)
		}
		switch {
		case r == 0x1b || r == 0x9b || r == 0x9d || r == 0x90:
			s.add(CodeEscape, where, "holds a terminal escape sequence (%s)", name(r))
		case isControl(r) || r == '\r' && (i+1 == len(runes) || runes[i+1] != '\n'): // which goes back over the line
			s.add(CodeHidden, where, "holds the control character %s", name(r))
		case isTag(r):
			run := tagRun(runes[i:])
			if !isFlag(runes, i, run) {
				s.add(CodeHidden, where, "hides text in characters that are not shown: %s", Quote(cut(tagText(runes[i:i+run]), 200)))
			}
			i += run - 1
		case isSelector(r):
			run := selectorRun(runes[i:])
			if !honestSelector(runes, i, run) {
				s.add(CodeHidden, where, "holds %d variation selectors that change nothing, which can carry hidden text", run)
			}
			i += run - 1
		case isHidden(r) && !honestMark(runes, i, rightToLeft):
			s.add(CodeHidden, where, "holds the hidden character %s", name(r))
		}
	}
}

// The longest gaps that honest text has: blanks within a line, lines without text.
const maxBlanks, maxEmptyLines = 64, 24

// gaps finds text that is pushed out of sight.
func (s *Screener) gaps(where, text string) {
	blanks, lines := 0, 0
	for _, r := range text {
		switch {
		case r == '\n':
			lines++
			blanks = 0
		case r == '\r':
		case unicode.IsSpace(r):
			blanks++
		default:
			if blanks > maxBlanks || lines > maxEmptyLines {
				s.add(CodeHidden, where, "holds text behind a gap that pushes it out of sight")
				return
			}
			blanks, lines = 0, 0
		}
	}
}

// maxMarks is how many marks a letter may have: more than any language puts on one.
const maxMarks = 8

func isPlainASCII(text string) bool {
	for i := range len(text) {
		if c := text[i]; c >= 0x7f || c < 0x20 && c != '\t' && c != '\n' {
			return false
		}
	}
	return true
}

func isRightToLeft(r rune) bool {
	return !isHidden(r) && unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko)
}

// honestMark reports whether an invisible mark does at its place what it is for: joining emoji and
// letters of scripts that join, or ordering words of scripts that run from right to left.
func honestMark(runes []rune, i int, rightToLeft bool) bool {
	switch r := runes[i]; {
	case r == 0x200c || r == 0x200d:
		return i > 0 && (shapes(runes[i-1]) || i+1 < len(runes) && joins(runes[i-1]) && joins(runes[i+1]))
	case r == 0x200e || r == 0x200f || r == 0x61c:
		return rightToLeft
	}
	return false
}

// shapes reports whether a letter or mark is of a script in which a joiner behind it chooses its form, also at the
// end of a word.
func shapes(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati,
		unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar)
}

func joins(r rune) bool { return r >= 0x300 && !isHidden(r) || isSelector(r) }

func tagRun(runes []rune) int {
	n := 0
	for n < len(runes) && isTag(runes[n]) {
		n++
	}
	return n
}

// isFlag reports whether the tags at i belong to an emoji flag: a black flag, a region, a cancel tag.
func isFlag(runes []rune, i, run int) bool {
	return i > 0 && runes[i-1] == 0x1f3f4 && run >= 3 && run <= 7 && runes[i+run-1] == 0xe007f
}

func tagText(runes []rune) string {
	var b strings.Builder
	for _, r := range runes {
		if c := r - 0xe0000; c >= 0x20 && c < 0x7f {
			b.WriteRune(c)
		}
	}
	return b.String()
}

func selectorRun(runes []rune) int {
	n := 0
	for n < len(runes) && isSelector(runes[n]) {
		n++
	}
	return n
}

// honestSelector reports whether a variation selector picks the form of the character before it: one,
// behind a symbol, a digit of a keycap, or an ideograph.
func honestSelector(runes []rune, i, run int) bool {
	if i == 0 || run != 1 {
		return false
	}
	before := runes[i-1]
	if runes[i] >= 0xe0100 {
		return unicode.Is(unicode.Han, before)
	}
	return before >= 0xa9 || before == '#' || before == '*' || before >= '0' && before <= '9'
}

func name(r rune) string { return fmt.Sprintf("U+%04X", r) }

// Visible returns text with every character that is not seen written as an escape, as in Go: \u200b.
// White space is kept.
func Visible(text string) string {
	if isPlainASCII(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || r == '\r' || unicode.IsPrint(r) && !isHidden(r) {
			b.WriteRune(r)
			continue
		}
		writeEscaped(&b, r)
	}
	return b.String()
}

// Quote returns text on one line in quotes, with every character that is not seen as an escape.
func Quote(text string) string {
	quoted := strconv.Quote(text)
	if isPlainASCII(quoted) {
		return quoted
	}
	var b strings.Builder
	for _, r := range quoted {
		if isHidden(r) {
			writeEscaped(&b, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func writeEscaped(b *strings.Builder, r rune) {
	escaped := strconv.QuoteRuneToASCII(r)
	b.WriteString(escaped[1 : len(escaped)-1])
}
