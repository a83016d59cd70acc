package eval

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

func textOf(v value.Value) string {
	s, _ := value.Text(v)
	return s
}

// textMethods are the methods of str. Parameters without a name can only be given by position.
func textMethods() []filter {
	return []filter{
		{name: "strip", params: []string{""}, fn: stripMethod(true, true)},
		{name: "lstrip", params: []string{""}, fn: stripMethod(true, false)},
		{name: "rstrip", params: []string{""}, fn: stripMethod(false, true)},
		{name: "upper", fn: mapText(upper)},
		{name: "lower", fn: mapText(lower)},
		{name: "casefold", fn: mapText(func(s string) string { return lower(strings.ReplaceAll(s, "ß", "ss")) })},
		{name: "title", fn: mapText(titleMethod)},
		{name: "capitalize", fn: mapText(capitalize)},
		{name: "swapcase", fn: mapText(swapCase)},
		{name: "startswith", params: []string{"", "", ""}, need: 1, fn: affixMethod("startswith", strings.HasPrefix)},
		{name: "endswith", params: []string{"", "", ""}, need: 1, fn: affixMethod("endswith", strings.HasSuffix)},
		{name: "removeprefix", params: []string{""}, need: 1, fn: func(_ *interp, v value.Value, a []value.Value) value.Value {
			return value.String(strings.TrimPrefix(textOf(v), argText(a, 0)))
		}},
		{name: "removesuffix", params: []string{""}, need: 1, fn: func(_ *interp, v value.Value, a []value.Value) value.Value {
			return value.String(strings.TrimSuffix(textOf(v), argText(a, 0)))
		}},
		{name: "replace", params: []string{"", "", "count"}, need: 2, fn: func(in *interp, v value.Value, a []value.Value) value.Value {
			return value.String(in.replace(textOf(v), argText(a, 0), argText(a, 1), argInt(a, 2, -1)))
		}},
		{name: "find", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.Index, false)},
		{name: "rfind", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.LastIndex, false)},
		{name: "index", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.Index, true)},
		{name: "rindex", params: []string{"", "", ""}, need: 1, fn: findMethod(strings.LastIndex, true)},
		{name: "count", params: []string{"", "", ""}, need: 1, fn: func(in *interp, v value.Value, a []value.Value) value.Value {
			return value.Int(strings.Count(in.within(textOf(v), a), argText(a, 0)))
		}},
		{name: "join", params: []string{""}, need: 1, fn: joinMethod},
		{name: "format", raw: func(in *interp, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
			return in.format(textOf(v), pos, kw)
		}},
		{name: "center", params: []string{"", ""}, need: 1, fn: padMethod('c')},
		{name: "ljust", params: []string{"", ""}, need: 1, fn: padMethod('<')},
		{name: "rjust", params: []string{"", ""}, need: 1, fn: padMethod('>')},
		{name: "zfill", params: []string{""}, need: 1, fn: zeroFill},
		{name: "expandtabs", params: []string{"tabsize"}, fn: expandTabs},
	}
}

func stripMethod(left, right bool) func(*interp, value.Value, []value.Value) value.Value {
	return func(_ *interp, v value.Value, a []value.Value) value.Value {
		return value.String(value.Trim(textOf(v), optionalText(a, 0), left, right))
	}
}

// within is the part of s that the arguments start and end of a search leave.
func (in *interp) within(s string, a []value.Value) string {
	if given(a, 1) == nil && given(a, 2) == nil {
		return s
	}
	return in.sliceText(s, [3]value.Value{arg(a, 1, nil), arg(a, 2, nil)})
}

func affixMethod(name string, has func(s, affix string) bool) func(*interp, value.Value, []value.Value) value.Value {
	return func(in *interp, v value.Value, a []value.Value) value.Value {
		s := in.within(textOf(v), a)
		affixes := a[:1]
		if l, ok := a[0].(*value.List); ok && l.Kind == value.Tuple {
			affixes = l.Items
		}
		for _, affix := range affixes {
			text, ok := value.Text(affix)
			if !ok {
				value.Fail("%s first arg must be str or a tuple of str, not %s", name, affix.Type())
			}
			if has(s, text) {
				return value.Bool(true)
			}
		}
		return value.Bool(false)
	}
}

func findMethod(find func(s, sub string) int, must bool) func(*interp, value.Value, []value.Value) value.Value {
	return func(in *interp, v value.Value, a []value.Value) value.Value {
		s := textOf(v)
		part := in.within(s, a)
		i := find(part, argText(a, 0))
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

func joinMethod(in *interp, v value.Value, a []value.Value) value.Value {
	b := value.NewBuffer(&in.budget)
	it := value.Iterate(a[0])
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
		b.WriteString(s)
		in.budget.Spend(1)
	}
}

func padMethod(align byte) func(*interp, value.Value, []value.Value) value.Value {
	return func(in *interp, v value.Value, a []value.Value) value.Value {
		fill, _ := value.Text(arg(a, 1, value.String(" ")))
		if utf8.RuneCountInString(fill) != 1 {
			value.Fail("The fill character must be exactly one character long")
		}
		return value.String(in.pad(textOf(v), argInt(a, 0, 0), fill, align))
	}
}

func zeroFill(in *interp, v value.Value, a []value.Value) value.Value {
	s := textOf(v)
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign = s[:1]
	}
	return value.String(sign + in.pad(s[len(sign):], argInt(a, 0, 0)-len(sign), "0", '>'))
}

func expandTabs(in *interp, v value.Value, a []value.Value) value.Value {
	size := argInt(a, 0, 8)
	b := value.NewBuffer(&in.budget)
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

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

// classMethods are the methods that ask what characters a text is made of.
func classMethods() []filter {
	class := func(name string, is func(rune) bool) filter {
		return filter{name: name, fn: func(_ *interp, v value.Value, _ []value.Value) value.Value {
			s := textOf(v)
			return value.Bool(s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0)
		}}
	}
	whole := func(name string, is func(string) bool) filter {
		return filter{name: name, fn: func(_ *interp, v value.Value, _ []value.Value) value.Value {
			return value.Bool(is(textOf(v)))
		}}
	}
	return []filter{
		class("isalpha", unicode.IsLetter),
		class("isdigit", unicode.IsDigit),
		class("isdecimal", unicode.IsDigit),
		class("isnumeric", unicode.IsNumber),
		class("isalnum", func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
		class("isspace", value.IsSpace),
		whole("isascii", func(s string) bool {
			return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
		}),
		whole("isprintable", func(s string) bool {
			return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
		}),
		whole("islower", func(s string) bool { return hasCase(s, unicode.IsLower, unicode.IsUpper) }),
		whole("isupper", func(s string) bool { return hasCase(s, unicode.IsUpper, unicode.IsLower) }),
		whole("istitle", func(s string) bool { return hasCase(s, unicode.IsLetter, noRune) && s == titleMethod(s) }),
		whole("isidentifier", func(s string) bool {
			return s != "" && !unicode.IsDigit(rune(s[0])) && strings.IndexFunc(s, func(r rune) bool {
				return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
			}) < 0
		}),
	}
}

func noRune(rune) bool { return false }
