package prompt

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/jinja"
)

// conversation is a request on its way into a template.
type conversation struct {
	shape    *shape
	messages []chat.Message
	tools    []jinja.Value
	// toolsSize is the length of the tools' JSON text.
	toolsSize int
	// hermes says that the tools were described in the system turn.
	hermes bool
	// generate opens the assistant's turn.
	generate bool
	// extra are variables of their own: the request's settings and chat_template_kwargs.
	extra *jinja.Dict
	base  *jinja.Dict
}

// conversation brings a request into the form that the template takes.
func (t *Template) conversation(req *chat.Request) (*conversation, error) {
	c := &conversation{
		shape:    &t.shape,
		messages: req.Messages,
		generate: !req.NoGenerationPrompt && !req.ContinueFinalMessage,
		base:     t.baseVariables(),
	}
	if req.ContinueFinalMessage && req.Messages[len(req.Messages)-1].Role != chat.RoleAssistant {
		return nil, badRequest("continue_final_message", "the last message is not the assistant's")
	}
	var err error
	if c.extra, err = t.extraVariables(req); err != nil {
		return nil, err
	}
	if !t.caps.Developer {
		c.messages = renamed(c.messages, chat.RoleDeveloper, chat.RoleSystem)
	}
	c.messages = answersInOrder(c.messages, t.shape.namedAnswers)
	tools := req.Tools
	if req.ToolChoice.Mode == chat.ToolNone {
		tools = nil
	}
	if !t.caps.Tools {
		if c.messages, err = hermesTurns(c.messages, tools); err != nil {
			return nil, err
		}
		c.hermes = len(tools) > 0
	} else {
		if c.tools, err = toolValues(tools); err != nil {
			return nil, err
		}
		c.toolsSize = toolsSize(tools)
		if !t.caps.ToolCalls {
			if c.messages, err = callsInContent(t.source, c.messages); err != nil {
				return nil, err
			}
		} else if !t.caps.ParallelCalls {
			c.messages = oneCallATurn(c.messages)
		}
	}
	if !t.caps.LaterSystem {
		c.messages = systemFirst(c.messages)
	}
	if !t.caps.System {
		c.messages = systemIntoUser(c.messages)
	}
	return c, nil
}

// variables returns what the template sees, and about how many bytes of the request that is.
func (c *conversation) variables() (vars *jinja.Dict, size int, err error) {
	list := jinja.NewList()
	list.Items = make([]jinja.Value, len(c.messages))
	for i := range c.messages {
		if list.Items[i], err = c.shape.message(&c.messages[i], fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, 0, err
		}
		size += messageSize(&c.messages[i])
	}
	vars = c.base.Copy()
	vars.Set("messages", list)
	vars.Set("add_generation_prompt", jinja.Bool(c.generate))
	c.shape.setTools(vars, c.tools)
	vars.Merge(c.extra)
	return vars, size + c.toolsSize, nil
}

func messageSize(m *chat.Message) int {
	n := 64 + len(m.Reasoning)
	for _, p := range m.Content {
		n += len(p.Text)
	}
	for _, call := range m.ToolCalls {
		n += len(call.Name) + len(call.Arguments)
	}
	return n
}

// fillTools gives every tool the keys that some templates cannot do without; false if none was missing.
func (c *conversation) fillTools() bool {
	changed := false
	for i, tool := range c.tools {
		wrapper := tool.(*jinja.Dict)
		function, _ := wrapper.Lookup("function")
		if filled, ok := filledFunction(function); ok {
			wrapper = wrapper.Copy()
			wrapper.Set("function", filled)
			c.tools[i] = wrapper
			changed = true
		}
	}
	return changed
}

// mergeTurns drops assistant messages that say nothing, and joins messages of one role that follow each
// other, for a template whose turns alternate; false if there are none.
func (c *conversation) mergeTurns() bool {
	merged := make([]chat.Message, 0, len(c.messages))
	for _, m := range c.messages {
		if m.Role == chat.RoleAssistant && len(m.ToolCalls) == 0 && m.Reasoning == "" && strings.TrimSpace(m.Text()) == "" {
			continue
		}
		last := len(merged) - 1
		if last >= 0 && merged[last].Role == m.Role && (m.Role == chat.RoleUser || m.Role == chat.RoleAssistant) &&
			len(merged[last].ToolCalls) == 0 {
			merged[last].Content = joinContent(merged[last].Content, m.Content)
			merged[last].ToolCalls = m.ToolCalls
			continue
		}
		merged = append(merged, m)
	}
	changed := len(merged) < len(c.messages)
	c.messages = merged
	return changed
}

// joinContent puts an empty line between two contents.
func joinContent(a, b []chat.Part) []chat.Part {
	if len(a) == 0 || len(b) == 0 {
		return append(a[:len(a):len(a)], b...)
	}
	joined := append(a[:len(a):len(a)], chat.Part{Type: chat.PartText, Text: "\n\n"})
	return append(joined, b...)
}

// cutAfterFinal cuts a prompt right behind the content of the last message, which the model shall
// continue.
func cutAfterFinal(text string, messages []chat.Message) (string, error) {
	final := messages[len(messages)-1].Text()
	trimmed := strings.TrimSpace(final)
	at := strings.LastIndex(text, trimmed)
	if at < 0 {
		return "", badRequest("continue_final_message", "the chat template changes the last message, so it cannot be continued")
	}
	if whole := strings.TrimLeft(final, " \t\r\n"); strings.HasPrefix(text[at:], whole) {
		return text[:at+len(whole)], nil
	}
	return text[:at+len(trimmed)], nil
}
