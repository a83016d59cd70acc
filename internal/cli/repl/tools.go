package repl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/agent"
	"github.com/toolserve/toolserve/internal/client"
)

// executor runs the model's calls on the server.
type executor struct {
	client *client.Client
	ask    func(context.Context, client.Question) (client.Answer, error) // nil where nobody can be asked
}

// Execute implements [agent.Tools].
func (x executor) Execute(ctx context.Context, call chat.ToolCall) (agent.Result, error) {
	result, err := x.client.MCPWatch(ctx, client.Call{Tool: call.Name, Arguments: json.RawMessage(call.Arguments)}, client.Watcher{
		Ask:      x.ask,
		Progress: func(p client.Progress) { agent.Report(ctx, agent.Progress(p)) },
	})
	var failed *client.Error
	switch {
	case errors.As(err, &failed) && failed.Status == http.StatusConflict:
		return agent.Result{}, fmt.Errorf("%s: it waits for an operator's approval on the server", failed.Message)
	case errors.As(err, &failed) && failed.Message != "":
		return agent.Result{}, errors.New(failed.Message)
	case err != nil:
		return agent.Result{}, err
	}
	return agent.Result{Content: chat.Text(ResultText(result)), IsError: result.IsError}, nil
}

// ResultText puts a tool's result into text: texts as they are, other content named by its kind, since
// a model that reads text only cannot be given it.
func ResultText(result *client.CallResult) string {
	var one string
	if json.Unmarshal(result.Result, &one) == nil && one != "" {
		return one
	}
	var items []json.RawMessage
	if json.Unmarshal(result.Result, &items) == nil && len(items) > 0 {
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = itemText(item)
		}
		return strings.Join(texts, "\n")
	}
	if len(result.StructuredContent) > 0 && string(result.StructuredContent) != "null" {
		return string(result.StructuredContent)
	}
	if object := itemText(result.Result); object != "" && object != "null" {
		return object
	}
	return result.ErrorMessage
}

// itemText is one content item in words.
func itemText(item json.RawMessage) string {
	var text string
	if json.Unmarshal(item, &text) == nil {
		return text
	}
	var object struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Data     string `json:"data"`
		MIMEType string `json:"mimeType"`
	}
	if json.Unmarshal(item, &object) != nil {
		return string(item)
	}
	switch {
	case object.Type == "text":
		return object.Text
	case object.Data != "":
		return fmt.Sprintf("[%s %s, %d bytes in base64]", object.Type, object.MIMEType, len(object.Data))
	default:
		return string(item)
	}
}

// gate asks the person before a high-risk tool runs.
type gate struct {
	session *Session
	// always are the tools that the person allowed for the rest of the session.
	always map[string]bool
}

// Approve implements [agent.Gate].
func (g *gate) Approve(ctx context.Context, call chat.ToolCall) (agent.Verdict, error) {
	s := g.session
	reason := s.risk(call.Name)
	if reason == "" || s.opts.Yes || g.always[call.Name] {
		return agent.Verdict{Allowed: true}, nil
	}
	name := cleanLine(call.Name)
	if !s.opts.Interactive {
		s.print.note(red, "%s %s and nobody is there to approve it; --yes allows such calls", name, reason)
		return agent.Verdict{Reason: fmt.Sprintf("The call of %q was refused: it %s and nobody is there to approve it.",
			call.Name, reason)}, nil
	}
	s.print.note(bold, "%s %s. It would be called with:", name, reason)
	s.print.note(normal, "%s", shorten(Clean(indented(call.Arguments)), shownApproval))
	answer, err := s.opts.Input.ReadLine(ctx, "Run it? [y]es, [N]o, [a]lways in this chat: ")
	if err != nil && !errors.Is(err, io.EOF) {
		return agent.Verdict{}, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "a", "always":
		g.always[call.Name] = true
		return agent.Verdict{Allowed: true}, nil
	case "y", "yes":
		return agent.Verdict{Allowed: true}, nil
	}
	return agent.Verdict{Reason: fmt.Sprintf("The user refused the call of %q. Do not repeat it.", call.Name)}, nil
}

func indented(arguments string) string {
	var value any
	decoder := json.NewDecoder(strings.NewReader(arguments))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return arguments
	}
	pretty, err := json.MarshalIndent(value, "  ", "  ")
	if err != nil {
		return arguments
	}
	return "  " + string(pretty)
}
