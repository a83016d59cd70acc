package toolcall

import (
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/notation"
)

// harmonyHeader reads the header of a message of gpt-oss: a role, a channel and a recipient, which may
// stand in either part, and the type of the content.
func harmonyHeader(header, _ string) notation.Message {
	channel, rest := header, ""
	if i := strings.Index(header, "<|channel|>"); i >= 0 {
		channel, rest = header[i+len("<|channel|>"):], header[:i]
	}
	for _, part := range []string{channel, rest} {
		_, to, ok := strings.Cut(part, "to=")
		if !ok {
			continue
		}
		to = strings.TrimSpace(to)
		if i := strings.IndexAny(to, " \n\t<"); i >= 0 {
			to = to[:i]
		}
		if to != "" && to != "assistant" && to != "user" && to != "all" {
			return notation.Message{Kind: notation.MessageCall, Name: strings.TrimPrefix(to, "functions.")}
		}
	}
	if strings.HasPrefix(strings.TrimSpace(channel), "analysis") {
		return notation.Message{Kind: notation.MessageReasoning}
	}
	return notation.Message{Kind: notation.MessageContent}
}

// recipientHeader reads a header that names whom the message is for: "all" or the user for content,
// "self" for reasoning, else a tool.
func recipientHeader(header, _ string) notation.Message {
	name := strings.TrimSpace(header)
	if _, to, ok := strings.Cut(name, "to="); ok {
		name = strings.TrimSpace(to)
	}
	switch name {
	case "all", "user", "assistant", "":
		return notation.Message{Kind: notation.MessageContent}
	case "self":
		return notation.Message{Kind: notation.MessageReasoning}
	}
	return notation.Message{Kind: notation.MessageCall, Name: strings.TrimPrefix(name, "functions.")}
}
