package prompt_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/prompt"
)

// corpus returns the real chat templates by name. They belong to their models' authors, so they are not
// part of this repository.
func corpus(t *testing.T) map[string]string {
	t.Helper()
	dir := os.Getenv("TOOLSERVE_TEMPLATE_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "chat-templates")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "templates", "*.jinja"))
	if err != nil || len(paths) == 0 {
		t.Skipf("no corpus of chat templates: set TOOLSERVE_TEMPLATE_CORPUS to its folder (%v)", err)
	}
	templates := map[string]string{}
	for _, path := range paths {
		templates[strings.TrimSuffix(filepath.Base(path), ".jinja")] = read(t, path)
	}
	return templates
}

// agentTurns is a conversation in which each prefix that ends before an assistant message is a request.
func agentTurns() []chat.Message {
	return []chat.Message{
		say(chat.RoleSystem, "SYSTEMTEXT"),
		say(chat.RoleUser, "FIRSTQUESTION"),
		{Role: chat.RoleAssistant, ToolCalls: []chat.ToolCall{{ID: "abcdefgh1", Name: "weather", Arguments: `{"city":"ROME","days":[1,2.5,null,true]}`}}},
		{Role: chat.RoleTool, ToolCallID: "abcdefgh1", Content: chat.Text("SUNNY")},
		say(chat.RoleAssistant, "FIRSTANSWER"),
		say(chat.RoleUser, "SECONDQUESTION"),
		{Role: chat.RoleAssistant, ToolCalls: []chat.ToolCall{
			{ID: "abcdefgh2", Name: "weather", Arguments: `{"city":"OSLO"}`},
			{ID: "abcdefgh3", Name: "weather", Arguments: `{"city":"LIMA"}`},
		}},
		{Role: chat.RoleTool, ToolCallID: "abcdefgh3", Content: chat.Text("WET")},
		{Role: chat.RoleTool, ToolCallID: "abcdefgh2", Content: chat.Text("COLD")},
	}
}

// TestCorpusShowsEverything renders a conversation with tool calls with every template: the model must
// see the tools, its own calls and their results in order.
func TestCorpusShowsEverything(t *testing.T) {
	for name, source := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			got := render(t, source, &chat.Request{Tools: []chat.Tool{weather}, Messages: agentTurns()})
			for _, want := range []string{"SYSTEMTEXT", "Get it.", "FIRSTQUESTION", "ROME", "SUNNY", "FIRSTANSWER",
				"SECONDQUESTION", "OSLO", "LIMA", "COLD", "WET"} {
				if want == "SYSTEMTEXT" && strings.Contains(source, "loop.last and system_message is defined") {
					continue // shown before a last user message only
				}
				if !strings.Contains(got.Text, want) {
					t.Errorf("%s is not in\n%s", want, got.Text)
				}
			}
			if strings.LastIndex(got.Text, "COLD") > strings.LastIndex(got.Text, "WET") {
				t.Errorf("the results are out of order in\n%s", got.Text)
			}
			if !got.ToolsInPrompt {
				t.Error("ToolsInPrompt is false")
			}
		})
	}
}

// TestCorpusPrefixStable grows the conversation: where the template's caps say that the prefix holds,
// each prompt shares everything up to its last message with the next.
func TestCorpusPrefixStable(t *testing.T) {
	turns := agentTurns()
	requests := []struct {
		end  int
		last string
	}{{2, "FIRSTQUESTION"}, {4, "SUNNY"}, {6, "SECONDQUESTION"}, {9, "WET"}}
	stable := 0
	for name, source := range corpus(t) {
		tmpl := newTemplate(t, source)
		if !tmpl.Caps().PrefixStable {
			if tmpl.Caps().PrefixBreak == "" {
				t.Errorf("%s: no reason why the prefix breaks", name)
			}
			continue
		}
		stable++
		t.Run(name, func(t *testing.T) {
			before := ""
			for i, r := range requests {
				p, err := tmpl.Render(&chat.Request{Tools: []chat.Tool{weather}, Messages: turns[:r.end]})
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					last := requests[i-1].last
					kept := before[:strings.LastIndex(before, last)+len(last)]
					if !strings.HasPrefix(p.Text, kept) {
						t.Errorf("request %d does not begin as request %d\n%s\n-----\n%s", i, i-1, kept, p.Text)
					}
				}
				before = p.Text
			}
		})
	}
	if stable < 40 {
		t.Errorf("only %d templates are prefix-stable", stable)
	}
}

// TestCorpusRequests renders awkward requests: each makes a prompt or is refused for its own fault.
func TestCorpusRequests(t *testing.T) {
	requests := map[string][]chat.Message{
		"two users":          {say(chat.RoleUser, "a"), say(chat.RoleUser, "b")},
		"assistant first":    {say(chat.RoleAssistant, "a"), say(chat.RoleUser, "b")},
		"system only":        {say(chat.RoleSystem, "s")},
		"developer":          {say(chat.RoleDeveloper, "d"), say(chat.RoleUser, "u")},
		"late system":        {say(chat.RoleUser, "u"), say(chat.RoleAssistant, "a"), say(chat.RoleSystem, "s"), say(chat.RoleUser, "u")},
		"orphaned result":    {say(chat.RoleUser, "u"), {Role: chat.RoleTool, ToolCallID: "none", Content: chat.Text("r")}},
		"empty content":      {say(chat.RoleUser, ""), {Role: chat.RoleAssistant}, say(chat.RoleUser, "u")},
		"reasoning and call": {say(chat.RoleUser, "u"), {Role: chat.RoleAssistant, Reasoning: "r", Content: chat.Text("c"), ToolCalls: []chat.ToolCall{{ID: "abcdefgh1", Name: "f", Arguments: ""}}}, {Role: chat.RoleTool, ToolCallID: "abcdefgh1", Content: chat.Text("r")}},
	}
	mustRender := map[string]bool{"two users": true, "developer": true, "late system": true, "empty content": true, "reasoning and call": true}
	for name, source := range corpus(t) {
		tmpl := newTemplate(t, source)
		for what, messages := range requests {
			for _, tools := range [][]chat.Tool{nil, {weather, {Name: "bare"}}} {
				p, err := tmpl.Render(&chat.Request{Tools: tools, Messages: messages})
				if err != nil && (mustRender[what] || !errors.As(err, new(*prompt.RequestError))) {
					t.Errorf("%s, %s, %d tools: %v", name, what, len(tools), err)
				}
				if err == nil && p.Text == "" {
					t.Errorf("%s, %s: an empty prompt", name, what)
				}
			}
		}
	}
}
