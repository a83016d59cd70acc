package pytext

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// formatSpec is one conversion of the % operator or of str.format.
type formatSpec struct {
	fill      string
	align     byte // '<', '>', '^', '=' or 0
	sign      byte // '+', ' ' or 0
	alt       bool
	width     int
	group     byte // ',' or '_' between thousands, or 0
	precision int  // -1 where there is none
	verb      byte // 0 where there is none
}

// Lookup resolves the attributes and items that a field of str.format names.
type Lookup interface {
	Attr(v value.Value, name string) value.Value
	Item(v, key value.Value) value.Value
}

// Formatter formats values as Python does.
type Formatter struct {
	budget *value.Budget
	lookup Lookup
}

// NewFormatter returns a formatter that pays from budget.
func NewFormatter(budget *value.Budget, lookup Lookup) *Formatter { return &Formatter{budget, lookup} }

func (f *Formatter) str(v value.Value) string { return value.Str(v, f.budget) }

// Percent is the % operator of str: args is a tuple, a dict for %(name)s, or the only argument.
func (f *Formatter) Percent(like value.Value, format string, args value.Value) string {
	rest := []value.Value{args}
	if isTuple(args) {
		rest = args.(*value.List).Items
	}
	dict, _ := args.(*value.Dict)
	b := value.NewBuffer(f.budget)
	named := false
	next := func() value.Value {
		if len(rest) == 0 {
			value.Fail("not enough arguments for format string")
		}
		v := rest[0]
		rest = rest[1:]
		return v
	}
	for format != "" {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			b.WriteString(format)
			break
		}
		b.WriteString(format[:i])
		p := percent{s: format[i+1:], next: next, dict: dict}
		f.budget.Spend(4)
		p.parse()
		format = p.s
		if p.spec.verb == '%' {
			b.WriteString("%")
			continue
		}
		named = named || p.key != nil
		v := p.key
		if v == nil {
			v = next()
		}
		b.WriteString(f.convert(like, &p.spec, v))
	}
	if len(rest) > 0 && !named && !subscriptable(args) {
		value.Fail("not all arguments converted during string formatting")
	}
	return b.Cut(0)
}

func isTuple(v value.Value) bool {
	l, ok := v.(*value.List)
	return ok && (l.Kind == value.Tuple || l.Kind == value.Group)
}

// subscriptable reports whether Python takes v for a mapping of named arguments, and then does not miss
// the ones that the format leaves.
func subscriptable(v value.Value) bool {
	switch x := v.(type) {
	case *value.Dict, *value.Range, *value.Undefined:
		return true
	case *value.List:
		return x.Kind == value.Plain
	}
	return false
}

// percent reads what follows a % sign.
type percent struct {
	s    string
	next func() value.Value
	dict *value.Dict
	spec formatSpec
	key  value.Value
}

func (p *percent) take() byte {
	if p.s == "" {
		value.Fail("incomplete format")
	}
	c := p.s[0]
	p.s = p.s[1:]
	return c
}

func (p *percent) parse() {
	p.spec = formatSpec{fill: " ", align: '>', precision: -1}
	c := p.take()
	if c == '(' {
		name, rest, ok := strings.Cut(p.s, ")")
		if !ok || p.dict == nil {
			value.Fail("format requires a mapping")
		}
		if p.key, ok = p.dict.Lookup(name); !ok {
			value.Fail("KeyError: '%s'", name)
		}
		p.s = rest
		c = p.take()
	}
	for ; strings.IndexByte("#0- +", c) >= 0; c = p.take() {
		switch c {
		case '#':
			p.spec.alt = true
		case '0':
			if p.spec.align != '<' {
				p.spec.fill, p.spec.align = "0", '='
			}
		case '-':
			p.spec.fill, p.spec.align = " ", '<'
		default:
			if p.spec.sign != '+' {
				p.spec.sign = c
			}
		}
	}
	p.spec.width, c = p.number(c)
	if c == '.' {
		p.spec.precision, c = p.number(p.take())
	}
	for c == 'l' || c == 'h' || c == 'L' {
		c = p.take()
	}
	p.spec.verb = c
}

// number reads digits or a * from c on, and returns what follows them.
func (p *percent) number(c byte) (n int, after byte) {
	if c == '*' {
		return starWidth(p.next()), p.take()
	}
	for ; c >= '0' && c <= '9'; c = p.take() {
		n = min(n*10+int(c-'0'), 1<<40)
	}
	return n, c
}

// convert formats one argument of the % operator.
func (f *Formatter) convert(like value.Value, spec *formatSpec, v value.Value) string {
	switch spec.verb {
	case 's', 'r', 'a':
		s := ""
		switch _, safe := v.(value.Safe); {
		case spec.verb == 'a':
			s = f.ascii(v)
		case spec.verb == 'r':
			s = value.Repr(v, f.budget)
		case like.Type() == "Markup" && !safe:
			s = value.Escape(f.str(v))
		default:
			s = f.str(v)
		}
		text := *spec
		text.sign = 0
		if text.fill, text.align = " ", '>'; spec.align == '<' {
			text.align = '<'
		}
		return f.formatText(&text, s)
	case 'c':
		if s, ok := value.Text(v); ok {
			return f.formatText(spec, s)
		}
		return f.formatText(spec, string(rune(starWidth(v))))
	case 'd', 'i', 'u', 'x', 'X', 'o':
		whole := v
		if f, ok := v.(value.Float); ok && strings.IndexByte("diu", spec.verb) >= 0 {
			whole = WholeFloat(float64(f), value.Int(0))
		}
		number := *spec
		if strings.IndexByte("iu", spec.verb) >= 0 {
			number.verb = 'd'
		}
		return f.formatInt(&number, whole)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		if v.Type() != "float" && v.Type() != "int" && v.Type() != "bool" {
			value.Fail("must be real number, not %s", v.Type())
		}
		return f.formatFloat(spec, value.ToFloat(v))
	}
	value.Fail("unsupported format character '%c'", spec.verb)
	return ""
}

// ascii is Python's ascii(): repr with every other character escaped.
func (f *Formatter) ascii(v value.Value) string {
	b := value.NewBuffer(f.budget)
	for _, r := range value.Repr(v, f.budget) {
		switch {
		case r < 0x80:
			_ = b.WriteByte(byte(r))
		case r < 0x100:
			b.WriteString(fmt.Sprintf(`\x%02x`, r))
		case r < 0x10000:
			b.WriteString(fmt.Sprintf(`\u%04x`, r))
		default:
			b.WriteString(fmt.Sprintf(`\U%08x`, r))
		}
	}
	return b.Cut(0)
}

func (f *Formatter) formatText(spec *formatSpec, s string) string {
	if spec.precision >= 0 {
		s = firstRunes(s, spec.precision)
	}
	align := spec.align
	if align == 0 {
		align = '<'
	}
	return Pad(f.budget, s, spec.width, spec.fill, align)
}

func (f *Formatter) formatInt(spec *formatSpec, v value.Value) string {
	if v.Type() != "int" && v.Type() != "bool" {
		value.Fail("%%%c format: an integer is required, not %s", spec.verb, v.Type())
	}
	base, prefix := 10, ""
	switch spec.verb {
	case 'x', 'X':
		base, prefix = 16, "0x"
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	}
	digits := value.FormatInt(v, base, f.budget)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	} else if spec.sign != 0 {
		sign = string(spec.sign)
	}
	if spec.precision > len(digits) {
		digits = Pad(f.budget, digits, spec.precision, "0", '>')
	}
	if !spec.alt {
		prefix = ""
	}
	if spec.verb == 'X' {
		digits, prefix = strings.ToUpper(digits), strings.ToUpper(prefix)
	}
	return f.padNumber(spec, sign+prefix, grouped(digits, spec.group, base))
}

func (f *Formatter) formatFloat(spec *formatSpec, x float64) string {
	verb, precision := spec.verb|0x20, spec.precision
	if precision < 0 {
		precision = 6
	}
	if spec.verb == '%' {
		verb, x = 'f', x*100
	}
	if precision > 1000 {
		value.Fail("the precision of a number format is too large")
	}
	if verb == 'g' && precision == 0 {
		precision = 1
	}
	s := value.FormatFloat(x)
	if !strings.Contains("inf-infnan", s) {
		s = strconv.FormatFloat(x, verb, precision, 64)
		if verb == 'g' {
			s = general(x, precision, spec.alt)
		}
	}
	if spec.verb >= 'A' && spec.verb <= 'Z' {
		s = strings.ToUpper(s)
	}
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	} else if spec.sign != 0 {
		sign = string(spec.sign)
	}
	whole, fraction, dot := strings.Cut(s, ".")
	if s = grouped(whole, spec.group, 10); dot {
		s += "." + fraction
	}
	if spec.verb == '%' {
		s += "%"
	}
	return f.padNumber(spec, sign, s)
}

// general is the format g: an exponent only where the precision ends before the point or far behind it.
// alt keeps the zeros at its end.
func general(f float64, precision int, alt bool) string {
	e := strconv.FormatFloat(f, 'e', precision-1, 64)
	exponent, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if exponent < -4 || exponent >= precision {
		mantissa, exp, _ := strings.Cut(e, "e")
		if strings.Contains(mantissa, ".") && !alt {
			mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
		}
		return mantissa + "e" + exp
	}
	s := strconv.FormatFloat(f, 'f', max(precision-1-exponent, 0), 64)
	if strings.Contains(s, ".") && !alt {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// padNumber pads; '=' puts the fill between the sign and the digits.
func (f *Formatter) padNumber(spec *formatSpec, sign, digits string) string {
	switch spec.align {
	case '=':
		return sign + Pad(f.budget, digits, spec.width-len(sign), spec.fill, '>')
	case 0:
		return Pad(f.budget, sign+digits, spec.width, spec.fill, '>')
	}
	return Pad(f.budget, sign+digits, spec.width, spec.fill, spec.align)
}
