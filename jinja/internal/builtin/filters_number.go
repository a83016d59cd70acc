package builtin

import (
	"math"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/pytext"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

func numberFilters() []Filter {
	return []Filter{
		{name: "int", params: names("default base"), fn: intFilter},
		{name: "float", params: names("default"), fn: floatFilter},
		{name: "abs", fn: absFilter},
		{name: "round", params: names("precision method"), fn: roundFilter},
		{name: "filesizeformat", params: names("binary"), fn: fileSize},
	}
}

func intFilter(env *Env, v value.Value, a []value.Value) value.Value {
	otherwise := arg(a, 0, value.Int(0))
	switch x := v.(type) {
	case value.Int, value.Big:
		return v
	case value.Bool:
		n, _ := value.Int64(x)
		return value.Int(n)
	case value.Float:
		return pytext.WholeFloat(float64(x), otherwise)
	case *value.Undefined:
		value.FailUndefined(x)
	}
	s, ok := value.Text(v)
	if !ok {
		return otherwise
	}
	env.Budget.Spend(len(s) >> 3)
	if n := pytext.ParseInt(&env.Budget, s, argInt(a, 1, 10)); n != nil {
		return value.NewInt(n)
	}
	f, ok := pytext.ParseFloat(s)
	if !ok {
		return otherwise
	}
	return pytext.WholeFloat(f, otherwise)
}

func floatFilter(env *Env, v value.Value, a []value.Value) value.Value {
	if u, ok := v.(*value.Undefined); ok {
		value.FailUndefined(u)
	}
	if s, ok := value.Text(v); ok {
		env.Budget.Spend(len(s) >> 3)
		if f, ok := pytext.ParseFloat(s); ok {
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

func absFilter(env *Env, v value.Value, _ []value.Value) value.Value {
	switch x := v.(type) {
	case value.Float:
		return value.Float(math.Abs(float64(x)))
	case value.Int, value.Bool, value.Big:
		if value.Less(v, value.Int(0), &env.Budget) {
			return value.Negate(v, &env.Budget)
		}
		return value.Positive(v)
	case *value.Undefined:
		value.FailUndefined(x)
	}
	value.Fail("bad operand type for abs(): '%s'", v.Type())
	return nil
}

func roundFilter(env *Env, v value.Value, a []value.Value) value.Value {
	precision := argInt(a, 0, 0)
	method := env.Str(arg(a, 1, value.String("common")))
	if u, ok := v.(*value.Undefined); ok {
		value.FailUndefined(u)
	}
	f, isFloat := v.(value.Float)
	if !value.IsNumber(v) {
		value.Fail("type %s doesn't define __round__ method", v.Type())
	}
	if max(precision, -precision) > 300 {
		value.Fail("the precision of round is too large")
	}
	env.Budget.Spend(max(precision, -precision) >> 1)
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
	if !isFloat {
		return roundInt(env, v, -precision)
	}
	if precision < 0 {
		return value.Float(math.RoundToEven(x*scale) / scale)
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'f', precision, 64), 64)
	if err != nil {
		return f
	}
	return value.Float(r)
}

// roundInt rounds an integer to a multiple of ten to the power of zeros, a half to the even one.
func roundInt(env *Env, v value.Value, zeros int) value.Value {
	arith := func(op value.Op, a, b value.Value) value.Value { return value.Arith(op, a, b, &env.Budget) }
	unit := arith(value.Pow, value.Int(10), value.Int(zeros))
	down := arith(value.FloorDiv, v, unit)
	rest := arith(value.Mul, arith(value.Mod, v, unit), value.Int(2))
	odd := value.Truth(arith(value.Mod, down, value.Int(2)))
	if value.Less(unit, rest, &env.Budget) || odd && value.Equal(unit, rest, &env.Budget) {
		down = arith(value.Add, down, value.Int(1))
	}
	return arith(value.Mul, down, unit)
}

// fileSize prints a number of bytes with a unit.
func fileSize(_ *Env, v value.Value, a []value.Value) value.Value {
	size, ok := 0.0, true
	if s, isText := value.Text(v); isText {
		if size, ok = pytext.ParseFloat(s); !ok {
			value.Fail("could not convert string to float: '%s'", s)
		}
	} else if !value.IsNumber(v) {
		value.Fail("float() argument must be a string or a real number, not '%s'", v.Type())
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
