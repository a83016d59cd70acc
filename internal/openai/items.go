package openai

import (
	"bytes"
	"encoding/json"

	"github.com/toolserve/toolserve/chat"
)

// The shapes of this file are those of OpenAI's Responses: its output items, and the two events of its
// stream that carry them.

// appendItem appends an output item.
func appendItem(b []byte, it *chat.Item) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, it.ID)
	b = append(b, `,"type":`...)
	b = appendString(b, string(it.Type))
	switch it.Type {
	case chat.ItemTools:
		b = appendMember(b, "server_label", it.Server)
		b = append(b, `,"tools":[`...)
		for i := range it.Tools {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendListed(b, &it.Tools[i])
		}
		b = append(b, `],"error":`...)
		b = appendStringOrNull(b, it.Error)
	case chat.ItemSearch:
		b = append(b, `,"execution":"server","call_id":null,"arguments":`...)
		b = appendRaw(b, json.RawMessage(it.Arguments))
		b = appendMember(b, "status", string(it.Status))
	case chat.ItemFound:
		b = append(b, `,"execution":"server","call_id":null,"tools":[`...)
		for i := range it.Tools {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFunctionTool(b, &it.Tools[i])
		}
		b = appendMember(append(b, ']'), "status", string(it.Status))
	default:
		b = appendMember(b, "server_label", it.Server)
		b = appendMember(b, "name", it.Name)
		b = appendMember(b, "arguments", it.Arguments)
		if it.Type == chat.ItemCall {
			b = appendOutcome(b, it)
		}
	}
	return append(b, '}')
}

// appendOutcome appends what only calls have.
func appendOutcome(b []byte, it *chat.Item) []byte {
	b = append(b, `,"approval_request_id":`...)
	b = appendStringOrNull(b, it.Approval)
	b = append(b, `,"output":`...)
	if it.Status == chat.ItemCompleted {
		b = appendString(b, it.Output)
	} else {
		b = append(b, "null"...)
	}
	switch {
	case it.Error == "":
		b = append(b, `,"error":null`...)
	case it.Ran:
		b = append(b, `,"error":{"type":"mcp_tool_execution_error","content":[{"type":"text","text":`...)
		b = append(appendString(b, it.Error), `}]}`...)
	default: // -32000 is JSON-RPC's code of an error that the server defines
		b = append(b, `,"error":{"type":"mcp_protocol_error","code":-32000,"message":`...)
		b = append(appendString(b, it.Error), '}')
	}
	return appendMember(b, "status", string(it.Status))
}

// appendMember appends a member behind another one.
func appendMember(b []byte, key, value string) []byte {
	b = append(append(append(b, `,"`...), key...), `":`...)
	return appendString(b, value)
}

// appendListed appends a tool of mcp_list_tools.
func appendListed(b []byte, t *chat.ListedTool) []byte {
	b = append(b, `{"name":`...)
	b = appendString(b, t.Name)
	b = appendMember(b, "description", t.Description)
	b = append(b, `,"input_schema":`...)
	b = appendRaw(b, t.Schema)
	b = append(b, `,"annotations":`...)
	return append(appendRaw(b, t.Annotations), '}')
}

// appendFunctionTool appends a tool of tool_search_output.
func appendFunctionTool(b []byte, t *chat.ListedTool) []byte {
	b = append(b, `{"type":"function","name":`...)
	b = appendString(b, t.FullName)
	b = appendMember(b, "description", t.Description)
	b = append(b, `,"parameters":`...)
	return append(appendRaw(b, t.Schema), `,"strict":null}`...)
}

// appendRaw appends JSON on one line, as events need it, or null where there is none.
func appendRaw(b []byte, raw json.RawMessage) []byte {
	line := bytes.NewBuffer(b)
	if len(raw) == 0 || json.Compact(line, raw) != nil {
		return append(b, "null"...)
	}
	return line.Bytes()
}

// itemEvents numbers the items of one streamed answer. The zero value is ready.
type itemEvents struct {
	places map[string]int // output_index by id
	sent   int
}

// append appends the event that an item amounts to.
func (s *itemEvents) append(b []byte, ev *chat.Event) []byte {
	place, known := s.places[ev.Item.ID]
	if !known {
		if s.places == nil {
			s.places = map[string]int{}
		}
		place = len(s.places)
		s.places[ev.Item.ID] = place
	}
	kind := "response.output_item.added"
	if ev.Kind == chat.ItemEnd {
		kind = "response.output_item.done"
	}
	b = append(b, `{"type":"`...)
	b = append(append(b, kind...), `","sequence_number":`...)
	b = appendInt(b, s.sent)
	s.sent++
	b = append(b, `,"output_index":`...)
	b = appendInt(b, place)
	b = append(b, `,"item":`...)
	return append(appendItem(b, ev.Item), '}')
}

// appendItems appends the member that holds the items of a whole answer, where there are any.
func appendItems(b []byte, items []*chat.Item) []byte {
	if len(items) == 0 {
		return b
	}
	b = append(b, `,"mcp_items":[`...)
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, it)
	}
	return append(b, ']')
}

// maxItems bounds the items of one message that a client sends back.
const maxItems = 1024

// decodeItems reads the items of an assistant message that the client sent back. Only calls and lists of
// tools mean anything later; the others are left out.
func decodeItems(m *fields, message *chat.Message) {
	raw := m.items("mcp_items")
	if len(raw) > maxItems {
		m.fail(invalid(m.at("mcp_items"), "too_many", "%s has more than %d items", m.at("mcp_items"), maxItems))
		return
	}
	for i, raw := range raw {
		spec := object(raw, item(m.at("mcp_items"), i))
		kind, _ := spec.str("type")
		it := chat.Item{Type: chat.ItemType(kind)}
		switch it.Type {
		case chat.ItemCall, chat.ItemTools:
			decodeItem(spec, &it)
			message.Items = append(message.Items, it)
		}
		m.fail(spec.err)
	}
}

func decodeItem(spec *fields, it *chat.Item) {
	it.ID, _ = spec.str("id")
	it.Server, _ = spec.str("server_label")
	if it.Type == chat.ItemTools {
		return
	}
	it.Name, _ = spec.str("name")
	it.Output, _ = spec.str("output")
	it.Approval, _ = spec.str("approval_request_id")
	it.Arguments = arguments(spec)
	if raw := spec.get("error"); raw != nil && raw[0] == '"' {
		it.Error = text(raw)
	} else if raw != nil {
		it.Error = string(raw)
	}
	if spec.err == nil && (it.Server == "" || it.Name == "" || it.ID == "") {
		spec.fail(invalid(spec.path, "missing", "%s needs id, server_label and name; send items back as they came", spec.path))
	}
}

// approvalInput reads an item of OpenAI's input, {"type":"mcp_approval_response",...}, in the place of a
// message: it becomes the tool message that answers the call.
func (c *conversation) approvalInput(m *fields) chat.Message {
	id, _ := m.str("approval_request_id")
	message := chat.Message{Role: chat.RoleTool, Content: chat.Text(string(m.raw))}
	if id == "" && m.err == nil {
		m.fail(invalid(m.at("approval_request_id"), "missing", "%s is missing; it is the id of the mcp_approval_request", m.at("approval_request_id")))
	}
	if m.err == nil {
		c.answer(m, "approval_request_id", id, &message)
	}
	return message
}
