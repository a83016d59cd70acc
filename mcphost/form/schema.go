package form

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// maxText bounds titles and descriptions in bytes, maxPattern the patterns.
const (
	maxText    = 4 << 10
	maxPattern = 1 << 10
)

// keywords are those of a field's schema that are read.
type keywords struct {
	kind      string
	choices   json.RawMessage // enum
	titles    json.RawMessage // enumNames
	titled    json.RawMessage // oneOf or anyOf
	items     json.RawMessage
	byDefault json.RawMessage
	nested    bool
}

// readField reads one property. The errors go on from "the form's field NAME".
func readField(name string, schema json.RawMessage) (Field, error) {
	f := Field{Name: name, MaxLength: -1, MaxItems: -1}
	var k keywords
	if !rawjson.Fields(schema, func(key string, value json.RawMessage) bool {
		f.keyword(&k, key, value)
		return true
	}) {
		return f, errors.New("must be described by an object")
	}
	if k.nested {
		return f, errors.New("is an object, and forms are flat")
	}
	if err := f.settle(&k); err != nil {
		return f, err
	}
	if k.byDefault != nil && f.Check(k.byDefault) == nil {
		f.Default = k.byDefault
	}
	return f, nil
}

func (f *Field) keyword(k *keywords, key string, value json.RawMessage) {
	switch key {
	case "type":
		k.kind, _ = rawjson.Text(value)
	case "title":
		f.Title = text(value)
	case "description":
		f.Description = text(value)
	case "default":
		k.byDefault = value
	case "enum":
		k.choices = value
	case "enumNames":
		k.titles = value
	case "oneOf", "anyOf":
		k.titled = value
	case "items":
		k.items = value
	case "properties":
		k.nested = true
	case "format":
		f.Format = text(value)
	case "pattern":
		f.Pattern = pattern(value)
	case "minLength":
		f.MinLength = count(value, 0)
	case "maxLength":
		f.MaxLength = count(value, -1)
	case "minItems":
		f.MinItems = count(value, 0)
	case "maxItems":
		f.MaxItems = count(value, -1)
	case "minimum":
		f.Min = bound(value)
	case "maximum":
		f.Max = bound(value)
	}
}

// settle finds the kind of the field.
func (f *Field) settle(k *keywords) (err error) {
	switch k.kind {
	case "string", "":
		switch {
		case k.choices != nil || k.titled != nil:
			f.Kind = Choice
			f.Options, err = options(k)
		case k.kind == "":
			return errors.New("has no type; use string, number, integer, boolean, or array")
		default:
			f.Kind = Text
		}
	case "number":
		f.Kind = Number
	case "integer":
		f.Kind = Integer
	case "boolean":
		f.Kind = Boolean
	case "array":
		f.Kind = Choices
		var items keywords
		if !rawjson.Fields(k.items, func(key string, value json.RawMessage) bool {
			(&Field{}).keyword(&items, key, value)
			return true
		}) {
			return errors.New("is a list that does not say what may be chosen")
		}
		f.Options, err = options(&items)
	case "object":
		return errors.New("is an object, and forms are flat")
	default:
		return fmt.Errorf("has the type %q; use string, number, integer, boolean, or array", clip(k.kind))
	}
	return err
}

// options reads enum with enumNames, or a list of {const, title}.
func options(k *keywords) ([]Option, error) {
	var list optionList
	if k.titled != nil {
		rawjson.Items(k.titled, list.addTitled)
	} else {
		var titles []string
		rawjson.Items(k.titles, func(item json.RawMessage) bool {
			titles = append(titles, text(item))
			return len(titles) < MaxOptions
		})
		rawjson.Items(k.choices, func(item json.RawMessage) bool {
			value, ok := rawjson.Text(item)
			o := Option{Value: value}
			if n := len(list.options); n < len(titles) {
				o.Title = titles[n]
			}
			return list.add(o, ok)
		})
	}
	if list.err == nil && len(list.options) == 0 {
		list.err = errors.New("gives nothing to choose from")
	}
	return list.options, list.err
}

// optionList gathers options until there is something wrong with one.
type optionList struct {
	options []Option
	err     error
}

// add reports whether it may go on. ok says that the option has a value.
func (l *optionList) add(o Option, ok bool) bool {
	switch {
	case !ok || len(o.Value) > maxText:
		l.err = errors.New("has a choice that is no short string")
	case len(l.options) == MaxOptions:
		l.err = fmt.Errorf("has more than %d choices", MaxOptions)
	}
	if o.Title == "" {
		o.Title = o.Value
	}
	l.options = append(l.options, o)
	return l.err == nil
}

// addTitled adds {const, title}.
func (l *optionList) addTitled(item json.RawMessage) bool {
	var o Option
	ok := false
	rawjson.Fields(item, func(key string, value json.RawMessage) bool {
		switch key {
		case "const":
			o.Value, ok = rawjson.Text(value)
		case "title":
			o.Title = text(value)
		}
		return true
	})
	return l.add(o, ok)
}

func text(value json.RawMessage) string {
	s, _ := rawjson.Text(value)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

// pattern compiles an expression. One that RE2 does not know is left to the server.
func pattern(value json.RawMessage) *regexp.Regexp {
	s, ok := rawjson.Text(value)
	if !ok || len(s) > maxPattern {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil
	}
	return re
}

// count reads a whole number from 0; anything else is otherwise.
func count(value json.RawMessage, otherwise int) int {
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || n < 0 || n != math.Trunc(n) {
		return otherwise
	}
	return int(min(n, math.MaxInt32))
}

func bound(value json.RawMessage) *float64 {
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return nil
	}
	return &n
}
