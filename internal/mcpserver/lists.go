package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/headers"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/shape"
	"github.com/toolserve/toolserve/mcphost"
)

const (
	// pageItems and pageBytes bound one page of a list.
	pageItems = 500
	pageBytes = 4 << 20
	// listTTL is how long clients may keep a list, in milliseconds. Those that listen hear of changes at once.
	listTTL = 5000
	// maxCursor bounds the cursor of a client.
	maxCursor = 20
)

// lists makes the lists that clients are shown.
type lists struct {
	tools     Tools
	catalogue Catalogue

	mu     sync.Mutex // guards the rest
	made   mcphost.Versions
	cached map[view][]listedTool
}

// listedTool is a tool of a view.
type listedTool struct {
	name string
	// definition is the tool as tools/list shows it, and inSessions as it does in the revisions with sessions.
	definition, inSessions json.RawMessage
	// headers are the arguments that a client of revision 2026-07-28 repeats in headers.
	headers []headers.Argument
	// output says that the tool promises a structured result.
	output bool
}

// toolsOf returns the tools of a view in the host's order.
func (l *lists) toolsOf(v view) []listedTool {
	now := l.catalogue.Versions()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != now || l.cached == nil {
		l.made, l.cached = now, map[view][]listedTool{}
	}
	if known, ok := l.cached[v]; ok {
		return known
	}
	tools := []listedTool{}
	for _, t := range l.tools.Tools() {
		if v.server != "" && t.Server != v.server {
			continue
		}
		name := t.FullName
		if v.server != "" {
			name = t.Name
		}
		tools = append(tools, newListedTool(name, t))
	}
	l.cached[v] = tools
	return tools
}

func newListedTool(name string, t mcphost.Tool) listedTool {
	return listedTool{name: name, headers: headers.Find(t.Parameters), output: t.Output != nil,
		definition: shape.Tool(name, t, false), inSessions: shape.Tool(name, t, true)}
}

// find returns the tool of a name.
func find(tools []listedTool, name string) (listedTool, bool) {
	i := slices.IndexFunc(tools, func(t listedTool) bool { return t.name == name })
	if i < 0 {
		return listedTool{}, false
	}
	return tools[i], true
}

// page is one page of a list, as the result of a list method: {key: [items], "nextCursor"?}.
func page(key string, items []json.RawMessage, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	from, err := cursor(params, len(items))
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"`), key...)
	b = append(b, `":[`...)
	to := from
	for ; to < len(items) && to-from < pageItems && (to == from || len(b)+len(items[to]) < pageBytes); to++ {
		if to > from {
			b = append(b, ',')
		}
		b = append(b, items[to]...)
	}
	b = append(b, ']')
	if to < len(items) {
		b = append(append(b, `,"nextCursor":`...), rpc.Encode(strconv.Itoa(to))...)
	}
	return append(b, '}'), nil
}

// cursor reads where the page begins.
func cursor(params json.RawMessage, items int) (int, *rpc.Error) {
	var text string
	bad := rpc.Errorf(rpc.CodeInvalidParams, "the cursor is not one that this server gave; list from the beginning")
	if params == nil {
		return 0, nil
	}
	err := rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key == "cursor" && string(value) != "null" {
			return json.Unmarshal(value, &text)
		}
		return nil
	})
	switch {
	case err != nil || len(text) > maxCursor:
		return 0, bad
	case text == "":
		return 0, nil
	}
	from, err := strconv.Atoi(text)
	if err != nil || from < 0 || from > items {
		return 0, bad
	}
	return from, nil
}

// listTools answers tools/list.
func (h *Handler) listTools(_ context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	tools := h.lists.toolsOf(x.view)
	items := make([]json.RawMessage, len(tools))
	for i, t := range tools {
		items[i] = t.definition
		if x.session != nil {
			items[i] = t.inSessions
		}
	}
	list, err := page("tools", items, params)
	if err != nil {
		return nil, err
	}
	return withMeta(list, map[string]any{mcphost.InstancesKey: h.opts.Catalogue.Instances()}), nil
}

// withMeta puts "_meta" in front of a result that has none.
func withMeta(result json.RawMessage, meta map[string]any) json.RawMessage {
	b := append(append([]byte(`{"_meta":`), rpc.Encode(meta)...), ',')
	return append(b, result[1:]...)
}

// oneLine takes the line breaks out of JSON, which would split an event's data. Strings hold none.
func oneLine(message []byte) []byte {
	if bytes.IndexByte(message, '\n') < 0 && bytes.IndexByte(message, '\r') < 0 {
		return message
	}
	var out bytes.Buffer
	if json.Compact(&out, message) != nil {
		return message
	}
	return out.Bytes()
}
