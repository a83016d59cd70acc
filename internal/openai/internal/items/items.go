// Package items writes what was done with tools while an answer was made, in the shapes of OpenAI's
// Responses: its output items, and the two events of its stream that carry them.
package items

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/internal/jsontext"
)

// Append appends an output item.
func Append(b []byte, it *chat.Item) []byte {
	b = append(b, `{"id":`...)
	b = jsontext.AppendString(b, it.ID)
	b = append(b, `,"type":`...)
	b = jsontext.AppendString(b, string(it.Type))
	switch it.Type {
	case chat.ItemTools:
		b = jsontext.AppendMember(b, "server_label", it.Server)
		b = append(b, `,"tools":[`...)
		for i := range it.Tools {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendListed(b, &it.Tools[i])
		}
		b = append(b, `],"error":`...)
		b = jsontext.AppendStringOrNull(b, it.Error)
	case chat.ItemSearch:
		b = append(b, `,"execution":"server","call_id":null,"arguments":`...)
		b = jsontext.AppendRaw(b, json.RawMessage(it.Arguments))
		b = jsontext.AppendMember(b, "status", string(it.Status))
	case chat.ItemFound:
		b = append(b, `,"execution":"server","call_id":null,"tools":[`...)
		for i := range it.Tools {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFunctionTool(b, &it.Tools[i])
		}
		b = jsontext.AppendMember(append(b, ']'), "status", string(it.Status))
	case chat.ItemQuestion:
		b = jsontext.AppendMember(b, "server_label", it.Server)
		b = jsontext.AppendMember(b, "name", it.Name)
		b = appendQuestion(b, it)
	default:
		b = jsontext.AppendMember(b, "server_label", it.Server)
		b = jsontext.AppendMember(b, "name", it.Name)
		b = jsontext.AppendMember(b, "arguments", it.Arguments)
		if it.Type == chat.ItemCall {
			b = appendOutcome(b, it)
		}
	}
	return append(b, '}')
}

// appendQuestion appends what only questions have.
func appendQuestion(b []byte, it *chat.Item) []byte {
	q := it.Question
	if q == nil {
		q = &chat.Question{}
	}
	b = jsontext.AppendMember(b, "mode", q.Mode)
	b = jsontext.AppendMember(b, "message", q.Message)
	if q.Schema != nil {
		b = jsontext.AppendRaw(append(b, `,"schema":`...), q.Schema)
	}
	if q.URL != "" {
		b = jsontext.AppendMember(b, "url", q.URL)
	}
	b = append(b, `,"action":`...)
	b = jsontext.AppendStringOrNull(b, q.Action)
	return jsontext.AppendMember(b, "status", string(it.Status))
}

// appendOutcome appends what only calls have.
func appendOutcome(b []byte, it *chat.Item) []byte {
	b = append(b, `,"approval_request_id":`...)
	b = jsontext.AppendStringOrNull(b, it.Approval)
	b = append(b, `,"output":`...)
	if it.Status == chat.ItemCompleted {
		b = jsontext.AppendString(b, it.Output)
	} else {
		b = append(b, "null"...)
	}
	switch {
	case it.Error == "":
		b = append(b, `,"error":null`...)
	case it.Ran:
		b = append(b, `,"error":{"type":"mcp_tool_execution_error","content":[{"type":"text","text":`...)
		b = append(jsontext.AppendString(b, it.Error), `}]}`...)
	default: // -32000 is JSON-RPC's code of an error that the server defines
		b = append(b, `,"error":{"type":"mcp_protocol_error","code":-32000,"message":`...)
		b = append(jsontext.AppendString(b, it.Error), '}')
	}
	return jsontext.AppendMember(b, "status", string(it.Status))
}

// appendListed appends a tool of mcp_list_tools.
func appendListed(b []byte, t *chat.ListedTool) []byte {
	b = append(b, `{"name":`...)
	b = jsontext.AppendString(b, t.Name)
	b = jsontext.AppendMember(b, "description", t.Description)
	b = append(b, `,"input_schema":`...)
	b = jsontext.AppendRaw(b, t.Schema)
	b = append(b, `,"annotations":`...)
	return append(jsontext.AppendRaw(b, t.Annotations), '}')
}

// appendFunctionTool appends a tool of tool_search_output.
func appendFunctionTool(b []byte, t *chat.ListedTool) []byte {
	b = append(b, `{"type":"function","name":`...)
	b = jsontext.AppendString(b, t.FullName)
	b = jsontext.AppendMember(b, "description", t.Description)
	b = append(b, `,"parameters":`...)
	return append(jsontext.AppendRaw(b, t.Schema), `,"strict":null}`...)
}

// Events numbers the items of one streamed answer. The zero value is ready.
type Events struct {
	places map[string]int // output_index by id
	sent   int
}

// Append appends the event that an item amounts to.
func (s *Events) Append(b []byte, ev *chat.Event) []byte {
	place, known := s.places[ev.Item.ID]
	if !known {
		if s.places == nil {
			s.places = map[string]int{}
		}
		place = len(s.places)
		s.places[ev.Item.ID] = place
	}
	kind := "response.output_item.added"
	switch ev.Kind {
	case chat.ItemEnd:
		kind = "response.output_item.done"
	case chat.ItemProgress:
		kind = "response.mcp_call.in_progress"
	}
	b = append(b, `{"type":"`...)
	b = append(append(b, kind...), `","sequence_number":`...)
	b = jsontext.AppendInt(b, s.sent)
	s.sent++
	b = append(b, `,"output_index":`...)
	b = jsontext.AppendInt(b, place)
	if p := ev.Item.Progress; ev.Kind == chat.ItemProgress && p != nil {
		b = jsontext.AppendMember(b, "item_id", ev.Item.ID)
		return append(appendProgress(b, p), '}')
	}
	b = append(b, `,"item":`...)
	return append(Append(b, ev.Item), '}')
}

// appendProgress appends a member that OpenAI's event does not have.
func appendProgress(b []byte, p *chat.Progress) []byte {
	b = append(b, `,"progress":{"progress":`...)
	b = appendNumber(b, p.Progress)
	if p.Total != 0 {
		b = appendNumber(append(b, `,"total":`...), p.Total)
	}
	if p.Message != "" {
		b = jsontext.AppendMember(b, "message", p.Message)
	}
	return append(b, '}')
}

// appendNumber appends a number, or null for one that JSON has no word for.
func appendNumber(b []byte, n float64) []byte {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, n, 'g', -1, 64)
}
