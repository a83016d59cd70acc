package constrain

import (
	"encoding/json"
	"math"
	"strconv"
)

// jsonRules are the rules of JSON itself, made when first needed.
type jsonRules struct {
	value, object, array, text, char *Ref
}

// The characters of a JSON string that need no escape, and the escapes.
var (
	plainChar  = Class{Ranges: []Range{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}, {0x7f, 0x7f}}, Negated: true}
	hexDigit   = Chars("09afAF")
	digit      = Chars("09")
	escapeChar = Seq{Lit(`\`), Alt{Chars(`""\\//bbffnnrrtt`), Seq{Lit("u"), Repeat{Of: hexDigit, Min: 4, Max: 4}}}}
	intText    = Alt{Lit("0"), Seq{Chars("19"), Repeat{Of: digit, Max: 15}}}
	fraction   = Opt(Seq{Lit("."), Repeat{Of: digit, Min: 1, Max: 16}})
	exponent   = Opt(Seq{Chars("eeEE"), Opt(Chars("--++")), Repeat{Of: digit, Min: 1, Max: 2}})
	anyNumber  = Seq{Opt(Lit("-")), intText, fraction, exponent}
)

func (b *Builder) anyChar() Expr {
	if b.json.char == nil {
		r := b.Rule("char", Alt{plainChar, escapeChar})
		b.json.char = &r
	}
	return *b.json.char
}

func (b *Builder) anyString() Expr {
	if b.json.text == nil {
		r := b.Rule("string", Seq{Lit(`"`), Repeat{Of: b.anyChar(), Max: -1}, Lit(`"`)})
		b.json.text = &r
	}
	return *b.json.text
}

func (b *Builder) anyValue() Expr {
	if b.json.value == nil {
		r := b.Declare("value")
		b.json.value = &r
		b.Define(r, Alt{b.anyObject(), b.anyArray(), b.anyString(), anyNumber, Lit("true"), Lit("false"), Lit("null")})
	}
	return *b.json.value
}

func (b *Builder) anyObject() Expr {
	if b.json.object == nil {
		r := b.Declare("object")
		b.json.object = &r
		pair := Seq{b.anyString(), colon, b.anyValue()}
		b.Define(r, Seq{Lit("{"), Opt(Seq{pair, Repeat{Of: Seq{comma, pair}, Max: -1}}), Lit("}")})
	}
	return *b.json.object
}

func (b *Builder) anyArray() Expr {
	if b.json.array == nil {
		r := b.Declare("array")
		b.json.array = &r
		b.Define(r, list(nil, b.anyValue(), 0, -1))
	}
	return *b.json.array
}

// text returns the expression of a string.
func (c *compiler) text(k keywords) Expr {
	least, most := c.bound(k, "minLength", 0), c.bound(k, "maxLength", -1)
	var pattern, format string
	_ = json.Unmarshal(k["pattern"], &pattern)
	_ = json.Unmarshal(k["format"], &format)
	if pattern == "" && format != "" {
		if pattern = formats[format]; pattern == "" {
			c.note("the format %q is not enforced", format)
		}
	}
	if pattern != "" {
		e, ok := c.pattern(pattern)
		if ok {
			if least > 0 || most >= 0 {
				c.note("minLength and maxLength beside a pattern are not enforced")
			}
			return Seq{Lit(`"`), e, Lit(`"`)}
		}
		c.note("the pattern %q is not enforced", pattern)
	}
	if least == 0 && most < 0 {
		return c.b.anyString()
	}
	return Seq{Lit(`"`), Repeat{Of: c.b.anyChar(), Min: least, Max: most}, Lit(`"`)}
}

// formats are the patterns of the formats that are enforced.
var formats = map[string]string{
	"date":      `^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`,
	"time":      `^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`,
	"date-time": `^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`,
	"uuid":      `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`,
	"ipv4":      `^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$`,
}

// limits are the bounds of a number; infinite where there is none.
func (c *compiler) limits(k keywords) (lo, hi float64) {
	lo, hi = math.Inf(-1), math.Inf(1)
	read := func(key string) (float64, bool) {
		var f float64
		return f, k[key] != nil && json.Unmarshal(k[key], &f) == nil
	}
	if f, ok := read("minimum"); ok {
		lo = f
	}
	if f, ok := read("exclusiveMinimum"); ok && f >= lo {
		lo = math.Nextafter(f, math.Inf(1))
	}
	if f, ok := read("maximum"); ok {
		hi = f
	}
	if f, ok := read("exclusiveMaximum"); ok && f <= hi {
		hi = math.Nextafter(f, math.Inf(-1))
	}
	return lo, hi
}

// integer returns the expression of an integer. A range of few values is a list of them.
func (c *compiler) integer(k keywords) Expr {
	lo, hi := c.limits(k)
	lo, hi = math.Ceil(lo), math.Floor(hi)
	if hi >= lo && hi-lo <= 200 && math.Abs(lo) < 1e15 {
		var alt Alt
		for n := int64(lo); n <= int64(hi); n++ {
			alt = append(alt, Lit(strconv.FormatInt(n, 10)))
		}
		return one(alt)
	}
	if !math.IsInf(hi, 1) || !math.IsInf(lo, -1) && lo != 0 && lo != 1 {
		c.note("minimum and maximum of a wide range are not enforced")
	}
	switch {
	case lo >= 1:
		return Seq{Chars("19"), Repeat{Of: digit, Max: 15}}
	case lo >= 0:
		return intText
	}
	return Seq{Opt(Lit("-")), intText}
}

func (c *compiler) number(k keywords) Expr {
	lo, hi := c.limits(k)
	if !math.IsInf(hi, 1) || !math.IsInf(lo, -1) && lo != 0 {
		c.note("minimum and maximum of a number are not enforced")
	}
	if lo >= 0 {
		return Seq{intText, fraction, exponent}
	}
	return anyNumber
}
