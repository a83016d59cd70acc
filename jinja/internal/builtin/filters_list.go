package builtin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

func listFilters() []Filter {
	return []Filter{
		{name: "length", fn: func(_ *Env, v value.Value, _ []value.Value) value.Value { return value.Int(length(v)) }},
		{name: "items", fn: itemsFilter},
		{name: "join", params: names("d attribute"), fn: joinFilter},
		{name: "first", fn: firstFilter},
		{name: "last", fn: lastFilter},
		{name: "list", fn: func(env *Env, v value.Value, _ []value.Value) value.Value { return env.list(v) }},
		{name: "reverse", fn: reverseFilter},
		{name: "map", raw: mapFilter},
		{name: "select", raw: selectFilter(false, true)},
		{name: "reject", raw: selectFilter(false, false)},
		{name: "selectattr", raw: selectFilter(true, true)},
		{name: "rejectattr", raw: selectFilter(true, false)},
		{name: "sort", params: names("reverse case_sensitive attribute"), fn: sortFilter},
		{name: "unique", params: names("case_sensitive attribute"), fn: uniqueFilter},
		{name: "dictsort", params: names("case_sensitive by reverse"), fn: dictSort},
		{name: "groupby", params: names("attribute default case_sensitive"), need: 1, fn: groupBy},
		{name: "min", params: names("case_sensitive attribute"), fn: extreme(-1)},
		{name: "max", params: names("case_sensitive attribute"), fn: extreme(1)},
		{name: "sum", params: names("attribute start"), fn: sumFilter},
		{name: "batch", params: names("linecount fill_with"), need: 1, fn: batchFilter},
		{name: "slice", params: names("slices fill_with"), need: 1, fn: sliceFilter},
	}
}

func length(v value.Value) int {
	if l, ok := v.(interface{ Len() int }); ok {
		return l.Len()
	}
	return value.Len(v)
}

// list copies the values of v into a list of its own.
func (env *Env) list(v value.Value) *value.List {
	if l, ok := v.(*value.List); ok {
		env.Budget.AllocItems(len(l.Items))
		return &value.List{Items: slices.Clone(l.Items), Local: true}
	}
	return &value.List{Items: value.Collect(v, &env.Budget), Local: true}
}

// itemSize is the weight of an entry of a dict as a pair of its own, in elements of a list.
const itemSize = 7

func itemsFilter(env *Env, v value.Value, _ []value.Value) value.Value {
	switch d := v.(type) {
	case *value.Dict:
		env.Budget.AllocItems(itemSize * d.Len())
		return generate(value.SliceIter(d.Items()))
	case *value.Undefined:
		return generate(value.Iter{})
	}
	return generate(value.FuncIter(func() (value.Value, bool) {
		value.Fail("Can only get item pairs from a mapping.")
		return nil, false
	}))
}

func generate(it value.Iter) value.Value { return &value.Generator{Next: it.Next} }

// attribute returns what the path names in v: parts separated by dots, digits being indexes. Where a
// part is undefined, otherwise takes its place unless it is nil.
func (env *Env) attribute(v, path, otherwise value.Value) value.Value {
	step := func(key value.Value) {
		env.Budget.Spend(2)
		if v = env.Item(v, key); otherwise != nil && value.IsUndefined(v) {
			v = otherwise
		}
	}
	if _, ok := value.Int64(path); ok {
		step(path)
		return v
	}
	for part := range strings.SplitSeq(env.Str(path), ".") {
		if i, err := strconv.ParseUint(part, 10, 31); err == nil {
			step(value.Int(i))
		} else {
			step(value.String(part))
		}
	}
	return v
}

func joinFilter(env *Env, v value.Value, a []value.Value) value.Value {
	separator := env.Str(arg(a, 0, value.String("")))
	path := given(a, 1)
	b := value.NewBuffer(&env.Budget)
	it := value.Iterate(v)
	for first := true; ; first = false {
		item, ok := it.Next()
		if !ok {
			return value.String(b.Cut(0))
		}
		env.Budget.Spend(1)
		if !first {
			b.WriteString(separator)
		}
		if path != nil {
			item = env.attribute(item, path, nil)
		}
		b.WriteString(env.Str(item))
	}
}

func firstFilter(_ *Env, v value.Value, _ []value.Value) value.Value {
	it := value.Iterate(v)
	if first, ok := it.Next(); ok {
		return first
	}
	return &value.Undefined{Hint: "No first item, sequence was empty."}
}

func lastFilter(env *Env, v value.Value, _ []value.Value) value.Value {
	if v.Type() == "generator" {
		value.Fail("'generator' object is not reversible")
	}
	if values := value.Collect(v, &env.Budget); len(values) > 0 {
		return values[len(values)-1]
	}
	return &value.Undefined{Hint: "No last item, sequence was empty."}
}

func reverseFilter(env *Env, v value.Value, _ []value.Value) value.Value {
	if s, ok := value.Text(v); ok {
		return value.String(env.sliceText(s, [3]value.Value{2: value.Int(-1)}))
	}
	l := env.list(v)
	slices.Reverse(l.Items)
	if v.Type() == "generator" {
		return l
	}
	return generate(value.SliceIter(l.Items))
}

func mapFilter(env *Env, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
	env.Budget.AllocItems(16) // for what the generator keeps
	path, byPath := Keyword(kw, "attribute")
	if !value.Truth(v) {
		return generate(value.Iter{})
	}
	it := value.Iterate(v)
	if len(pos) == 0 && byPath {
		otherwise, ok := Keyword(kw, "default")
		if extra := kw.Len() - 1; extra > 1 || extra == 1 && !ok {
			value.Fail("map by attribute takes the keywords attribute and default only")
		}
		if _, none := otherwise.(value.None); none {
			otherwise = nil
		}
		return generate(value.FuncIter(func() (value.Value, bool) {
			item, ok := it.Next()
			if !ok {
				return nil, false
			}
			env.Budget.Spend(2)
			return env.attribute(item, path, otherwise), true
		}))
	}
	if len(pos) == 0 {
		value.Fail("map requires a filter argument")
	}
	f := env.Lib.Filters[env.Str(pos[0])]
	if f == nil {
		value.Fail("No filter named '%s'.", env.Str(pos[0]))
	}
	return generate(value.FuncIter(func() (value.Value, bool) {
		item, ok := it.Next()
		if !ok {
			return nil, false
		}
		return env.Filter(f, item, pos[1:], kw), true
	}))
}

// selectFilter makes select and its kin: by an attribute or by the value, keeping what matches or the
// rest.
func selectFilter(byPath, keep bool) func(*Env, value.Value, []value.Value, *value.Dict) value.Value {
	return func(env *Env, v value.Value, pos []value.Value, _ *value.Dict) value.Value {
		env.Budget.AllocItems(16)
		if !value.Truth(v) {
			return generate(value.Iter{})
		}
		var path value.Value
		if byPath {
			if len(pos) == 0 {
				value.Fail("Missing parameter for attribute name")
			}
			path, pos = pos[0], pos[1:]
		}
		it := value.Iterate(v)
		return generate(value.FuncIter(func() (value.Value, bool) {
			for {
				item, ok := it.Next()
				if !ok {
					return nil, false
				}
				env.Budget.Spend(2)
				subject := item
				if path != nil {
					subject = env.attribute(item, path, nil)
				}
				if env.holds(subject, pos) == keep {
					return item, true
				}
			}
		}))
	}
}

// holds applies the test that pos names with its arguments, or else asks whether v is true.
func (env *Env) holds(v value.Value, pos []value.Value) bool {
	if len(pos) == 0 {
		return value.Truth(v)
	}
	t := env.Lib.Tests[env.Str(pos[0])]
	if t == nil {
		value.Fail("No test named '%s'.", env.Str(pos[0]))
	}
	return env.Test(t, v, pos[1:])
}

func sumFilter(env *Env, v value.Value, a []value.Value) value.Value {
	total := arg(a, 1, value.Int(0))
	if _, ok := value.Text(total); ok {
		value.Fail("sum() can't sum strings [use ''.join(seq) instead]")
	}
	path := given(a, 0)
	it := value.Iterate(v)
	for item, ok := it.Next(); ok; item, ok = it.Next() {
		if path != nil {
			item = env.attribute(item, path, nil)
		}
		total = value.Arith(value.Add, total, item, &env.Budget)
	}
	return total
}

func batchFilter(env *Env, v value.Value, a []value.Value) value.Value {
	env.Budget.AllocItems(16)
	size := argInt(a, 0, 1)
	if size < 1 {
		size = 1 << 40 // Python never finds a full batch
	}
	it := value.Iterate(v)
	return generate(value.FuncIter(func() (value.Value, bool) {
		batch := &value.List{Local: true}
		for len(batch.Items) < size {
			item, ok := it.Next()
			if !ok {
				break
			}
			env.Budget.AllocItems(1)
			batch.Items = append(batch.Items, item)
		}
		if len(batch.Items) == 0 {
			return nil, false
		}
		if fill := given(a, 1); fill != nil && size < 1<<40 {
			env.Budget.AllocItems(size - len(batch.Items))
			for len(batch.Items) < size {
				batch.Items = append(batch.Items, fill)
			}
		}
		return batch, true
	}))
}

// sliceFilter deals the values into a number of lists, the first ones one longer.
func sliceFilter(env *Env, v value.Value, a []value.Value) value.Value {
	values := value.Collect(v, &env.Budget)
	n := argInt(a, 0, 1)
	if n < 1 {
		value.Fail("integer division or modulo by zero")
	}
	env.Budget.AllocItems(4 * n)
	out := make([]value.Value, n)
	for i, offset := 0, 0; i < n; i++ {
		size := len(values) / n
		full := i < len(values)%n
		if full {
			size++
		}
		part := &value.List{Items: slices.Clone(values[offset : offset+size]), Local: true}
		offset += size
		if fill := given(a, 1); fill != nil && !full && len(values)%n > 0 {
			part.Items = append(part.Items, fill)
		}
		out[i] = part
	}
	return generate(value.SliceIter(out))
}
