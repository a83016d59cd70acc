package eval

import (
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// splitMethods are the methods of str that cut a text into several.
func splitMethods() []filter {
	return []filter{
		{name: "split", params: names("sep maxsplit"), fn: splitMethod},
		{name: "rsplit", params: names("sep maxsplit"), fn: rsplitMethod},
		{name: "splitlines", params: names("keepends"), fn: func(in *interp, v value.Value, a []value.Value) value.Value {
			return in.texts(splitLines(textOf(v), argBool(a, 0)))
		}},
		{name: "partition", params: []string{""}, need: 1, fn: func(_ *interp, v value.Value, a []value.Value) value.Value {
			return partition(textOf(v), separator(a), false)
		}},
		{name: "rpartition", params: []string{""}, need: 1, fn: func(_ *interp, v value.Value, a []value.Value) value.Value {
			return partition(textOf(v), separator(a), true)
		}},
	}
}

func separator(a []value.Value) string {
	sep := argText(a, 0)
	if sep == "" {
		value.Fail("empty separator")
	}
	return sep
}

// texts returns a list of strings.
func (in *interp) texts(parts []string) value.Value {
	in.budget.AllocItems(2 * len(parts))
	l := &value.List{Items: make([]value.Value, len(parts)), Local: true}
	for i, s := range parts {
		l.Items[i] = value.String(s)
	}
	return l
}

func splitMethod(in *interp, v value.Value, a []value.Value) value.Value {
	s, most := textOf(v), argInt(a, 1, -1)
	if given(a, 0) == nil {
		return in.texts(splitSpace(s, most))
	}
	sep := separator(a)
	in.budget.AllocItems(strings.Count(s, sep))
	if most >= 0 {
		most++
	}
	return in.texts(strings.SplitN(s, sep, most))
}

// splitSpace cuts at runs of whitespace, at most most times unless that is negative.
func splitSpace(s string, most int) []string {
	var out []string
	s = strings.TrimLeftFunc(s, value.IsSpace)
	for s != "" {
		end := strings.IndexFunc(s, value.IsSpace)
		if end < 0 || most >= 0 && len(out) >= most {
			break
		}
		out = append(out, s[:end])
		s = strings.TrimLeftFunc(s[end:], value.IsSpace)
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}

func rsplitMethod(in *interp, v value.Value, a []value.Value) value.Value {
	s, most := textOf(v), argInt(a, 1, -1)
	var parts []string
	if given(a, 0) == nil {
		if most < 0 {
			return in.texts(splitSpace(s, -1))
		}
		parts = rsplitSpace(s, most)
	} else {
		sep := separator(a)
		in.budget.AllocItems(strings.Count(s, sep))
		for most != 0 {
			i := strings.LastIndex(s, sep)
			if i < 0 {
				break
			}
			parts = append(parts, s[i+len(sep):])
			s = s[:i]
			most--
		}
		parts = append(parts, s)
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return in.texts(parts)
}

// rsplitSpace cuts from the right at runs of whitespace and returns the last part first.
func rsplitSpace(s string, most int) []string {
	var parts []string
	s = strings.TrimRightFunc(s, value.IsSpace)
	for s != "" {
		i := strings.LastIndexFunc(s, value.IsSpace)
		if i < 0 || len(parts) >= most {
			break
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		parts = append(parts, s[i+size:])
		s = strings.TrimRightFunc(s[:i], value.IsSpace)
	}
	if s != "" {
		parts = append(parts, s)
	}
	return parts
}

func partition(s, sep string, last bool) value.Value {
	i := strings.Index(s, sep)
	if last {
		i = strings.LastIndex(s, sep)
	}
	switch {
	case i >= 0:
		return value.NewTuple(value.String(s[:i]), value.String(sep), value.String(s[i+len(sep):]))
	case last:
		return value.NewTuple(value.String(""), value.String(""), value.String(s))
	}
	return value.NewTuple(value.String(s), value.String(""), value.String(""))
}

// splitLines cuts at the line boundaries of Python's str.splitlines.
func splitLines(s string, keepEnds bool) []string {
	var out []string
	for s != "" {
		i := strings.IndexFunc(s, isLineEnd)
		if i < 0 {
			return append(out, s)
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			size = 2
		}
		if keepEnds {
			out = append(out, s[:i+size])
		} else {
			out = append(out, s[:i])
		}
		s = s[i+size:]
	}
	return out
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}
