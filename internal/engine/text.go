package engine

import (
	"strings"
	"unicode/utf8"
)

// assembler turns the bytes of tokens into whole characters.
type assembler struct {
	held []byte // the beginning of a character, at most 3 bytes
}

// push takes the next token's bytes and returns the characters that are complete. Bytes that can belong to
// no character come back as U+FFFD, one for each.
func (a *assembler) push(piece string) string {
	if len(a.held) == 0 && utf8.ValidString(piece) {
		return piece
	}
	a.held = append(a.held, piece...)
	n := len(a.held) - incomplete(a.held)
	text := replaceInvalid(a.held[:n])
	a.held = append(a.held[:0], a.held[n:]...)
	return text
}

// flush gives up waiting for the rest of a character.
func (a *assembler) flush() string {
	if len(a.held) == 0 {
		return ""
	}
	text := replaceInvalid(a.held)
	a.held = a.held[:0]
	return text
}

// incomplete returns how many bytes at b's end begin a character that more bytes could complete.
func incomplete(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		tail := b[len(b)-n:]
		if !utf8.RuneStart(tail[0]) {
			continue
		}
		if !utf8.FullRune(tail) {
			return n
		}
		return 0
	}
	return 0
}

func replaceInvalid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var text strings.Builder
	for _, r := range string(b) { // ranging gives U+FFFD for each byte that is not part of a character
		text.WriteRune(r)
	}
	return text.String()
}
