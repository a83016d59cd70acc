package builtin

import (
	"slices"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// sortKey is what a value is ordered by: case does not count unless it shall.
func (env *Env) sortKey(v value.Value, caseSensitive bool) value.Value {
	if s, ok := value.Text(v); ok && !caseSensitive {
		env.Budget.Alloc(len(s))
		return value.String(pytext.Lower(s))
	}
	return v
}

// sorted returns the values in the order of their keys.
func (env *Env) sorted(values []value.Value, reverse bool, key func(value.Value) value.Value) []value.Value {
	type keyed struct{ key, v value.Value }
	env.Budget.AllocItems(3 * len(values))
	rows := make([]keyed, len(values))
	for i, v := range values {
		rows[i] = keyed{key(v), v}
	}
	slices.SortStableFunc(rows, func(a, b keyed) int {
		env.Budget.Spend(2)
		if reverse {
			a, b = b, a
		}
		if value.Less(a.key, b.key, &env.Budget) {
			return -1
		}
		if value.Less(b.key, a.key, &env.Budget) {
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

func sortFilter(env *Env, v value.Value, a []value.Value) value.Value {
	paths := given(a, 2)
	key := func(v value.Value) value.Value { // in a list, whose equal elements need no order
		return value.NewList(env.sortKey(v, argBool(a, 1)))
	}
	if paths != nil {
		key = func(v value.Value) value.Value {
			keys := value.NewList()
			for path := range strings.SplitSeq(env.Str(paths), ",") {
				env.Budget.AllocItems(8)
				keys.Items = append(keys.Items, env.sortKey(env.attribute(v, value.String(path), nil), argBool(a, 1)))
			}
			return keys
		}
	}
	return &value.List{Items: env.sorted(value.Collect(v, &env.Budget), argBool(a, 0), key), Local: true}
}

func uniqueFilter(env *Env, v value.Value, a []value.Value) value.Value {
	seen := value.NewDict(0)
	path := given(a, 1)
	it := value.Iterate(v)
	return generate(value.FuncIter(func() (value.Value, bool) {
		for {
			item, ok := it.Next()
			if !ok {
				return nil, false
			}
			env.Budget.AllocItems(12)
			key := item
			if path != nil {
				key = env.attribute(item, path, nil)
			}
			key = env.sortKey(key, argBool(a, 0))
			env.SpendKey(key)
			if _, ok := seen.Get(key); !ok {
				seen.Put(key, value.Bool(true))
				return item, true
			}
		}
	}))
}

func dictSort(env *Env, v value.Value, a []value.Value) value.Value {
	d, ok := v.(*value.Dict)
	if !ok {
		value.FailUndefined(&value.Undefined{Name: "items", Owner: v})
	}
	at := 0
	switch by := env.Str(arg(a, 1, value.String("key"))); by {
	case "key":
	case "value":
		at = 1
	default:
		value.Fail(`You can only sort by either "key" or "value"`)
	}
	env.Budget.AllocItems(4 * d.Len())
	items := env.sorted(d.Items(), argBool(a, 2), func(v value.Value) value.Value {
		return env.sortKey(v.(*value.List).Items[at], argBool(a, 0))
	})
	return &value.List{Items: items, Local: true}
}

func groupBy(env *Env, v value.Value, a []value.Value) value.Value {
	name := func(v value.Value) value.Value {
		return env.attribute(v, a[0], given(a, 1))
	}
	key := func(v value.Value) value.Value { return env.sortKey(name(v), argBool(a, 2)) }
	groups := value.NewList()
	var last value.Value
	var members *value.List
	for _, item := range env.sorted(value.Collect(v, &env.Budget), false, key) {
		k := key(item)
		if members == nil || !value.Equal(k, last, &env.Budget) {
			env.Budget.AllocItems(8)
			members = &value.List{Local: true}
			groups.Items = append(groups.Items, &value.List{Items: []value.Value{name(item), members}, Kind: value.Group})
			last = k
		}
		members.Items = append(members.Items, item)
	}
	return groups
}

// extreme makes min (sign -1) and max (sign 1).
func extreme(sign int) func(*Env, value.Value, []value.Value) value.Value {
	return func(env *Env, v value.Value, a []value.Value) value.Value {
		key := func(v value.Value) value.Value {
			if path := given(a, 1); path != nil {
				v = env.attribute(v, path, nil)
			}
			return env.sortKey(v, argBool(a, 0))
		}
		var best, bestKey value.Value
		it := value.Iterate(v)
		for item, ok := it.Next(); ok; item, ok = it.Next() {
			k := key(item)
			if best == nil || sign < 0 && value.Less(k, bestKey, &env.Budget) ||
				sign > 0 && value.Less(bestKey, k, &env.Budget) {
				best, bestKey = item, k
			}
		}
		if best == nil {
			return &value.Undefined{Hint: "No aggregated item, sequence was empty."}
		}
		return best
	}
}
