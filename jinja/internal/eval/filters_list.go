package eval

import (
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

func listFilters() []filter {
	return []filter{
		{name: "length", fn: func(in *interp, v value.Value, _ []value.Value) value.Value {
			if s, ok := value.Text(v); ok {
				in.budget.Spend(len(s) >> 9)
			}
			return value.Int(length(v))
		}},
		{name: "items", fn: itemsFilter},
		{name: "join", params: names("d attribute"), fn: joinFilter},
		{name: "first", fn: firstFilter},
		{name: "last", fn: lastFilter},
		{name: "list", fn: func(in *interp, v value.Value, _ []value.Value) value.Value { return in.list(v) }},
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
	if l, ok := v.(*loop); ok {
		return l.size()
	}
	return value.Len(v)
}

// list copies the values of v into a list of its own.
func (in *interp) list(v value.Value) *value.List {
	if l, ok := v.(*value.List); ok {
		in.budget.AllocItems(len(l.Items))
		return &value.List{Items: slices.Clone(l.Items), Local: true}
	}
	return &value.List{Items: value.Collect(v, &in.budget), Local: true}
}

func itemsFilter(in *interp, v value.Value, _ []value.Value) value.Value {
	switch d := v.(type) {
	case *value.Dict:
		in.budget.AllocItems(4 * d.Len())
		return generate(value.SliceIter(d.Items()))
	case *value.Undefined:
		return generate(value.Iter{})
	}
	value.Fail("Can only get item pairs from a mapping.")
	return nil
}

func generate(it value.Iter) value.Value { return &value.Generator{Next: it.Next} }

// attribute returns what the path names in v: parts separated by dots, digits being indexes.
func (in *interp) attribute(v, path value.Value) value.Value {
	if _, ok := value.Int64(path); ok {
		return in.item(v, path)
	}
	for part := range strings.SplitSeq(in.str(path), ".") {
		if i, err := strconv.ParseUint(part, 10, 31); err == nil {
			v = in.item(v, value.Int(i))
		} else {
			v = in.item(v, value.String(part))
		}
	}
	return v
}

func joinFilter(in *interp, v value.Value, a []value.Value) value.Value {
	separator := in.str(arg(a, 0, value.String("")))
	path := given(a, 1)
	b := value.NewBuffer(&in.budget)
	it := value.Iterate(v)
	for first := true; ; first = false {
		item, ok := it.Next()
		if !ok {
			return value.String(b.Cut(0))
		}
		in.budget.Spend(1)
		if !first {
			b.WriteString(separator)
		}
		if path != nil {
			item = in.attribute(item, path)
		}
		b.WriteString(in.str(item))
	}
}

func firstFilter(_ *interp, v value.Value, _ []value.Value) value.Value {
	it := value.Iterate(v)
	if first, ok := it.Next(); ok {
		return first
	}
	return &value.Undefined{Hint: "No first item, sequence was empty."}
}

func lastFilter(in *interp, v value.Value, _ []value.Value) value.Value {
	if v.Type() == "generator" {
		value.Fail("'generator' object is not reversible")
	}
	if values := value.Collect(v, &in.budget); len(values) > 0 {
		return values[len(values)-1]
	}
	return &value.Undefined{Hint: "No last item, sequence was empty."}
}

func reverseFilter(in *interp, v value.Value, _ []value.Value) value.Value {
	if s, ok := value.Text(v); ok {
		return value.String(in.sliceText(s, [3]value.Value{2: value.Int(-1)}))
	}
	l := in.list(v)
	slices.Reverse(l.Items)
	if v.Type() == "generator" {
		return l
	}
	return generate(value.SliceIter(l.Items))
}

func mapFilter(in *interp, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
	path, byPath := lookupKw(kw, "attribute")
	if !value.Truth(v) {
		return generate(value.Iter{})
	}
	it := value.Iterate(v)
	if len(pos) == 0 && byPath {
		otherwise, _ := lookupKw(kw, "default")
		return generate(value.FuncIter(func() (value.Value, bool) {
			item, ok := it.Next()
			if !ok {
				return nil, false
			}
			in.budget.Spend(2)
			if item = in.attribute(item, path); value.IsUndefined(item) && otherwise != nil {
				item = otherwise
			}
			return item, true
		}))
	}
	if len(pos) == 0 {
		value.Fail("map requires a filter argument")
	}
	f := in.t.lib.filters[in.str(pos[0])]
	if f == nil {
		value.Fail("No filter named '%s'.", in.str(pos[0]))
	}
	return generate(value.FuncIter(func() (value.Value, bool) {
		item, ok := it.Next()
		if !ok {
			return nil, false
		}
		return in.filter(f, item, pos[1:], kw), true
	}))
}

// selectFilter makes select and its kin: by an attribute or by the value, keeping what matches or the
// rest.
func selectFilter(byPath, keep bool) func(*interp, value.Value, []value.Value, *value.Dict) value.Value {
	return func(in *interp, v value.Value, pos []value.Value, _ *value.Dict) value.Value {
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
				in.budget.Spend(2)
				subject := item
				if path != nil {
					subject = in.attribute(item, path)
				}
				if in.holds(subject, pos) == keep {
					return item, true
				}
			}
		}))
	}
}

// holds applies the test that pos names with its arguments, or else asks whether v is true.
func (in *interp) holds(v value.Value, pos []value.Value) bool {
	if len(pos) == 0 {
		return value.Truth(v)
	}
	t := in.t.lib.tests[in.str(pos[0])]
	if t == nil {
		value.Fail("No test named '%s'.", in.str(pos[0]))
	}
	return in.test(t, v, pos[1:])
}

// sortKey is what a value is ordered by: case does not count unless it shall.
func (in *interp) sortKey(v value.Value, caseSensitive bool) value.Value {
	if s, ok := value.Text(v); ok && !caseSensitive {
		in.budget.Alloc(len(s))
		return value.String(lower(s))
	}
	return v
}

// sorted returns the values in the order of their keys.
func (in *interp) sorted(values []value.Value, reverse bool, key func(value.Value) value.Value) []value.Value {
	type keyed struct{ key, v value.Value }
	in.budget.AllocItems(3 * len(values))
	rows := make([]keyed, len(values))
	for i, v := range values {
		rows[i] = keyed{key(v), v}
	}
	slices.SortStableFunc(rows, func(a, b keyed) int {
		in.budget.Spend(2)
		if reverse {
			a, b = b, a
		}
		if value.Less(a.key, b.key, &in.budget) {
			return -1
		}
		if value.Less(b.key, a.key, &in.budget) {
			return 1
		}
		return 0
	})
	out := make([]value.Value, len(rows))
	for i := range rows {
		out[i] = rows[i].v
	}
	return out
}

func sortFilter(in *interp, v value.Value, a []value.Value) value.Value {
	paths := given(a, 2)
	key := func(v value.Value) value.Value { return in.sortKey(v, argBool(a, 1)) }
	if paths != nil {
		key = func(v value.Value) value.Value {
			keys := value.NewList()
			for path := range strings.SplitSeq(in.str(paths), ",") {
				keys.Items = append(keys.Items, in.sortKey(in.attribute(v, value.String(path)), argBool(a, 1)))
			}
			return keys
		}
	}
	return &value.List{Items: in.sorted(value.Collect(v, &in.budget), argBool(a, 0), key), Local: true}
}

func uniqueFilter(in *interp, v value.Value, a []value.Value) value.Value {
	seen := value.NewDict(0)
	path := given(a, 1)
	it := value.Iterate(v)
	return generate(value.FuncIter(func() (value.Value, bool) {
		for {
			item, ok := it.Next()
			if !ok {
				return nil, false
			}
			in.budget.AllocItems(4)
			key := item
			if path != nil {
				key = in.attribute(item, path)
			}
			key = in.sortKey(key, argBool(a, 0))
			if _, ok := seen.Get(key); !ok {
				seen.Put(key, value.Bool(true))
				return item, true
			}
		}
	}))
}

func dictSort(in *interp, v value.Value, a []value.Value) value.Value {
	d, ok := v.(*value.Dict)
	if !ok {
		value.FailUndefined(&value.Undefined{Name: "items", Owner: v})
	}
	at := 0
	switch by := in.str(arg(a, 1, value.String("key"))); by {
	case "key":
	case "value":
		at = 1
	default:
		value.Fail(`You can only sort by either "key" or "value"`)
	}
	in.budget.AllocItems(4 * d.Len())
	items := in.sorted(d.Items(), argBool(a, 2), func(v value.Value) value.Value {
		return in.sortKey(v.(*value.List).Items[at], argBool(a, 0))
	})
	return &value.List{Items: items, Local: true}
}

func groupBy(in *interp, v value.Value, a []value.Value) value.Value {
	name := func(v value.Value) value.Value {
		key := in.attribute(v, a[0])
		if otherwise := given(a, 1); otherwise != nil && value.IsUndefined(key) {
			return otherwise
		}
		return key
	}
	key := func(v value.Value) value.Value { return in.sortKey(name(v), argBool(a, 2)) }
	groups := value.NewList()
	var last value.Value
	var members *value.List
	for _, item := range in.sorted(value.Collect(v, &in.budget), false, key) {
		k := key(item)
		if members == nil || !value.Equal(k, last, &in.budget) {
			in.budget.AllocItems(8)
			members = &value.List{Local: true}
			groups.Items = append(groups.Items, &value.List{Items: []value.Value{name(item), members}, Kind: value.Group})
			last = k
		}
		members.Items = append(members.Items, item)
	}
	return groups
}

// extreme makes min (sign -1) and max (sign 1).
func extreme(sign int) func(*interp, value.Value, []value.Value) value.Value {
	return func(in *interp, v value.Value, a []value.Value) value.Value {
		key := func(v value.Value) value.Value {
			if path := given(a, 1); path != nil {
				v = in.attribute(v, path)
			}
			return in.sortKey(v, argBool(a, 0))
		}
		var best, bestKey value.Value
		it := value.Iterate(v)
		for item, ok := it.Next(); ok; item, ok = it.Next() {
			k := key(item)
			if best == nil || sign < 0 && value.Less(k, bestKey, &in.budget) ||
				sign > 0 && value.Less(bestKey, k, &in.budget) {
				best, bestKey = item, k
			}
		}
		if best == nil {
			return &value.Undefined{Hint: "No aggregated item, sequence was empty."}
		}
		return best
	}
}

func sumFilter(in *interp, v value.Value, a []value.Value) value.Value {
	total := arg(a, 1, value.Int(0))
	if _, ok := value.Text(total); ok {
		value.Fail("sum() can't sum strings [use ''.join(seq) instead]")
	}
	path := given(a, 0)
	it := value.Iterate(v)
	for item, ok := it.Next(); ok; item, ok = it.Next() {
		if path != nil {
			item = in.attribute(item, path)
		}
		total = value.Arith(value.Add, total, item, &in.budget)
	}
	return total
}

func batchFilter(in *interp, v value.Value, a []value.Value) value.Value {
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
			in.budget.AllocItems(1)
			batch.Items = append(batch.Items, item)
		}
		if len(batch.Items) == 0 {
			return nil, false
		}
		if fill := given(a, 1); fill != nil && size < 1<<40 {
			in.budget.AllocItems(size - len(batch.Items))
			for len(batch.Items) < size {
				batch.Items = append(batch.Items, fill)
			}
		}
		return batch, true
	}))
}

// sliceFilter deals the values into a number of lists, the first ones one longer.
func sliceFilter(in *interp, v value.Value, a []value.Value) value.Value {
	values := value.Collect(v, &in.budget)
	n := argInt(a, 0, 1)
	if n < 1 {
		value.Fail("integer division or modulo by zero")
	}
	in.budget.AllocItems(4 * n)
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
