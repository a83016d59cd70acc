package openai

import (
	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/internal/items"
)

// appendItems appends the member that holds the items of a whole answer, where there are any.
func appendItems(b []byte, list []*chat.Item) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, `,"mcp_items":[`...)
	for i, it := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = items.Append(b, it)
	}
	return append(b, ']')
}

// maxItems bounds the items of one message that a client sends back.
const maxItems = 1024

// decodeItems reads the items of an assistant message that the client sent back. Only calls, searches and
// lists of tools mean anything later; the others are left out.
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
		case chat.ItemCall, chat.ItemTools, chat.ItemSearch:
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
	it.Arguments = arguments(spec)
	if it.Type == chat.ItemSearch {
		return
	}
	it.Name, _ = spec.str("name")
	it.Output, _ = spec.str("output")
	it.Approval, _ = spec.str("approval_request_id")
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
