// Package value holds the data that a template computes with: Python's numbers, strings, lists and
// ordered dicts, with the rules by which Python prints, compares and adds them.
//
// An operation that Python answers with an exception panics with a [*Failure]; the evaluator recovers
// it where rendering starts and turns it into an error with a position. Everything that can grow takes
// a [*Budget] and fails before it grows too far.
package value

import (
	"fmt"
	"math/big"
)

// Value is one datum of a template. The types of this package and the callables of the evaluator are
// the only ones there are.
type Value interface {
	// Type is Python's name of the value's type, such as "str".
	Type() string
}

type (
	// None is Python's None and JSON's null.
	None struct{}
	// Bool is True or False; it counts as 1 or 0 in arithmetic.
	Bool bool
	// Int is an integer of up to 64 bits; larger ones are Big.
	Int int64
	// Float is a floating point number, printed with a fraction even if that is zero.
	Float float64
	// String is a text.
	String string
	// Safe is a text that was marked as markup: adding plain text to it escapes that text.
	Safe string
)

// Big is an integer that does not fit in 64 bits.
type Big struct{ V *big.Int }

// ListKind tells apart the sequences that print, compare or serialise differently.
type ListKind uint8

// The kinds of a List.
const (
	Plain     ListKind = iota
	Tuple              // immutable, printed in parentheses
	Group              // a tuple of groupby: its items are also grouper and list
	DictKeys           // the view that dict.keys() returns
	DictVals           // the view that dict.values() returns
	DictItems          // the view that dict.items() returns
)

// List is a sequence.
type List struct {
	Items []Value
	Kind  ListKind
	// Local marks a list that the running template made: the only kind that a lenient template may
	// change.
	Local bool
}

// Range is what range() returns.
type Range struct{ Start, Stop, Step int64 }

// Generator yields its values once.
type Generator struct{ Next func() (Value, bool) }

// Namespace is the object of namespace(): the only thing whose attributes a template may set.
type Namespace struct{ Attrs *Dict }

// Undefined is the result of a lookup that found nothing.
type Undefined struct {
	// Name is what was looked up.
	Name string
	// Owner is the object it was looked up on; nil for a variable.
	Owner Value
	// Hint replaces the message that Name and Owner make.
	Hint string
}

// Type implements Value.
func (None) Type() string       { return "NoneType" }
func (Bool) Type() string       { return "bool" }
func (Int) Type() string        { return "int" }
func (Big) Type() string        { return "int" }
func (Float) Type() string      { return "float" }
func (String) Type() string     { return "str" }
func (Safe) Type() string       { return "Markup" }
func (*Dict) Type() string      { return "dict" }
func (*Range) Type() string     { return "range" }
func (*Generator) Type() string { return "generator" }
func (*Namespace) Type() string { return "Namespace" }
func (*Undefined) Type() string { return "Undefined" }

// Type implements Value.
func (l *List) Type() string {
	switch l.Kind {
	case Tuple, Group:
		return "tuple"
	case DictKeys:
		return "dict_keys"
	case DictVals:
		return "dict_values"
	case DictItems:
		return "dict_items"
	}
	return "list"
}

// Len is the number of integers in the range.
func (r *Range) Len() int64 {
	switch {
	case r.Step > 0 && r.Start < r.Stop:
		return (r.Stop-1-r.Start)/r.Step + 1
	case r.Step < 0 && r.Start > r.Stop:
		return (r.Start-1-r.Stop)/-r.Step + 1
	}
	return 0
}

// Message is the error of using u where a value is needed.
func (u *Undefined) Message() string {
	switch {
	case u.Hint != "":
		return u.Hint
	case u.Owner == nil:
		return fmt.Sprintf("'%s' is undefined", u.Name)
	}
	if _, ok := u.Owner.(None); ok {
		return fmt.Sprintf("'None' has no attribute '%s'", u.Name)
	}
	return fmt.Sprintf("'%s object' has no attribute '%s'", u.Owner.Type(), u.Name)
}

// NewList returns a plain list of items.
func NewList(items ...Value) *List { return &List{Items: items} }

// NewTuple returns a tuple of items.
func NewTuple(items ...Value) *List { return &List{Items: items, Kind: Tuple} }

// IsUndefined reports whether v is the result of a failed lookup.
func IsUndefined(v Value) bool { _, ok := v.(*Undefined); return ok }

// Text returns the text of a string, marked as markup or not.
func Text(v Value) (string, bool) {
	switch x := v.(type) {
	case String:
		return string(x), true
	case Safe:
		return string(x), true
	}
	return "", false
}

// Size is the length in bytes of a text, and about that of an integer; 0 for other values.
func Size(v Value) int {
	switch x := v.(type) {
	case String:
		return len(x)
	case Safe:
		return len(x)
	case Big:
		return x.V.BitLen() >> 3
	}
	return 0
}

// Truth is Python's truth value.
func Truth(v Value) bool {
	switch x := v.(type) {
	case None, *Undefined:
		return false
	case Bool:
		return bool(x)
	case Int:
		return x != 0
	case Float:
		return x != 0
	case Big:
		return x.V.Sign() != 0
	case String:
		return x != ""
	case Safe:
		return x != ""
	case *List:
		return len(x.Items) > 0
	case *Dict:
		return x.Len() > 0
	case *Range:
		return x.Len() > 0
	}
	return true
}

// Len is Python's len(); it fails for a value that has none.
func Len(v Value) int {
	switch x := v.(type) {
	case String:
		return runeCount(string(x))
	case Safe:
		return runeCount(string(x))
	case *List:
		return len(x.Items)
	case *Dict:
		return x.Len()
	case *Range:
		return int(x.Len())
	case *Undefined:
		return 0
	}
	Fail("object of type '%s' has no len()", v.Type())
	return 0
}
