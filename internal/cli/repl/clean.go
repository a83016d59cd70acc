package repl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Cleaner makes text of a model or a tool safe to print on a terminal, piece by piece: control
// characters other than newline and tab, colour and cursor sequences, and characters that reorder or
// hide text are dropped. What stays visible is exactly what is not one of these: nothing between two
// escapes can be hidden from the reader. The zero value is ready; one Cleaner serves one stream.
type Cleaner struct {
	state cleanState
	// tail holds the bytes of a character that a piece ended in.
	tail []byte
}

type cleanState uint8

const (
	plain  cleanState = iota
	escape            // after ESC
	csi               // inside ESC [ ..., up to its final byte
)

// Clean returns the printable part of the next piece.
func (c *Cleaner) Clean(piece string) string {
	if len(c.tail) > 0 {
		piece = string(c.tail) + piece
		c.tail = nil
	}
	var out strings.Builder
	out.Grow(len(piece))
	for i := 0; i < len(piece); {
		if !utf8.FullRuneInString(piece[i:]) {
			c.tail = []byte(piece[i:])
			break
		}
		r, size := utf8.DecodeRuneInString(piece[i:])
		i += size
		if c.keep(r) {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// keep moves the state on by one character and says whether it is printed.
func (c *Cleaner) keep(r rune) bool {
	switch c.state {
	case escape:
		c.state = plain
		if r == '[' {
			c.state = csi
			return false
		}
	case csi:
		if r >= 0x20 && r <= 0x3f { // parameters
			return false
		}
		c.state = plain
		if r >= 0x40 && r <= 0x7e { // the final byte
			return false
		}
	}
	switch {
	case r == '\n' || r == '\t':
		return true
	case r == 0x1b:
		c.state = escape
		return false
	case r == 0x9b: // the one-character form of ESC [
		c.state = csi
		return false
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r >= 0xe0000 && r <= 0xe007f:
		return false
	}
	return true
}

// Clean returns the printable part of a whole text.
func Clean(text string) string {
	var c Cleaner
	out := c.Clean(text)
	if len(c.tail) > 0 {
		out += string(utf8.RuneError)
	}
	return out
}

// Line is Clean for a text that must stay on one line of at most limit characters.
func Line(text string, limit int) string { return shorten(cleanLine(text), limit) }

// cleanLine is Clean for a text that must stay on one line.
func cleanLine(text string) string {
	return strings.Join(strings.Fields(Clean(text)), " ")
}

// shorten cuts text to limit characters and says how much is missing.
func shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit]) + "..."
}
