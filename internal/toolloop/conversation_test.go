package toolloop

import (
	"testing"

	"github.com/toolserve/toolserve/chat"
)

func TestConversation(t *testing.T) {
	say := func(role chat.Role, text string) chat.Message {
		return chat.Message{Role: role, Content: []chat.Part{{Type: chat.PartText, Text: text}}}
	}
	first := conversation([]chat.Message{say(chat.RoleSystem, "it is Monday"), say(chat.RoleUser, "read my mail")})
	later := conversation([]chat.Message{say(chat.RoleSystem, "it is Tuesday"), say(chat.RoleUser, "read my mail"), say(chat.RoleAssistant, "done"), say(chat.RoleUser, "now send it")})
	if first == "" || first != later {
		t.Errorf("a later request of a conversation is another one: %q, %q", first, later)
	}
	if other := conversation([]chat.Message{say(chat.RoleUser, "hello")}); other == first {
		t.Error("another conversation is the same")
	}
	if got := conversation([]chat.Message{say(chat.RoleSystem, "x")}); got != "" {
		t.Errorf("without a user it is %q", got)
	}
}
