package constrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The bounds on a schema. What lies beyond is taken as "any value", with a note.
const (
	maxSchemaBytes = 1 << 20
	maxSchemaDepth = 64
	maxSchemaNodes = 20_000
	maxEnum        = 1_000
)

// JSONGrammar returns the grammar of the JSON texts that fit schema. An empty schema means any JSON
// object.
func JSONGrammar(schema json.RawMessage) (*Grammar, error) {
	var b Builder
	e, err := b.JSONSchema(schema)
	if err != nil {
		return nil, err
	}
	return b.Grammar(e), nil
}

// JSONSchema adds the rules of a JSON Schema and returns the expression of the JSON texts that fit it.
// An empty schema means any JSON object.
//
// Texts are written on one line, with at most one space behind a comma or colon. Objects list
// their properties in the order of the schema; optional ones may be left out; others may follow only
// where additionalProperties or patternProperties asks for them. Keywords that a grammar cannot enforce
// are left out and named in [Grammar.Notes]. The only errors are a schema that is not JSON, is
// neither an object nor a boolean, or is larger than one megabyte.
func (b *Builder) JSONSchema(schema json.RawMessage) (Expr, error) {
	if len(bytes.TrimSpace(schema)) == 0 {
		return b.anyObject(), nil
	}
	if len(schema) > maxSchemaBytes {
		return nil, fmt.Errorf("constrain: the schema has %d bytes, more than %d", len(schema), maxSchemaBytes)
	}
	if !json.Valid(schema) {
		return nil, errors.New("constrain: the schema is not valid JSON")
	}
	if c := bytes.TrimSpace(schema)[0]; c != '{' && c != 't' && c != 'f' {
		return nil, errors.New("constrain: the schema is neither an object nor a boolean")
	}
	c := &compiler{b: b, root: schema, refs: map[string]Ref{}, active: map[string]int{}}
	return c.schema(schema), nil
}

// compiler turns one schema into rules.
type compiler struct {
	b    *Builder
	root json.RawMessage
	// refs are the rules of the references met so far; active is, for those being built, how much text
	// was certain to precede them, to tell a rule that would begin with itself.
	refs   map[string]Ref
	active map[string]int

	depth    int
	consumed int
	nodes    int
}

// member is a key of a JSON object and its value.
type member struct {
	key   string
	value json.RawMessage
}

// members returns the members of a JSON object in their order.
func members(object json.RawMessage) []member {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var out []member
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return out
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return out
		}
		out = append(out, member{key.(string), value})
	}
	return out
}

// keywords are the members of a schema by name.
type keywords map[string]json.RawMessage

func (c *compiler) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(c.b.notes) < 100 && !slices.Contains(c.b.notes, text) {
		c.b.notes = append(c.b.notes, text)
	}
}

// schema returns the expression of one schema.
func (c *compiler) schema(raw json.RawMessage) Expr {
	c.nodes++
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxSchemaDepth || c.nodes > maxSchemaNodes {
		c.note("the schema is too deep or too large; its inner parts are not enforced")
		return c.b.anyValue()
	}
	list := members(raw)
	if list == nil {
		if bytes.Equal(bytes.TrimSpace(raw), []byte("false")) {
			c.note("the schema false is not enforced")
		}
		return c.b.anyValue()
	}
	k := keywords{}
	for _, m := range list {
		k[m.key] = m.value
		if slices.Contains(notEnforced, m.key) {
			c.note("the keyword %q is not enforced", m.key)
		}
	}
	return c.dispatch(k)
}

// notEnforced are keywords that restrict a value and that a grammar of this kind cannot express.
var notEnforced = []string{
	"not", "if", "then", "else", "dependentSchemas", "dependentRequired", "dependencies", "contains",
	"uniqueItems", "multipleOf", "propertyNames", "minProperties", "maxProperties", "unevaluatedItems",
	"unevaluatedProperties", "$dynamicRef",
}

func (c *compiler) dispatch(k keywords) Expr {
	switch {
	case k["$ref"] != nil:
		return c.reference(k)
	case k["const"] != nil:
		return constant(k["const"])
	case k["enum"] != nil:
		return c.enum(k["enum"])
	case k["allOf"] != nil:
		return c.allOf(k)
	case k["anyOf"] != nil:
		return c.choice(k, "anyOf")
	case k["oneOf"] != nil:
		return c.choice(k, "oneOf")
	}
	types := schemaTypes(k)
	if len(types) == 0 {
		return c.b.anyValue()
	}
	var alt Alt
	for _, t := range types {
		alt = append(alt, c.typed(t, k))
	}
	return one(alt)
}

func (c *compiler) typed(name string, k keywords) Expr {
	switch name {
	case "object":
		return c.object(k)
	case "array":
		return c.array(k)
	case "string":
		return c.text(k)
	case "integer":
		return c.integer(k)
	case "number":
		return c.number(k)
	case "boolean":
		return Alt{Lit("true"), Lit("false")}
	case "null":
		return Lit("null")
	}
	c.note("the type %q is unknown and not enforced", name)
	return c.b.anyValue()
}

// schemaTypes returns the types that a schema names, or that its keywords imply.
func schemaTypes(k keywords) []string {
	var one string
	if json.Unmarshal(k["type"], &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(k["type"], &many) == nil && len(many) > 0 {
		slices.Sort(many)
		return slices.Compact(many)
	}
	for _, key := range []string{"properties", "required", "additionalProperties"} {
		if k[key] != nil {
			return []string{"object"}
		}
	}
	if k["items"] != nil || k["prefixItems"] != nil {
		return []string{"array"}
	}
	if k["pattern"] != nil || k["minLength"] != nil || k["maxLength"] != nil {
		return []string{"string"}
	}
	return nil
}

// reference returns the rule of a $ref, which must point into the same schema.
func (c *compiler) reference(k keywords) Expr {
	var pointer string
	if json.Unmarshal(k["$ref"], &pointer) != nil {
		return c.b.anyValue()
	}
	if len(k) > 1 {
		for key := range k {
			if !slices.Contains([]string{"$ref", "description", "title", "default", "$defs", "definitions", "examples", "$schema", "$id"}, key) {
				c.note("keywords next to $ref are not enforced")
			}
		}
	}
	if before, ok := c.active[pointer]; ok && before == c.consumed {
		c.note("the reference %q leads to itself and is not enforced", pointer)
		return c.b.anyValue()
	}
	if r, ok := c.refs[pointer]; ok {
		return r
	}
	target, ok := c.resolve(pointer)
	if !ok {
		c.note("the reference %q leads to nothing in the schema and is not enforced", pointer)
		return c.b.anyValue()
	}
	name := pointer[strings.LastIndexAny(pointer, "/#")+1:]
	r := c.b.Declare("ref-" + name)
	c.refs[pointer] = r
	c.active[pointer] = c.consumed
	c.b.Define(r, c.schema(target))
	delete(c.active, pointer)
	return r
}

// resolve follows a JSON pointer of the form #/a/b.
func (c *compiler) resolve(pointer string) (json.RawMessage, bool) {
	path, ok := strings.CutPrefix(pointer, "#")
	if !ok || len(path) > 1000 {
		return nil, false
	}
	at := c.root
	for _, step := range strings.Split(path, "/")[1:] {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		next := slices.IndexFunc(members(at), func(m member) bool { return m.key == step })
		if next < 0 {
			var list []json.RawMessage
			var n int
			if json.Unmarshal(at, &list) != nil || json.Unmarshal([]byte(step), &n) != nil || n < 0 || n >= len(list) {
				return nil, false
			}
			at = list[n]
			continue
		}
		at = members(at)[next].value
	}
	return at, path == "" || path[0] == '/'
}

func (c *compiler) enum(raw json.RawMessage) Expr {
	var values []json.RawMessage
	if json.Unmarshal(raw, &values) != nil || len(values) == 0 || len(values) > maxEnum {
		c.note("an enum is empty, too long or no list, and not enforced")
		return c.b.anyValue()
	}
	var alt Alt
	for _, v := range values {
		alt = append(alt, constant(v))
	}
	return one(alt)
}

// constant matches one JSON value, written without white space.
func constant(raw json.RawMessage) Expr {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return Lit(quote(s))
	}
	var out bytes.Buffer
	_ = json.Compact(&out, raw)
	return Lit(out.String())
}

// quote writes a JSON string without the escapes that only HTML needs.
func quote(s string) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	return strings.TrimSuffix(out.String(), "\n")
}

func one(alt Alt) Expr {
	if len(alt) == 1 {
		return alt[0]
	}
	return alt
}
