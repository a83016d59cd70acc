package builtin

import (
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// Attr is v.name: an attribute or method of the object, else its item of that name.
func (env *Env) Attr(v value.Value, name string) value.Value {
	switch x := v.(type) {
	case *value.Dict:
		if !env.HasMethod(v, name) {
			if item, ok := x.Lookup(name); ok {
				return item
			}
			return &value.Undefined{Name: name, Owner: v}
		}
	case *value.Undefined:
		value.FailUndefined(x)
	case *value.Namespace:
		if item, ok := x.Attrs.Lookup(name); ok {
			return item
		}
	case *value.List:
		if x.Kind == value.Group && (name == "grouper" || name == "list") {
			if name == "grouper" {
				return x.Items[0]
			}
			return x.Items[1]
		}
	case Object:
		if a := x.Attr(name); a != nil {
			return a
		}
	}
	if env.HasMethod(v, name) {
		if reason := env.refused(v, name); reason != "" {
			return &value.Undefined{Name: name, Owner: v, Hint: reason}
		}
		return &Bound{Recv: v, Name: name}
	}
	return &value.Undefined{Name: name, Owner: v}
}

// Item is v[key]: an item of the container, else the attribute of that name.
func (env *Env) Item(v, key value.Value) value.Value {
	switch x := v.(type) {
	case *value.Undefined:
		value.FailUndefined(x)
	case *value.Dict:
		env.SpendKey(key)
		if value.Hashable(key) {
			if item, ok := x.Get(key); ok {
				return item
			}
		}
	case *value.List, *value.Range, value.String, value.Safe:
		if i, ok := value.Int64(key); ok {
			if item := env.element(v, i); item != nil {
				return item
			}
		}
	}
	if s, ok := value.Text(key); ok {
		if d, ok := v.(*value.Dict); ok && !env.HasMethod(d, s) {
			return &value.Undefined{Name: s, Owner: v}
		}
		return env.Attr(v, s)
	}
	owner := v.Type() + " object"
	if _, ok := v.(value.None); ok {
		owner = "None"
	}
	return &value.Undefined{Owner: v, Hint: owner + " has no element " + value.Repr(key, &env.Budget)}
}

// element is the i-th element of a sequence, counted from the end if i is negative; nil if there is none.
func (env *Env) element(v value.Value, i int64) value.Value {
	switch x := v.(type) {
	case *value.List:
		n := int64(len(x.Items))
		if i < 0 {
			i += n
		}
		if i >= 0 && i < n && x.Kind <= value.Group {
			return x.Items[i]
		}
	case *value.Range:
		n := x.Len()
		if i < 0 {
			i += n
		}
		if i >= 0 && i < n {
			return value.Int(x.Start + i*x.Step)
		}
	case value.String:
		return env.character(string(x), i)
	case value.Safe:
		if c, ok := env.character(string(x), i).(value.String); ok {
			return value.Safe(c)
		}
	}
	return nil
}

func (env *Env) character(s string, i int64) value.Value {
	if i >= int64(len(s)) || i < -int64(len(s)) {
		return nil
	}
	env.Budget.Spend(int(max(i, -i) >> 4))
	if i < 0 {
		for ; i < -1 && s != ""; i++ {
			_, n := utf8.DecodeLastRuneInString(s)
			s = s[:len(s)-n]
		}
		if s == "" {
			return nil
		}
		r, _ := utf8.DecodeLastRuneInString(s)
		return value.String(r)
	}
	for _, r := range s {
		if i == 0 {
			return value.String(r)
		}
		i--
	}
	return nil
}

// Slice is v[from:to:step], with nil for the bounds that are left out.
func (env *Env) Slice(v value.Value, bounds [3]value.Value) value.Value {
	switch x := v.(type) {
	case *value.List:
		if x.Kind <= value.Group {
			return env.sliceList(x, bounds)
		}
	case value.String:
		return value.String(env.sliceText(string(x), bounds))
	case value.Safe:
		return value.Safe(env.sliceText(string(x), bounds))
	case *value.Range:
		from, to, step := sliceBounds(int(x.Len()), bounds)
		return &value.Range{
			Start: x.Start + int64(from)*x.Step, Stop: x.Start + int64(to)*x.Step, Step: x.Step * int64(step),
		}
	case *value.Undefined:
		value.FailUndefined(x)
	}
	value.Fail("'%s' object is not subscriptable", v.Type())
	return nil
}

func (env *Env) sliceList(x *value.List, bounds [3]value.Value) value.Value {
	from, to, step := sliceBounds(len(x.Items), bounds)
	out := &value.List{Kind: min(x.Kind, value.Tuple)}
	if step == 1 && !x.Local {
		if from < to {
			out.Items = x.Items[from:to:to] // shared: neither list can change
		}
		return out
	}
	n := (&value.Range{Start: int64(from), Stop: int64(to), Step: int64(step)}).Len()
	env.Budget.AllocItems(int(n))
	out.Local = true
	out.Items = make([]value.Value, 0, n)
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		out.Items = append(out.Items, x.Items[i])
	}
	return out
}

func (env *Env) sliceText(s string, bounds [3]value.Value) string {
	runes := utf8.RuneCountInString(s)
	env.Budget.Spend(len(s) >> 5)
	from, to, step := sliceBounds(runes, bounds)
	if step == 1 {
		if from >= to {
			return ""
		}
		start := runeOffset(s, from, runes)
		return s[start : start+runeOffset(s[start:], to-from, runes-from)]
	}
	env.Budget.Alloc(4 * len(s))
	chars := []rune(s)
	var b strings.Builder
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		b.WriteRune(chars[i])
	}
	return b.String()
}

// runeOffset is the byte offset of character n of s, which has total characters.
func runeOffset(s string, n, total int) int {
	if total == len(s) || n >= total {
		return min(n+len(s)-total, len(s))
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// sliceBounds applies Python's rules of from:to:step to a sequence of n elements.
func sliceBounds(n int, bounds [3]value.Value) (from, to, step int) {
	step = 1
	if i, ok := sliceIndex(bounds[2]); ok {
		if step = i; step == 0 {
			value.Fail("slice step cannot be zero")
		}
	}
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
	}
	bound := func(v value.Value, otherwise int) int {
		i, ok := sliceIndex(v)
		if !ok {
			return otherwise
		}
		if i < 0 {
			i += n
		}
		return max(low, min(i, high))
	}
	if step > 0 {
		return bound(bounds[0], low), bound(bounds[1], high), step
	}
	return bound(bounds[0], high), bound(bounds[1], low), step
}

// sliceIndex returns a bound of a slice; false if it is left out.
func sliceIndex(v value.Value) (int, bool) {
	switch x := v.(type) {
	case nil, value.None:
		return 0, false
	case value.Big:
		return (1 << 40) * x.V.Sign(), true
	default:
		i, ok := value.Int64(v)
		if !ok {
			value.Fail("slice indices must be integers or None or have an __index__ method")
		}
		return int(max(-1<<40, min(i, 1<<40))), true
	}
}
