package eval

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

func textFilters() []filter {
	return []filter{
		{name: "trim", params: names("chars"), fn: trimFilter},
		{name: "lower", fn: mapText(lower)},
		{name: "upper", fn: mapText(upper)},
		{name: "title", fn: mapText(titleFilter)},
		{name: "capitalize", fn: mapText(capitalize)},
		{name: "string", fn: stringFilter},
		{name: "safe", fn: func(in *interp, v value.Value, _ []value.Value) value.Value {
			return value.Safe(in.str(v))
		}},
		{name: "escape", fn: escapeFilter},
		{name: "forceescape", fn: func(in *interp, v value.Value, _ []value.Value) value.Value {
			return in.escaped(in.str(v))
		}},
		{name: "replace", params: names("old new count"), need: 2, fn: replaceFilter},
		{name: "indent", params: names("width first blank"), fn: indentFilter},
		{name: "center", params: names("width"), fn: func(in *interp, v value.Value, a []value.Value) value.Value {
			return sameText(v, in.pad(in.str(v), argInt(a, 0, 80), " ", 'c'))
		}},
		{name: "truncate", params: names("length killwords end leeway"), fn: truncateFilter},
		{name: "wordcount", fn: wordCount},
		{name: "format", raw: formatFilter},
		{name: "urlencode", fn: urlEncode},
		{name: "tojson", params: names("ensure_ascii indent separators sort_keys"), fn: toJSON},
		{name: "default", params: names("default_value boolean"), fn: defaultFilter},
		{name: "attr", params: names("name"), need: 1, fn: attrFilter},
	}
}

func mapText(f func(string) string) func(*interp, value.Value, []value.Value) value.Value {
	return func(in *interp, v value.Value, _ []value.Value) value.Value {
		s := in.str(v)
		in.budget.Alloc(len(s))
		return sameText(v, f(s))
	}
}

func trimFilter(in *interp, v value.Value, a []value.Value) value.Value {
	s := in.str(v)
	in.budget.Spend(len(s) >> 9)
	return sameText(v, value.Trim(s, optionalText(a, 0), true, true))
}

func optionalText(a []value.Value, i int) *string {
	if given(a, i) == nil {
		return nil
	}
	s := argText(a, i)
	return &s
}

func stringFilter(in *interp, v value.Value, _ []value.Value) value.Value {
	if _, ok := value.Text(v); ok {
		return v
	}
	return value.String(in.str(v))
}

func (in *interp) escaped(s string) value.Value {
	in.budget.CheckText(6 * len(s))
	in.budget.Alloc(len(s))
	return value.Safe(value.Escape(s))
}

func escapeFilter(in *interp, v value.Value, _ []value.Value) value.Value {
	if _, ok := v.(value.Safe); ok {
		return v
	}
	return in.escaped(in.str(v))
}

func replaceFilter(in *interp, v value.Value, a []value.Value) value.Value {
	count := -1
	if given(a, 2) != nil {
		count = argInt(a, 2, -1)
	}
	return value.String(in.replace(in.str(v), in.str(a[0]), in.str(a[1]), count))
}

// replace is str.replace with the length of the result checked first.
func (in *interp) replace(s, old, with string, count int) string {
	if len(with) > len(old) {
		n := strings.Count(s, old)
		if count >= 0 {
			n = min(n, count)
		}
		in.budget.CheckRepeat(len(with)-len(old), n)
		in.budget.CheckText(len(s) + n*(len(with)-len(old)))
	}
	r := strings.Replace(s, old, with, count)
	in.budget.Alloc(len(s) + len(r))
	return r
}

func indentFilter(in *interp, v value.Value, a []value.Value) value.Value {
	var unit string
	switch w := arg(a, 0, value.Int(4)).(type) {
	case value.String:
		unit = string(w)
	case value.Safe:
		unit = string(w)
	default:
		n := max(argInt(a, 0, 4), 0)
		in.budget.CheckText(n)
		unit = strings.Repeat(" ", n)
	}
	blank := argBool(a, 2)
	b := value.NewBuffer(&in.budget)
	if argBool(a, 1) {
		b.WriteString(unit)
	}
	for i, line := range splitLines(in.str(v)+"\n", false) {
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

func truncateFilter(in *interp, v value.Value, a []value.Value) value.Value {
	s := []rune(in.str(v))
	in.budget.Alloc(4 * len(s))
	length, leeway := argInt(a, 0, 255), 5
	end := in.str(arg(a, 2, value.String("...")))
	if given(a, 3) != nil {
		leeway = argInt(a, 3, 5)
	}
	keep := length - len([]rune(end))
	if keep < 0 || leeway < 0 {
		value.Fail("truncate: the length is shorter than the end, or the leeway is negative")
	}
	if len(s) <= length+leeway {
		return v
	}
	head := string(s[:keep])
	if !argBool(a, 1) {
		if i := strings.LastIndexByte(head, ' '); i >= 0 {
			head = head[:i]
		}
	}
	return in.text(head + end)
}

func wordCount(in *interp, v value.Value, _ []value.Value) value.Value {
	words := strings.FieldsFunc(in.str(v), func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
	in.budget.AllocItems(len(words))
	return value.Int(len(words))
}

func formatFilter(in *interp, v value.Value, pos []value.Value, kw *value.Dict) value.Value {
	if kw != nil && len(pos) > 0 {
		value.Fail("can't handle positional and keyword arguments at the same time")
	}
	if kw != nil {
		return value.String(in.printf(v, in.str(v), kw))
	}
	return value.String(in.printf(v, in.str(v), value.NewTuple(pos...)))
}

func urlEncode(in *interp, v value.Value, _ []value.Value) value.Value {
	s := in.str(v)
	in.budget.CheckText(3 * len(s))
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("_.-~/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + strings.ToUpper(strconv.FormatInt(int64(c)|0x100, 16)[1:]))
	}
	return in.text(b.String())
}

// toJSON is json.dumps with the arguments that transformers passes on.
func toJSON(in *interp, v value.Value, a []value.Value) value.Value {
	style := value.JSONStyle{Item: ", ", Key: ": ", ASCII: argBool(a, 0), SortKeys: argBool(a, 3)}
	switch indent := given(a, 1).(type) {
	case nil:
	case value.String:
		style.Lines, style.Indent, style.Item = true, string(indent), ","
	default:
		n := max(argInt(a, 1, 0), 0)
		in.budget.CheckText(n)
		style.Lines, style.Indent, style.Item = true, strings.Repeat(" ", n), ","
	}
	if v := given(a, 2); v != nil {
		separators := value.Collect(v, &in.budget)
		if len(separators) != 2 {
			value.Fail("separators must be two texts")
		}
		style.Item, style.Key = argText(separators, 0), argText(separators, 1)
	}
	b := value.NewBuffer(&in.budget)
	value.EncodeJSON(b, v, &style)
	return value.String(b.Cut(0))
}

func fromJSON(in *interp, v value.Value, _ []value.Value) value.Value {
	s, ok := value.Text(v)
	if !ok {
		value.Fail("from_json wants a string, not %s", v.Type())
	}
	in.budget.AllocItems(len(s))
	decoded, err := value.DecodeJSON([]byte(s))
	if err != nil {
		value.Fail("from_json: %v", err)
	}
	return decoded
}

func defaultFilter(_ *interp, v value.Value, a []value.Value) value.Value {
	if value.IsUndefined(v) || argBool(a, 1) && !value.Truth(v) {
		return arg(a, 0, value.String(""))
	}
	return v
}

func attrFilter(in *interp, v value.Value, a []value.Value) value.Value {
	name := in.str(a[0])
	if d, ok := v.(*value.Dict); ok && !in.hasMethod(d, name) {
		return &value.Undefined{Name: name, Owner: v} // attributes only, never items
	}
	return in.attr(v, name)
}

// lower is str.lower(), with the Greek final sigma.
func lower(s string) string {
	l := strings.ToLower(s)
	if !strings.ContainsRune(l, 'σ') || !strings.ContainsRune(s, 'Σ') {
		return l
	}
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		last := i+1 == len(runes) || !unicode.IsLetter(runes[i+1])
		if r == 'Σ' && last && i > 0 && unicode.IsLetter(runes[i-1]) {
			b.WriteRune('ς')
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// upper is str.upper(), with the letters that become several.
func upper(s string) string {
	if strings.ContainsAny(s, "ßﬀﬁﬂﬃﬄﬅﬆŉ") {
		s = strings.NewReplacer("ß", "SS", "ﬀ", "FF", "ﬁ", "FI", "ﬂ", "FL", "ﬃ", "FFI", "ﬄ", "FFL",
			"ﬅ", "ST", "ﬆ", "ST", "ŉ", "ʼN").Replace(s)
	}
	return strings.ToUpper(s)
}

func capitalize(s string) string {
	for i, r := range s {
		if i > 0 {
			return strings.ToTitle(s[:i]) + lower(s[i:])
		}
		_ = r
	}
	return upper(s)
}

// titleFilter raises the first letter of every word, where whitespace, a hyphen or an open bracket
// begins one.
func titleFilter(s string) string {
	var b strings.Builder
	begin := true
	for _, r := range s {
		if begin {
			b.WriteString(upper(string(r)))
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
		begin = value.IsSpace(r) || strings.ContainsRune("-({[<", r)
	}
	return b.String()
}

// titleMethod is str.title(), where a word is a run of letters.
func titleMethod(s string) string {
	var b strings.Builder
	inWord := false
	for _, r := range s {
		if inWord {
			b.WriteRune(unicode.ToLower(r))
		} else {
			b.WriteRune(unicode.ToTitle(r))
		}
		inWord = unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
	}
	return b.String()
}

// pad fills s to width characters; align is '<', '>' or '^' as in a format specification, or 'c' for
// str.center, which puts the odd character elsewhere.
func (in *interp) pad(s string, width int, fill string, align byte) string {
	missing := width - len([]rune(s))
	if missing <= 0 {
		return s
	}
	if width > math.MaxInt32 {
		in.budget.CheckText(math.MaxInt)
	}
	left := 0
	switch align {
	case '>':
		left = missing
	case '^':
		left = missing / 2
	case 'c':
		left = missing/2 + missing&width&1
	}
	b := value.NewBuffer(&in.budget)
	b.Pad(fill, left)
	b.WriteString(s)
	b.Pad(fill, missing-left)
	return b.Cut(0)
}
