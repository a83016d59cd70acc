package repl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/client"
)

const askSchema = `{"type":"object","required":["name","pet"],"properties":{
	"name":{"type":"string","title":"Your\u001b[2J name","description":"as in\nyour passport","maxLength":5},
	"age":{"type":"integer","default":42},
	"pet":{"type":"string","oneOf":[{"const":"c","title":"Cat"},{"const":"d","title":"Dog"}]},
	"play":{"type":"array","items":{"enum":["drums","bass"]}},
	"mail":{"type":"string","format":"email"},
	"ok":{"type":"boolean"}}}`

// ask has a person type lines in answer to a question.
func ask(t *testing.T, q client.Question, typed string) (client.Answer, string) {
	t.Helper()
	var out bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	answer, err := NewAsker(NewLines(ctx, strings.NewReader(typed), &out), &out).Ask(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return answer, out.String()
}

func TestAskForm(t *testing.T) {
	q := client.Question{Server: "s\x1b[1m", Tool: "t", Mode: "form", Message: "Who\x1b[2J are you?", Schema: json.RawMessage(askSchema)}
	for name, test := range map[string]struct{ typed, action, content string }{
		"all":         {"y\nAnn\n7\ndog\n1, bass\na@b.org\nyes\ny\n", "accept", `{"name":"Ann","age":7,"pet":"d","play":["drums","bass"],"mail":"a@b.org","ok":true}`},
		"the least":   {"yes\nAnn\n\n1\n\n\n\ny\n", "accept", `{"name":"Ann","age":42,"pet":"c"}`},
		"mistakes":    {"what?\ny\n\nAnnabelle\nAnn\nx\n7\n\n9\n2\n\nnone\n\nmaybe\nno\ny\n", "accept", `{"name":"Ann","age":7,"pet":"d","ok":false}`},
		"no":          {"n\n", "decline", ""},
		"cancel":      {"c\n", "cancel", ""},
		"no at last":  {"y\nAnn\n\n1\n\n\n\nn\n", "decline", ""},
		"end":         {"", "cancel", ""},
		"end halfway": {"y\nAnn\n", "cancel", ""},
	} {
		got, out := ask(t, q, test.typed)
		if got.Action != test.action || string(got.Content) != test.content {
			t.Errorf("%s: %s %s\n%s", name, got.Action, got.Content, out)
		}
		if strings.Contains(out, "\x1b") || !strings.Contains(out, "Who are you?") {
			t.Errorf("%s: shown %q", name, out)
		}
	}
	_, out := ask(t, q, "y\nAnn\n\n")
	for _, want := range []string{"It wants 6 fields.", "as in your passport", "Your name (required): ", "age (whole number; default 42): ", "  1) Cat", "(one of 1-2; required)"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestAskURL(t *testing.T) {
	q := client.Question{Mode: "url", URL: "https://pay.example.org/x?y=1"}
	got, out := ask(t, q, "y\n")
	if got.Action != "accept" || !strings.Contains(out, "It leads to pay.example.org:\n  https://pay.example.org/x?y=1\n") {
		t.Errorf("%+v\n%s", got, out)
	}
	if got, _ = ask(t, q, "n\n"); got.Action != "decline" {
		t.Errorf("%+v", got)
	}
	if got, out = ask(t, client.Question{Mode: "form", Schema: json.RawMessage(`{"type":"array"}`)}, "y\n"); got.Action != "decline" || !strings.Contains(out, "cannot be shown") {
		t.Errorf("a form that is none: %+v %s", got, out)
	}
}

func TestAskIsGivenUp(t *testing.T) {
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("left")
	leave(left)
	var out bytes.Buffer
	reading, stop := context.WithCancel(t.Context())
	defer stop()
	blocked, end := io.Pipe()
	defer end.Close()
	if _, err := NewAsker(NewLines(reading, blocked, &out), &out).Ask(ctx, client.Question{Mode: "url"}); !errors.Is(err, left) {
		t.Errorf("%v", err)
	}
}

// TestCallsOfTheChatAsk hands the questions of a call to the person, and declines where nobody sits there.
func TestCallsOfTheChatAsk(t *testing.T) {
	answers := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/mcp/execute" {
			body, _ := io.ReadAll(r.Body)
			answers <- string(body)
			io.WriteString(w, "{}")
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "event: elicitation\ndata: {\"id\":\"e1\",\"mode\":\"url\",\"url\":\"https://a.b\"}\n\n")
		w.(http.Flusher).Flush()
		io.WriteString(w, "event: result\ndata: {\"result\":\"done\"}\n\n")
	}))
	defer s.Close()
	c, err := client.New(client.Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	asker := NewAsker(NewLines(ctx, strings.NewReader("y\n"), &out), &out)
	for _, tt := range []struct {
		tools executor
		want  string
	}{{executor{client: c, ask: asker.Ask}, `{"action":"accept"}`}, {executor{client: c}, `{"action":"decline"}`}} {
		result, err := tt.tools.Execute(t.Context(), chat.ToolCall{Name: "t", Arguments: "{}"})
		if got := <-answers; err != nil || result.Text() != "done" || got != tt.want {
			t.Errorf("%q %v, answered %s", result.Text(), err, got)
		}
	}
}
