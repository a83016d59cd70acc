// Package listing makes the lists of tools that clients are shown, and the pages of all lists.
package listing

import (
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
	// PageItems and pageBytes bound one page of a list.
	PageItems = 500
	pageBytes = 4 << 20
	// maxCursor bounds the cursor of a client.
	maxCursor = 20
)

// Lists keeps the list of tools of each endpoint until there is another. It is safe for concurrent use.
type Lists struct {
	tools    func() []mcphost.Tool
	versions func() mcphost.Versions

	mu     sync.Mutex // guards the rest
	made   mcphost.Versions
	cached map[string][]Tool // by the server, "" for all
}

// New returns the lists of what tools returns, made anew when versions does not return the same as before.
func New(tools func() []mcphost.Tool, versions func() mcphost.Versions) *Lists {
	return &Lists{tools: tools, versions: versions}
}

// Tool is a tool of an endpoint.
type Tool struct {
	Name string
	// Definition is the tool as tools/list shows it, and InSessions as it does in the revisions with sessions.
	Definition, InSessions json.RawMessage
	// Headers are the arguments that a client of revision 2026-07-28 repeats in headers.
	Headers []headers.Argument
	// Output says that the tool promises a structured result.
	Output bool
}

// Tools returns the tools of a server, or of all, in the order of all.
func (l *Lists) Tools(server string) []Tool {
	now := l.versions()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != now || l.cached == nil {
		l.made, l.cached = now, map[string][]Tool{}
	}
	if known, ok := l.cached[server]; ok {
		return known
	}
	tools := []Tool{}
	for _, t := range l.tools() {
		if server != "" && t.Server != server {
			continue
		}
		name := t.FullName
		if server != "" {
			name = t.Name
		}
		tools = append(tools, newTool(name, t))
	}
	l.cached[server] = tools
	return tools
}

func newTool(name string, t mcphost.Tool) Tool {
	return Tool{Name: name, Headers: headers.Find(t.Parameters), Output: t.Output != nil,
		Definition: shape.Tool(name, t, false), InSessions: shape.Tool(name, t, true)}
}

// Find returns the tool of a name.
func (l *Lists) Find(server, name string) (Tool, bool) {
	tools := l.Tools(server)
	i := slices.IndexFunc(tools, func(t Tool) bool { return t.Name == name })
	if i < 0 {
		return Tool{}, false
	}
	return tools[i], true
}

// Unique returns items without those whose address an item before them has, which belongs to that one's server.
func Unique[T any](items []T, address func(T) string) []T {
	seen := map[string]bool{}
	var kept []T
	for _, item := range items {
		if uri := address(item); !seen[uri] {
			seen[uri] = true
			kept = append(kept, item)
		}
	}
	return kept
}

// Of is one page of a list of the host's, as [Page] writes it; err says that there is none.
func Of[T any](key string, all mcphost.Listing[T], err error, params json.RawMessage, raw func(T) json.RawMessage) (json.RawMessage, *rpc.Error) {
	if err != nil {
		return nil, rpc.Errorf(rpc.CodeInternal, "%v", err)
	}
	items := make([]json.RawMessage, len(all.Items))
	for i, item := range all.Items {
		items[i] = raw(item)
	}
	return Page(key, items, params)
}

// Page is one page of a list, as the result of a list method: {key: [items], "nextCursor"?}.
func Page(key string, items []json.RawMessage, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	from, err := cursor(params, len(items))
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"`), key...)
	b = append(b, `":[`...)
	to := from
	for ; to < len(items) && to-from < PageItems && (to == from || len(b)+len(items[to]) < pageBytes); to++ {
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
