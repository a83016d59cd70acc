package library

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
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

// Asker sends requests; [*wire.Requests] is one.
type Asker interface {
	Do(ctx context.Context, req wire.Request) (json.RawMessage, error)
}

// page is one page of a list, as the server sent it.
type page struct {
	items []json.RawMessage
	next  string
	// ttl is how long the server says the page is good; 0 where it does not. scope says for whom.
	ttl   time.Duration
	scope string
}

// ask asks for the page of a list that begins at a cursor.
func ask(ctx context.Context, asker Asker, method, member, cursor string) (page, error) {
	params := json.RawMessage("{}")
	if cursor != "" {
		params = append(rawjson.AppendText(json.RawMessage(`{"cursor":`), cursor), '}')
	}
	raw, err := asker.Do(ctx, wire.Request{Method: method, Params: params})
	if err != nil {
		return page{}, err
	}
	return readPage(raw, member)
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
