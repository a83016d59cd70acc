// Package syntax reads the template language: a lexer that applies the whitespace rules, and a parser
// that makes a tree for the evaluator. It knows nothing of filters and values beyond their names and
// literals.
//
// Inside the package an error is a panic with an [*Error]; [Parse] recovers it.
package syntax

import (
	"fmt"
	"strings"
)

// Error is a template that cannot be read.
type Error struct {
	// Offset is the byte of the normalised source at which reading stopped.
	Offset  int
	Message string
}

func (e *Error) Error() string { return e.Message }

func fail(offset int, format string, args ...any) {
	panic(&Error{Offset: offset, Message: fmt.Sprintf(format, args...)})
}

// Normalise returns source as the lexer sees it: newlines are \n, and one at the very end is dropped.
// Offsets count in this text.
func Normalise(source string) string {
	if strings.IndexByte(source, '\r') >= 0 {
		source = strings.ReplaceAll(source, "\r\n", "\n")
		source = strings.ReplaceAll(source, "\r", "\n")
	}
	return strings.TrimSuffix(source, "\n")
}

type kind uint8

const (
	tokEOF kind = iota
	tokText
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

// token is one piece of the template. The text of a tokString has its escapes resolved.
type token struct {
	kind kind
	text string
	at   int
}

func (t token) is(k kind, text string) bool { return t.kind == k && t.text == text }

// String describes the token in an error.
func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokText:
		return "text"
	case tokVarBegin:
		return "'{{'"
	case tokVarEnd:
		return "'}}'"
	case tokBlockBegin:
		return "'{%'"
	case tokBlockEnd:
		return "'%}'"
	}
	return "'" + t.text + "'"
}
