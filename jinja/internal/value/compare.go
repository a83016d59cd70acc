package value

import (
	"math"
	"math/big"
	"strings"
)

// Equal is Python's ==.
func Equal(a, b Value, budget *Budget) bool { return equal(a, b, budget, 0) }

func equal(a, b Value, budget *Budget, depth int) bool {
	budget.Spend(1)
	if depth > MaxNesting {
		FailLimit("values are nested more than %d deep", MaxNesting)
	}
	if s, ok := Text(a); ok {
		t, ok := Text(b)
		if len(s) == len(t) {
			budget.Spend(len(s) >> 9)
		}
		return ok && s == t
	}
	switch x := a.(type) {
	case None:
		_, ok := b.(None)
		return ok
	case Bool, Int, Float, Big:
		return IsNumber(b) && compareNumbers(a, b) == 0
	case *Undefined:
		return IsUndefined(b)
	case *List:
		y, ok := b.(*List)
		return ok && x.Type() == y.Type() && equalItems(x.Items, y.Items, budget, depth)
	case *Dict:
		y, ok := b.(*Dict)
		return ok && equalDicts(x, y, budget, depth)
	case *Range:
		y, ok := b.(*Range)
		return ok && x.Len() == y.Len() && (x.Len() == 0 || x.Start == y.Start) && (x.Len() < 2 || x.Step == y.Step)
	}
	return a == b
}

func equalItems(a, b []Value, budget *Budget, depth int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equal(a[i], b[i], budget, depth+1) {
			return false
		}
	}
	return true
}

func equalDicts(a, b *Dict, budget *Budget, depth int) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.entries {
		k, v := a.At(i)
		w, ok := b.Get(k)
		if !ok || !equal(v, w, budget, depth+1) {
			return false
		}
	}
	return true
}

// nan is what compareNumbers returns when one of the numbers is not a number.
const nan = 2

// compareNumbers returns -1, 0, 1 or nan.
func compareNumbers(a, b Value) int {
	if x, ok := a.(Int); ok {
		if y, ok := b.(Int); ok {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	}
	if isInt(a) && isInt(b) {
		return toBig(a).Cmp(toBig(b))
	}
	x, y := ToFloat(a), ToFloat(b)
	if isInt(a) && !math.IsInf(y, 0) && !math.IsNaN(y) { // a float holds no more than 53 bits of an integer
		return exactFloat(a).Cmp(exactFloat(b))
	}
	if isInt(b) && !math.IsInf(x, 0) && !math.IsNaN(x) {
		return exactFloat(a).Cmp(exactFloat(b))
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	case x == y:
		return 0
	}
	return nan
}

// exactFloat is a finite number with all its bits.
func exactFloat(v Value) *big.Float {
	if f, ok := v.(Float); ok {
		return big.NewFloat(float64(f))
	}
	n := toBig(v)
	return new(big.Float).SetPrec(uint(max(n.BitLen(), 53))).SetInt(n)
}

// Less is Python's <; it fails for values that have no order.
func Less(a, b Value, budget *Budget) bool { return order(a, b, "<", budget) == -1 }

// Compare evaluates one of the comparisons <, <=, > and >=.
func Compare(op string, a, b Value, budget *Budget) bool {
	switch c := order(a, b, op, budget); op {
	case "<":
		return c == -1
	case "<=":
		return c == -1 || c == 0
	case ">":
		return c == 1
	default:
		return c == 0 || c == 1
	}
}

func order(a, b Value, op string, budget *Budget) int {
	budget.Spend(1)
	if IsNumber(a) && IsNumber(b) {
		return compareNumbers(a, b)
	}
	if s, ok := Text(a); ok {
		if t, ok := Text(b); ok {
			budget.Spend(min(len(s), len(t)) >> 9)
			return strings.Compare(s, t)
		}
	}
	if u, ok := a.(*Undefined); ok {
		FailUndefined(u)
	}
	if u, ok := b.(*Undefined); ok {
		FailUndefined(u)
	}
	x, okx := a.(*List)
	y, oky := b.(*List)
	if !okx || !oky || x.Type() != y.Type() || x.Kind > Group {
		Fail("'%s' not supported between instances of '%s' and '%s'", op, a.Type(), b.Type())
	}
	for i, v := range x.Items {
		if i >= len(y.Items) {
			return 1
		}
		if !Equal(v, y.Items[i], budget) {
			return order(v, y.Items[i], op, budget)
		}
	}
	if len(x.Items) < len(y.Items) {
		return -1
	}
	return 0
}

// Contains is Python's "v in c".
func Contains(c, v Value, budget *Budget) bool {
	if s, ok := Text(c); ok {
		t, ok := Text(v)
		if !ok {
			Fail("'in <string>' requires string as left operand, not %s", v.Type())
		}
		budget.Spend((len(s) + len(t)) >> 7)
		return strings.Contains(s, t)
	}
	switch x := c.(type) {
	case *Dict:
		budget.Spend(Size(v) >> 8)
		_, ok := x.Get(v)
		return ok
	case *List, *Range, *Generator, *Undefined:
		it := Iterate(c)
		for e, ok := it.Next(); ok; e, ok = it.Next() {
			if Equal(e, v, budget) {
				return true
			}
		}
		return false
	}
	Fail("argument of type '%s' is not iterable", c.Type())
	return false
}

// IsNumber reports whether v is an integer, a float or a truth value.
func IsNumber(v Value) bool {
	switch v.(type) {
	case Int, Float, Bool, Big:
		return true
	}
	return false
}

func isInt(v Value) bool {
	switch v.(type) {
	case Int, Bool, Big:
		return true
	}
	return false
}

// Int64 returns v as an integer if it is one of at most 64 bits; True is 1 and False is 0.
func Int64(v Value) (int64, bool) {
	switch x := v.(type) {
	case Int:
		return int64(x), true
	case Bool:
		if x {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func toBig(v Value) *big.Int {
	if x, ok := v.(Big); ok {
		return x.V
	}
	n, _ := Int64(v)
	return big.NewInt(n)
}

// ToFloat returns a number as a float.
func ToFloat(v Value) float64 {
	switch x := v.(type) {
	case Float:
		return float64(x)
	case Big:
		f, _ := new(big.Float).SetInt(x.V).Float64()
		return f
	}
	n, _ := Int64(v)
	return float64(n)
}
