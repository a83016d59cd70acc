package toolcall

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/lenient"
)

// maxName bounds the length of a tool's name, in bytes.
const maxName = 256

// tool is a tool of the request, with what its schema says of its parameters, read when first needed.
type tool struct {
	schema json.RawMessage
	read   bool
	types  map[string]typeSet
	order  []string // the parameters in the order of the schema
}

// typeSet is the set of JSON types that a schema allows, empty where it does not say.
type typeSet uint8

const (
	typeString typeSet = 1 << iota
	typeNumber
	typeInteger
	typeBoolean
	typeNull
	typeObject
	typeArray
)

// tool returns the request's tool of that name, or nil.
func (p *Parser) tool(name string) *tool {
	if p.tools == nil {
		p.tools = make(map[string]*tool, len(p.opts.Tools))
		for i := range p.opts.Tools {
			p.tools[p.opts.Tools[i].Name] = &tool{schema: p.opts.Tools[i].Parameters}
		}
	}
	return p.tools[name]
}

// param returns the types of a parameter, and whether the schema names it. A nil tool knows nothing.
func (t *tool) param(name string) (typeSet, bool) {
	if t == nil {
		return 0, false
	}
	t.load()
	types, ok := t.types[name]
	return types, ok
}

// at returns the name of the parameter in that place of the schema.
func (t *tool) at(i int) (string, bool) {
	if t == nil {
		return "", false
	}
	t.load()
	if i < 0 || i >= len(t.order) {
		return "", false
	}
	return t.order[i], true
}

func (t *tool) load() {
	if t.read {
		return
	}
	t.read = true
	t.types = map[string]typeSet{}
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
		t.types[name] = t.typesOf(prop, 0)
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

// typesOf returns the types that a schema allows.
func (t *tool) typesOf(raw json.RawMessage, depth int) typeSet {
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
		return t.typesOf(t.resolve(s.Ref), depth+1)
	}
	if set := namedTypes(s.Type); set != 0 {
		return set
	}
	var set typeSet
	for _, v := range append(s.Enum, s.Const) {
		set |= typeOf(string(v))
	}
	for _, list := range [][]json.RawMessage{s.AnyOf, s.OneOf} {
		for _, sub := range list {
			got := t.typesOf(sub, depth+1)
			if got == 0 {
				return 0
			}
			set |= got
		}
	}
	for _, sub := range s.AllOf {
		set |= t.typesOf(sub, depth+1)
	}
	return set
}

func namedTypes(raw json.RawMessage) typeSet {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return typeNames[strings.ToLower(name)]
	}
	var names []string
	var set typeSet
	if json.Unmarshal(raw, &names) == nil {
		for _, n := range names {
			set |= typeNames[strings.ToLower(n)]
		}
	}
	return set
}

// typeNames are the names of types, those of other languages included that tool authors write.
var typeNames = map[string]typeSet{
	"string": typeString, "str": typeString, "text": typeString,
	"number": typeNumber, "float": typeNumber, "double": typeNumber,
	"integer": typeInteger, "int": typeInteger, "boolean": typeBoolean, "bool": typeBoolean,
	"null": typeNull, "object": typeObject, "dict": typeObject, "array": typeArray, "list": typeArray,
}

func (t *tool) resolve(ref string) json.RawMessage {
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
func typeOf(text string) typeSet {
	if text == "" {
		return 0
	}
	switch text[0] {
	case '"':
		return typeString
	case '{':
		return typeObject
	case '[':
		return typeArray
	case 't', 'f':
		return typeBoolean
	case 'n':
		return typeNull
	}
	if strings.ContainsAny(text, ".eE") {
		return typeNumber
	}
	return typeInteger | typeNumber
}

// coerce returns the JSON text of a parameter that was written as plain text, by the types that its
// schema allows. A declared string stays as it is, whatever it looks like; where a string is one of
// several types, the text becomes another only if nothing of it is lost.
func coerce(text string, types typeSet) string {
	if types == typeString {
		return lenient.Quote(text)
	}
	trimmed := strings.TrimSpace(text)
	value, ok := lenient.Valid(trimmed, lenient.Style{Python: true})
	if !ok {
		return lenient.Quote(text)
	}
	got := typeOf(value)
	switch {
	case got == typeString && types&typeString == 0 && types != 0:
		// A number or object in quotes: the quotes are one layer too many.
		inner, ok := lenient.Valid(unquote(trimmed), lenient.Style{})
		if ok && typeOf(inner)&types != 0 {
			return inner
		}
		return value
	case got == typeString:
		return lenient.Quote(text)
	case types&typeString != 0 && (got&types == 0 || value != text || !roundTrips(value, got)):
		return lenient.Quote(text)
	}
	return value
}

// roundTrips reports whether a number is written as a program would write it back.
func roundTrips(value string, got typeSet) bool {
	if got&typeNumber == 0 || got&typeInteger != 0 {
		return true
	}
	f, err := strconv.ParseFloat(value, 64)
	return err == nil && strconv.FormatFloat(f, 'f', -1, 64) == value
}
