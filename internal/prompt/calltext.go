package prompt

import (
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/jinja"
)

// callTexts are the forms in which models write calls whose templates show tools, but leave the calls
// of the history to the content. A template is known by a marker in its text.
var callTexts = [...]struct {
	marker string
	write  func([]chat.ToolCall) (string, error)
}{
	{"<|tool_list_start|>", pythonicCalls},
	{"<|tool_call|>", listedCalls},
	{"", func(calls []chat.ToolCall) (string, error) { return hermesCalls(calls), nil }},
}

// callsInContent writes the calls of assistant messages into their content.
func callsInContent(source string, messages []chat.Message) ([]chat.Message, error) {
	if !slices.ContainsFunc(messages, func(m chat.Message) bool { return len(m.ToolCalls) > 0 }) {
		return messages, nil
	}
	form := callTexts[0]
	for _, form = range callTexts {
		if strings.Contains(source, form.marker) {
			break
		}
	}
	out := slices.Clone(messages)
	for i := range out {
		if len(out[i].ToolCalls) == 0 {
			continue
		}
		text, err := form.write(out[i].ToolCalls)
		if err != nil {
			return nil, err
		}
		out[i].Content, out[i].ToolCalls = joinLines(out[i].Content, text), nil
	}
	return out, nil
}

// listedCalls is a marker and a JSON list.
func listedCalls(calls []chat.ToolCall) (string, error) {
	list := jinja.NewList()
	for _, c := range calls {
		arguments, err := callArguments(c)
		if err != nil {
			return "", err
		}
		call := jinja.NewDict(2)
		call.Set("name", jinja.String(c.Name))
		call.Set("arguments", arguments)
		list.Items = append(list.Items, call)
	}
	text, err := jinja.EncodeJSON(list)
	if err != nil {
		return "", badRequest("messages", "tool calls: %v", err)
	}
	return "<|tool_call|>" + text, nil
}

// pythonicCalls is a list of Python calls with keyword arguments.
func pythonicCalls(calls []chat.ToolCall) (string, error) {
	texts := make([]string, len(calls))
	for i, c := range calls {
		arguments, err := callArguments(c)
		if err != nil {
			return "", err
		}
		named := make([]string, arguments.Len())
		for j := range named {
			k, v := arguments.At(j)
			literal, err := pythonLiteral(v)
			if err != nil {
				return "", badRequest("messages", "tool calls: %v", err)
			}
			named[j] = string(k.(jinja.String)) + "=" + literal
		}
		texts[i] = c.Name + "(" + strings.Join(named, ", ") + ")"
	}
	return "<|tool_call_start|>[" + strings.Join(texts, ", ") + "]<|tool_call_end|>", nil
}

func callArguments(c chat.ToolCall) (*jinja.Dict, error) {
	arguments, err := decodeArguments(c.Arguments)
	if err != nil {
		return nil, badRequest("messages", "the arguments of the call of %s: %v", c.Name, err)
	}
	return arguments, nil
}

// pythonLiteral is a value as Python source, with double quotes around texts.
func pythonLiteral(v jinja.Value) (string, error) {
	switch x := v.(type) {
	case jinja.None:
		return "None", nil
	case jinja.Bool:
		if x {
			return "True", nil
		}
		return "False", nil
	case *jinja.List:
		items := make([]string, len(x.Items))
		for i, item := range x.Items {
			var err error
			if items[i], err = pythonLiteral(item); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	case *jinja.Dict:
		items := make([]string, x.Len())
		for i := range items {
			k, v := x.At(i)
			key, err := pythonLiteral(k)
			if err != nil {
				return "", err
			}
			item, err := pythonLiteral(v)
			if err != nil {
				return "", err
			}
			items[i] = key + ": " + item
		}
		return "{" + strings.Join(items, ", ") + "}", nil
	}
	return jinja.EncodeJSON(v)
}
