package library

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
)

// The bounds of one list.
const (
	maxItems  = 10_000
	maxPages  = 1000
	maxBytes  = 16 << 20
	maxCursor = 64 << 10
	maxNotes  = 20
)

// Session is what reading lists needs of a session.
type Session interface {
	ListResources(context.Context, *mcp.ListResourcesParams) (*mcp.ListResourcesResult, error)
	ListResourceTemplates(context.Context, *mcp.ListResourceTemplatesParams) (*mcp.ListResourceTemplatesResult, error)
	ListPrompts(context.Context, *mcp.ListPromptsParams) (*mcp.ListPromptsResult, error)
}

// page is one page of a list, as the server sent it.
type page struct {
	items []json.RawMessage
	next  string
	// ttl is how long the server says the page is good; 0 where it does not. scope says for whom.
	ttl   time.Duration
	scope string
}

// Taken is the error that keeps the protocol library from putting a result into its cache, which has no
// bounds. It carries the result; see [KeepOut].
type Taken struct{ Result mcp.Result }

// Error says what this is, should anybody see it.
func (*Taken) Error() string { return "the result was taken before the cache of the protocol library" }

// KeepOut is a middleware for sending. Results of the methods that this package asks for pass it as an
// error of type [*Taken], and [Ask] turns that back. This package knows what is fresh by itself.
func KeepOut(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		result, err := next(ctx, method, req)
		switch method {
		case "resources/list", "resources/templates/list", "prompts/list", "resources/read":
			if err == nil {
				return nil, &Taken{result}
			}
		}
		return result, err
	}
}

// Ask sends one request and returns its result as the server sent it or, where the transport shows none,
// as the protocol library understood it.
func Ask[R mcp.Result](ctx context.Context, send func(context.Context) (R, error)) (json.RawMessage, error) {
	captured, capture := wire.WithCapture(ctx)
	result, err := send(captured)
	var taken *Taken
	var decoded any = result
	if errors.As(err, &taken) {
		decoded, err = taken.Result, nil
	}
	raw := capture.Raw()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case raw == nil && err != nil:
		return nil, err
	case raw == nil:
		return json.Marshal(decoded)
	}
	// The library may not know something that the server sent; its bytes are good all the same.
	if first := bytes.TrimLeft(raw, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return nil, errors.New("the result is not an object")
	}
	if needsInput(raw) {
		return nil, errors.New("the server asks for more input before it answers, which is not supported here")
	}
	return raw, nil
}

func needsInput(raw json.RawMessage) bool {
	found := false
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		found = key == "resultType" && string(value) == `"input_required"`
		return !found
	})
	return found
}

// readPage takes a page apart. member names the list in it.
func readPage(raw json.RawMessage, member string) (page, error) {
	var p page
	isList := false
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case member:
			isList = isNull(value) || rawjson.Items(value, func(item json.RawMessage) bool {
				p.items = append(p.items, item)
				return len(p.items) <= maxItems
			})
		case "nextCursor":
			p.next, _ = rawjson.Text(value)
		case "ttlMs":
			p.ttl = readTTL(value)
		case "cacheScope":
			p.scope, _ = rawjson.Text(value)
		}
		return true
	})
	if !isList {
		return p, fmt.Errorf("the answer holds no list %q", member)
	}
	return p, nil
}

// readTTL reads how many milliseconds a result is good.
func readTTL(value json.RawMessage) time.Duration {
	var ms float64
	if json.Unmarshal(value, &ms) != nil || !(ms > 0) {
		return 0
	}
	return time.Duration(min(ms, 24*3600*1000)) * time.Millisecond
}

// reading is one list while it is read.
type reading struct {
	items  []json.RawMessage
	notes  []string
	ttl    time.Duration
	scope  string
	size   int
	limits bool // a bound was reached
}

func (r *reading) note(format string, args ...any) {
	if len(r.notes) < maxNotes {
		r.notes = append(r.notes, fmt.Sprintf(format, args...))
	}
}

// readAll reads a list page by page, within bounds.
func readAll(what string, fetch func(cursor string) (page, error)) (*reading, error) {
	r := &reading{}
	cursors := map[string]bool{"": true}
	cursor := ""
	for n := 1; ; n++ {
		p, err := fetch(cursor)
		if err != nil {
			return nil, err
		}
		if n == 1 || p.ttl < r.ttl {
			r.ttl = p.ttl
		}
		if p.scope == "private" || r.scope == "" {
			r.scope = p.scope
		}
		r.take(what, p.items)
		switch {
		case r.limits || p.next == "":
			return r, nil
		case len(p.next) > maxCursor:
			r.note("the list of %s goes on at a cursor of more than %d KiB; its end was not reached", what, maxCursor>>10)
			return r, nil
		case cursors[p.next]:
			r.note("the list of %s repeats itself; its end was not reached", what)
			return r, nil
		case n == maxPages:
			r.note("only the first %d pages of the list of %s are taken", maxPages, what)
			return r, nil
		}
		cursors[p.next] = true
		cursor = p.next
	}
}

// take takes the definitions of a page as far as there is room.
func (r *reading) take(what string, items []json.RawMessage) {
	for _, raw := range items {
		r.size += len(raw)
		switch {
		case len(r.items) == maxItems || r.size > maxBytes:
			r.note("only the first %d %s are taken", len(r.items), what)
			r.limits = true
			return
		case len(raw) > maxDefinition:
			r.note("one of the %s is left out: its definition is larger than %d KiB: %q...", what, maxDefinition>>10, catalog.Cut(string(raw), 80))
		default:
			if err := rawjson.Check(raw, maxDepth); err != nil {
				r.note("one of the %s is left out: %v: %q", what, err, catalog.Cut(string(raw), 80))
				continue
			}
			r.items = append(r.items, bytes.Clone(raw))
		}
	}
}
