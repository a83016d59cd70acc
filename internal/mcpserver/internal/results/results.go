// Package results writes the results of calls as MCP has them. What a server sent keeps its bytes.
package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/shape"
	"github.com/toolserve/toolserve/mcphost"
)

// The beginnings of results that say of themselves what they are.
const (
	typed = `{"resultType":"`
	asks  = `{"resultType":"input_required"`
	task  = `{"resultType":"task",`
)

// IsTyped reports whether a result says what it is, other than complete.
func IsTyped(result json.RawMessage) bool { return bytes.HasPrefix(result, []byte(typed)) }

// Asked is a result that asks the client something, with what makes it known as one in front.
func Asked(raw json.RawMessage) json.RawMessage {
	b := json.RawMessage(asks)
	_ = rpc.Fields(raw, func(key string, value json.RawMessage) error { // the host has read it
		if key != "resultType" {
			b = append(append(append(append(b, ','), rpc.Encode(key)...), ':'), value...)
		}
		return nil
	})
	return append(b, '}')
}

// Task is a result that stands for a task, whose members are given without the brace in front.
func Task(members json.RawMessage) json.RawMessage { return append([]byte(task), members...) }

// Failure is what a client is told of a call that did not run, or not to its end: what the caller of the
// protocol did wrong, and what the server itself said, is an error; what a model can learn from, a result
// (server/tools, "Error handling").
func Failure(err error) (json.RawMessage, *rpc.Error) {
	var e *mcphost.Error
	if !errors.As(err, &e) {
		return nil, rpc.Errorf(rpc.CodeInternal, "%v", err)
	}
	switch {
	case e.Code != 0:
		return nil, &rpc.Error{Code: e.Code, Message: e.Message, Data: e.Data}
	case e.Kind == mcphost.Unknown:
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "%s", e.Message)
	case e.Kind == mcphost.Canceled:
		return nil, rpc.Errorf(rpc.CodeInternal, "%s", e.Message)
	}
	text := e.Message
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (try again in %.0f s)", max(e.RetryAfter.Seconds(), 1))
	}
	result := rpc.Encode(map[string]any{"content": []any{map[string]string{"type": "text", "text": text}}, "isError": true})
	return WithMeta(result, map[string]any{"io.toolserve/error": e.Kind}), nil
}

// Refusal is the error of a read that did not come to its end.
func Refusal(err error) *rpc.Error {
	var e *mcphost.Error
	if !errors.As(err, &e) {
		return rpc.Errorf(rpc.CodeInternal, "%v", err)
	}
	code := int64(rpc.CodeUnavailable)
	switch e.Kind {
	case mcphost.Unknown:
		code = rpc.CodeResourceNotFound
	case mcphost.BadArguments:
		code = rpc.CodeInvalidParams
	case mcphost.ServerFailed:
		code = rpc.CodeInternal
	}
	if e.Code != 0 && e.Kind != mcphost.Unknown {
		code = e.Code
	}
	return &rpc.Error{Code: code, Message: e.Message, Data: e.Data}
}

// WithObject is a result as the revisions with sessions have it: a structured result that is no object is
// text there.
func WithObject(r mcphost.Result) mcphost.Result {
	if r.Structured == nil || r.Structured[0] == '{' {
		return r
	}
	if len(r.Content) == 0 {
		r.Content = []mcphost.Content{{Text: string(r.Structured)}}
	}
	r.Structured = nil
	return r
}

// Of writes a result. promised says that the tool's definition promises a structured one.
func Of(r mcphost.Result, promised bool) json.RawMessage {
	size := len(r.Structured) + len(r.Meta) + 64
	for _, c := range r.Content {
		size += len(c.Raw) + 1
	}
	b := append(beside(make([]byte, 0, size), r.Meta, r.Warnings), `"content":[`...)
	for i, c := range r.Content {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, Item(c)...)
	}
	b = append(b, ']')
	if r.Structured != nil {
		b = append(append(b, `,"structuredContent":`...), r.Structured...)
	}
	// A client that holds results against the output schema would call the rest of a cut one broken.
	if r.IsError || r.Truncated && promised && r.Structured == nil {
		b = append(b, `,"isError":true`...)
	}
	return append(b, '}')
}

// Read writes the result of a read: its members, with what the server said beside it.
func Read(members map[string]any, meta json.RawMessage) json.RawMessage {
	result := rpc.Encode(members)
	if kept := shape.Meta(meta); kept != nil {
		return append(append(append([]byte(`{"_meta":`), kept...), ','), result[1:]...)
	}
	return result
}

// beside appends the beginning of an object with what is said beside a result: our word, and the server's.
func beside(b []byte, server json.RawMessage, warnings []string) []byte {
	kept := shape.Meta(server)
	if kept == nil && len(warnings) == 0 {
		return append(b, '{')
	}
	b = append(b, `{"_meta":{`...)
	if len(warnings) > 0 {
		b = append(append(b, `"io.toolserve/warnings":`...), rpc.Encode(warnings)...)
	}
	if kept == nil {
		return append(b, "},"...)
	}
	if len(warnings) > 0 {
		b = append(b, ',')
	}
	return append(append(b, kept[1:]...), ',')
}

// Item writes one item of content.
func Item(c mcphost.Content) json.RawMessage {
	if c.Raw != nil {
		return c.Raw
	}
	return rpc.Encode(map[string]string{"type": "text", "text": c.Text})
}

// WithMeta puts "_meta" in front of a result that has none.
func WithMeta(result json.RawMessage, meta map[string]any) json.RawMessage {
	b := append(append([]byte(`{"_meta":`), rpc.Encode(meta)...), ',')
	return append(b, result[1:]...)
}

// AddMeta puts a member into "_meta" of an object, which has one or not.
func AddMeta(object json.RawMessage, key string, value json.RawMessage) json.RawMessage {
	meta := append(append(append([]byte(`{"_meta":{`), rpc.Encode(key)...), ':'), value...)
	var rest []byte
	_ = rpc.Fields(object, func(name string, member json.RawMessage) error { // it was made or read here
		if name != "_meta" {
			rest = append(append(append(append(rest, ','), rpc.Encode(name)...), ':'), member...)
			return nil
		}
		return rpc.Fields(member, func(name string, value json.RawMessage) error {
			if name != key {
				meta = append(append(append(append(meta, ','), rpc.Encode(name)...), ':'), value...)
			}
			return nil
		})
	})
	return append(append(append(meta, '}'), rest...), '}')
}

// Complete adds to a result what revision 2026-07-28 wants in each one: its type, members such as how long it
// is good ("", or each with a comma behind it), and members of "_meta". A result that says what it is keeps
// its bytes.
func Complete(result json.RawMessage, members, meta string) json.RawMessage {
	if IsTyped(result) {
		return result
	}
	b := append(make([]byte, 0, len(result)+len(members)+len(meta)+64), `{"resultType":"complete",`...)
	b = append(append(append(append(b, members...), `"_meta":{`...), meta...), '}')
	if rest, ok := bytes.CutPrefix(result, []byte(`{"_meta":{`)); ok { // WithMeta puts it there
		return append(append(b[:len(b)-1], ','), rest...)
	}
	if string(result) != "{}" {
		b = append(b, ',')
	}
	return append(b, result[1:]...)
}

// OneLine takes the line breaks out of JSON, which would split an event's data. Strings hold none.
func OneLine(message []byte) []byte {
	if bytes.IndexByte(message, '\n') < 0 && bytes.IndexByte(message, '\r') < 0 {
		return message
	}
	var out bytes.Buffer
	if json.Compact(&out, message) != nil {
		return message
	}
	return out.Bytes()
}
