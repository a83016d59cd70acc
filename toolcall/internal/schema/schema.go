// Package schema knows what a tool's JSON Schema says of the types of its parameters, and turns text into
// values by it.
package schema

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/lenient"
)

// Tool is a tool of the request, with what its schema says of its parameters, read when first needed.
type Tool struct {
	schema json.RawMessage
	read   bool
	types  map[string]TypeSet
	order  []string // the parameters in the order of the schema
}

// New returns the tool whose parameters have this schema.
func New(schema json.RawMessage) *Tool { return &Tool{schema: schema} }

// Order returns the names of the parameters in the order of the schema.
func (t *Tool) Order() []string {
	if t == nil {
		return nil
	}
	t.load()
	return t.order
}

// TypeSet is the set of JSON types that a schema allows, empty where it does not say.
type TypeSet uint8

const (
	String TypeSet = 1 << iota
	Number
	Integer
	Boolean
	Null
	Object
	Array
)

// Param returns the types of a parameter, and whether the schema names it. A nil tool knows nothing.
func (t *Tool) Param(name string) (TypeSet, bool) {
	if t == nil {
		return 0, false
	}
	t.load()
	types, ok := t.types[name]
	return types, ok
}

// At returns the name of the parameter in that place of the schema.
func (t *Tool) At(i int) (string, bool) {
	if t == nil {
		return "", false
	}
	t.load()
	if i < 0 || i >= len(t.order) {
		return "", false
	}
	return t.order[i], true
}

func (t *Tool) load() {
	if t.read {
		return
	}
	t.read = true
	t.types = map[string]TypeSet{}
	var schema struct {
		Properties json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(t.schema, &schema) != nil {
		return
	}
	var props map[string]json.RawMessage
	if json.Unmarshal(schema.Properties, &props) != nil {
		return
	}
	for name, prop := range props {
		t.types[name] = t.TypesOf(prop, 0)
	}
	dec := json.NewDecoder(strings.NewReader(string(schema.Properties)))
	_, _ = dec.Token()
	for dec.More() {
		key, err := dec.Token()
		var skip json.RawMessage
		if err != nil || dec.Decode(&skip) != nil {
			return
		}
		t.order = append(t.order, key.(string))
	}
}

// TypesOf returns the types that a schema allows.
func (t *Tool) TypesOf(raw json.RawMessage, depth int) TypeSet {
	var s struct {
		Type  json.RawMessage   `json:"type"`
		Enum  []json.RawMessage `json:"enum"`
		Const json.RawMessage   `json:"const"`
		AnyOf []json.RawMessage `json:"anyOf"`
		OneOf []json.RawMessage `json:"oneOf"`
		AllOf []json.RawMessage `json:"allOf"`
		Ref   string            `json:"$ref"`
	}
	if depth > 16 || json.Unmarshal(raw, &s) != nil {
		return 0
	}
	if s.Ref != "" {
		return t.TypesOf(t.resolve(s.Ref), depth+1)
	}
	if set := namedTypes(s.Type); set != 0 {
		return set
	}
	var set TypeSet
	for _, v := range append(s.Enum, s.Const) {
		set |= typeOf(string(v))
	}
	for _, list := range [][]json.RawMessage{s.AnyOf, s.OneOf} {
		for _, sub := range list {
			got := t.TypesOf(sub, depth+1)
			if got == 0 {
				return 0
			}
			set |= got
		}
	}
	for _, sub := range s.AllOf {
		set |= t.TypesOf(sub, depth+1)
	}
	return set
}

func namedTypes(raw json.RawMessage) TypeSet {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return TypeNames[strings.ToLower(name)]
	}
	var names []string
	var set TypeSet
	if json.Unmarshal(raw, &names) == nil {
		for _, n := range names {
			set |= TypeNames[strings.ToLower(n)]
		}
	}
	return set
}

// TypeNames are the names of types, those of other languages included that tool authors write.
var TypeNames = map[string]TypeSet{
	"string": String, "str": String, "text": String,
	"number": Number, "float": Number, "double": Number,
	"integer": Integer, "int": Integer, "boolean": Boolean, "bool": Boolean,
	"null": Null, "object": Object, "dict": Object, "array": Array, "list": Array,
}

func (t *Tool) resolve(ref string) json.RawMessage {
	at := t.schema
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#"), "/")[1:] {
		var object map[string]json.RawMessage
		if json.Unmarshal(at, &object) != nil {
			return nil
		}
		at = object[step]
	}
	return at
}

// typeOf returns the type of a JSON text, 0 for none.
func typeOf(text string) TypeSet {
	if text == "" {
		return 0
	}
	switch text[0] {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't', 'f':
		return Boolean
	case 'n':
		return Null
	}
	if strings.ContainsAny(text, ".eE") {
		return Number
	}
	return Integer | Number
}

// Coerce returns the JSON text of a parameter that was written as plain text, by the types that its
// schema allows. A declared string stays as it is, whatever it looks like; where a string is one of
// several types, the text becomes another only if nothing of it is lost.
func Coerce(text string, types TypeSet) string {
	if types == String {
		return lenient.Quote(text)
	}
	trimmed := strings.TrimSpace(text)
	value, ok := lenient.Valid(trimmed, lenient.Style{Python: true})
	if !ok {
		return lenient.Quote(text)
	}
	got := typeOf(value)
	switch {
	case got == String && types&String == 0 && types != 0:
		// A number or object in quotes: the quotes are one layer too many.
		inner, ok := lenient.Valid(lenient.Unquote(trimmed), lenient.Style{})
		if ok && typeOf(inner)&types != 0 {
			return inner
		}
		return value
	case got == String:
		return lenient.Quote(text)
	case types&String != 0 && (got&types == 0 || value != text || !roundTrips(value, got)):
		return lenient.Quote(text)
	}
	return value
}

// roundTrips reports whether a number is written as a program would write it back.
func roundTrips(value string, got TypeSet) bool {
	if got&Number == 0 || got&Integer != 0 {
		return true
	}
	f, err := strconv.ParseFloat(value, 64)
	return err == nil && strconv.FormatFloat(f, 'f', -1, 64) == value
}

// Properties returns the schemas of the tool's parameters and which of them are required.
func (t *Tool) Properties() (map[string]json.RawMessage, map[string]bool) {
	if t == nil {
		return nil, nil
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	_ = json.Unmarshal(t.schema, &schema)
	required := map[string]bool{}
	for _, name := range schema.Required {
		required[name] = true
	}
	return schema.Properties, required
}
