// Package jsonc reads JSON with comments and trailing commas into values that know where in the text
// they stand, so that every complaint about a configuration file can name a line and a column. It is
// strict where JSON is lax: keys are case-sensitive, and a key given twice is an error.
package jsonc

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 64

// Error is a complaint about a place in the text. Line and Column count from 1, Column in bytes.
type Error struct {
	Line, Column int
	Message      string
}

// Error returns "line L, column C: message".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Node is one value of a document. The zero Node is no value.
type Node struct {
	value *hujson.Value
	src   []byte
}

// Member is one key of an object with its value.
type Member struct {
	Key   string
	At    Node // the key itself, for its place
	Value Node
}

// Parse reads a document of one value. The error is an [*Error].
func Parse(src []byte) (Node, error) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if err := checkDepth(src); err != nil {
		return Node{}, err
	}
	v, err := hujson.Parse(src)
	if err != nil {
		return Node{}, syntaxError(src, err)
	}
	return Node{value: &v, src: src}, nil
}

// syntaxError turns the parser's error, whose text starts with the place, into an [*Error].
func syntaxError(src []byte, err error) *Error {
	e := &Error{Line: 1, Column: 1}
	if _, scanErr := fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &e.Line, &e.Column); scanErr != nil {
		e.Message = strings.TrimPrefix(err.Error(), "hujson: ")
		return e
	}
	cause := err
	for next := errors.Unwrap(cause); next != nil; next = errors.Unwrap(next) {
		cause = next
	}
	e.Message = strings.TrimPrefix(cause.Error(), "hujson: ")
	if len(bytes.TrimSpace(src)) == 0 {
		e.Message = "the file is empty"
	}
	return e
}

// checkDepth refuses a text that nests deeper than MaxDepth before the parser recurses into it.
// It skips strings and comments.
func checkDepth(src []byte) error {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '"':
			for i++; i < len(src) && src[i] != '"' && src[i] != '\n'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		case '/':
			i = skipComment(src, i)
		case '{', '[':
			depth++
			if depth > MaxDepth {
				return errorAt(src, i, fmt.Sprintf("nested deeper than %d levels", MaxDepth))
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// skipComment returns the index of the last byte of the comment that starts at i, or i.
func skipComment(src []byte, i int) int {
	rest := src[i:]
	end := -1
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		end = bytes.IndexByte(rest, '\n')
	case bytes.HasPrefix(rest, []byte("/*")):
		if end = bytes.Index(rest[2:], []byte("*/")); end >= 0 {
			end += 3
		}
	default:
		return i
	}
	if end < 0 {
		return len(src)
	}
	return i + end
}

func errorAt(src []byte, offset int, message string) *Error {
	offset = min(offset, len(src))
	line := 1 + bytes.Count(src[:offset], []byte("\n"))
	column := offset - bytes.LastIndexByte(src[:offset], '\n')
	return &Error{Line: line, Column: column, Message: message}
}

// Errorf is an [*Error] at the place of n.
func (n Node) Errorf(format string, args ...any) *Error {
	return errorAt(n.src, n.value.StartOffset, fmt.Sprintf(format, args...))
}

// Raw returns the text of the value as it stands in the file, comments included.
func (n Node) Raw() []byte { return n.src[n.value.StartOffset:n.value.EndOffset] }

// IsNull reports whether the value is null.
func (n Node) IsNull() bool { return n.kind() == "null" }

// IsString reports whether the value is a string.
func (n Node) IsString() bool { return n.kind() == "a string" }

// kind names the value's type for an error message.
func (n Node) kind() string {
	switch n.value.Value.Kind() {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	default:
		return "null"
	}
}

func (n Node) wrong(want string) *Error { return n.Errorf("must be %s, not %s", want, n.kind()) }

// Members returns the members of an object in order. A key given twice is an error.
func (n Node) Members() ([]Member, error) {
	object, ok := n.value.Value.(*hujson.Object)
	if !ok {
		return nil, n.wrong("an object")
	}
	seen := make(map[string]bool, len(object.Members))
	members := make([]Member, 0, len(object.Members))
	for i := range object.Members {
		m := &object.Members[i]
		key := m.Name.Value.(hujson.Literal).String()
		member := Member{Key: key, At: Node{&m.Name, n.src}, Value: Node{&m.Value, n.src}}
		if seen[key] {
			return nil, member.At.Errorf("the key %q is given twice", key)
		}
		seen[key] = true
		members = append(members, member)
	}
	return members, nil
}

// Text returns a string.
func (n Node) Text() (string, error) {
	literal, ok := n.value.Value.(hujson.Literal)
	if !ok || literal.Kind() != '"' {
		return "", n.wrong("a string")
	}
	return literal.String(), nil
}

// Bool returns a boolean.
func (n Node) Bool() (bool, error) {
	literal, ok := n.value.Value.(hujson.Literal)
	if !ok || literal.Kind() != 't' && literal.Kind() != 'f' {
		return false, n.wrong("true or false")
	}
	return literal.Bool(), nil
}

// Number returns a number. One too large for a float64 comes back as the largest.
func (n Node) Number() (float64, error) {
	literal, ok := n.value.Value.(hujson.Literal)
	if !ok || literal.Kind() != '0' {
		return 0, n.wrong("a number")
	}
	return literal.Float(), nil
}

// Items returns the values of a list.
func (n Node) Items() ([]Node, error) {
	array, ok := n.value.Value.(*hujson.Array)
	if !ok {
		return nil, n.wrong("a list")
	}
	nodes := make([]Node, len(array.Elements))
	for i := range array.Elements {
		nodes[i] = Node{&array.Elements[i], n.src}
	}
	return nodes, nil
}

// Texts returns a list of strings.
func (n Node) Texts() ([]string, error) {
	items, err := n.Items()
	if err != nil {
		return nil, n.wrong("a list of strings")
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i], err = item.Text(); err != nil {
			return nil, err
		}
	}
	return texts, nil
}
