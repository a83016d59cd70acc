// Package catalog reads the tools that servers offer, within bounds, names them, and finds them again
// by every name they may be called by.
package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/trust"
)

// The bounds of what is taken from one server's list of tools.
const (
	maxTools       = 5000
	maxPages       = 500
	maxToolName    = 256
	maxSchema      = 256 << 10
	maxSchemaDepth = 64
	maxCatalog     = 16 << 20
	maxIcons       = 64 << 10
	maxMeta        = 16 << 10
)

// MaxDescription bounds the description of a tool, a resource or a prompt, in bytes.
const MaxDescription = 16 << 10

// Tool is one tool of one server. It is not changed once it is built.
type Tool struct {
	Server, Name string
	// Full is the name it is listed by; the Index sets it.
	Full        string
	Title       string
	Description string
	// Parameters is a JSON Schema of an object, as the server sent it.
	Parameters json.RawMessage
	// Output is the schema of the structured result, or nil.
	Output      json.RawMessage
	Annotations json.RawMessage
	// Icons and Meta are what the server sends along for people and for programs, or nil: not shown to models
	// and no part of Item. What is too large is left out.
	Icons, Meta json.RawMessage
	Profile     *policy.ToolProfile
	// Check is nil when the schema cannot be used. Problem says why, or which of its patterns are not checked.
	Check   *SchemaCheck
	Problem string
	// OutputCheck holds structured results against Output; nil without one, or where it cannot be used,
	// which Problem says.
	OutputCheck *SchemaCheck
	// Item is the definition whole, before anything of it was cut, as trust is put in it.
	Item    trust.Item
	headers []headerParam
	// TaskSupport is "required" for a tool of revision 2025-11-25 that runs as a task only, else as the
	// server says or "".
	TaskSupport string
	// Held says that the definition is not approved: the tool keeps its name, and is not offered.
	Held bool
}

// Catalog is what one server offers.
type Catalog struct {
	Tools []*Tool
	// Indirect says that some of it did not come over the wire for this reading: the protocol library
	// answered from its cache.
	Indirect bool
	// Instances are the names of the hosts that the list comes through, where the server is one of ours.
	Instances []string
	// TTL is for how long the server says that the list is good; 0 where it does not say.
	TTL time.Duration
	// Notes say what was left out and why.
	Notes []string
}

// maxNotes bounds the notes of one list.
const maxNotes = 20

// add takes a tool into the list, and what is wrong with it into the notes.
func (c *Catalog) add(t *Tool) {
	c.Tools = append(c.Tools, t)
	if t.Problem != "" {
		c.note(fmt.Sprintf("tool %q: %s", t.Name, t.Problem))
	}
}

func (c *Catalog) note(text string) {
	if len(c.Notes) < maxNotes {
		c.Notes = append(c.Notes, text)
	}
}

// Lister is what reading needs of a session.
type Lister interface {
	ListTools(context.Context, *mcp.ListToolsParams) (*mcp.ListToolsResult, error)
}

// Read reads a server's list of tools, page by page, within bounds.
func Read(ctx context.Context, server string, session Lister) (*Catalog, error) {
	c := &Catalog{}
	var size int
	cursors, names := map[string]bool{"": true}, map[string]bool{}
	cursor := ""
	for page := 0; ; page++ {
		tools, next, err := c.readPage(ctx, session, cursor)
		if err != nil {
			return nil, err
		}
		for _, raw := range tools {
			size += len(raw)
			if len(c.Tools) == maxTools || size > maxCatalog {
				c.note(fmt.Sprintf("only the first %d tools are taken", len(c.Tools)))
				return c, nil
			}
			t, err := newTool(server, raw)
			if err == nil && names[t.Name] {
				err = fmt.Errorf("a second tool '%s' is left out", t.Name)
			}
			if err != nil {
				c.note(err.Error())
				continue
			}
			names[t.Name] = true
			c.add(t)
		}
		switch {
		case next == "":
			return c, nil
		case cursors[next]:
			c.note("the list of tools repeats itself; its end was not reached")
			return c, nil
		case page+1 == maxPages:
			c.note(fmt.Sprintf("only the first %d pages of the list of tools are taken", maxPages))
			return c, nil
		}
		cursors[next] = true
		cursor = next
	}
}

// maxTTL bounds what a server may say of its list, so that no number of milliseconds overflows.
const maxTTL = 365 * 24 * time.Hour

// addTTL takes the shortest time that a page says.
func (c *Catalog) addTTL(value json.RawMessage) {
	ms, err := strconv.ParseFloat(string(value), 64)
	if err != nil || !(ms > 0) {
		return
	}
	ttl := time.Duration(min(ms, float64(maxTTL/time.Millisecond))) * time.Millisecond
	if c.TTL == 0 || ttl < c.TTL {
		c.TTL = ttl
	}
}

// readPage returns the definitions of one page, and the next page's cursor, and notes how they came.
func (c *Catalog) readPage(ctx context.Context, session Lister, cursor string) (tools []json.RawMessage, next string, err error) {
	ctx, capture := wire.WithCapture(ctx)
	result, err := session.ListTools(ctx, &mcp.ListToolsParams{Cursor: cursor})
	raw := capture.Raw()
	if err != nil && (raw == nil || ctx.Err() != nil) {
		return nil, "", err
	}
	if result != nil {
		c.addInstances(result.Meta)
	}
	if raw == nil {
		c.Indirect = true
		// The transport shows no raw results, or the library answered from its cache.
		for _, t := range result.Tools {
			data, err := json.Marshal(t)
			if err != nil {
				return nil, "", err
			}
			tools = append(tools, data)
		}
		return tools, result.NextCursor, nil
	}
	isObject := rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "tools":
			rawjson.Items(value, func(item json.RawMessage) bool {
				tools = append(tools, item)
				return true
			})
		case "nextCursor":
			next, _ = rawjson.Text(value)
		case "ttlMs":
			c.addTTL(value)
		}
		return true
	})
	if !isObject {
		return nil, "", errors.New("the list of tools is not an object")
	}
	if err == nil && len(result.Tools) < len(tools) {
		tools = keepNamed(tools, result.Tools)
	}
	return tools, next, nil
}

// InstancesKey is where "_meta" of a list of tools names the hosts that it comes through.
const InstancesKey = "io.toolserve/instances"

// MaxInstances bounds their number, and the length of a name.
const MaxInstances = 64

func (c *Catalog) addInstances(meta mcp.Meta) {
	list, _ := meta[InstancesKey].([]any)
	for _, item := range list {
		if name, ok := item.(string); ok && len(name) <= MaxInstances && len(c.Instances) < MaxInstances {
			c.Instances = append(c.Instances, name)
		}
	}
}

// keepNamed drops the definitions that the protocol library refused.
func keepNamed(raw []json.RawMessage, kept []*mcp.Tool) []json.RawMessage {
	names := make(map[string]bool, len(kept))
	for _, t := range kept {
		names[t.Name] = true
	}
	out := raw[:0]
	for _, definition := range raw {
		name := ""
		rawjson.Fields(definition, func(key string, value json.RawMessage) bool {
			if key == "name" {
				name, _ = rawjson.Text(value)
			}
			return true
		})
		if names[name] {
			out = append(out, definition)
		}
	}
	return out
}

// FromDefinitions returns the catalog of definitions that were read before.
func FromDefinitions(server string, definitions []json.RawMessage) *Catalog {
	c := &Catalog{}
	for _, raw := range definitions {
		t, err := newTool(server, raw)
		if err != nil {
			c.note(err.Error())
			continue
		}
		c.add(t)
	}
	return c
}

// Cut shortens s to at most n bytes without splitting a character.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// CutDescription shortens s to MaxDescription, with a mark where it was cut.
func CutDescription(s string) string {
	if short := Cut(s, MaxDescription); len(short) < len(s) {
		return short + "... [cut by toolserve]"
	}
	return s
}
