// Package jinja renders chat templates: the part of Jinja that they are written in, byte for byte as
// Python's jinja2 renders it where transformers sets it up (trim_blocks, lstrip_blocks, loop controls,
// the generation tag, and json.dumps as tojson).
//
// Templates come with models, and their variables from clients, so both are hostile until proven
// otherwise: every render is bounded in steps, memory, text length and depth, and ends in an [*Error]
// rather than in a crash.
//
// What is there: every statement of Jinja but those that need other templates (include, import,
// extends) and autoescape; all filters but pprint, random, striptags, urlize, wordwrap and xmlattr; all
// tests; the functions range, dict, namespace, joiner, cycler, raise_exception and strftime_now; the
// methods of Python's str, list and dict that change nothing, except encode, fromkeys, maketrans and
// translate.
//
// What is left out beyond these: attributes and methods of numbers and ranges, complex numbers, self and
// super in blocks, the escape \N{NAME} in strings, and the addresses with which Python prints functions
// and generators. Integers end at 4300 digits, as they do in Python where it prints them. Where versions
// of jinja2 differ, the later one counts: pop and clear of a list are refused, and int takes its default
// for infinity.
package jinja

import (
	"strings"
	"time"

	"github.com/toolserve/toolserve/jinja/internal/eval"
	"github.com/toolserve/toolserve/jinja/internal/syntax"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// The values of a template. [DecodeJSON] makes them from JSON; a program that makes them itself uses
// these types, whose zero values of [Dict] and [List] are empty and ready.
type (
	// Value is any datum.
	Value = value.Value
	// None is Python's None.
	None = value.None
	// Bool is a truth value.
	Bool = value.Bool
	// Int is an integer.
	Int = value.Int
	// Float is a floating point number: it prints with a fraction even if that is zero.
	Float = value.Float
	// String is a text.
	String = value.String
	// List is a list; its Items must not be changed while a template renders.
	List = value.List
	// Dict is a dict that keeps the order in which its keys were set.
	Dict = value.Dict
)

// NewDict returns an empty dict with room for n entries.
func NewDict(n int) *Dict { return value.NewDict(n) }

// NewList returns a list of items.
func NewList(items ...Value) *List { return value.NewList(items...) }

// DecodeJSON reads one JSON text. Objects become dicts in the order of their keys; integers of any size
// and floats are told apart as Python does.
func DecodeJSON(data []byte) (Value, error) { return value.DecodeJSON(data) }

// Truth is Python's truth value of v.
func Truth(v Value) bool { return value.Truth(v) }

// Template is a compiled template. It is safe for concurrent use.
type Template struct {
	name   string
	source string // normalised
	eval   *eval.Template
}

// CompileOptions change what a template may do. The zero value is what transformers allows.
type CompileOptions struct {
	// Lenient allows what some published templates need and jinja2's sandbox refuses: the filter
	// from_json, and append, extend, insert and pop on lists that the template itself made.
	Lenient bool
}

// Compile reads a template. The name appears in errors. The error is an [*Error].
func Compile(name, source string) (*Template, error) {
	return CompileWith(name, source, CompileOptions{})
}

// CompileWith is [Compile] with options.
func CompileWith(name, source string, opts CompileOptions) (*Template, error) {
	t := &Template{name: name, source: syntax.Normalise(source)}
	var err error
	if t.eval, err = eval.Compile(t.source, opts.Lenient); err != nil {
		e := err.(*syntax.Error)
		return nil, t.errorAt(e.Offset, Syntax, e.Message)
	}
	return t, nil
}

// The limits of a render that sets none. They end a runaway template within a fraction of a second and
// some tens of megabytes.
const (
	// DefaultMaxOutput bounds the output, and every single text on the way, in bytes.
	DefaultMaxOutput = 4 << 20
	// DefaultMaxMemory bounds what the template allocates in all, in bytes.
	DefaultMaxMemory = 32 << 20
	// DefaultMaxSteps bounds the operations.
	DefaultMaxSteps = 2_000_000
	// DefaultMaxDepth bounds macros and recursive loops that call themselves.
	DefaultMaxDepth = 200
)

// RenderOptions are the clock and the limits of a render. Zero values mean the defaults.
type RenderOptions struct {
	// Now is the clock of strftime_now; nil is [time.Now].
	Now func() time.Time
	// MaxOutput, MaxMemory, MaxSteps and MaxDepth replace the defaults of those names.
	MaxOutput, MaxMemory, MaxSteps, MaxDepth int
}

// Render runs the template with vars, which may be nil. The error is an [*Error].
func (t *Template) Render(vars *Dict, opts RenderOptions) (string, error) {
	if vars == nil {
		vars = &Dict{}
	}
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	text, at, failure := t.eval.Render(vars, eval.Options{
		Now:      now,
		MaxDepth: orDefault(opts.MaxDepth, DefaultMaxDepth),
		Budget: value.Budget{
			Steps:   int64(orDefault(opts.MaxSteps, DefaultMaxSteps)),
			Memory:  int64(orDefault(opts.MaxMemory, DefaultMaxMemory)),
			MaxText: orDefault(opts.MaxOutput, DefaultMaxOutput),
		},
	})
	if failure != nil {
		kind := [...]ErrorKind{value.Runtime: Runtime, value.Raised: Raised, value.Limit: Limit, value.Internal: Internal}[failure.Kind]
		return "", t.errorAt(int(at), kind, failure.Message)
	}
	return text, nil
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// errorAt makes an error of an offset in the normalised source.
func (t *Template) errorAt(offset int, kind ErrorKind, message string) *Error {
	offset = min(offset, len(t.source))
	before := t.source[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	line, _, _ := strings.Cut(t.source[start:], "\n")
	return &Error{
		Template: t.name,
		Kind:     kind,
		Line:     strings.Count(before, "\n") + 1,
		Column:   len([]rune(before[start:])) + 1,
		Excerpt:  excerpt(line, offset-start),
		Message:  message,
	}
}

// EncodeJSON is the filter tojson without arguments: the JSON text that json.dumps writes with
// ensure_ascii off. It fails for a value that JSON cannot say.
func EncodeJSON(v Value) (text string, err error) {
	budget := value.Budget{Steps: DefaultMaxSteps, Memory: DefaultMaxMemory, MaxText: DefaultMaxOutput}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*value.Failure)
			if !ok {
				panic(r)
			}
			err = f
		}
	}()
	b := value.NewBuffer(&budget)
	value.EncodeJSON(b, v, &value.JSONStyle{Item: ", ", Key: ": "})
	return b.String(), nil
}
