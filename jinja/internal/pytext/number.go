package pytext

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// ParseInt reads an integer as Python's int() does, or returns nil.
func ParseInt(b *value.Budget, s string, base int) *big.Int {
	s = asciiDigits(value.Trim(s, nil, true, true))
	b.Spend(min(len(s), 4300) * min(len(s), 4300) >> 13) // the time of turning digits into bits
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

// ParseFloat reads a number as Python's float() does.
func ParseFloat(s string) (float64, bool) {
	s = asciiDigits(value.Trim(s, nil, true, true))
	if strings.ContainsAny(s, "xXpP") || strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// WholeFloat cuts off the fraction.
func WholeFloat(f float64, otherwise value.Value) value.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return otherwise
	}
	n, _ := big.NewFloat(f).Int(nil)
	return value.NewInt(n)
}
