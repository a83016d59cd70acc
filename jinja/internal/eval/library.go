package eval

import (
	"strings"
	"sync"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// filter is a filter or a method: fn gets the value and the arguments by position, nil for what was not
// given.
type filter struct {
	name string
	// params are the names of the arguments; the first need of them must be given.
	params []string
	need   int
	fn     func(in *interp, v value.Value, a []value.Value) value.Value
	// raw is set instead of fn for what takes any arguments.
	raw func(in *interp, v value.Value, pos []value.Value, kw *value.Dict) value.Value
}

// test is a test with its number of arguments.
type test struct {
	name string
	args int
	fn   func(in *interp, v value.Value, a []value.Value) bool
}

// library is everything that a template can call. It never changes once made.
type library struct {
	filters     map[string]*filter
	tests       map[string]*test
	textMethods map[string]*filter
	listMethods map[string]*filter
	dictMethods map[string]*filter
	globals     map[string]*function
	// mutable allows the methods that change a list which the template made.
	mutable bool
}

// strictLibrary is what transformers gives to a chat template, and lenientLibrary a little more.
var (
	strictLibrary  = sync.OnceValue(func() *library { return newLibrary(false) })
	lenientLibrary = sync.OnceValue(func() *library { return newLibrary(true) })
)

func newLibrary(lenient bool) *library {
	lib := &library{
		filters:     index(textFilters(), listFilters(), numberFilters()),
		textMethods: index(textMethods(), splitMethods(), classMethods()),
		listMethods: index(listMethods()),
		dictMethods: index(dictMethods()),
		tests:       allTests(),
		globals:     globals(),
		mutable:     lenient,
	}
	for alias, name := range map[string]string{"count": "length", "d": "default", "e": "escape"} {
		lib.filters[alias] = lib.filters[name]
	}
	if lenient {
		lib.filters["from_json"] = &filter{name: "from_json", fn: fromJSON}
	}
	return lib
}

func index(tables ...[]filter) map[string]*filter {
	m := map[string]*filter{}
	for _, table := range tables {
		for i := range table {
			m[table[i].name] = &table[i]
		}
	}
	return m
}

// names splits a list of parameter names.
func names(s string) []string { return strings.Fields(s) }

// filter calls f with its arguments in place.
func (in *interp) filter(f *filter, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
	in.budget.Spend(2)
	if f.raw != nil {
		return f.raw(in, v, pos, kw)
	}
	if len(pos) > len(f.params) {
		value.Fail("%s() takes at most %d argument(s), not %d", f.name, len(f.params), len(pos))
	}
	if kw != nil && kw.Len() > 0 {
		pos = f.bind(pos, kw)
	}
	for i := range f.need {
		if i >= len(pos) || pos[i] == nil {
			value.Fail("%s() missing its argument '%s'", f.name, f.params[i])
		}
	}
	return f.fn(in, v, pos)
}

func (f *filter) bind(pos []value.Value, kw *value.Dict) []value.Value {
	slots := make([]value.Value, len(f.params))
	copy(slots, pos)
	for i := range kw.Len() {
		k, v := kw.At(i)
		name, _ := value.Text(k)
		at := -1
		for j, p := range f.params {
			if p == name {
				at = j
			}
		}
		if at < 0 {
			value.Fail("%s() got an unexpected keyword argument '%s'", f.name, name)
		}
		if slots[at] != nil {
			value.Fail("%s() got multiple values for argument '%s'", f.name, name)
		}
		slots[at] = v
	}
	return slots
}

// arg returns argument i, or otherwise if it was not given.
func arg(a []value.Value, i int, otherwise value.Value) value.Value {
	if i < len(a) && a[i] != nil {
		return a[i]
	}
	return otherwise
}

// given returns argument i, or nil if it was not given or is None.
func given(a []value.Value, i int) value.Value {
	if v := arg(a, i, nil); v != nil {
		if _, none := v.(value.None); !none {
			return v
		}
	}
	return nil
}

func argBool(a []value.Value, i int) bool {
	v := arg(a, i, nil)
	return v != nil && value.Truth(v)
}

// argInt returns argument i as an integer within ±2^40.
func argInt(a []value.Value, i int, otherwise int) int {
	v := arg(a, i, nil)
	if v == nil {
		return otherwise
	}
	n, ok := value.Int64(v)
	if !ok {
		if u, ok := v.(*value.Undefined); ok {
			value.FailUndefined(u)
		}
		value.Fail("'%s' object cannot be interpreted as an integer", v.Type())
	}
	return int(max(-1<<40, min(n, 1<<40)))
}

// argText returns argument i, which must be a string.
func argText(a []value.Value, i int) string {
	s, ok := value.Text(a[i])
	if !ok {
		value.Fail("must be str, not %s", a[i].Type())
	}
	return s
}

// text counts the memory of a text that was made, and returns it as a value.
func (in *interp) text(s string) value.Value {
	in.budget.CheckText(len(s))
	in.budget.Alloc(len(s))
	return value.String(s)
}

// sameText returns s marked as markup if like is.
func sameText(like value.Value, s string) value.Value {
	if _, ok := like.(value.Safe); ok {
		return value.Safe(s)
	}
	return value.String(s)
}
