package builtin

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

func textOf(v value.Value) string {
	s, _ := value.Text(v)
	return s
}

// textMethods are the methods of str. Parameters without a name can only be given by position.
func textMethods() []Filter {
	return []Filter{
		{name: "strip", params: []string{""}, fn: stripMethod(true, true)},
		{name: "lstrip", params: []string{""}, fn: stripMethod(true, false)},
		{name: "rstrip", params: []string{""}, fn: stripMethod(false, true)},
		{name: "upper", fn: mapText(pytext.Upper)},
		{name: "lower", fn: mapText(pytext.Lower)},
		{name: "casefold", fn: mapText(pytext.Fold)},
		{name: "title", fn: mapText(pytext.Title)},
		{name: "capitalize", fn: mapText(pytext.Capitalize)},
		{name: "swapcase", fn: mapText(pytext.SwapCase)},
		{name: "startswith", params: []string{"", "", ""}, need: 1, fn: affixMethod("startswith", strings.HasPrefix)},
		{name: "endswith", params: []string{"", "", ""}, need: 1, fn: affixMethod("endswith", strings.HasSuffix)},
		{name: "removeprefix", params: []string{""}, need: 1, fn: func(_ *Env, v value.Value, a []value.Value) value.Value {
			return value.String(strings.TrimPrefix(textOf(v), argText(a, 0)))
		}},
		{name: "removesuffix", params: []string{""}, need: 1, fn: func(_ *Env, v value.Value, a []value.Value) value.Value {
			return value.String(strings.TrimSuffix(textOf(v), argText(a, 0)))
		}},
		{name: "replace", params: []string{"", "", "count"}, need: 2, fn: func(env *Env, v value.Value, a []value.Value) value.Value {
			return value.String(env.replace(textOf(v), argText(a, 0), argText(a, 1), argInt(a, 2, -1)))
		}},
		{name: "find", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.Index, false)},
		{name: "rfind", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.LastIndex, false)},
		{name: "index", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.Index, true)},
		{name: "rindex", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.LastIndex, true)},
		{name: "count", params: []string{"", "", ""}, need: 1, fn: func(env *Env, v value.Value, a []value.Value) value.Value {
			part, inside := env.within(textOf(v), a)
			n := strings.Count(part, argText(a, 0))
			if !inside {
				n = 0
			}
			return value.Int(n)
		}},
		{name: "join", params: []string{""}, need: 1, fn: joinMethod},
		{name: "format", raw: func(env *Env, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
			return value.String(pytext.NewFormatter(&env.Budget, env).Format(textOf(v), pos, kw))
		}},
		{name: "center", params: []string{"", ""}, need: 1, fn: padMethod('c')},
		{name: "ljust", params: []string{"", ""}, need: 1, fn: padMethod('<')},
		{name: "rjust", params: []string{"", ""}, need: 1, fn: padMethod('>')},
		{name: "zfill", params: []string{""}, need: 1, fn: zeroFill},
		{name: "expandtabs", params: []string{"tabsize"}, fn: expandTabs},
	}
}

func stripMethod(left, right bool) func(*Env, value.Value, []value.Value) value.Value {
	return func(env *Env, v value.Value, a []value.Value) value.Value {
		env.Budget.Spend(value.Size(v) >> 4)
		return value.String(value.Trim(textOf(v), optionalText(a, 0), left, right))
	}
}

// within is the part of s that the arguments start and end of a search leave; inside is false where not
// even an empty text is to be found there.
func (env *Env) within(s string, a []value.Value) (part string, inside bool) {
	start, end := given(a, 1), given(a, 2)
	if start == nil && end == nil {
		return s, true
	}
	n := utf8.RuneCountInString(s)
	from, ok := sliceIndex(start)
	if ok && from > n {
		return "", false
	}
	to, _, _ := sliceBounds(n, [3]value.Value{end})
	from, _, _ = sliceBounds(n, [3]value.Value{start})
	return env.sliceText(s, [3]value.Value{start, end}), end == nil || from <= to
}

func affixMethod(name string, has func(s, affix string) bool) func(*Env, value.Value, []value.Value) value.Value {
	return func(env *Env, v value.Value, a []value.Value) value.Value {
		s, inside := env.within(textOf(v), a)
		affixes := a[:1]
		if l, ok := a[0].(*value.List); ok && l.Kind == value.Tuple {
			affixes = l.Items
		}
		for _, affix := range affixes {
			text, ok := value.Text(affix)
			if !ok {
				value.Fail("%s first arg must be str or a tuple of str, not %s", name, affix.Type())
			}
			if inside && has(s, text) {
				return value.Bool(true)
			}
		}
		return value.Bool(false)
	}
}

func findMethod(find func(s, sub string) int, must bool) func(*Env, value.Value, []value.Value) value.Value {
	return func(env *Env, v value.Value, a []value.Value) value.Value {
		s := textOf(v)
		part, inside := env.within(s, a)
		i := -1
		if sub := argText(a, 0); inside {
			i = find(part, sub)
		}
		if i < 0 {
			if must {
				value.Fail("substring not found")
			}
			return value.Int(-1)
		}
		start, _, _ := sliceBounds(utf8.RuneCountInString(s), [3]value.Value{arg(a, 1, nil)})
		return value.Int(start + utf8.RuneCountInString(part[:i]))
	}
}

func joinMethod(env *Env, v value.Value, a []value.Value) value.Value {
	b := value.NewBuffer(&env.Budget)
	it := value.Iterate(a[0])
	_, safe := v.(value.Safe)
	for n := 0; ; n++ {
		item, ok := it.Next()
		if !ok {
			return value.String(b.Cut(0))
		}
		s, ok := value.Text(item)
		if !ok {
			value.Fail("sequence item %d: expected str instance, %s found", n, item.Type())
		}
		if n > 0 {
			b.WriteString(textOf(v))
		}
		if _, marked := item.(value.Safe); safe && !marked {
			s = value.Escape(s)
		}
		b.WriteString(s)
		env.Budget.Spend(1)
	}
}

func padMethod(align byte) func(*Env, value.Value, []value.Value) value.Value {
	return func(env *Env, v value.Value, a []value.Value) value.Value {
		fill, _ := value.Text(arg(a, 1, value.String(" ")))
		if utf8.RuneCountInString(fill) != 1 {
			value.Fail("The fill character must be exactly one character long")
		}
		return value.String(pytext.Pad(&env.Budget, textOf(v), argInt(a, 0, 0), fill, align))
	}
}

func zeroFill(env *Env, v value.Value, a []value.Value) value.Value {
	s := textOf(v)
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign = s[:1]
	}
	return value.String(sign + pytext.Pad(&env.Budget, s[len(sign):], argInt(a, 0, 0)-len(sign), "0", '>'))
}

func expandTabs(env *Env, v value.Value, a []value.Value) value.Value {
	size := argInt(a, 0, 8)
	b := value.NewBuffer(&env.Budget)
	column := 0
	for _, r := range textOf(v) {
		switch r {
		case '\t':
			if size > 0 {
				n := size - column%size
				b.Pad(" ", n)
				column += n
			}
			continue
		case '\n', '\r':
			column = -1
		}
		column++
		b.WriteString(string(r))
	}
	return value.String(b.Cut(0))
}

// classMethods are the methods that ask what characters a text is made of.
func classMethods() []Filter {
	class := func(name string, is func(rune) bool) Filter {
		return Filter{name: name, fn: func(env *Env, v value.Value, _ []value.Value) value.Value {
			s := textOf(v)
			env.Budget.Spend(len(s) >> 4)
			return value.Bool(s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0)
		}}
	}
	whole := func(name string, is func(string) bool) Filter {
		return Filter{name: name, fn: func(_ *Env, v value.Value, _ []value.Value) value.Value {
			return value.Bool(is(textOf(v)))
		}}
	}
	return []Filter{
		class("isalpha", unicode.IsLetter),
		class("isdigit", pytext.IsDigit),
		class("isdecimal", unicode.IsDigit),
		class("isnumeric", pytext.IsNumeric),
		class("isalnum", func(r rune) bool { return unicode.IsLetter(r) || pytext.IsNumeric(r) }),
		class("isspace", value.IsSpace),
		whole("isascii", func(s string) bool {
			return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
		}),
		whole("isprintable", func(s string) bool {
			return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
		}),
		whole("islower", func(s string) bool { return pytext.HasCase(s, pytext.IsLower, pytext.IsUpper) }),
		whole("isupper", func(s string) bool { return pytext.HasCase(s, pytext.IsUpper, pytext.IsLower) }),
		whole("istitle", pytext.IsTitle),
		whole("isidentifier", pytext.IsIdentifier),
	}
}
