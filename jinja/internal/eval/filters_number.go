package eval

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

func numberFilters() []filter {
	return []filter{
		{name: "int", params: names("default base"), fn: intFilter},
		{name: "float", params: names("default"), fn: floatFilter},
		{name: "abs", fn: absFilter},
		{name: "round", params: names("precision method"), fn: roundFilter},
		{name: "filesizeformat", params: names("binary"), fn: fileSize},
	}
}

func intFilter(_ *interp, v value.Value, a []value.Value) value.Value {
	otherwise := arg(a, 0, value.Int(0))
	switch x := v.(type) {
	case value.Int, value.Big:
		return v
	case value.Bool:
		n, _ := value.Int64(x)
		return value.Int(n)
	case value.Float:
		return wholeFloat(float64(x), otherwise)
	case *value.Undefined:
		value.FailUndefined(x)
	}
	s, ok := value.Text(v)
	if !ok {
		return otherwise
	}
	if n := parseInt(s, argInt(a, 1, 10)); n != nil {
		return value.NewInt(n)
	}
	f, ok := parseFloat(s)
	if !ok {
		return otherwise
	}
	return wholeFloat(f, otherwise)
}

// wholeFloat cuts off the fraction.
func wholeFloat(f float64, otherwise value.Value) value.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return otherwise
	}
	n, _ := big.NewFloat(f).Int(nil)
	return value.NewInt(n)
}

// parseInt reads an integer as Python's int() does, or returns nil.
func parseInt(s string, base int) *big.Int {
	s = value.Trim(s, nil, true, true)
	if len(s) > 4300 || strings.Contains(s, "__") || strings.HasSuffix(s, "_") {
		return nil
	}
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	if len(s) > 2 && s[0] == '0' {
		prefixed := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]
		if prefixed != 0 && (prefixed == base || base == 0) {
			s, base = strings.TrimPrefix(s[2:], "_"), prefixed
		}
	}
	if s == "" || s[0] == '_' || s[0] == '-' || s[0] == '+' || base != 0 && (base < 2 || base > 36) {
		return nil
	}
	if base == 0 {
		base = 10
	}
	n, ok := new(big.Int).SetString(sign+strings.ReplaceAll(s, "_", ""), base)
	if !ok {
		return nil
	}
	return n
}

// parseFloat reads a number as Python's float() does.
func parseFloat(s string) (float64, bool) {
	s = value.Trim(s, nil, true, true)
	if strings.ContainsAny(s, "xXpP") || strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

func floatFilter(_ *interp, v value.Value, a []value.Value) value.Value {
	if u, ok := v.(*value.Undefined); ok {
		value.FailUndefined(u)
	}
	if s, ok := value.Text(v); ok {
		if f, ok := parseFloat(s); ok {
			return value.Float(f)
		}
		return arg(a, 0, value.Float(0))
	}
	switch v.(type) {
	case value.Int, value.Float, value.Bool, value.Big:
		return value.Float(value.ToFloat(v))
	}
	return arg(a, 0, value.Float(0))
}

func absFilter(in *interp, v value.Value, _ []value.Value) value.Value {
	switch x := v.(type) {
	case value.Float:
		return value.Float(math.Abs(float64(x)))
	case value.Int, value.Bool, value.Big:
		if value.Less(v, value.Int(0), &in.budget) {
			return value.Negate(v, &in.budget)
		}
		return value.Positive(v)
	case *value.Undefined:
		value.FailUndefined(x)
	}
	value.Fail("bad operand type for abs(): '%s'", v.Type())
	return nil
}

func roundFilter(in *interp, v value.Value, a []value.Value) value.Value {
	precision := argInt(a, 0, 0)
	method := in.str(arg(a, 1, value.String("common")))
	if u, ok := v.(*value.Undefined); ok {
		value.FailUndefined(u)
	}
	f, isFloat := v.(value.Float)
	if _, isInt := value.Int64(v); !isFloat && !isInt {
		value.Fail("type %s doesn't define __round__ method", v.Type())
	}
	if max(precision, -precision) > 300 {
		value.Fail("the precision of round is too large")
	}
	x := value.ToFloat(v)
	scale := math.Pow(10, float64(precision))
	switch method {
	case "ceil":
		return value.Float(math.Ceil(x*scale) / scale)
	case "floor":
		return value.Float(math.Floor(x*scale) / scale)
	case "common":
	default:
		value.Fail("method must be common, ceil or floor")
	}
	if !isFloat && precision >= 0 {
		return value.Positive(v)
	}
	if precision < 0 {
		r := math.RoundToEven(x*scale) / scale
		if !isFloat {
			return value.Int(r)
		}
		return value.Float(r)
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'f', precision, 64), 64)
	if err != nil {
		return f
	}
	return value.Float(r)
}

// fileSize prints a number of bytes with a unit.
func fileSize(_ *interp, v value.Value, a []value.Value) value.Value {
	size, ok := 0.0, true
	if s, isText := value.Text(v); isText {
		if size, ok = parseFloat(s); !ok {
			value.Fail("could not convert string to float: '%s'", s)
		}
	} else {
		size = value.ToFloat(v)
	}
	base, units := 1000.0, strings.Fields("kB MB GB TB PB EB ZB YB")
	if argBool(a, 0) {
		base, units = 1024, strings.Fields("KiB MiB GiB TiB PiB EiB ZiB YiB")
	}
	if size == 1 {
		return value.String("1 Byte")
	}
	if size < base {
		return value.String(strconv.FormatInt(int64(size), 10) + " Bytes")
	}
	unit := base
	for i, name := range units {
		if size < unit*base || i == len(units)-1 {
			return value.String(strconv.FormatFloat(size/unit, 'f', 1, 64) + " " + name)
		}
		unit *= base
	}
	return nil
}
