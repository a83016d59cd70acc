package prompt

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/jinja"
)

// toolsForm is how a template without tools to show wants to hear of that.
type toolsForm uint8

const (
	toolsNone    toolsForm = iota // tools is None, as transformers passes it
	toolsMissing                  // tools is undefined
	toolsEmpty                    // tools is an empty list
	toolsText                     // functions is a text, and tools an empty list
)

// shape is how a template wants its messages.
type shape struct {
	tools toolsForm
	// toolsName is the variable that holds tools, where there are some.
	toolsName string
	// textArguments passes the arguments of calls as JSON text.
	textArguments bool
	// namedAnswers gives tool messages the name of their function, which clients rarely send.
	namedAnswers bool
	// lists passes every content as a list of parts.
	lists bool
	// image and audio are the types of these parts; empty means that there is no placeholder.
	image, audio string
	// reasoning is the key under which a message's reasoning goes.
	reasoning string
}

// message makes the value of a message. The path names it in errors.
func (s *shape) message(m *chat.Message, path string) (jinja.Value, error) {
	d := jinja.NewDict(6)
	d.Set("role", jinja.String(m.Role))
	content, err := s.content(m.Content, path+".content")
	if err != nil {
		return nil, err
	}
	d.Set("content", content)
	if m.Name != "" {
		d.Set("name", jinja.String(m.Name))
	}
	if m.Reasoning != "" && !(s.reasoning == "thinking" && len(m.ToolCalls) > 0 && m.Text() != "") {
		d.Set(s.reasoning, jinja.String(m.Reasoning)) // a template with thinking takes it or content beside calls
	}
	if len(m.ToolCalls) > 0 {
		calls := jinja.NewList()
		for i := range m.ToolCalls {
			call, err := s.call(&m.ToolCalls[i], path)
			if err != nil {
				return nil, err
			}
			calls.Items = append(calls.Items, call)
		}
		d.Set("tool_calls", calls)
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", jinja.String(m.ToolCallID))
	}
	return d, nil
}

func (s *shape) call(c *chat.ToolCall, path string) (jinja.Value, error) {
	var arguments jinja.Value = jinja.String(c.Arguments)
	if !s.textArguments {
		decoded, err := decodeArguments(c.Arguments)
		if err != nil {
			return nil, badRequest(path+".tool_calls", "the arguments of %s are not a JSON object: %v", c.Name, err)
		}
		arguments = decoded
	}
	function := jinja.NewDict(2)
	function.Set("name", jinja.String(c.Name))
	function.Set("arguments", arguments)
	call := jinja.NewDict(3)
	if c.ID != "" {
		call.Set("id", jinja.String(c.ID))
	}
	call.Set("type", jinja.String("function"))
	call.Set("function", function)
	return call, nil
}

// decodeArguments reads the JSON text of an object; empty text is an empty object.
func decodeArguments(text string) (*jinja.Dict, error) {
	if strings.TrimSpace(text) == "" {
		return jinja.NewDict(0), nil
	}
	v, err := jinja.DecodeJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	d, ok := v.(*jinja.Dict)
	if !ok {
		return nil, errNotObject
	}
	return d, nil
}

// content makes a string of parts that are all text, and a list of those that are not.
func (s *shape) content(parts []chat.Part, path string) (jinja.Value, error) {
	onlyText := true
	for i := range parts {
		onlyText = onlyText && parts[i].Type == chat.PartText
	}
	if onlyText && !s.lists {
		return jinja.String(chat.Message{Content: parts}.Text()), nil
	}
	list := jinja.NewList()
	for i := range parts {
		part := jinja.NewDict(2)
		switch p := &parts[i]; p.Type {
		case chat.PartText:
			part.Set("type", jinja.String("text"))
			part.Set("text", jinja.String(p.Text))
		case chat.PartImage:
			if s.image == "" {
				return nil, badRequest(path, "the model's chat template has no place for images")
			}
			part.Set("type", jinja.String(s.image))
		case chat.PartAudio:
			if s.audio == "" {
				return nil, badRequest(path, "the model's chat template has no place for audio")
			}
			part.Set("type", jinja.String(s.audio))
		default:
			return nil, badRequest(path, "a part of the unknown type %q", p.Type)
		}
		list.Items = append(list.Items, part)
	}
	return list, nil
}

// setTools sets the variables that speak of tools.
func (s *shape) setTools(vars *jinja.Dict, tools []jinja.Value) {
	switch {
	case s.tools == toolsText:
		vars.Set("tools", jinja.NewList(tools...))
		vars.Set("functions", jinja.String(functionsText(tools)))
	case len(tools) > 0:
		vars.Set(s.toolsName, jinja.NewList(tools...))
	case s.tools == toolsNone:
		vars.Set("tools", jinja.None{})
	case s.tools == toolsEmpty:
		vars.Set("tools", jinja.NewList())
	}
}
