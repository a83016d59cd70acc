package prompt

import (
	"encoding/json"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// DefaultTemplate is for a model that comes without a chat template: ChatML turns. Like any template
// that knows no tools, it gets them in Hermes form.
const DefaultTemplate = `{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
`

// The Hermes form of tools, for a template that knows none: the system turn describes them, calls are
// JSON objects in tags of the assistant's turn, and results are tags of a user turn.
const (
	hermesIntro = "You can call functions to help with the user's request. The functions are described here, " +
		"one JSON object a line:\n<tools>\n"
	hermesRules = "</tools>\n\nTo call a function, write a JSON object with its name and arguments between tags, " +
		"and nothing after it:\n<tool_call>\n{\"name\": <function name>, \"arguments\": <object of arguments>}\n</tool_call>\n" +
		"To call several, write one pair of tags for each. The results come back between <tool_response> tags. " +
		"Answer without a call when no function is needed."
)

// hermesTurns says in plain turns what the template has no words for. Without tools, only the calls and
// results of the history are put so.
func hermesTurns(messages []chat.Message, tools []chat.Tool) ([]chat.Message, error) {
	out := make([]chat.Message, 0, len(messages)+1)
	for i := range messages {
		m := messages[i]
		switch {
		case len(m.ToolCalls) > 0:
			m.Content = joinLines(m.Content, hermesCalls(m.ToolCalls))
			m.ToolCalls = nil
			out = append(out, m)
		case m.Role == chat.RoleTool:
			result := "<tool_response>\n" + m.Text() + "\n</tool_response>"
			if i > 0 && messages[i-1].Role == chat.RoleTool {
				out[len(out)-1].Content = joinLines(out[len(out)-1].Content, result)
				continue
			}
			out = append(out, chat.Message{Role: chat.RoleUser, Content: chat.Text(result)})
		default:
			out = append(out, m)
		}
	}
	if len(tools) == 0 {
		return out, nil
	}
	described, err := hermesTools(tools)
	if err != nil {
		return nil, err
	}
	if isSystem(out[0]) {
		out[0].Content = joinContent(out[0].Content, chat.Text(described))
		return out, nil
	}
	return append([]chat.Message{{Role: chat.RoleSystem, Content: chat.Text(described)}}, out...), nil
}

func hermesTools(tools []chat.Tool) (string, error) {
	var b strings.Builder
	b.WriteString(hermesIntro)
	for i := range tools {
		text, err := functionText(&tools[i])
		if err != nil {
			return "", err
		}
		b.WriteString(`{"type": "function", "function": ` + text + "}\n")
	}
	b.WriteString(hermesRules)
	return b.String(), nil
}

func hermesCalls(calls []chat.ToolCall) string {
	texts := make([]string, len(calls))
	for i, c := range calls {
		name, _ := json.Marshal(c.Name) // a string cannot fail
		arguments := strings.TrimSpace(c.Arguments)
		if arguments == "" {
			arguments = "{}"
		}
		texts[i] = "<tool_call>\n{\"name\": " + string(name) + ", \"arguments\": " + arguments + "}\n</tool_call>"
	}
	return strings.Join(texts, "\n")
}

// joinLines adds text on a line of its own.
func joinLines(content []chat.Part, text string) []chat.Part {
	if (chat.Message{Content: content}).Text() == "" {
		return chat.Text(text)
	}
	return append(content[:len(content):len(content)], chat.Part{Type: chat.PartText, Text: "\n" + text})
}
