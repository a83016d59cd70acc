// Package content is what a tool answered: it reads a result of MCP within bounds, keeping the bytes of
// each item as the server sent them, and hands it on as JSON, as text, or as the parts of a message.
package content

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// DefaultLimit is the most bytes of content that one result has, where nothing else is said.
const DefaultLimit = 4 << 20

// Result is what a tool answered. A tool's own failure is a Result with IsError, not an error.
type Result struct {
	// Server and Tool are the names as they were dispatched, FullName the one in the list of tools.
	Server, Tool, FullName string
	// Content holds the items in order.
	Content []Item
	// Structured is the structured result as the server sent it, or nil.
	Structured json.RawMessage
	// Meta is what the server says beside it ("_meta"), an object of at most 64 KiB, or nil. Models are not
	// shown it.
	Meta json.RawMessage
	// Input is what the tool asks before it goes on, a result of the type input_required as the server sent
	// it; all else is empty then. It is nil but for callers who answer that themselves.
	Input json.RawMessage
	// IsError says that the tool failed. ErrorMessage is then what it said.
	IsError      bool
	ErrorMessage string
	// Truncated says that something was left out for its size; the content says so where it was.
	Truncated bool
	// Warnings are what the policy remarked about the call, and where the structured result is not as
	// the tool's output schema says.
	Warnings []string
	// Duration is how long the server took.
	Duration time.Duration
}

// Item is one item of a result.
type Item struct {
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
			parts[i] = describe(c)
		}
	}
	return strings.Join(parts, "\n")
}

func encodeText(s string) json.RawMessage {
	return rawjson.AppendText(make([]byte, 0, len(s)+len(s)/16+2), s)
}

// The types of a result, as its resultType says.
const (
	// Complete is the type of a result that says none.
	Complete = "complete"
	// InputRequired is the type of a result that asks for something before the tool goes on.
	InputRequired = "input_required"
)

// Type returns the type of a result.
func Type(raw json.RawMessage) string {
	kind := Complete
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		if key == "resultType" {
			if kind = Complete; string(value) != `"`+Complete+`"` {
				kind, _ = rawjson.Text(value)
			}
		}
		return true
	})
	return kind
}

// Read takes a result from the bytes that the server sent, which the Result keeps. Content beyond limit
// bytes is left out, with a mark in its place; limit 0 or less is DefaultLimit.
func Read(raw json.RawMessage, limit int) (Result, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	r := Result{}
	var items json.RawMessage
	isObject := rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "content":
			items = value
		case "structuredContent":
			if r.Structured = nil; string(value) != "null" {
				r.Structured = value
			}
		case "_meta":
			r.Meta = meta(value)
		case "isError":
			r.IsError = string(value) == "true"
		}
		return true
	})
	if !isObject {
		return Result{}, errors.New("the result is not an object")
	}
	rest := limit
	isList := rawjson.Items(items, func(item json.RawMessage) bool {
		r.add(ReadItem(item), &rest)
		return true
	})
	if !isList && items != nil && string(items) != "null" {
		return Result{}, errors.New("its content is not a list")
	}
	if len(r.Structured) > limit {
		r.Structured = nil
		r.Truncated = true
		r.Content = append(r.Content, text(fmt.Sprintf("[structured result left out by toolserve: larger than %d bytes]", limit)))
	}
	if r.IsError {
		if r.ErrorMessage = r.Text(); r.ErrorMessage == "" {
			r.ErrorMessage = "the tool reported an error and did not say which"
		}
	}
	return r, nil
}

// maxMeta bounds what a result says beside its content, in bytes.
const maxMeta = 64 << 10

func meta(value json.RawMessage) json.RawMessage {
	if len(value) > maxMeta || value[0] != '{' {
		return nil
	}
	return value
}

// Meta returns "_meta" of a result of any kind, as that of a [Result].
func Meta(result json.RawMessage) json.RawMessage {
	if value := rawjson.Member(result, "_meta"); value != nil {
		return meta(value)
	}
	return nil
}

func text(s string) Item { return Item{Type: "text", Text: s} }

// ReadItem reads one item, such as the content of a prompt's message.
func ReadItem(item json.RawMessage) Item {
	c := Item{Raw: item}
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
func (r *Result) add(c Item, rest *int) {
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
		kept := cut(c.Text, *rest)
		r.Content = append(r.Content, text(fmt.Sprintf("%s\n[cut by toolserve: %d of %d bytes shown]", kept, len(kept), len(c.Text))))
	} else {
		r.Content = append(r.Content, text(fmt.Sprintf("[%s of %d bytes left out by toolserve: the result is too large]", cut(c.Type, maxWord), size)))
	}
	*rest = -1
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
