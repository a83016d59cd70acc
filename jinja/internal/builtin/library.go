package builtin

import (
	"strings"
	"sync"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// filter is a filter or a method: fn gets the value and the arguments by position, nil for what was not
// given.
type Filter struct {
	name string
	// params are the names of the arguments; the first need of them must be given.
	params []string
	need   int
	fn     func(env *Env, v value.Value, a []value.Value) value.Value
	// write is set beside fn for what can append its result to a buffer.
	write func(env *Env, b *value.Buffer, v value.Value, a []value.Value)
	// raw is set instead of fn for what takes any arguments.
	raw func(env *Env, v value.Value, pos []value.Value, kw *value.Dict) value.Value
}

// test is a test with its number of arguments.
type Test struct {
	name string
	args int
	fn   func(env *Env, v value.Value, a []value.Value) bool
}

// library is everything that a template can call. It never changes once made.
type Library struct {
	Filters     map[string]*Filter
	Tests       map[string]*Test
	textMethods map[string]*Filter
	listMethods map[string]*Filter
	dictMethods map[string]*Filter
	Globals     map[string]*Function
	// mutable allows the methods that change a list which the template made.
	mutable bool
}

// Strict is what transformers gives to a chat template, and Lenient a little more.
var (
	Strict  = sync.OnceValue(func() *Library { return newLibrary(false) })
	Lenient = sync.OnceValue(func() *Library { return newLibrary(true) })
)

func newLibrary(lenient bool) *Library {
	lib := &Library{
		Filters:     index(textFilters(), listFilters(), numberFilters()),
		textMethods: index(textMethods(), splitMethods(), classMethods()),
		listMethods: index(listMethods()),
		dictMethods: index(dictMethods()),
		Tests:       allTests(),
		Globals:     globals(),
		mutable:     lenient,
	}
	for alias, name := range map[string]string{"count": "length", "d": "default", "e": "escape"} {
		lib.Filters[alias] = lib.Filters[name]
	}
	if lenient {
		lib.Filters["from_json"] = &Filter{name: "from_json", fn: fromJSON}
	}
	return lib
}

func index(tables ...[]Filter) map[string]*Filter {
	m := map[string]*Filter{}
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
func (env *Env) Filter(f *Filter, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
	env.Budget.Spend(2)
	env.read(v, pos)
	if f.raw != nil {
		return f.raw(env, v, pos, kw)
	}
	return f.fn(env, v, f.arguments(pos, kw))
}

// read pays for the texts that a filter, test or method gets: it may look at every character of them.
func (env *Env) read(v value.Value, pos []value.Value) {
	n := value.Size(v)
	for _, a := range pos {
		n += value.Size(a)
	}
	env.Budget.Spend(n >> 4)
}

// Write appends what f makes of v to b; false if f cannot do that.
func (env *Env) Write(f *Filter, b *value.Buffer, v value.Value, pos []value.Value, kw *value.Dict) bool {
	if f.write == nil {
		return false
	}
	env.Budget.Spend(2)
	env.read(v, pos)
	f.write(env, b, v, f.arguments(pos, kw))
	return true
}

// arguments returns the arguments in the order of the parameters.
func (f *Filter) arguments(pos []value.Value, kw *value.Dict) []value.Value {
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
	return pos
}

func (f *Filter) bind(pos []value.Value, kw *value.Dict) []value.Value {
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
func (env *Env) text(s string) value.Value {
	env.Budget.CheckText(len(s))
	env.Budget.Alloc(len(s))
	return value.String(s)
}

// sameText returns s marked as markup if like is.
func sameText(like value.Value, s string) value.Value {
	if _, ok := like.(value.Safe); ok {
		return value.Safe(s)
	}
	return value.String(s)
}
