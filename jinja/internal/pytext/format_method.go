package pytext

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// fields is one run of str.format.
type fields struct {
	f   *Formatter
	pos []value.Value
	kw  *value.Dict
	// auto is the number of the next {}; -1 once numbers were given.
	auto int
}

// Format is str.format; kw may be nil.
func (f *Formatter) Format(s string, pos []value.Value, kw *value.Dict) string {
	run := fields{f: f, pos: pos, kw: kw}
	return run.run(s, 0)
}

func (r *fields) run(s string, depth int) string {
	if depth > 1 {
		value.Fail("Max string recursion exceeded")
	}
	b := value.NewBuffer(r.f.budget)
	for {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			b.WriteString(s)
			return b.Cut(0)
		}
		b.WriteString(s[:i])
		if i+1 < len(s) && s[i+1] == s[i] {
			b.WriteString(s[i : i+1])
			s = s[i+2:]
			continue
		}
		if s[i] == '}' {
			value.Fail("Single '}' encountered in format string")
		}
		end := fieldEnd(s, i+1)
		b.WriteString(r.field(s[i+1:end], depth))
		s = s[end+1:]
	}
}

// fieldEnd finds the } that closes a field, past the fields inside it.
func fieldEnd(s string, from int) int {
	for depth, i := 1, from; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	value.Fail("expected '}' before end of string")
	return 0
}

// field formats one {name!conversion:spec}.
func (r *fields) field(field string, depth int) string {
	name, spec, _ := strings.Cut(field, ":")
	name, conversion, _ := strings.Cut(name, "!")
	v := r.lookup(name)
	switch conversion {
	case "":
	case "s":
		v = value.String(r.f.str(v))
	case "r":
		v = value.String(value.Repr(v, r.f.budget))
	case "a":
		v = value.String(r.f.ascii(v))
	default:
		value.Fail("Unknown conversion specifier '%s'", conversion)
	}
	if strings.Contains(spec, "{") {
		spec = r.run(spec, depth+1)
	}
	if spec == "" {
		return r.f.str(v)
	}
	return r.f.formatValue(v, spec)
}

// lookup resolves a name such as 0.role or user[name].
func (r *fields) lookup(path string) value.Value {
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	v := r.argument(path[:end])
	for path = path[end:]; path != ""; {
		if path[0] == '.' {
			end := strings.IndexAny(path[1:], ".[") + 1
			if end == 0 {
				end = len(path)
			}
			v = r.f.lookup.Attr(v, path[1:end])
			path = path[end:]
			continue
		}
		end := strings.IndexByte(path, ']')
		if end < 0 {
			value.Fail("Missing ']' in format string")
		}
		if n, err := strconv.Atoi(path[1:end]); err == nil {
			v = r.f.lookup.Item(v, value.Int(n))
		} else {
			v = r.f.lookup.Item(v, value.String(path[1:end]))
		}
		path = path[end+1:]
	}
	return v
}

func (r *fields) argument(name string) value.Value {
	index, err := strconv.Atoi(name)
	if name == "" {
		if r.auto < 0 {
			value.Fail("cannot switch from manual field specification to automatic field numbering")
		}
		index, err = r.auto, nil
		r.auto++
	} else if err == nil {
		if r.auto > 0 {
			value.Fail("cannot switch from automatic field numbering to manual field specification")
		}
		r.auto = -1
	}
	if err == nil {
		if index < 0 || index >= len(r.pos) {
			value.Fail("Replacement index %d out of range for positional args tuple", index)
		}
		return r.pos[index]
	}
	if r.kw != nil {
		if v, ok := r.kw.Lookup(name); ok {
			return v
		}
	}
	value.Fail("KeyError: '%s'", name)
	return nil
}

// formatValue applies a format specification such as >10 or ,.2f.
func (f *Formatter) formatValue(v value.Value, text string) string {
	spec := parseSpec(text)
	switch x := v.(type) {
	case value.String, value.Safe, *value.Undefined:
		if spec.verb != 0 && spec.verb != 's' {
			value.Fail("Unknown format code '%c' for object of type 'str'", spec.verb)
		}
		return f.formatText(&spec, f.str(v))
	case value.Float:
		switch {
		case spec.verb == 0 && spec.precision < 0:
			return f.padNumber(&spec, signOf(&spec, math.Signbit(float64(x))), strings.TrimPrefix(value.FormatFloat(float64(x)), "-"))
		case spec.verb == 0:
			return f.formatShort(&spec, float64(x))
		case strings.IndexByte("eEfFgG%n", spec.verb) < 0:
			value.Fail("Unknown format code '%c' for object of type 'float'", spec.verb)
		}
		if spec.verb == 'n' {
			spec.verb = 'g'
		}
		return f.formatFloat(&spec, float64(x))
	case value.Int, value.Big, value.Bool:
		if spec.verb != 0 && strings.IndexByte("eEfFgG%", spec.verb) >= 0 {
			return f.formatFloat(&spec, value.ToFloat(v))
		}
		switch spec.verb {
		case 's':
			value.Fail("Unknown format code 's' for object of type 'int'")
		case 'c':
			return f.formatText(&spec, string(rune(starWidth(v))))
		}
		if spec.precision >= 0 {
			value.Fail("Precision not allowed in integer format specifier")
		}
		return f.formatInt(&spec, v)
	}
	value.Fail("unsupported format string passed to %s.__format__", v.Type())
	return ""
}

// formatShort is the format of a float with a precision and no verb: like g, but with one digit behind
// the point at least, and an exponent where that digit would go beyond the precision.
func (f *Formatter) formatShort(spec *formatSpec, x float64) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		spec.verb = 'g'
		return f.formatFloat(spec, x)
	}
	precision := min(max(spec.precision, 1), 1000)
	e := strconv.FormatFloat(x, 'e', precision-1, 64)
	exponent, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	s := general(x, precision, spec.alt)
	if exponent == precision-1 && x != 0 {
		mantissa, exp, _ := strings.Cut(e, "e")
		if strings.Contains(mantissa, ".") {
			mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
		}
		s = mantissa + "e" + exp
	} else if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	s = strings.TrimPrefix(s, "-")
	whole, rest := s, ""
	if i := strings.IndexAny(s, ".e"); i >= 0 {
		whole, rest = s[:i], s[i:]
	}
	return f.padNumber(spec, signOf(spec, math.Signbit(x)), grouped(whole, spec.group, 10)+rest)
}

func signOf(spec *formatSpec, negative bool) string {
	switch {
	case negative:
		return "-"
	case spec.sign != 0:
		return string(spec.sign)
	}
	return ""
}

func parseSpec(s string) formatSpec {
	spec := formatSpec{fill: " ", precision: -1}
	const aligns = "<>=^"
	filled := false
	if _, n := utf8.DecodeRuneInString(s); n < len(s) && strings.IndexByte(aligns, s[n]) >= 0 {
		spec.fill, spec.align, s = s[:n], s[n], s[n+1:]
		filled = true
	} else if s != "" && strings.IndexByte(aligns, s[0]) >= 0 {
		spec.align, s = s[0], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		if s[0] != '-' {
			spec.sign = s[0]
		}
		s = s[1:]
	}
	if strings.HasPrefix(s, "#") {
		spec.alt, s = true, s[1:]
	}
	if strings.HasPrefix(s, "0") {
		if spec.align == 0 {
			spec.align = '='
		}
		if !filled {
			spec.fill = "0"
		}
		s = s[1:]
	}
	spec.width, s = leadingInt(s)
	if s != "" && (s[0] == ',' || s[0] == '_') {
		spec.group, s = s[0], s[1:]
	}
	if strings.HasPrefix(s, ".") {
		spec.precision, s = leadingInt(s[1:])
	}
	if s != "" {
		spec.verb, s = s[0], s[1:]
	}
	if s != "" || spec.verb != 0 && strings.IndexByte("sdxXobceEfFgG%n", spec.verb) < 0 {
		value.Fail("Invalid format specifier")
	}
	return spec
}

func leadingInt(s string) (int, string) {
	n, i := 0, 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n = min(n*10+int(s[i]-'0'), 1<<40)
	}
	return n, s[i:]
}
