package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/jinja"
)

var errNotObject = errors.New("not a JSON object")

// toolValues makes the values of tools: {"type":"function","function":...} with the function as it was
// sent, key order included.
func toolValues(tools []chat.Tool) ([]jinja.Value, error) {
	values := make([]jinja.Value, len(tools))
	functions := functionValues(tools)
	for i := range tools {
		var function jinja.Value
		if functions != nil {
			function = functions.Items[i]
		} else {
			var err error
			if function, err = functionValue(&tools[i], fmt.Sprintf("tools[%d].function", i)); err != nil {
				return nil, err
			}
		}
		wrapper := jinja.NewDict(2)
		wrapper.Set("type", jinja.String("function"))
		wrapper.Set("function", function)
		values[i] = wrapper
	}
	return values, nil
}

// functionValues decodes the functions of tools at once, which takes half the time of one by one; nil
// where one of them has no JSON text of its own, or a wrong one.
func functionValues(tools []chat.Tool) *jinja.List {
	n := 2
	for i := range tools {
		if tools[i].Function == nil {
			return nil
		}
		n += len(tools[i].Function) + 1
	}
	text := append(make([]byte, 0, n), '[')
	for i := range tools {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, tools[i].Function...)
	}
	v, err := jinja.DecodeJSON(append(text, ']'))
	list, ok := v.(*jinja.List)
	if err != nil || !ok || len(list.Items) != len(tools) {
		return nil
	}
	for _, item := range list.Items {
		if _, ok := item.(*jinja.Dict); !ok {
			return nil
		}
	}
	return list
}

func functionValue(tool *chat.Tool, path string) (*jinja.Dict, error) {
	if tool.Function != nil {
		return decodeObject(tool.Function, path)
	}
	function := jinja.NewDict(3)
	function.Set("name", jinja.String(tool.Name))
	if tool.Description != "" {
		function.Set("description", jinja.String(tool.Description))
	}
	if len(tool.Parameters) > 0 {
		parameters, err := decodeObject(tool.Parameters, path+".parameters")
		if err != nil {
			return nil, err
		}
		function.Set("parameters", parameters)
	}
	return function, nil
}

func decodeObject(data []byte, path string) (*jinja.Dict, error) {
	v, err := jinja.DecodeJSON(data)
	if err != nil {
		return nil, badRequest(path, "%v", err)
	}
	d, ok := v.(*jinja.Dict)
	if !ok {
		return nil, badRequest(path, "not a JSON object")
	}
	return d, nil
}

// filledFunction adds to a function an empty description and parameters, and to each parameter an empty
// description; false if nothing is missing.
func filledFunction(v jinja.Value) (*jinja.Dict, bool) {
	function, ok := v.(*jinja.Dict)
	if !ok {
		return nil, false
	}
	filled, changed := withKey(function, "description", jinja.String(""))
	parameters, _ := filled.Lookup("parameters")
	p, ok := parameters.(*jinja.Dict)
	if !ok {
		p, changed = jinja.NewDict(2), true
	}
	p, noType := withKey(p, "type", jinja.String("object"))
	p, noProperties := withKey(p, "properties", jinja.NewDict(0))
	changed = changed || noType || noProperties
	properties, _ := p.Lookup("properties")
	if all, ok := properties.(*jinja.Dict); ok {
		described := all.Copy()
		for i := range all.Len() {
			key, property := all.At(i)
			name, isText := key.(jinja.String)
			schema, isDict := property.(*jinja.Dict)
			if isText && isDict {
				with, missing := withKey(schema, "description", jinja.String(""))
				described.Set(string(name), with)
				changed = changed || missing
			}
		}
		p = p.Copy()
		p.Set("properties", described)
	}
	filled = filled.Copy()
	filled.Set("parameters", p)
	return filled, changed
}

// withKey returns d, or a copy of it with the key where that is missing.
func withKey(d *jinja.Dict, key string, v jinja.Value) (with *jinja.Dict, missing bool) {
	if _, ok := d.Lookup(key); ok {
		return d, false
	}
	with = d.Copy()
	with.Set(key, v)
	return with, true
}

// functionText is the JSON text of a tool's function.
func functionText(tool *chat.Tool) (string, error) {
	if tool.Function != nil {
		return string(tool.Function), nil
	}
	object := struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters,omitempty"`
	}{tool.Name, tool.Description, tool.Parameters}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return "", badRequest("tools", "the parameters of %s: %v", tool.Name, err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func toolsSize(tools []chat.Tool) int {
	n := 0
	for i := range tools {
		n += max(len(tools[i].Function), len(tools[i].Parameters)+len(tools[i].Description)) + 64
	}
	return n
}

// functionsText is the JSON text of a list of functions, for templates that take it as the text
// functions.
func functionsText(tools []jinja.Value) string {
	functions := jinja.NewList()
	for _, tool := range tools {
		if f, ok := tool.(*jinja.Dict).Lookup("function"); ok {
			functions.Items = append(functions.Items, f)
		}
	}
	text, err := jinja.EncodeJSON(functions)
	if err != nil {
		return "[]"
	}
	return text
}
