// Package form reads the forms that MCP servers ask people to fill in: the flat JSON Schema of an
// elicitation request (MCP 2025-11-25 and 2026-07-28, client/elicitation). A [Form] checks answers,
// fills in defaults, and turns what a person typed into JSON. Schemas and answers are not trusted:
// both are bounded.
package form

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// The bounds of a form. A schema beyond them is refused.
const (
	MaxSchema  = 64 << 10 // bytes of a schema
	MaxContent = 64 << 10 // bytes of an answer
	MaxFields  = 64
	MaxOptions = 256 // of one field
	maxDepth   = 8   // nesting of a schema
)

// Kind is what a field holds.
type Kind string

// The kinds of fields.
const (
	Text    Kind = "text"    // a string
	Number  Kind = "number"  // any number
	Integer Kind = "integer" // a number without a fraction
	Boolean Kind = "boolean" // true or false
	Choice  Kind = "choice"  // one of Options, a string
	Choices Kind = "choices" // several of Options, a list of strings
)

// Option is something to choose.
type Option struct {
	Value string
	// Title is for people; it is Value where the server gave none.
	Title string
}

// Field is one thing that is asked.
type Field struct {
	// Name is the key in the answer.
	Name string
	// Title and Description are the server's words for people; both may be empty.
	Title, Description string
	Kind               Kind
	Required           bool
	// Default is the value that stands for no answer, or nil. It fits the field.
	Default json.RawMessage
	// Format is "email", "uri", "date", "date-time" or "", for Text.
	Format string
	// MinLength and MaxLength bound Text in characters; MaxLength -1 is no bound.
	MinLength, MaxLength int
	// Pattern is what a Text must match somewhere, or nil.
	Pattern *regexp.Regexp
	// Min and Max bound a Number or an Integer, inclusively; nil is no bound.
	Min, Max *float64
	// Options are what Choice and Choices choose from.
	Options []Option
	// MinItems and MaxItems bound Choices; MaxItems -1 is no bound.
	MinItems, MaxItems int
}

// Label is what to call the field before a person.
func (f *Field) Label() string {
	if f.Title != "" {
		return f.Title
	}
	return f.Name
}

// Form is what a server asks, field by field, in the order in which it asks.
type Form struct{ Fields []Field }

// Parse reads the requestedSchema of an elicitation: an object whose properties are strings, numbers,
// booleans, or choices. Anything else is an error that names the field. A default that does not fit
// its field is dropped.
func Parse(schema json.RawMessage) (*Form, error) {
	if len(schema) > MaxSchema {
		return nil, fmt.Errorf("the form is larger than %d bytes", MaxSchema)
	}
	if err := rawjson.Check(schema, maxDepth); err != nil {
		return nil, fmt.Errorf("the form is no usable JSON Schema: %w", err)
	}
	var properties, required json.RawMessage
	kind := "object"
	isObject := rawjson.Fields(schema, func(key string, value json.RawMessage) bool {
		switch key {
		case "type":
			kind, _ = rawjson.Text(value)
		case "properties":
			properties = value
		case "required":
			required = value
		}
		return true
	})
	if !isObject || kind != "object" {
		return nil, fmt.Errorf("the form must be a JSON Schema of type object")
	}
	form, err := readFields(properties)
	if err != nil {
		return nil, err
	}
	if err := form.require(required); err != nil {
		return nil, err
	}
	return form, nil
}

func readFields(properties json.RawMessage) (*Form, error) {
	form := &Form{}
	if properties == nil {
		return form, nil
	}
	var err error
	isObject := rawjson.Fields(properties, func(name string, value json.RawMessage) bool {
		if len(form.Fields) == MaxFields {
			err = fmt.Errorf("the form has more than %d fields", MaxFields)
			return false
		}
		var field Field
		if field, err = readField(name, value); err != nil {
			err = fmt.Errorf("the form's field %q %w", clip(name), err)
			return false
		}
		form.Fields = append(form.Fields, field)
		return true
	})
	if !isObject {
		err = fmt.Errorf("the form's \"properties\" must be an object")
	}
	return form, err
}

func (f *Form) require(list json.RawMessage) error {
	if list == nil {
		return nil
	}
	var err error
	isList := rawjson.Items(list, func(item json.RawMessage) bool {
		name, _ := rawjson.Text(item)
		field := f.field(name)
		if field == nil {
			err = fmt.Errorf("the form requires the field %q, which it does not have", clip(name))
			return false
		}
		field.Required = true
		return true
	})
	if !isList {
		return fmt.Errorf("the form's \"required\" must be a list")
	}
	return err
}

func (f *Form) field(name string) *Field {
	i := slices.IndexFunc(f.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Fields[i]
}

// Complete checks the content of an accepted answer and returns it with the defaults of the fields that
// it leaves out (SEP-1034), the fields in the order of the form. Empty content is {}. An error names
// the field.
func (f *Form) Complete(content json.RawMessage) (json.RawMessage, error) {
	given := map[string]json.RawMessage{}
	if len(content) > MaxContent {
		return nil, fmt.Errorf("the answer is larger than %d bytes", MaxContent)
	}
	if len(content) > 0 && string(content) != "null" {
		if err := rawjson.Check(content, maxDepth); err != nil {
			return nil, fmt.Errorf("the answer is no usable JSON: %w", err)
		}
		if !rawjson.Fields(content, func(key string, value json.RawMessage) bool {
			given[key] = value
			return true
		}) {
			return nil, fmt.Errorf("the answer must be an object with the fields of the form")
		}
	}
	var out []byte
	for i := range f.Fields {
		field := &f.Fields[i]
		value, ok := given[field.Name]
		delete(given, field.Name)
		switch {
		case ok:
			if err := field.Check(value); err != nil {
				return nil, fmt.Errorf("the field %q %w", field.Name, err)
			}
		case field.Default != nil:
			value = field.Default
		case field.Required:
			return nil, fmt.Errorf("the field %q is required", field.Name)
		default:
			continue
		}
		name, err := json.Marshal(field.Name)
		if err != nil {
			return nil, err
		}
		out = append(append(append(append(out, ','), name...), ':'), value...)
	}
	for name := range given {
		return nil, fmt.Errorf("the form has no field %q; it has %s", clip(name), f.names())
	}
	if len(out) == 0 {
		return json.RawMessage("{}"), nil
	}
	out[0] = '{'
	return append(out, '}'), nil
}

func (f *Form) names() string {
	if len(f.Fields) == 0 {
		return "none"
	}
	names := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		names[i] = field.Name
	}
	return strings.Join(names, ", ")
}

// clip shortens a server's word for a message.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
