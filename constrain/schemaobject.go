package constrain

import (
	"encoding/json"
	"slices"
)

// The separators of JSON texts: at most one space, so that no white space can go on for ever.
var (
	comma = Seq{Lit(","), Opt(Lit(" "))}
	colon = Seq{Lit(":"), Opt(Lit(" "))}
)

// object returns the expression of an object with the properties of k in their order.
func (c *compiler) object(k keywords) Expr {
	c.consumed++
	defer func() { c.consumed-- }()
	var required []string
	_ = json.Unmarshal(k["required"], &required)
	props := members(k["properties"])
	for _, name := range required {
		if !slices.ContainsFunc(props, func(m member) bool { return m.key == name }) {
			props = append(props, member{name, json.RawMessage("{}")})
		}
	}
	more := c.additional(k, len(props) > 0)
	if len(props) == 0 {
		if more == nil {
			return Lit("{}")
		}
		return Seq{Lit("{"), Opt(Seq{more, Repeat{Of: Seq{comma, more}, Max: -1}}), Lit("}")}
	}

	// rest is what may follow the properties before it: built from the last to the first.
	var rest Expr = Lit("")
	if more != nil {
		rest = Repeat{Of: Seq{comma, more}, Max: -1}
	}
	// begin is what may stand where no property has been written yet.
	begin := rest
	if more != nil {
		begin = Opt(Seq{more, rest})
	}
	for i := len(props) - 1; i >= 0; i-- {
		p := props[i]
		value := c.schema(p.value)
		pair := c.b.Rule("pair-"+p.key, Seq{Lit(quote(p.key)), colon, value})
		first := Seq{pair, rest}
		if slices.Contains(required, p.key) {
			begin = first
			rest = c.shared(Seq{comma, pair, rest})
		} else {
			begin = Alt{first, begin}
			rest = c.shared(Seq{Opt(Seq{comma, pair}), rest})
		}
	}
	return Seq{Lit("{"), begin, Lit("}")}
}

// shared makes a rule of e, which is used in two places.
func (c *compiler) shared(e Expr) Expr { return c.b.Rule("more", e) }

// additional returns the expression of a property that the schema does not name, or nil for none.
func (c *compiler) additional(k keywords, named bool) Expr {
	value := c.b.anyValue
	switch extra := k["additionalProperties"]; {
	case k["patternProperties"] != nil:
		c.note("the keyword \"patternProperties\" is not enforced")
	case extra == nil && named, string(extra) == "false":
		return nil
	case extra != nil && string(extra) != "true":
		e := c.schema(extra)
		return Seq{c.b.anyString(), colon, e}
	}
	return Seq{c.b.anyString(), colon, value()}
}

// array returns the expression of an array.
func (c *compiler) array(k keywords) Expr {
	c.consumed++
	defer func() { c.consumed-- }()
	var first []Expr
	var prefix []json.RawMessage
	_ = json.Unmarshal(k["prefixItems"], &prefix)
	items := k["items"]
	if prefix == nil && json.Unmarshal(items, &prefix) == nil {
		items = k["additionalItems"]
	}
	for _, p := range prefix {
		first = append(first, c.schema(p))
	}
	var item Expr
	if string(items) != "false" {
		item = c.b.anyValue()
		if items != nil {
			item = c.b.Rule("item", c.schema(items))
		}
	}
	least, most := c.bound(k, "minItems", 0), c.bound(k, "maxItems", -1)
	return list(first, item, least, most)
}

// list returns an array of the first items, then any number of item, within the bounds.
func list(first []Expr, item Expr, least, most int) Expr {
	if most >= 0 && most < len(first) {
		first, item = first[:most], nil
	}
	if most >= 0 && most < least {
		most = least
	}
	out := Seq{Lit("[")}
	for i, e := range first {
		if i > 0 {
			out = append(out, comma)
		}
		out = append(out, e)
	}
	n := len(first)
	if item == nil || most == n {
		return append(out, Lit("]"))
	}
	limit := func(used int) int {
		if most < 0 {
			return -1
		}
		return most - used
	}
	if n > 0 {
		return append(out, Repeat{Of: Seq{comma, item}, Min: max(0, least-n), Max: limit(n)}, Lit("]"))
	}
	some := Seq{item, Repeat{Of: Seq{comma, item}, Min: max(0, least-1), Max: limit(1)}}
	if least > 0 {
		return append(out, some, Lit("]"))
	}
	return append(out, Opt(some), Lit("]"))
}

// bound reads a keyword whose value is a count. Beyond maxRepeat it is not enforced.
func (c *compiler) bound(k keywords, key string, missing int) int {
	var n float64
	if k[key] == nil || json.Unmarshal(k[key], &n) != nil || n < 0 {
		return missing
	}
	if n > maxRepeat {
		c.note("%s above %d is not enforced", key, maxRepeat)
		if missing < 0 {
			return missing
		}
		return maxRepeat
	}
	return int(n)
}
