package builtin

import (
	"strings"
	"unicode"

	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

func textFilters() []Filter {
	return []Filter{
		{name: "trim", params: names("chars"), fn: trimFilter},
		{name: "lower", fn: mapText(pytext.Lower)},
		{name: "upper", fn: mapText(pytext.Upper)},
		{name: "title", fn: mapText(pytext.TitleWords)},
		{name: "capitalize", fn: mapText(pytext.Capitalize)},
		{name: "string", fn: stringFilter},
		{name: "safe", fn: func(env *Env, v value.Value, _ []value.Value) value.Value {
			return value.Safe(env.Str(v))
		}},
		{name: "escape", fn: escapeFilter},
		{name: "forceescape", fn: func(env *Env, v value.Value, _ []value.Value) value.Value {
			return env.escaped(env.Str(v))
		}},
		{name: "replace", params: names("old new count"), need: 2, fn: replaceFilter},
		{name: "indent", params: names("width first blank"), fn: indentFilter},
		{name: "center", params: names("width"), fn: func(env *Env, v value.Value, a []value.Value) value.Value {
			return sameText(v, pytext.Pad(&env.Budget, env.Str(v), argInt(a, 0, 80), " ", 'c'))
		}},
		{name: "truncate", params: names("length killwords end leeway"), fn: truncateFilter},
		{name: "wordcount", fn: wordCount},
		{name: "format", raw: formatFilter},
		{name: "urlencode", fn: urlEncode},
		{name: "tojson", params: names("ensure_ascii indent separators sort_keys"), fn: toJSON, write: writeJSON},
		{name: "default", params: names("default_value boolean"), fn: defaultFilter},
		{name: "attr", params: names("name"), need: 1, fn: attrFilter},
	}
}

func mapText(f func(string) string) func(*Env, value.Value, []value.Value) value.Value {
	return func(env *Env, v value.Value, _ []value.Value) value.Value {
		s := env.Str(v)
		env.Budget.Alloc(len(s))
		env.Budget.Spend(len(s) >> 1) // letter by letter
		return sameText(v, f(s))
	}
}

func trimFilter(env *Env, v value.Value, a []value.Value) value.Value {
	s := env.Str(v)
	env.Budget.Spend(len(s) >> 4)
	return sameText(v, value.Trim(s, optionalText(a, 0), true, true))
}

func optionalText(a []value.Value, i int) *string {
	if given(a, i) == nil {
		return nil
	}
	s := argText(a, i)
	return &s
}

func stringFilter(env *Env, v value.Value, _ []value.Value) value.Value {
	if _, ok := value.Text(v); ok {
		return v
	}
	return value.String(env.Str(v))
}

func (env *Env) escaped(s string) value.Value {
	env.Budget.CheckText(6 * len(s))
	escaped := value.Escape(s)
	env.Budget.Alloc(len(escaped))
	env.Budget.Spend(len(escaped) >> 4)
	return value.Safe(escaped)
}

func escapeFilter(env *Env, v value.Value, _ []value.Value) value.Value {
	if _, ok := v.(value.Safe); ok {
		return v
	}
	return env.escaped(env.Str(v))
}

func replaceFilter(env *Env, v value.Value, a []value.Value) value.Value {
	count := -1
	if given(a, 2) != nil {
		count = argInt(a, 2, -1)
	}
	return value.String(env.replace(env.Str(v), env.Str(a[0]), env.Str(a[1]), count))
}

// replace is str.replace with the length of the result checked first.
func (env *Env) replace(s, old, with string, count int) string {
	if len(with) > len(old) {
		n := strings.Count(s, old)
		if count >= 0 {
			n = min(n, count)
		}
		env.Budget.CheckRepeat(len(with)-len(old), n)
		env.Budget.CheckText(len(s) + n*(len(with)-len(old)))
	}
	r := strings.Replace(s, old, with, count)
	env.Budget.Alloc(len(s) + len(r))
	return r
}

func indentFilter(env *Env, v value.Value, a []value.Value) value.Value {
	s, ok := value.Text(v)
	if !ok {
		value.Arith(value.Add, v, value.String("\n"), &env.Budget) // fails with Python's words
		value.Fail("'%s' object has no attribute 'splitlines'", v.Type())
	}
	var unit string
	switch w := arg(a, 0, value.Int(4)).(type) {
	case value.String:
		unit = string(w)
	case value.Safe:
		unit = string(w)
	default:
		n := max(argInt(a, 0, 4), 0)
		env.Budget.CheckText(n)
		unit = strings.Repeat(" ", n)
	}
	blank := argBool(a, 2)
	b := value.NewBuffer(&env.Budget)
	if argBool(a, 1) {
		b.WriteString(unit)
	}
	for i, line := range pytext.SplitLines(&env.Budget, s+"\n", false) {
		if i > 0 {
			b.WriteString("\n")
			if line != "" || blank {
				b.WriteString(unit)
			}
		}
		b.WriteString(line)
	}
	return sameText(v, b.Cut(0))
}

func truncateFilter(env *Env, v value.Value, a []value.Value) value.Value {
	size := value.Len(v)
	env.Budget.Alloc(4 * size)
	length, leeway := argInt(a, 0, 255), 5
	end := env.Str(arg(a, 2, value.String("...")))
	if given(a, 3) != nil {
		leeway = argInt(a, 3, 5)
	}
	keep := length - len([]rune(end))
	if keep < 0 || leeway < 0 {
		value.Fail("truncate: the length is shorter than the end, or the leeway is negative")
	}
	if size <= length+leeway {
		return v
	}
	s, ok := value.Text(v)
	if !ok {
		value.Fail("'%s' object cannot be truncated", v.Type())
	}
	head := string([]rune(s)[:keep])
	if !argBool(a, 1) {
		if i := strings.LastIndexByte(head, ' '); i >= 0 {
			head = head[:i]
		}
	}
	return env.text(head + end)
}

func wordCount(env *Env, v value.Value, _ []value.Value) value.Value {
	s := env.Str(v)
	env.Budget.Spend(len(s) >> 3)
	words, inWord := 0, false
	for _, r := range s {
		is := r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
		if is && !inWord {
			words++
		}
		inWord = is
	}
	return value.Int(words)
}

func formatFilter(env *Env, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
	if kw != nil && len(pos) > 0 {
		value.Fail("can't handle positional and keyword arguments at the same time")
	}
	if kw != nil {
		return env.Percent(v, env.Str(v), kw)
	}
	return env.Percent(v, env.Str(v), value.NewTuple(pos...))
}

func urlEncode(env *Env, v value.Value, _ []value.Value) value.Value {
	switch x := v.(type) {
	case *value.Dict:
		return env.queryString(x.Items())
	case *value.List, *value.Generator, *value.Range, *value.Undefined:
		return env.queryString(value.Collect(v, &env.Budget))
	}
	return env.text(env.quoteURL(env.Str(v), "/"))
}

// queryString joins pairs of keys and values.
func (env *Env) queryString(pairs []value.Value) value.Value {
	b := value.NewBuffer(&env.Budget)
	for i, pair := range pairs {
		if i > 0 {
			b.WriteString("&")
		}
		kv := value.Collect(pair, &env.Budget)
		if len(kv) != 2 {
			value.Fail("cannot unpack %d values into a key and a value", len(kv))
		}
		for j, part := range kv {
			if j > 0 {
				b.WriteString("=")
			}
			b.WriteString(strings.ReplaceAll(env.quoteURL(env.Str(part), ""), "%20", "+"))
		}
	}
	return value.String(b.Cut(0))
}

// quoteURL escapes what is neither a letter, a digit nor one of a few signs.
func (env *Env) quoteURL(s, safe string) string {
	env.Budget.CheckText(3 * len(s))
	env.Budget.Spend(len(s) >> 1)
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("_.-~"+safe, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// toJSON is json.dumps with the arguments that transformers passes on.
func toJSON(env *Env, v value.Value, a []value.Value) value.Value {
	b := value.NewBuffer(&env.Budget)
	writeJSON(env, b, v, a)
	return value.String(b.Cut(0))
}

func writeJSON(env *Env, b *value.Buffer, v value.Value, a []value.Value) {
	style := value.JSONStyle{Item: ", ", Key: ": ", ASCII: argBool(a, 0), SortKeys: argBool(a, 3)}
	switch indent := given(a, 1).(type) {
	case nil:
	case value.String:
		style.Lines, style.Indent, style.Item = true, string(indent), ","
	default:
		n := max(argInt(a, 1, 0), 0)
		env.Budget.CheckText(n)
		style.Lines, style.Indent, style.Item = true, strings.Repeat(" ", n), ","
	}
	if v := given(a, 2); v != nil {
		separators := value.Collect(v, &env.Budget)
		if len(separators) != 2 {
			value.Fail("separators must be two texts")
		}
		style.Item, style.Key = argText(separators, 0), argText(separators, 1)
	}
	value.EncodeJSON(b, v, &style)
}

func fromJSON(env *Env, v value.Value, _ []value.Value) value.Value {
	s, ok := value.Text(v)
	if !ok {
		value.Fail("from_json wants a string, not %s", v.Type())
	}
	env.Budget.AllocItems(len(s))
	decoded, err := value.DecodeJSON([]byte(s))
	if err != nil {
		value.Fail("from_json: %v", err)
	}
	return decoded
}

func defaultFilter(_ *Env, v value.Value, a []value.Value) value.Value {
	if value.IsUndefined(v) || argBool(a, 1) && !value.Truth(v) {
		return arg(a, 0, value.String(""))
	}
	return v
}

func attrFilter(env *Env, v value.Value, a []value.Value) value.Value {
	name := env.Str(a[0])
	if d, ok := v.(*value.Dict); ok && !env.HasMethod(d, name) {
		return &value.Undefined{Name: name, Owner: v} // attributes only, never items
	}
	return env.Attr(v, name)
}
