// Package eval runs parsed templates.
package eval

import (
	"fmt"
	"time"

	"github.com/toolserve/toolserve/jinja/internal/builtin"
	"github.com/toolserve/toolserve/jinja/internal/syntax"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// Template is a parsed template with its names resolved. It is safe for concurrent use.
type Template struct {
	tree    *syntax.Tree
	filters []*builtin.Filter
	tests   []*builtin.Test
	// Indexes of the names with a meaning of their own, -1 where the template does not use them.
	loopID, callerID, varargsID, kwargsID int
	lib                                   *builtin.Library
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
	lib := builtin.Strict()
	if lenient {
		lib = builtin.Lenient()
	}
	tree, err := syntax.Parse(source, syntax.Options{
		Filter: func(name string) bool { return lib.Filters[name] != nil },
		Test:   func(name string) bool { return lib.Tests[name] != nil },
	})
	if err != nil {
		return nil, err
	}
	t := &Template{tree: tree, lib: lib}
	for _, name := range tree.Filters {
		t.filters = append(t.filters, lib.Filters[name])
	}
	for _, name := range tree.Tests {
		t.tests = append(t.tests, lib.Tests[name])
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
	in := &interp{t: t, maxDepth: opts.MaxDepth}
	in.Env = builtin.Env{Budget: opts.Budget, Now: opts.Now, Lib: t.lib}
	in.out = value.NewBuffer(&in.Budget)
	in.globals = make([]value.Value, len(t.tree.Names))
	for i, name := range t.tree.Names {
		if v, ok := vars.Lookup(name); ok {
			in.globals[i] = v
		} else if f, ok := t.lib.Globals[name]; ok {
			in.globals[i] = f
		}
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*value.Failure)
			if !ok { // a template of a stranger must not end the program
				f = &value.Failure{Kind: value.Internal, Message: fmt.Sprintf("internal error: %v", r)}
			}
			text, at, failure = "", Position(in.at), f
		}
	}()
	in.exec(t.tree.Body, nil)
	return in.out.String(), 0, nil
}

// interp is one render.
type interp struct {
	builtin.Env
	t   *Template
	out *value.Buffer
	// globals are the variables outside every scope, by name index; nil is undefined.
	globals []value.Value
	// depth counts the macros and recursive loops that are running.
	depth, maxDepth int
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

// enter counts a macro or recursive loop that starts to run.
func (in *interp) enter() {
	if in.depth++; in.depth > in.maxDepth {
		value.FailLimit("macros or loops call themselves more than %d deep", in.maxDepth)
	}
	in.Budget.Spend(8)
}
