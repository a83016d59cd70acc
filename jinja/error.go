package jinja

import (
	"fmt"
	"strings"
)

// ErrorKind says what went wrong.
type ErrorKind uint8

// The kinds of an [Error].
const (
	// Syntax is a template that cannot be read.
	Syntax ErrorKind = iota
	// Runtime is an operation that Python would answer with an exception.
	Runtime
	// Raised is the template's own raise_exception: it refuses its input.
	Raised
	// Limit is a render that was stopped at a limit.
	Limit
	// Internal is a fault of this package.
	Internal
)

// Error is a template that cannot be read or rendered.
type Error struct {
	// Template is the name given to [Compile].
	Template string
	Kind     ErrorKind
	// Line and Column count from 1; Column counts characters.
	Line, Column int
	// Excerpt is the part of the line around the error.
	Excerpt string
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s (at %q)", e.Template, e.Line, e.Column, e.Message, e.Excerpt)
}

// excerptSize is how much of a line an error shows.
const excerptSize = 60

// excerpt cuts from a line what is around the byte at, at character boundaries.
func excerpt(line string, at int) string {
	from := 0
	if at > excerptSize/2 {
		from = at - excerptSize/2
	}
	to := min(from+excerptSize, len(line))
	return strings.TrimSpace(strings.ToValidUTF8(line[min(from, to):to], ""))
}
