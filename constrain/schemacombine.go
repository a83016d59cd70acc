package constrain

import (
	"bytes"
	"encoding/json"
	"slices"
)

// allOf merges the schemas into one where they are objects with distinct keywords.
func (c *compiler) allOf(k keywords) Expr {
	var parts []json.RawMessage
	if json.Unmarshal(k["allOf"], &parts) != nil {
		return c.b.anyValue()
	}
	merged := keywords{}
	for key, v := range k {
		if key != "allOf" {
			merged[key] = v
		}
	}
	for _, part := range parts {
		for n := 0; n < 16; n++ {
			var ref struct {
				Ref string `json:"$ref"`
			}
			if json.Unmarshal(part, &ref) != nil || ref.Ref == "" {
				break
			}
			target, ok := c.resolve(ref.Ref)
			if !ok {
				c.note("the reference %q leads to nothing in the schema and is not enforced", ref.Ref)
				target = json.RawMessage("{}")
			}
			part = target
		}
		for _, m := range members(part) {
			c.merge(merged, m)
		}
	}
	if merged["$ref"] != nil || merged["allOf"] != nil {
		c.note("nested allOf is not enforced")
		delete(merged, "allOf")
		delete(merged, "$ref")
	}
	return c.dispatch(merged)
}

// merge adds one keyword of a part of allOf.
func (c *compiler) merge(into keywords, m member) {
	old, ok := into[m.key]
	switch {
	case !ok || bytes.Equal(old, m.value):
		into[m.key] = m.value
	case m.key == "properties":
		into[m.key] = joinObjects(old, m.value)
	case m.key == "required":
		var a, b []string
		_ = json.Unmarshal(old, &a)
		_ = json.Unmarshal(m.value, &b)
		into[m.key], _ = json.Marshal(append(a, b...))
	case m.key == "description" || m.key == "title" || m.key == "$defs":
	default:
		c.note("the keyword %q occurs twice in allOf; only the first is enforced", m.key)
	}
}

// joinObjects returns the object with the members of both, the first winning.
func joinObjects(a, b json.RawMessage) json.RawMessage {
	list := members(a)
	for _, m := range members(b) {
		if !slices.ContainsFunc(list, func(o member) bool { return o.key == m.key }) {
			list = append(list, m)
		}
	}
	out := []byte{'{'}
	for i, m := range list {
		if i > 0 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(m.key)
		out = append(append(append(out, key...), ':'), m.value...)
	}
	return append(out, '}')
}

// choice is anyOf and oneOf. Keywords beside it are put into each alternative.
func (c *compiler) choice(k keywords, keyword string) Expr {
	var parts []json.RawMessage
	if json.Unmarshal(k[keyword], &parts) != nil || len(parts) == 0 {
		return c.b.anyValue()
	}
	if keyword == "oneOf" {
		c.note("oneOf is enforced as anyOf")
	}
	var alt Alt
	for _, part := range parts {
		merged := keywords{}
		for _, m := range members(part) {
			merged[m.key] = m.value
		}
		for key, v := range k {
			if key != keyword && len(merged) > 0 {
				c.merge(merged, member{key, v})
			}
		}
		if len(merged) == 0 {
			return c.b.anyValue()
		}
		c.nodes++
		c.depth++
		if c.depth > maxSchemaDepth || c.nodes > maxSchemaNodes {
			c.note("the schema is too deep or too large; its inner parts are not enforced")
			alt = append(alt, c.b.anyValue())
		} else {
			alt = append(alt, c.dispatch(merged))
		}
		c.depth--
	}
	return one(alt)
}
