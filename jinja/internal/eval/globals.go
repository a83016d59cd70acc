package eval

import (
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// globals returns the functions that every template can call.
func globals() map[string]*function {
	m := map[string]*function{}
	for name, fn := range map[string]func(*interp, []value.Value, *value.Dict) value.Value{
		"range":           rangeGlobal,
		"dict":            dictGlobal,
		"namespace":       namespaceGlobal,
		"joiner":          joinerGlobal,
		"cycler":          cyclerGlobal,
		"raise_exception": raiseGlobal,
		"strftime_now":    strftimeNow,
	} {
		m[name] = &function{name: name, fn: fn}
	}
	return m
}

// maxRange is how long a range may be, as in jinja2's sandbox.
const maxRange = 100_000

func rangeGlobal(_ *interp, pos []value.Value, kw *value.Dict) value.Value {
	if kw != nil || len(pos) == 0 || len(pos) > 3 {
		value.Fail("range expects one to three positional arguments")
	}
	r := &value.Range{Step: 1}
	n := make([]int64, 0, 3)
	for i, v := range pos {
		if _, big := v.(value.Big); big {
			value.FailLimit("Range too big. The sandbox blocks ranges larger than %d.", maxRange)
		}
		n = append(n, int64(argInt(pos, i, 0)))
	}
	switch len(n) {
	case 1:
		r.Stop = n[0]
	case 2:
		r.Start, r.Stop = n[0], n[1]
	case 3:
		r.Start, r.Stop, r.Step = n[0], n[1], n[2]
	}
	if r.Step == 0 {
		value.Fail("range() arg 3 must not be zero")
	}
	if r.Len() > maxRange {
		value.FailLimit("Range too big. The sandbox blocks ranges larger than %d.", maxRange)
	}
	return r
}

// makeDict is the dict() of Python: from a mapping or pairs, and keywords.
func makeDict(in *interp, pos []value.Value, kw *value.Dict) *value.Dict {
	d := value.NewDict(0)
	if len(pos) > 1 {
		value.Fail("dict expected at most 1 argument, got %d", len(pos))
	}
	if len(pos) == 1 {
		if from, ok := pos[0].(*value.Dict); ok {
			in.budget.AllocItems(3 * from.Len())
			d.Merge(from)
		} else {
			for _, pair := range value.Collect(pos[0], &in.budget) {
				kv := value.Collect(pair, &in.budget)
				if len(kv) != 2 {
					value.Fail("dictionary update sequence element has length %d; 2 is required", len(kv))
				}
				in.budget.AllocItems(3)
				d.Put(kv[0], kv[1])
			}
		}
	}
	if kw != nil {
		d.Merge(kw)
	}
	return d
}

func dictGlobal(in *interp, pos []value.Value, kw *value.Dict) value.Value {
	return makeDict(in, pos, kw)
}

func namespaceGlobal(in *interp, pos []value.Value, kw *value.Dict) value.Value {
	return &value.Namespace{Attrs: makeDict(in, pos, kw)}
}

func joinerGlobal(in *interp, pos []value.Value, kw *value.Dict) value.Value {
	separator := arg(pos, 0, value.String(", "))
	if v, ok := lookupKw(kw, "sep"); ok {
		separator = v
	}
	used := false
	return &function{name: "joiner", fn: func(*interp, []value.Value, *value.Dict) value.Value {
		if used {
			return separator
		}
		used = true
		return value.String("")
	}}
}

// cycler is the object of cycler().
type cycler struct {
	items []value.Value
	at    int
}

// Type implements [value.Value].
func (*cycler) Type() string { return "Cycler" }

func cyclerGlobal(_ *interp, pos []value.Value, kw *value.Dict) value.Value {
	if len(pos) == 0 || kw != nil {
		value.Fail("at least one item has to be provided")
	}
	return &cycler{items: pos}
}

func (c *cycler) attr(name string) value.Value {
	switch name {
	case "current":
		return c.items[c.at]
	case "next":
		return &function{name: name, fn: func(*interp, []value.Value, *value.Dict) value.Value {
			v := c.items[c.at]
			c.at = (c.at + 1) % len(c.items)
			return v
		}}
	case "reset":
		return &function{name: name, fn: func(*interp, []value.Value, *value.Dict) value.Value {
			c.at = 0
			return value.None{}
		}}
	}
	return nil
}

func raiseGlobal(in *interp, pos []value.Value, _ *value.Dict) value.Value {
	if len(pos) != 1 {
		value.Fail("raise_exception takes one argument, the message")
	}
	panic(&value.Failure{Kind: value.Raised, Message: in.str(pos[0])})
}
