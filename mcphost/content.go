package mcphost

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/rawjson"
)

const defaultMaxResult = 4 << 20

// Result is what a tool answered. A tool's own failure is a Result with IsError, not an error.
type Result struct {
	// Server and Tool are the names as they were dispatched, FullName the one in the list of tools.
	Server, Tool, FullName string
	// Content holds the items in order.
	Content []Content
	// Structured is the structured result as the server sent it, or nil.
	Structured json.RawMessage
	// IsError says that the tool failed. ErrorMessage is then what it said.
	IsError      bool
	ErrorMessage string
	// Truncated says that something was left out for its size; the content says so where it was.
	Truncated bool
	// Warnings are what the policy remarked about the call.
	Warnings []string
	// Duration is how long the server took.
	Duration time.Duration
}

// Content is one item of a result.
type Content struct {
	// Type is MCP's: text, image, audio, resource, resource_link, or one that came later.
	Type string
	// Text is the text of a text item.
	Text string
	// Raw is the item as the server sent it: an object with type, and with data and mimeType or others.
	Raw json.RawMessage
}

// Value returns the content as JSON: one text item as a string, several items as a list in which text
// is a string and any other kind its MCP object. Without content it is the structured result as a
// string, or null.
func (r Result) Value() json.RawMessage {
	switch {
	case len(r.Content) == 0 && r.Structured != nil:
		return encodeText(string(r.Structured))
	case len(r.Content) == 0:
		return json.RawMessage("null")
	case len(r.Content) == 1 && r.Content[0].Type == "text":
		return encodeText(r.Content[0].Text)
	}
	items := make([]json.RawMessage, len(r.Content))
	for i, c := range r.Content {
		if items[i] = c.Raw; c.Type == "text" {
			items[i] = encodeText(c.Text)
		}
	}
	data, err := json.Marshal(items)
	if err != nil {
		return json.RawMessage("null")
	}
	return data
}

// Text returns the text items, a line break between them, with a short word for each other item.
func (r Result) Text() string {
	if len(r.Content) == 1 && r.Content[0].Type == "text" {
		return r.Content[0].Text
	}
	if len(r.Content) == 0 {
		return string(r.Structured)
	}
	parts := make([]string, len(r.Content))
	for i, c := range r.Content {
		if parts[i] = c.Text; c.Type != "text" {
			parts[i] = fmt.Sprintf("[%s, %d bytes]", c.Type, len(c.Raw))
		}
	}
	return strings.Join(parts, "\n")
}

func encodeText(s string) json.RawMessage {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return json.RawMessage("null")
	}
	return json.RawMessage(strings.TrimSuffix(out.String(), "\n"))
}

// readResult takes a result from the bytes that the server sent, or, where the transport shows none,
// from what the protocol library made of them. Content beyond limit bytes is left out.
func readResult(raw json.RawMessage, decoded *mcp.CallToolResult, limit int) (Result, error) {
	if raw == nil {
		var err error
		if raw, err = json.Marshal(decoded); err != nil {
			return Result{}, err
		}
	}
	r := Result{}
	rest := limit
	asks := false
	isObject := rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "content":
			rawjson.Items(value, func(item json.RawMessage) bool {
				r.add(readContent(item), &rest)
				return true
			})
		case "structuredContent":
			if string(value) != "null" {
				r.Structured = value
			}
		case "isError":
			r.IsError = string(value) == "true"
		case "resultType":
			asks = string(value) == `"input_required"`
		}
		return true
	})
	switch {
	case !isObject:
		return Result{}, errors.New("the result is not an object")
	case asks:
		return Result{}, errors.New("the tool asks for more input while it runs, which is not supported here")
	}
	if len(r.Structured) > limit {
		r.Structured = nil
		r.Truncated = true
		r.Content = append(r.Content, textContent(fmt.Sprintf("[structured result left out by toolserve: larger than %d bytes]", limit)))
	}
	if r.IsError {
		if r.ErrorMessage = r.Text(); r.ErrorMessage == "" {
			r.ErrorMessage = "the tool reported an error and did not say which"
		}
	}
	return r, nil
}

func textContent(s string) Content { return Content{Type: "text", Text: s} }

func readContent(item json.RawMessage) Content {
	c := Content{Raw: item}
	rawjson.Fields(item, func(key string, value json.RawMessage) bool {
		switch key {
		case "type":
			c.Type, _ = rawjson.Text(value)
		case "text":
			c.Text, _ = rawjson.Text(value)
		}
		return true
	})
	return c
}

// add appends an item as far as there is room. What is left out is said in its place, once for all
// items after the first.
func (r *Result) add(c Content, rest *int) {
	size := len(c.Raw)
	switch {
	case *rest < 0:
		return
	case size <= *rest:
		*rest -= size
		r.Content = append(r.Content, c)
		return
	}
	r.Truncated = true
	if c.Type == "text" {
		kept := catalog.Cut(c.Text, *rest)
		r.Content = append(r.Content, textContent(fmt.Sprintf("%s\n[cut by toolserve: %d of %d bytes shown]", kept, len(kept), len(c.Text))))
	} else {
		r.Content = append(r.Content, textContent(fmt.Sprintf("[%s of %d bytes left out by toolserve: the result is too large]", c.Type, size)))
	}
	*rest = -1
}
