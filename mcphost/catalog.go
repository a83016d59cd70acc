package mcphost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/mcphost/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/policy"
)

// The bounds of what is taken from one server's list of tools.
const (
	maxTools       = 5000
	maxPages       = 500
	maxToolName    = 256
	maxDescription = 16 << 10
	maxSchema      = 256 << 10
	maxSchemaDepth = 64
	maxCatalog     = 16 << 20
)

// tool is one tool of one server. It is not changed once it is built.
type tool struct {
	server, name string
	full         string // set by the index
	title        string
	description  string
	parameters   json.RawMessage // a JSON Schema of an object, as the server sent it
	output       json.RawMessage // the schema of the structured result, or nil
	annotations  json.RawMessage
	profile      *policy.ToolProfile
	check        *argumentCheck // nil when the schema cannot be used
	problem      string         // why it cannot, or ""
}

// Tool is a tool as it is offered.
type Tool struct {
	// Server is the server's name in the configuration, Name the tool's own name there.
	Server, Name string
	// FullName is legal for every API and unique: server__tool in most cases.
	FullName string
	Title    string
	// Description is the server's text, cut at 16 KiB.
	Description string
	// Parameters is the JSON Schema of the arguments, byte for byte as the server sent it.
	Parameters json.RawMessage
	// Output is the JSON Schema of the structured result, or nil.
	Output json.RawMessage
	// Annotations is what the server claims of the tool, as JSON, or nil. It is not to be trusted.
	Annotations json.RawMessage
	// Problem says what is wrong with the definition, or "". The arguments of a tool whose schema
	// cannot be used are not checked against it.
	Problem string
}

func (t *tool) public() Tool {
	return Tool{
		Server: t.server, Name: t.name, FullName: t.full, Title: t.title, Description: t.description,
		Parameters: t.parameters, Output: t.output, Annotations: t.annotations, Problem: t.problem,
	}
}

// catalog is what one server offers.
type catalog struct {
	tools []*tool
	// notes say what was left out and why.
	notes []string
}

// lister is what the catalogue needs of a session.
type lister interface {
	ListTools(context.Context, *mcp.ListToolsParams) (*mcp.ListToolsResult, error)
}

// readCatalog reads a server's list of tools, page by page, within bounds.
func readCatalog(ctx context.Context, server string, session lister) (*catalog, error) {
	c := &catalog{}
	var size int
	cursors := map[string]bool{"": true}
	cursor := ""
	for page := 0; ; page++ {
		tools, next, err := readPage(ctx, session, cursor)
		if err != nil {
			return nil, err
		}
		for _, raw := range tools {
			size += len(raw)
			if len(c.tools) == maxTools || size > maxCatalog {
				c.notes = append(c.notes, fmt.Sprintf("only the first %d tools are taken", len(c.tools)))
				return c, nil
			}
			t, err := newTool(server, raw)
			if err != nil {
				c.notes = append(c.notes, err.Error())
				continue
			}
			c.tools = append(c.tools, t)
		}
		switch {
		case next == "":
			return c, nil
		case cursors[next]:
			c.notes = append(c.notes, "the list of tools repeats itself; its end was not reached")
			return c, nil
		case page+1 == maxPages:
			c.notes = append(c.notes, fmt.Sprintf("only the first %d pages of the list of tools are taken", maxPages))
			return c, nil
		}
		cursors[next] = true
		cursor = next
	}
}

// readPage returns the definitions of one page as the server sent them, and the next page's cursor.
func readPage(ctx context.Context, session lister, cursor string) (tools []json.RawMessage, next string, err error) {
	ctx, capture := wire.WithCapture(ctx)
	result, err := session.ListTools(ctx, &mcp.ListToolsParams{Cursor: cursor})
	raw := capture.Raw()
	if err != nil && (raw == nil || ctx.Err() != nil) {
		return nil, "", err
	}
	if raw == nil {
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

// newTool reads one definition. The error says why the tool cannot be offered at all.
func newTool(server string, raw json.RawMessage) (*tool, error) {
	t := &tool{server: server}
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "name":
			t.name, _ = rawjson.Text(value)
		case "title":
			t.title, _ = rawjson.Text(value)
		case "description":
			t.description, _ = rawjson.Text(value)
		case "inputSchema":
			t.parameters = value
		case "outputSchema":
			t.output = value
		case "annotations":
			t.annotations = value
		}
		return true
	})
	switch {
	case t.name == "":
		return nil, errors.New("a tool without a name is left out")
	case len(t.name) > maxToolName:
		return nil, fmt.Errorf("the tool '%s...' is left out: its name is longer than %d bytes", cut(t.name, 60), maxToolName)
	}
	t.title = cut(t.title, maxToolName)
	if short := cut(t.description, maxDescription); len(short) < len(t.description) {
		t.description = short + "... [cut by toolserve]"
	}
	if err := t.readSchema(); err != nil {
		t.problem = fmt.Sprintf("its input schema cannot be used: %v", err)
	}
	if len(t.output) > maxSchema {
		t.output = nil
	}
	t.profile = policy.NewToolProfile(t.parameters, destructive(t.annotations))
	return t, nil
}

// readSchema compiles the schema of the arguments, or puts one in its place that takes any object.
func (t *tool) readSchema() error {
	anything := json.RawMessage(`{"type":"object","properties":{}}`)
	if t.parameters == nil {
		t.parameters = anything
	}
	if len(t.parameters) > maxSchema {
		t.parameters = anything
		return fmt.Errorf("it is larger than %d KiB", maxSchema>>10)
	}
	if !strings.HasPrefix(strings.TrimLeft(string(t.parameters[:min(len(t.parameters), 64)]), " \t\r\n"), "{") {
		t.parameters = anything
		return errors.New("it is not an object")
	}
	if err := rawjson.Check(t.parameters, maxSchemaDepth); err != nil {
		if errors.Is(err, rawjson.ErrDepth) {
			t.parameters = anything
		}
		return err
	}
	var err error
	t.check, err = newArgumentCheck(t.parameters)
	return err
}

// destructive reports whether a tool says of itself that it may destroy something.
func destructive(annotations json.RawMessage) bool {
	found := false
	rawjson.Fields(annotations, func(key string, value json.RawMessage) bool {
		found = found || key == "destructiveHint" && string(value) == "true"
		return !found
	})
	return found
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
