package prompt

import (
	"slices"

	"github.com/toolserve/toolserve/chat"
)

// The functions of this file return their argument where nothing changes, and never change it.

// renamed gives messages of one role another.
func renamed(messages []chat.Message, from, to chat.Role) []chat.Message {
	out := messages
	for i := range messages {
		if messages[i].Role == from {
			if &out[0] == &messages[0] {
				out = slices.Clone(messages)
			}
			out[i].Role = to
		}
	}
	return out
}

// answersInOrder puts the tool messages behind an assistant message in the order of its calls: templates
// go by position, clients by id. Where named is set, each gets the name of the function that it answers.
func answersInOrder(messages []chat.Message, named bool) []chat.Message {
	out := messages
	for i := 0; i < len(messages); i++ {
		calls := messages[i].ToolCalls
		if len(calls) == 0 {
			continue
		}
		end := i + 1
		for end < len(messages) && messages[end].Role == chat.RoleTool {
			end++
		}
		if end == i+1 {
			continue
		}
		if &out[0] == &messages[0] {
			out = slices.Clone(messages)
		}
		orderAnswers(out[i+1:end], calls, named)
		i = end - 1
	}
	return out
}

func orderAnswers(answers []chat.Message, calls []chat.ToolCall, named bool) {
	place := func(m chat.Message) int {
		for i := range calls {
			if calls[i].ID == m.ToolCallID {
				return i
			}
		}
		return len(calls)
	}
	slices.SortStableFunc(answers, func(a, b chat.Message) int { return place(a) - place(b) })
	for i := range answers {
		if at := place(answers[i]); named && at < len(calls) && answers[i].Name == "" {
			answers[i].Name = calls[at].Name
		}
	}
}

// oneCallATurn splits assistant messages with several calls, each call followed by its result.
func oneCallATurn(messages []chat.Message) []chat.Message {
	var out []chat.Message
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		if len(m.ToolCalls) < 2 {
			out = append(out, m)
			continue
		}
		end := i + 1
		for end < len(messages) && messages[end].Role == chat.RoleTool {
			end++
		}
		answers := slices.Clone(messages[i+1 : end])
		for n, call := range m.ToolCalls {
			turn := m
			turn.ToolCalls = []chat.ToolCall{call}
			if n > 0 {
				turn.Content, turn.Reasoning = nil, ""
			}
			out = append(out, turn)
			if at := slices.IndexFunc(answers, func(a chat.Message) bool { return a.ToolCallID == call.ID }); at >= 0 {
				out = append(out, answers[at])
				answers = slices.Delete(answers, at, at+1)
			}
		}
		out = append(out, answers...)
		i = end - 1
	}
	return out
}

func isSystem(m chat.Message) bool {
	return m.Role == chat.RoleSystem || m.Role == chat.RoleDeveloper
}

// systemFirst joins all system messages into the first.
func systemFirst(messages []chat.Message) []chat.Message {
	later := slices.ContainsFunc(messages[1:], isSystem)
	if !later {
		return messages
	}
	first := chat.Message{Role: chat.RoleSystem}
	rest := make([]chat.Message, 1, len(messages))
	for _, m := range messages {
		if isSystem(m) {
			first.Content = joinContent(first.Content, m.Content)
			continue
		}
		rest = append(rest, m)
	}
	rest[0] = first
	return rest
}

// systemIntoUser puts a system message at the start before the text of the first user message.
func systemIntoUser(messages []chat.Message) []chat.Message {
	if !isSystem(messages[0]) {
		return messages
	}
	content := messages[0].Content
	out := slices.Clone(messages[1:])
	for i := range out {
		if out[i].Role == chat.RoleUser {
			out[i].Content = joinContent(content, out[i].Content)
			return out
		}
	}
	return slices.Insert(out, 0, chat.Message{Role: chat.RoleUser, Content: content})
}
