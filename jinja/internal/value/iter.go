package value

import "unicode/utf8"

func runeCount(s string) int { return utf8.RuneCountInString(s) }

// Iter walks over the values of something that can be looped over.
type Iter struct {
	items []Value
	at    int
	next  func() (Value, bool)
	// size is the number of values, or -1 where only walking tells.
	size int
}

// Next returns the next value, or false at the end.
func (it *Iter) Next() (Value, bool) {
	if it.next != nil {
		return it.next()
	}
	if it.at < len(it.items) {
		it.at++
		return it.items[it.at-1], true
	}
	return nil, false
}

// Size is the number of values in all, or -1 where only walking tells.
func (it *Iter) Size() int { return it.size }

// FuncIter returns an Iter of unknown size over what next yields.
func FuncIter(next func() (Value, bool)) Iter { return Iter{next: next, size: -1} }

// SliceIter returns an Iter over items.
func SliceIter(items []Value) Iter { return Iter{items: items, size: len(items)} }

// Iterate returns an Iter over v; it fails if v cannot be looped over.
func Iterate(v Value) Iter {
	switch x := v.(type) {
	case *List:
		return SliceIter(x.Items)
	case *Dict:
		at := 0
		return Iter{size: x.Len(), next: func() (Value, bool) {
			if at == x.Len() {
				return nil, false
			}
			at++
			key, _ := x.At(at - 1)
			return key, true
		}}
	case String:
		return textIter(string(x))
	case Safe:
		return textIter(string(x))
	case *Range:
		n, left := x.Start, x.Len()
		return Iter{size: int(left), next: func() (Value, bool) {
			if left == 0 {
				return nil, false
			}
			left--
			n += x.Step
			return Int(n - x.Step), true
		}}
	case *Generator:
		return FuncIter(x.Next)
	case *Undefined:
		return Iter{}
	}
	Fail("'%s' object is not iterable", v.Type())
	return Iter{}
}

func textIter(s string) Iter {
	at := 0
	return Iter{size: runeCount(s), next: func() (Value, bool) {
		if at >= len(s) {
			return nil, false
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		at += n
		return String(s[at-n : at]), true
	}}
}

// Collect returns the values of v in a slice that the caller must not change.
func Collect(v Value, budget *Budget) []Value {
	switch x := v.(type) {
	case *List:
		return x.Items
	case *Dict:
		budget.AllocItems(2 * x.Len())
		return x.Keys()
	case String, Safe:
		budget.AllocItems(Len(v)) // each character is a string of its own
	}
	it := Iterate(v)
	return it.Rest(budget)
}

// Rest returns the values that are left.
func (it *Iter) Rest(budget *Budget) []Value {
	var out []Value
	if it.size > 0 {
		budget.AllocItems(it.size)
		out = make([]Value, 0, it.size)
	}
	for {
		v, ok := it.Next()
		if !ok {
			return out
		}
		if it.size < 0 {
			budget.AllocItems(1)
		}
		out = append(out, v)
	}
}
