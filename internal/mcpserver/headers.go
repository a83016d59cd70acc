package mcpserver

import (
	"encoding/json"
	"net/http"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/headers"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
)

// checkNames holds the headers that name what a request is about against the request.
func (x *exchange) checkNames(header http.Header, m *rpc.Message) *rpc.Error {
	if got := header.Get("Mcp-Method"); got != m.Method {
		return rpc.Errorf(rpc.CodeHeaderMismatch, "the header Mcp-Method is %.80q and the method %.80q; they must be the same", got, m.Method)
	}
	key := map[string]string{"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
		"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}[m.Method]
	if key == "" {
		return nil
	}
	var name string
	var arguments json.RawMessage
	err := rpc.Fields(m.Params, func(k string, value json.RawMessage) error {
		switch k {
		case key:
			return json.Unmarshal(value, &name)
		case "arguments":
			arguments = value
		}
		return nil
	})
	if err != nil || name == "" {
		return rpc.Errorf(rpc.CodeInvalidParams, "the params need %q, a string", key)
	}
	if got, ok := headers.Decode(header.Get("Mcp-Name")); !ok || got != name {
		return rpc.Errorf(rpc.CodeHeaderMismatch, "the header Mcp-Name is %.80q and %q is %.80q; they must be the same", got, key, name)
	}
	if m.Method != "tools/call" {
		return nil
	}
	t, ok := x.h.lists.Find(x.view.server, name)
	if !ok {
		return nil // the call says it better
	}
	return headers.Check(header, t.Headers, arguments)
}
