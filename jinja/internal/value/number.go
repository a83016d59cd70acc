package value

import (
	"math"
	"math/big"
	"strings"
)

// maxBits bounds the integers that arithmetic makes, as Python bounds the ones that it prints.
const maxBits = 14_280

// Op is a binary operator of arithmetic.
type Op uint8

// The operators.
const (
	Add Op = iota
	Sub
	Mul
	Div
	FloorDiv
	Mod
	Pow
)

func (o Op) String() string { return [...]string{"+", "-", "*", "/", "//", "%", "**"}[o] }

// Arith evaluates a op b. The printf form of % is the evaluator's; here % is the remainder.
func Arith(op Op, a, b Value, budget *Budget) Value {
	if x, ok := a.(Int); ok {
		if y, ok := b.(Int); ok {
			if v, ok := smallInts(op, int64(x), int64(y)); ok {
				return v
			}
		}
	}
	if u, ok := a.(*Undefined); ok {
		FailUndefined(u)
	}
	if u, ok := b.(*Undefined); ok {
		FailUndefined(u)
	}
	if IsNumber(a) && IsNumber(b) {
		if isInt(a) && isInt(b) && op != Div {
			return bigInts(op, toBig(a), toBig(b), budget)
		}
		if isInt(a) && isInt(b) {
			return Float(quotient(toBig(a), toBig(b)))
		}
		return floats(op, asFloat(a), asFloat(b))
	}
	if v := sequences(op, a, b, budget); v != nil {
		return v
	}
	if _, ok := Text(a); ok && op == Add {
		Fail(`can only concatenate str (not "%s") to str`, b.Type())
	}
	if l, ok := a.(*List); ok && op == Add && l.Kind <= Group {
		Fail(`can only concatenate %s (not "%s") to %s`, a.Type(), b.Type(), a.Type())
	}
	Fail("unsupported operand type(s) for %s: '%s' and '%s'", op, a.Type(), b.Type())
	return nil
}

// smallInts evaluates what stays within 64 bits; false leaves the rest to bigInts.
func smallInts(op Op, x, y int64) (Value, bool) {
	switch op {
	case Add:
		s := x + y
		return Int(s), (s > x) == (y > 0)
	case Sub:
		d := x - y
		return Int(d), (d < x) == (y > 0)
	case Mul:
		if x > -1<<31 && x < 1<<31 && y > -1<<31 && y < 1<<31 {
			return Int(x * y), true
		}
	case FloorDiv:
		if y != 0 && y != -1 {
			q := x / y
			if x%y != 0 && (x < 0) != (y < 0) {
				q--
			}
			return Int(q), true
		}
	case Mod:
		if y != 0 && y != -1 {
			m := x % y
			if m != 0 && (m < 0) != (y < 0) {
				m += y
			}
			return Int(m), true
		}
	}
	return nil, false
}

// normalInt returns n as the smallest type that holds it.
func normalInt(n *big.Int) Value {
	if n.IsInt64() {
		return Int(n.Int64())
	}
	if n.BitLen() > maxBits {
		FailLimit("an integer of more than %d bits", maxBits)
	}
	return Big{n}
}

// spendBig pays for an operation on integers of so many bits, whose time is their product.
func spendBig(budget *Budget, x, y int) { budget.Spend((x >> 6) * (y >> 6) >> 5) }

// quotient is x / y, rounded once.
func quotient(x, y *big.Int) float64 {
	if y.Sign() == 0 {
		Fail("division by zero")
	}
	if x.BitLen() <= 53 && y.BitLen() <= 53 {
		return float64(x.Int64()) / float64(y.Int64())
	}
	f, _ := new(big.Rat).SetFrac(x, y).Float64()
	if math.IsInf(f, 0) {
		Fail("integer division result too large for a float")
	}
	return f
}

// asFloat is a number as a float; it fails for an integer that is too large.
func asFloat(v Value) float64 {
	f := ToFloat(v)
	if isInt(v) && math.IsInf(f, 0) {
		Fail("int too large to convert to float")
	}
	return f
}

func bigInts(op Op, x, y *big.Int, budget *Budget) Value {
	spendBig(budget, x.BitLen(), y.BitLen())
	r := new(big.Int)
	if (op == FloorDiv || op == Mod) && y.Sign() == 0 {
		Fail("integer division or modulo by zero")
	}
	switch op {
	case Add:
		r.Add(x, y)
	case Sub:
		r.Sub(x, y)
	case Mul:
		r.Mul(x, y)
	case FloorDiv, Mod:
		m := new(big.Int)
		r.DivMod(x, y, m) // Euclidean: the remainder is never negative
		if m.Sign() != 0 && y.Sign() < 0 {
			m.Add(m, y)
			r.Sub(r, big.NewInt(1))
		}
		if op == Mod {
			return normalInt(m)
		}
	case Pow:
		return intPower(x, y, budget)
	}
	return normalInt(r)
}

func intPower(x, y *big.Int, budget *Budget) Value {
	if y.Sign() < 0 {
		return floats(Pow, asFloat(Big{x}), asFloat(Big{y}))
	}
	if x.CmpAbs(big.NewInt(1)) > 0 && (!y.IsInt64() || y.Int64() > int64(maxBits/(x.BitLen()-1))) {
		FailLimit("an integer of more than %d bits", maxBits)
	}
	if !y.IsInt64() { // x is 0, 1 or -1: only the parity counts
		y = big.NewInt(2 + int64(y.Bit(0)))
	} else if x.CmpAbs(big.NewInt(1)) <= 0 && y.Int64() > 3 {
		y = big.NewInt(2 + int64(y.Bit(0)))
	}
	r := new(big.Int).Exp(x, y, nil)
	spendBig(budget, r.BitLen(), r.BitLen())
	return normalInt(r)
}

func floats(op Op, x, y float64) Value {
	if y == 0 {
		switch {
		case op == Div:
			Fail("division by zero")
		case op == FloorDiv || op == Mod:
			Fail("float floor division by zero")
		}
	}
	switch op {
	case Add:
		return Float(x + y)
	case Sub:
		return Float(x - y)
	case Mul:
		return Float(x * y)
	case Div:
		return Float(x / y)
	case FloorDiv:
		return Float(math.Floor((x - floatMod(x, y)) / y))
	case Mod:
		return Float(floatMod(x, y))
	}
	if x == 0 && y < 0 {
		Fail("0.0 cannot be raised to a negative power")
	}
	if x < 0 && y != math.Trunc(y) && !math.IsInf(x, 0) && !math.IsNaN(y) {
		Fail("a negative number raised to a fraction is no real number")
	}
	r := math.Pow(x, y)
	if math.IsInf(r, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		Fail("(34, 'Numerical result out of range')")
	}
	return Float(r)
}

func floatMod(x, y float64) float64 {
	m := math.Mod(x, y)
	if m != 0 && (m < 0) != (y < 0) {
		return m + y
	}
	if m == 0 {
		return math.Copysign(0, y)
	}
	return m
}

// sequences evaluates + and * of texts and lists, or returns nil.
func sequences(op Op, a, b Value, budget *Budget) Value {
	if op == Mul {
		if n, ok := Int64(b); ok {
			return repeat(a, n, budget)
		}
		if n, ok := Int64(a); ok {
			return repeat(b, n, budget)
		}
		return nil
	}
	if op != Add {
		return nil
	}
	if s, ok := Text(a); ok {
		if t, ok := Text(b); ok {
			return concat(a, b, s, t, budget)
		}
		return nil
	}
	x, okx := a.(*List)
	y, oky := b.(*List)
	if !okx || !oky || x.Type() != y.Type() || x.Kind > Group {
		return nil
	}
	budget.AllocItems(len(x.Items) + len(y.Items))
	items := make([]Value, 0, len(x.Items)+len(y.Items))
	return &List{Items: append(append(items, x.Items...), y.Items...), Kind: min(x.Kind, Tuple), Local: true}
}

func concat(a, b Value, s, t string, budget *Budget) Value {
	_, sa := a.(Safe)
	_, sb := b.(Safe)
	if sa && !sb {
		t = Escape(t)
	}
	if sb && !sa {
		s = Escape(s)
	}
	joined := budget.Join(s, t)
	if sa || sb {
		return Safe(joined)
	}
	return String(joined)
}

func repeat(v Value, n int64, budget *Budget) Value {
	n = max(n, 0)
	switch x := v.(type) {
	case String:
		return String(repeatText(string(x), n, budget))
	case Safe:
		return Safe(repeatText(string(x), n, budget))
	case *List:
		if x.Kind > Group {
			return nil
		}
		if n > 0 && int64(len(x.Items)) > math.MaxInt32/n {
			FailLimit("the template uses too much memory")
		}
		total := len(x.Items) * int(n)
		if len(x.Items) == 0 {
			total = 0
		}
		budget.AllocItems(total)
		items := make([]Value, 0, total)
		for len(items) < total {
			items = append(items, x.Items...)
		}
		return &List{Items: items, Kind: min(x.Kind, Tuple), Local: true}
	}
	return nil
}

func repeatText(s string, n int64, budget *Budget) string {
	if s == "" {
		return ""
	}
	if n > int64(budget.MaxText) {
		n = int64(budget.MaxText) + 1
	}
	budget.CheckRepeat(len(s), int(n))
	budget.Alloc(len(s) * int(n))
	return strings.Repeat(s, int(n))
}

// Negate is the unary minus.
func Negate(v Value, budget *Budget) Value {
	switch x := v.(type) {
	case Float:
		return -x
	case *Undefined:
		FailUndefined(x)
	case Int, Bool, Big:
		return Arith(Sub, Int(0), v, budget)
	}
	Fail("bad operand type for unary -: '%s'", v.Type())
	return nil
}

// Positive is the unary plus.
func Positive(v Value) Value {
	switch x := v.(type) {
	case *Undefined:
		FailUndefined(x)
	case Bool:
		n, _ := Int64(x)
		return Int(n)
	case Int, Float, Big:
		return v
	}
	Fail("bad operand type for unary +: '%s'", v.Type())
	return nil
}

// NewInt returns an integer of any size; it fails above the size that arithmetic allows.
func NewInt(n *big.Int) Value { return normalInt(n) }

// FormatInt prints an integer in a base.
func FormatInt(v Value, base int, budget *Budget) string {
	n := toBig(v)
	spendBig(budget, n.BitLen(), n.BitLen())
	return n.Text(base)
}
