// Package builtin is the library of the template language: what attributes, items and methods its
// values have, and its filters, tests and global functions.
package builtin

import (
	"time"

	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// Env is what the library needs of a render: what it may still use, its clock, and the library itself.
type Env struct {
	Budget value.Budget
	Now    func() time.Time
	Lib    *Library
}

// Object is a value with attributes of its own.
type Object interface {
	value.Value
	// Attr returns an attribute, or nil if there is none of that name.
	Attr(name string) value.Value
}

// Function is a callable of the library; kw is nil where there are no keywords.
type Function struct {
	Name string
	Fn   func(env *Env, pos []value.Value, kw *value.Dict) value.Value
}

// Bound is a method taken from its object and not called yet.
type Bound struct {
	Recv value.Value
	Name string
}

// Type implements [value.Value].
func (*Function) Type() string { return "function" }

// Type implements [value.Value].
func (*Bound) Type() string { return "builtin_function_or_method" }

// Str is Python's str().
func (env *Env) Str(v value.Value) string { return value.Str(v, &env.Budget) }

// Percent is the % operator of a text; like is the text as a value.
func (env *Env) Percent(like value.Value, format string, args value.Value) value.Value {
	return sameText(like, pytext.NewFormatter(&env.Budget, env).Percent(like, format, args))
}

// SpendKey pays for looking up a key in a dict.
func (env *Env) SpendKey(key value.Value) { env.Budget.Spend(value.Size(key) >> 8) }

// SpendEntry pays for a new entry of a dict.
func (env *Env) SpendEntry(key value.Value) {
	env.SpendKey(key)
	if _, ok := value.Text(key); ok {
		env.Budget.AllocItems(3)
		return
	}
	env.Budget.AllocItems(12) // with an index of the keys that are no texts
}

// Keyword returns a keyword argument; kw may be nil.
func Keyword(kw *value.Dict, name string) (value.Value, bool) {
	if kw == nil {
		return nil, false
	}
	return kw.Lookup(name)
}
