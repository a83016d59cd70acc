package prompt_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/prompt"
)

// wireMessage is a message of the corpus, as a client of the OpenAI API would send it.
type wireMessage struct {
	Role       chat.Role
	Content    json.RawMessage
	Name       string
	Reasoning  string `json:"reasoning_content"`
	ToolCallID string `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string
		Function struct {
			Name      string
			Arguments json.RawMessage
		}
	} `json:"tool_calls"`
}

func (w *wireMessage) message(t *testing.T) chat.Message {
	t.Helper()
	m := chat.Message{Role: w.Role, Name: w.Name, Reasoning: w.Reasoning, ToolCallID: w.ToolCallID}
	var text *string
	if err := json.Unmarshal(w.Content, &text); err != nil && len(w.Content) > 0 {
		t.Skip("content in parts")
	}
	if text != nil {
		m.Content = chat.Text(*text)
	}
	for _, c := range w.ToolCalls {
		arguments := string(c.Function.Arguments)
		if strings.HasPrefix(arguments, `"`) {
			if err := json.Unmarshal(c.Function.Arguments, &arguments); err != nil {
				t.Fatal(err)
			}
		}
		m.ToolCalls = append(m.ToolCalls, chat.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: arguments})
	}
	return m
}

// request makes a request of the variables of a conversation.
func request(t *testing.T, raw json.RawMessage) *chat.Request {
	t.Helper()
	var vars map[string]json.RawMessage
	var body struct {
		Messages []wireMessage
		Tools    []struct{ Function json.RawMessage }
		Generate bool `json:"add_generation_prompt"`
	}
	if err := json.Unmarshal(raw, &vars); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatal(err)
	}
	req := &chat.Request{NoGenerationPrompt: !body.Generate}
	for i := range body.Messages {
		req.Messages = append(req.Messages, body.Messages[i].message(t))
	}
	for _, tool := range body.Tools {
		req.Tools = append(req.Tools, chat.Tool{Function: tool.Function})
	}
	for _, name := range []string{"messages", "tools", "add_generation_prompt", "documents"} {
		delete(vars, name)
	}
	args, err := json.Marshal(vars)
	if err != nil {
		t.Fatal(err)
	}
	req.TemplateArgs = args
	return req
}

// TestCorpusAsTransformers renders the corpus's conversations as requests. Where transformers renders a
// conversation whose arguments are objects, and the template knows tools, the prompt is the same.
func TestCorpusAsTransformers(t *testing.T) {
	templates := corpus(t)
	dir := os.Getenv("TOOLSERVE_TEMPLATE_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "chat-templates")
	}
	var conversations []struct {
		Name string
		Vars json.RawMessage
	}
	cells := map[string]struct{ Out *string }{}
	for file, into := range map[string]any{"conversations.json": &conversations, "rendered.json": &cells} {
		if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, file))), into); err != nil {
			t.Fatal(err)
		}
	}
	for name, source := range templates {
		tmpl, err := prompt.New(source, prompt.Options{Name: name, Now: frozen})
		if err != nil {
			t.Fatal(err)
		}
		caps := tmpl.Caps()
		for _, c := range conversations {
			cell := cells[name+".jinja|"+c.Name]
			switch {
			case cell.Out == nil:
				continue
			case c.Name == "05_call_str" && !caps.TextArguments, c.Name == "10_developer":
				continue // brought into another form before the template sees it
			case strings.Contains(string(c.Vars), "tool") && !(caps.Tools && caps.ToolCalls):
				continue // gets its tools or calls in a form of ours
			case c.Name == "06_parallel" && (!caps.ParallelCalls || strings.Contains(*cell.Out, "None")):
				continue // gets one call a turn, or an empty text where null prints None
			case strings.Contains(string(c.Vars), "reasoning_content") && !strings.Contains(source, "reasoning_content"):
				continue // gets the reasoning under the key that it reads
			}
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				p, err := tmpl.Render(request(t, c.Vars))
				if err != nil {
					t.Fatal(err)
				}
				if p.Text != *cell.Out {
					t.Errorf("got\n%s\nwant\n%s", p.Text, *cell.Out)
				}
			})
		}
	}
}
