// Package eval runs parsed templates: it holds the evaluator, the filters, tests, methods and global
// functions of the language, and its limits.
package eval

import (
	"time"

	"github.com/toolserve/toolserve/jinja/internal/syntax"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// Template is a parsed template with its names resolved. It is safe for concurrent use.
type Template struct {
	tree    *syntax.Tree
	filters []*filter
	tests   []*test
	// Indexes of the names with a meaning of their own, -1 where the template does not use them.
	loopID, callerID, varargsID, kwargsID int
	lib                                   *library
}

// Options are the clock and the limits of a render.
type Options struct {
	Now      func() time.Time
	Budget   value.Budget
	MaxDepth int
}

// Position is where in the normalised source a failure happened.
type Position int

// Compile parses a normalised source. Lenient templates may call from_json, and change the lists that
// they made. The error is a [*syntax.Error].
func Compile(source string, lenient bool) (*Template, error) {
	lib := strictLibrary()
	if lenient {
		lib = lenientLibrary()
	}
	tree, err := syntax.Parse(source, syntax.Options{
		Filter: func(name string) bool { return lib.filters[name] != nil },
		Test:   func(name string) bool { return lib.tests[name] != nil },
	})
	if err != nil {
		return nil, err
	}
	t := &Template{tree: tree, lib: lib}
	for _, name := range tree.Filters {
		t.filters = append(t.filters, lib.filters[name])
	}
	for _, name := range tree.Tests {
		t.tests = append(t.tests, lib.tests[name])
	}
	t.loopID, t.callerID = t.nameID("loop"), t.nameID("caller")
	t.varargsID, t.kwargsID = t.nameID("varargs"), t.nameID("kwargs")
	return t, nil
}

func (t *Template) nameID(name string) int {
	for i, n := range t.tree.Names {
		if n == name {
			return i
		}
	}
	return -1
}

// Render runs the template. A failure is returned with the place where it happened.
func (t *Template) Render(vars *value.Dict, opts Options) (text string, at Position, failure *value.Failure) {
	in := &interp{t: t, opts: opts, budget: opts.Budget}
	in.out = value.NewBuffer(&in.budget)
	in.globals = make([]value.Value, len(t.tree.Names))
	for i, name := range t.tree.Names {
		if v, ok := vars.Lookup(name); ok {
			in.globals[i] = v
		} else if f, ok := t.lib.globals[name]; ok {
			in.globals[i] = f
		}
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*value.Failure)
			if !ok {
				panic(r)
			}
			text, at, failure = "", Position(in.at), f
		}
	}()
	in.exec(t.tree.Body, nil)
	return in.out.String(), 0, nil
}

// interp is one render.
type interp struct {
	t      *Template
	opts   Options
	budget value.Budget
	out    *value.Buffer
	// globals are the variables outside every scope, by name index; nil is undefined.
	globals []value.Value
	// depth counts the macros and recursive loops that are running.
	depth int
	// at is the offset of what is being evaluated, for errors.
	at int
}

// binding is a variable in a scope.
type binding struct {
	id int
	v  value.Value
}

// scope holds the variables of a loop, macro or block; nil is the outermost one.
type scope struct {
	vars []binding
	up   *scope
	buf  [4]binding
}

func newScope(up *scope) *scope {
	s := &scope{up: up}
	s.vars = s.buf[:0]
	return s
}

// clear empties the scope for the next iteration of a loop.
func (s *scope) clear() { s.vars = s.vars[:0] }

func (in *interp) lookup(id int, sc *scope) value.Value {
	for ; sc != nil; sc = sc.up {
		for i := range sc.vars {
			if sc.vars[i].id == id {
				return sc.vars[i].v
			}
		}
	}
	if v := in.globals[id]; v != nil {
		return v
	}
	return &value.Undefined{Name: in.t.tree.Names[id]}
}

func (in *interp) set(id int, v value.Value, sc *scope) {
	if sc == nil {
		in.globals[id] = v
		return
	}
	for i := range sc.vars {
		if sc.vars[i].id == id {
			sc.vars[i].v = v
			return
		}
	}
	sc.vars = append(sc.vars, binding{id, v})
}

func (in *interp) str(v value.Value) string { return value.Str(v, &in.budget) }

// enter counts a macro or recursive loop that starts to run.
func (in *interp) enter() {
	if in.depth++; in.depth > in.opts.MaxDepth {
		value.FailLimit("macros or loops call themselves more than %d deep", in.opts.MaxDepth)
	}
	in.budget.Spend(8)
}
