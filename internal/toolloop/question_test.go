package toolloop

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/content"
)

// questioner answers what is asked, or fails.
type questioner struct {
	answer mcphost.ElicitationAnswer
	err    error
	actor  string
	asked  mcphost.Elicitation
}

func (q *questioner) Ask(_ context.Context, actor string, ask mcphost.Elicitation, show func(string) error) (mcphost.ElicitationAnswer, error) {
	q.actor, q.asked = actor, ask
	if err := show("elicit_1"); err != nil {
		return mcphost.ElicitationAnswer{}, err
	}
	return q.answer, q.err
}

// asking is a tool that asks its user something and returns the answer.
func asking(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
	if call.Elicit == nil {
		return mcphost.Result{}, errors.New("nobody can be asked: " + call.NoElicit)
	}
	answer, err := call.Elicit(ctx, mcphost.Elicitation{Server: "files", Tool: "read", Mode: "form", Message: "Who?", Schema: json.RawMessage(`{"type":"object","properties":{}}`)})
	if err != nil {
		return mcphost.Result{}, err
	}
	text := answer.Action + string(answer.Content)
	raw, err := json.Marshal(map[string]any{"content": []any{map[string]any{"type": "text", "text": text}}})
	if err != nil {
		return mcphost.Result{}, err
	}
	return content.Read(raw, content.DefaultLimit)
}

// TestImagesReachAModelThatReadsThem wants a picture of a tool to be a part of its result, or its description.
func TestImagesReachAModelThatReadsThem(t *testing.T) {
	for _, sees := range []bool{false, true} {
		r := newRig(t, turn{calls: []string{`web__get {"path":"a"}`}}, turn{text: "done"})
		r.host.elicit = func(context.Context, mcphost.Call) (mcphost.Result, error) {
			return content.Read(json.RawMessage(`{"content":[{"type":"image","data":"iVBORw==","mimeType":"image/png"}]}`), content.DefaultLimit)
		}
		if sees {
			r.opts.Reads = func(kind chat.PartType) bool { return kind != chat.PartAudio }
		}
		r.ask(`"tools":[{"type":"mcp","server_label":"web"}]`, user("look"))
		messages := r.model.asked[1].Messages
		got := messages[len(messages)-1].Content
		if sees && (len(got) != 1 || got[0].Type != chat.PartImage || got[0].URL != "data:image/png;base64,iVBORw==") ||
			!sees && (len(got) != 1 || got[0].Type != chat.PartText || !strings.Contains(got[0].Text, "image/png")) {
			t.Errorf("a model that sees %v reads %+v", sees, got)
		}
	}
}

const asksTools = `"tools":[{"type":"mcp","server_label":"files","require_approval":"never","elicitation":true}],"stream":true`

func TestQuestionsInTheStream(t *testing.T) {
	for name, tt := range map[string]struct {
		q    questioner
		want []string // in order
	}{
		"answered": {questioner{answer: mcphost.ElicitationAnswer{Action: "accept", Content: json.RawMessage(`{"name":"Ann"}`)}}, []string{
			`"type":"response.output_item.added","sequence_number":4,"output_index":2,"item":{"id":"elicit_1","type":"mcp_elicitation_request","server_label":"files","name":"read","mode":"form","message":"Who?","schema":{"type":"object","properties":{}},"action":null,"status":"in_progress"}`,
			`"type":"response.output_item.done","sequence_number":5,"output_index":2,"item":{"id":"elicit_1","type":"mcp_elicitation_request"`, `"action":"accept","status":"completed"`,
			`"output":"accept{\"name\":\"Ann\"}"`, `"content":"done"`,
		}},
		"too late": {questioner{err: context.DeadlineExceeded}, []string{`"status":"in_progress"`, `"action":null,"status":"incomplete"`, `"content":"done"`}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, turn{calls: []string{`files__read {"path":"a"}`}}, turn{text: "done"})
			r.host.elicit, r.opts.Questions, r.caller.Actor = asking, &tt.q, "key"
			_, got := r.post(r.body(asksTools, user("read")))
			if tt.q.actor != "key" || tt.q.asked.Message != "Who?" {
				t.Errorf("asked %+v of %q", tt.q.asked, tt.q.actor)
			}
			rest := got
			for _, want := range tt.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%s does not come, or not in order, in\n%s", want, got)
				}
				rest = after
			}
		})
	}
}

func TestQuestionsThatNobodyAnswers(t *testing.T) {
	r := newRig(t, turn{calls: []string{`files__read {"path":"a"}`}}, turn{text: "done"})
	r.host.elicit, r.opts.Questions = asking, &questioner{}
	if got := r.ask(`"tools":[{"type":"mcp","server_label":"files","require_approval":"never"}]`, user("read")); *got.Content != "done" ||
		!strings.Contains(string(got.Items[1].Error), `has \"elicitation\": true; else run the tool with toolserve chat`) {
		t.Errorf("%+v", got)
	}
	r.refuses(400, r.body(strings.Replace(asksTools, `,"stream":true`, "", 1), user("read")), `"param":"tools[0].elicitation"`, "needs stream: true")
	r.refuses(400, r.body(strings.Replace(asksTools, `"elicitation":true`, `"elicitation":"yes"`, 1), user("read")), `"param":"tools[0].elicitation"`, "must be true or false")
}
