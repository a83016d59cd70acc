// Package insert puts prompts and resources of MCP servers into a conversation.
package insert

import (
	"context"
	"slices"
	"time"

	"github.com/toolserve/toolserve/chat"
)

// Source fetches prompts and resources. An error is an [*Error], a [*chat.Error] or the context's.
type Source interface {
	// Prompt returns the messages of a prompt, of the roles user and assistant.
	Prompt(ctx context.Context, ref Prompt) ([]chat.Message, error)
	// Resource returns the contents of a resource, each under a line that names its URI.
	Resource(ctx context.Context, ref Resource) ([]chat.Part, error)
}

// Prompt names a prompt of an MCP server.
type Prompt struct {
	// Server may be empty where Name says enough.
	Server, Name string
	Arguments    map[string]string
}

// Resource names a resource of an MCP server.
type Resource struct {
	// Server may be empty where only one server has the URI.
	Server, URI string
}

// Error says why a prompt or a resource is not there.
type Error struct {
	// Status is the answer's HTTP status.
	Status int
	// Code is a short stable name of the error. Param is the part of the reference at fault, such as
	// "arguments.city", or empty.
	Code, Param, Message string
	// RetryAfter says when to try again; 0 where unknown.
	RetryAfter time.Duration
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Into returns a conversation with a prompt's messages behind the system messages at its start, and resources at
// the beginning of the first user message that the client sent: places that stay the same while the
// conversation grows, so that its beginning need not be read again.
func Into(messages, prompt []chat.Message, resources []chat.Part) []chat.Message {
	start := slices.IndexFunc(messages, func(m chat.Message) bool { return m.Role != chat.RoleSystem && m.Role != chat.RoleDeveloper })
	if start < 0 {
		start = len(messages)
	}
	out := slices.Clone(messages[:start])
	for _, m := range prompt {
		out = turn(out, start, m)
	}
	rest := slices.Clone(messages[start:])
	if len(resources) > 0 {
		first := slices.IndexFunc(rest, func(m chat.Message) bool { return m.Role == chat.RoleUser })
		if first < 0 {
			rest, first = append(rest, chat.Message{Role: chat.RoleUser}), len(rest)
		}
		rest[first].Content = Joined(resources, rest[first].Content)
	}
	if len(rest) > 0 {
		out = turn(out, start, rest[0])
		out = append(out, rest[1:]...)
	}
	return out
}

// turn appends a message. Where the one before, from the index start on, is of the same role they become one,
// since many templates want turns to alternate.
func turn(messages []chat.Message, start int, m chat.Message) []chat.Message {
	last := len(messages) - 1
	plain := m.Name == "" && m.Reasoning == "" && m.ToolCallID == "" && len(m.ToolCalls) == 0
	if last < start || messages[last].Role != m.Role || !plain {
		return append(messages, m)
	}
	messages[last].Content = Joined(messages[last].Content, m.Content)
	return messages
}

// Joined puts content behind other content, an empty line between texts.
func Joined(a, b []chat.Part) []chat.Part {
	if len(a) == 0 || len(b) == 0 {
		return append(slices.Clone(a), b...)
	}
	out := append(slices.Clone(a), b...)
	if next := &out[len(a)]; a[len(a)-1].Type == chat.PartText && next.Type == chat.PartText {
		next.Text = "\n\n" + next.Text
	}
	return out
}
