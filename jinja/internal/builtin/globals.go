package builtin

import (
	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// globals returns the functions that every template can call.
func globals() map[string]*Function {
	m := map[string]*Function{}
	for name, fn := range map[string]func(*Env, []value.Value, *value.Dict) value.Value{
		"range":           rangeGlobal,
		"dict":            dictGlobal,
		"namespace":       namespaceGlobal,
		"joiner":          joinerGlobal,
		"cycler":          cyclerGlobal,
		"raise_exception": raiseGlobal,
		"strftime_now":    strftimeNow,
	} {
		m[name] = &Function{Name: name, Fn: fn}
	}
	return m
}

// maxRange is how long a range may be, as in jinja2's sandbox.
const maxRange = 100_000

func rangeGlobal(_ *Env, pos []value.Value, kw *value.Dict) value.Value {
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
func makeDict(env *Env, pos []value.Value, kw *value.Dict) *value.Dict {
	d := value.NewDict(0)
	if len(pos) > 1 {
		value.Fail("dict expected at most 1 argument, got %d", len(pos))
	}
	if len(pos) == 1 {
		if from, ok := pos[0].(*value.Dict); ok {
			env.Budget.AllocItems(3 * from.Len())
			d.Merge(from)
		} else {
			for _, pair := range value.Collect(pos[0], &env.Budget) {
				kv := value.Collect(pair, &env.Budget)
				if len(kv) != 2 {
					value.Fail("dictionary update sequence element has length %d; 2 is required", len(kv))
				}
				env.SpendEntry(kv[0])
				d.Put(kv[0], kv[1])
			}
		}
	}
	if kw != nil {
		d.Merge(kw)
	}
	return d
}

func dictGlobal(env *Env, pos []value.Value, kw *value.Dict) value.Value {
	return makeDict(env, pos, kw)
}

func namespaceGlobal(env *Env, pos []value.Value, kw *value.Dict) value.Value {
	return &value.Namespace{Attrs: makeDict(env, pos, kw)}
}

func joinerGlobal(env *Env, pos []value.Value, kw *value.Dict) value.Value {
	separator := arg(pos, 0, value.String(", "))
	if v, ok := Keyword(kw, "sep"); ok {
		separator = v
	}
	used := false
	return &Function{Name: "joiner", Fn: func(*Env, []value.Value, *value.Dict) value.Value {
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

func cyclerGlobal(_ *Env, pos []value.Value, kw *value.Dict) value.Value {
	if len(pos) == 0 || kw != nil {
		value.Fail("at least one item has to be provided")
	}
	return &cycler{items: pos}
}

// Attr implements [Object].
func (c *cycler) Attr(name string) value.Value {
	switch name {
	case "current":
		return c.items[c.at]
	case "next":
		return &Function{Name: name, Fn: func(*Env, []value.Value, *value.Dict) value.Value {
			v := c.items[c.at]
			c.at = (c.at + 1) % len(c.items)
			return v
		}}
	case "reset":
		return &Function{Name: name, Fn: func(*Env, []value.Value, *value.Dict) value.Value {
			c.at = 0
			return value.None{}
		}}
	}
	return nil
}

func raiseGlobal(env *Env, pos []value.Value, _ *value.Dict) value.Value {
	if len(pos) != 1 {
		value.Fail("raise_exception takes one argument, the message")
	}
	panic(&value.Failure{Kind: value.Raised, Message: env.Str(pos[0])})
}

// strftimeNow prints the render's time, in the format of C's strftime.
func strftimeNow(env *Env, pos []value.Value, kw *value.Dict) value.Value {
	if len(pos) != 1 || kw != nil {
		value.Fail("strftime_now takes one argument, the format")
	}
	format, ok := value.Text(pos[0])
	if !ok {
		value.Fail("strftime() argument 1 must be str, not %s", pos[0].Type())
	}
	return value.String(pytext.Strftime(&env.Budget, env.Now(), format))
}
