package openai

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// pendingCall is a call that a tool message may answer.
type pendingCall struct {
	id, name string
	answered bool
}

// conversation is what the messages read so far mean for the next one.
type conversation struct {
	// calls are those of the last assistant message, from fresh on, and those before it that still wait:
	// some clients send the calls of one turn as several messages.
	calls []pendingCall
	fresh int
	count int // all calls so far, to number those that came without an id
}

func decodeMessages(f *fields, req *wireRequest) {
	raw := f.items("messages")
	switch {
	case f.err != nil:
		return
	case len(raw) == 0 && req.wanted.prompt != nil: // whose messages are the conversation
		return
	case len(raw) == 0:
		f.fail(invalid("messages", "missing", `messages is missing or empty; send at least one, such as {"role":"user","content":"Hello"}`))
		return
	case len(raw) > maxMessages:
		f.fail(invalid("messages", "too_many", "messages has %d messages; at most %d are taken", len(raw), maxMessages))
		return
	}
	var c conversation
	req.Messages = make([]chat.Message, 0, len(raw))
	for i, raw := range raw {
		m := object(raw, item("messages", i))
		message := c.message(m)
		if f.fail(m.err); f.err != nil {
			return
		}
		req.Messages = append(req.Messages, message)
	}
}

func (c *conversation) message(m *fields) chat.Message {
	if string(m.get("type")) == `"mcp_approval_response"` && !m.has("role") {
		return c.approvalInput(m)
	}
	role := m.word("role", "system", "developer", "user", "assistant", "tool", "function")
	if role == "" {
		m.fail(invalid(m.at("role"), "missing", `%s is missing; it says who speaks, such as "user"`, m.at("role")))
		return chat.Message{}
	}
	message := chat.Message{Role: chat.Role(role), Content: decodeContent(m)}
	message.Name, _ = m.str("name")
	switch role {
	case "assistant":
		c.assistant(m, &message)
	case "tool":
		c.tool(m, &message)
	case "function":
		c.function(m, &message)
	default:
		if message.Content == nil {
			m.fail(invalid(m.at("content"), "missing", "%s is missing; send a string or a list of parts", m.at("content")))
		}
	}
	return message
}

// assistant reads what only assistant messages have: reasoning and calls.
func (c *conversation) assistant(m *fields, message *chat.Message) {
	message.Reasoning, _ = m.str("reasoning_content")
	if message.Reasoning == "" && m.has("reasoning") && m.get("reasoning")[0] == '"' {
		message.Reasoning, _ = m.str("reasoning")
	}
	decodeItems(m, message)
	c.calls = slices.DeleteFunc(c.calls, func(p pendingCall) bool { return p.answered })
	c.calls = slices.Delete(c.calls, 0, max(0, len(c.calls)-maxPending))
	c.fresh = len(c.calls)
	calls := m.items("tool_calls")
	if len(calls) > maxCalls {
		m.fail(invalid(m.at("tool_calls"), "too_many", "%s has %d calls; at most %d are taken", m.at("tool_calls"), len(calls), maxCalls))
		return
	}
	for i, raw := range calls {
		call := object(raw, item(m.at("tool_calls"), i))
		message.ToolCalls = append(message.ToolCalls, c.call(call))
		m.fail(call.err)
	}
	if old := m.child("function_call"); old != nil {
		message.ToolCalls = append(message.ToolCalls, c.record(old, ""))
		m.fail(old.err)
	}
}

func (c *conversation) call(call *fields) chat.ToolCall {
	call.word("type", "function")
	id, _ := call.str("id")
	function := call.child("function")
	if function == nil {
		call.fail(invalid(call.at("function"), "missing", "%s is missing; put name and arguments there", call.at("function")))
		return chat.ToolCall{}
	}
	if id != "" && slices.ContainsFunc(c.calls[c.fresh:], func(p pendingCall) bool { return p.id == id }) {
		call.fail(invalid(call.at("id"), "duplicate_id", "%s is %s, which another call of this message has too", call.at("id"), quote(id)))
	}
	made := c.record(function, id)
	call.fail(function.err)
	return made
}

// record reads a call's name and arguments, numbers it where it has no id, and remembers it.
func (c *conversation) record(function *fields, id string) chat.ToolCall {
	name, _ := function.str("name")
	if name == "" {
		function.fail(invalid(function.at("name"), "missing", "%s is missing; it is the function that was called", function.at("name")))
	}
	c.count++
	if id == "" {
		id = "call_" + strconv.Itoa(c.count)
	}
	c.calls = append(c.calls, pendingCall{id: id, name: name})
	return chat.ToolCall{ID: id, Name: name, Arguments: arguments(function)}
}

// arguments returns a call's arguments as the JSON text of an object. An object itself is taken too.
func arguments(function *fields) string {
	raw := function.get("arguments")
	at := function.at("arguments")
	switch {
	case raw == nil:
		return "{}"
	case raw[0] == '{':
		return string(raw)
	case raw[0] != '"':
		function.fail(wrongType(at, "the JSON text of an object", raw))
		return ""
	}
	args := strings.TrimSpace(text(raw))
	if args == "" {
		return "{}"
	}
	if args[0] != '{' || !json.Valid([]byte(args)) {
		function.fail(invalid(at, "invalid_arguments", "%s is %s, which is not the JSON text of an object; drop the call and its answer, or mend the text", at, quote(args)))
		return ""
	}
	return args
}

// tool reads which call a tool message answers. The id may be left out where only one can be meant.
func (c *conversation) tool(m *fields, message *chat.Message) {
	id, given := m.str("tool_call_id")
	if m.err != nil {
		return
	}
	at := m.at("tool_call_id")
	open := c.open()
	if !given || id == "" {
		if len(open) != 1 {
			m.fail(invalid(at, "missing", "%s is missing; it names the call that is answered: %s", at, c.ids()))
			return
		}
		id = open[0].id
	}
	c.answer(m, "tool_call_id", id, message)
}

// answer makes a message the answer to a call. The id of an approval request may be the beginning of its
// call's, up to a dot.
func (c *conversation) answer(m *fields, key, id string, message *chat.Message) {
	for i := len(c.calls) - 1; i >= 0; i-- { // the latest first: some models number their calls anew each turn
		if p := &c.calls[i]; p.id == id || key == "approval_request_id" && strings.HasPrefix(p.id, id+".") {
			p.answered = true
			message.ToolCallID = p.id
			if message.Name == "" {
				message.Name = p.name
			}
			return
		}
	}
	m.fail(invalid(m.at(key), "unknown_call", "%s is %s, which answers no call of an assistant message before it: %s", m.at(key), quote(id), c.ids()))
}

// function reads the deprecated answer to a function_call, which names the function instead of a call.
func (c *conversation) function(m *fields, message *chat.Message) {
	message.Role = chat.RoleTool
	for i := range c.calls {
		if p := &c.calls[i]; p.name == message.Name && !p.answered {
			p.answered = true
			message.ToolCallID = p.id
			return
		}
	}
	m.fail(invalid(m.at("name"), "unknown_call", "%s is %s, which answers no function_call of the assistant message before it", m.at("name"), quote(message.Name)))
}

func (c *conversation) open() []pendingCall {
	var open []pendingCall
	for _, p := range c.calls {
		if !p.answered {
			open = append(open, p)
		}
	}
	return open
}

// ids lists the calls that can be answered, for a message.
func (c *conversation) ids() string {
	if len(c.calls) == 0 {
		return "there is none to answer"
	}
	var ids []string
	for _, p := range c.calls[max(0, len(c.calls)-8):] {
		ids = append(ids, quote(p.id))
	}
	return "the calls are " + strings.Join(ids, ", ")
}

// decodeContent reads a message's content; absent and null are nil, an empty string or list is not.
func decodeContent(m *fields) []chat.Part {
	raw := m.get("content")
	switch {
	case raw == nil:
		return nil
	case raw[0] == '"':
		return chat.Text(text(raw))
	case raw[0] != '[':
		m.fail(wrongType(m.at("content"), "a string, a list of parts or null", raw))
		return nil
	}
	items := m.items("content")
	parts := make([]chat.Part, 0, len(items))
	for i, raw := range items {
		p := object(raw, item(m.at("content"), i))
		parts = append(parts, decodePart(p))
		if m.fail(p.err); m.err != nil {
			return nil
		}
	}
	return parts
}

func decodePart(p *fields) chat.Part {
	switch kind := p.word("type", "text", "image_url", "input_audio", "refusal"); kind {
	case "text", "refusal":
		s, ok := p.str(kind)
		if !ok {
			p.fail(invalid(p.at(kind), "missing", "%s is missing; it is the part's text", p.at(kind)))
		}
		return chat.Part{Type: chat.PartText, Text: s}
	case "image_url":
		return chat.Part{Type: chat.PartImage, URL: imageURL(p)}
	case "input_audio":
		return audio(p)
	}
	p.fail(invalid(p.at("type"), "missing", `%s is missing; it is the part's kind, such as "text"`, p.at("type")))
	return chat.Part{}
}

func imageURL(p *fields) string {
	holder, key := p, "image_url"
	if raw := p.get("image_url"); raw == nil || raw[0] != '"' { // a plain string is taken too
		if holder, key = p.child("image_url"), "url"; holder == nil {
			p.fail(invalid(p.at("image_url"), "missing", `%s is missing; send {"url":"data:image/png;base64,..."}`, p.at("image_url")))
			return ""
		}
	}
	url, _ := holder.str(key)
	scheme, _, _ := strings.Cut(url, ":")
	switch strings.ToLower(scheme) {
	case "data", "http", "https":
	default:
		holder.fail(invalid(holder.at(key), "invalid_url", "%s is %s; it must be a data:, http: or https: URL", holder.at(key), quote(url)))
	}
	p.fail(holder.err)
	return url
}

func audio(p *fields) chat.Part {
	spec := p.child("input_audio")
	if spec == nil {
		p.fail(invalid(p.at("input_audio"), "missing", `%s is missing; send {"data":"BASE64","format":"wav"}`, p.at("input_audio")))
		return chat.Part{}
	}
	part := chat.Part{Type: chat.PartAudio}
	part.Data, _ = spec.str("data")
	part.Format, _ = spec.str("format")
	if part.Data == "" || part.Format == "" {
		spec.fail(invalid(spec.path, "missing", "%s needs data and format", spec.path))
	}
	p.fail(spec.err)
	return part
}
