package toolloop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/content"
	"github.com/toolserve/toolserve/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// turn is what the model writes: text, then calls as "name {json}".
type turn struct {
	text  string
	calls []string
}

// scriptedModel writes its turns one after the other, the last one again and again, and notes what it was
// asked.
type scriptedModel struct {
	turns []turn
	// sameIDs gives the calls of all turns the same ids, as models do that number them anew.
	sameIDs bool
	asked   []chat.Request
}

func (m *scriptedModel) Generate(_ context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	n := len(m.asked)
	t := m.turns[min(n, len(m.turns)-1)]
	asked := *req
	asked.Messages, asked.Tools = slices.Clone(req.Messages), slices.Clone(req.Tools)
	m.asked = append(m.asked, asked)
	return func(yield func(chat.Event, error) bool) {
		var events []chat.Event
		if t.text != "" {
			events = append(events, chat.Event{Kind: chat.ContentDelta, Text: t.text})
		}
		reason := chat.FinishStop
		if req.ToolChoice.Mode != chat.ToolNone {
			for i, call := range t.calls {
				name, arguments, _ := strings.Cut(call, " ")
				id := fmt.Sprintf("call%d%d", n, i)
				if m.sameIDs {
					id = fmt.Sprint("call", i)
				}
				events = append(events, chat.Event{Kind: chat.CallStart, Index: i, ID: id, Name: name},
					chat.Event{Kind: chat.CallDelta, Index: i, Text: arguments}, chat.Event{Kind: chat.CallEnd, Index: i})
				reason = chat.FinishToolCalls
			}
		}
		events = append(events, chat.Event{Kind: chat.Finish, Reason: reason, Usage: chat.Usage{PromptTokens: 10, CompletionTokens: 5}})
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// history writes the messages of a question to the model, one a line.
func (m *scriptedModel) history(n int) string {
	var out strings.Builder
	for _, message := range m.asked[n].Messages {
		fmt.Fprintf(&out, "%s:%s", message.Role, message.Text())
		for _, call := range message.ToolCalls {
			fmt.Fprintf(&out, " %s %s", call.Name, call.Arguments)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// fakeHost offers the tools of two servers, and of a third one that is not connected. A call returns its
// arguments.
type fakeHost struct {
	tools   []mcphost.Tool
	decide  map[string]policy.Decision
	fail    map[string]error
	elicit  func(context.Context, mcphost.Call) (mcphost.Result, error) // runs the calls, unless nil
	mu      sync.Mutex
	ran     []mcphost.Call
	refused []string
}

func newHost() *fakeHost {
	schema := json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"}}}`)
	return &fakeHost{tools: []mcphost.Tool{
		{Server: "files", Name: "read", FullName: "files__read", Description: "Reads a file.", Parameters: schema, Annotations: json.RawMessage(`{"readOnlyHint":true}`)},
		{Server: "files", Name: "write", FullName: "files__write", Description: "Writes a file.", Parameters: schema},
		{Server: "web", Name: "get", FullName: "web__get", Description: "Fetches a page.", Parameters: schema, AutoApproved: true},
	}, decide: map[string]policy.Decision{}, fail: map[string]error{}}
}

func (h *fakeHost) Tools() []mcphost.Tool { return h.tools }
func (h *fakeHost) MaxToolCalls() int     { return 4 }

func (h *fakeHost) Status() []mcphost.ServerStatus {
	return []mcphost.ServerStatus{{Name: "files", State: mcphost.StateConnected}, {Name: "web", State: mcphost.StateConnected},
		{Name: "down", State: mcphost.StateRetrying, Error: "it does not start"}}
}

func (h *fakeHost) Decide(call mcphost.Call) (policy.Decision, error) {
	if d, ok := h.decide[call.Tool]; ok {
		return d, nil
	}
	return policy.Decision{Action: policy.Allow}, nil
}

func (h *fakeHost) Execute(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.decide[call.Tool]; d.Action == policy.Deny || d.Action == policy.Ask && !call.Approved {
		return mcphost.Result{}, errors.New("refused by policy")
	}
	if err := h.fail[call.Tool]; err != nil {
		return mcphost.Result{}, err
	}
	h.ran = append(h.ran, call)
	call.OnProgress(mcphost.Progress{Progress: 1, Total: 2, Message: "half"})
	if h.elicit != nil {
		return h.elicit(ctx, call)
	}
	text := "result of " + call.Tool + " " + string(call.Arguments)
	raw, err := json.Marshal(map[string]any{"content": []any{map[string]any{"type": "text", "text": text}}, "isError": call.Tool == "write" && strings.Contains(text, "full")})
	if err != nil {
		return mcphost.Result{}, err
	}
	return content.Read(raw, content.DefaultLimit)
}

func (h *fakeHost) Refuse(call mcphost.Call, reason string) {
	h.refused = append(h.refused, call.Tool+": "+reason)
}

// calls are the calls that ran, sorted.
func (h *fakeHost) calls() []string {
	var out []string
	for _, c := range h.ran {
		out = append(out, c.Tool+" "+string(c.Arguments))
	}
	slices.Sort(out)
	return out
}

// rig is a loop behind the HTTP API.
type rig struct {
	t      *testing.T
	model  *scriptedModel
	host   *fakeHost
	caller Caller
	opts   Options
}

func newRig(t *testing.T, turns ...turn) *rig {
	return &rig{t: t, model: &scriptedModel{turns: turns}, host: newHost(), opts: Options{Key: []byte("key")}}
}

// post sends a body and returns the status and the answer's text.
func (r *rig) post(body string) (int, string) {
	r.t.Helper()
	opts := r.opts
	opts.Model, opts.Host = r.model, r.host
	opts.Caller = func(context.Context) Caller { return r.caller }
	n := 0
	opts.NewID = func() string { n++; return fmt.Sprintf("%s%d", r.t.Name(), n) }
	h := openai.NewHandler(openai.Options{Generator: New(opts), OwnTools: opts.AutoTools, Model: openai.Model{ID: "m"}, KeepAlive: time.Hour})
	w := httptest.NewRecorder()
	h.ChatCompletions(w, httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
	return w.Code, w.Body.String()
}

// message is the assistant's message as clients see it.
type message struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
	Items     []item     `json:"mcp_items,omitempty"`
}

type toolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type item struct {
	ID        string           `json:"id"`
	Type      string           `json:"type"`
	Server    string           `json:"server_label"`
	Name      string           `json:"name,omitempty"`
	Arguments jsonText         `json:"arguments,omitempty"`
	Output    *string          `json:"output,omitempty"`
	Error     json.RawMessage  `json:"error,omitempty"`
	Status    string           `json:"status,omitempty"`
	Approval  *string          `json:"approval_request_id,omitempty"`
	Tools     []map[string]any `json:"tools,omitempty"`
}

// jsonText is the text of a string, or of any other value: some items have their arguments as an object.
type jsonText string

func (s *jsonText) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(s))
	}
	*s = jsonText(data)
	return nil
}

// plain is the message as a client keeps it that knows OpenAI's fields only.
func (m message) plain() message { m.Items = nil; return m }

type answer struct {
	message
	finish string
	usage  struct{ Prompt, Completion int }
}

// ask sends messages and further members, and returns the answer, which must be one.
func (r *rig) ask(members string, messages ...any) answer {
	r.t.Helper()
	status, body := r.post(r.body(members, messages...))
	if status != http.StatusOK {
		r.t.Fatalf("status %d: %s", status, body)
	}
	var a struct {
		Choices []struct {
			Message message
			Finish  string `json:"finish_reason"`
		}
		Usage struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		r.t.Fatalf("%v: %s", err, body)
	}
	out := answer{message: a.Choices[0].Message, finish: a.Choices[0].Finish}
	out.usage.Prompt, out.usage.Completion = a.Usage.Prompt, a.Usage.Completion
	return out
}

func (r *rig) body(members string, messages ...any) string {
	r.t.Helper()
	list, err := json.Marshal(messages)
	if err != nil {
		r.t.Fatal(err)
	}
	if members != "" {
		members = "," + members
	}
	return `{"messages":` + string(list) + members + `}`
}

// refuses wants an error with a status and texts in it.
func (r *rig) refuses(status int, body string, texts ...string) {
	r.t.Helper()
	got, answer := r.post(body)
	if got != status {
		r.t.Errorf("status %d, want %d: %s", got, status, answer)
	}
	for _, text := range texts {
		if !strings.Contains(answer, text) {
			r.t.Errorf("%q is not in %s", text, answer)
		}
	}
	if len(r.model.asked) > 0 && r.model.turns != nil && status != http.StatusOK {
		r.model.asked = nil
	}
}

func user(text string) map[string]any { return map[string]any{"role": "user", "content": text} }

func toolMessage(id, content string) map[string]any {
	return map[string]any{"role": "tool", "tool_call_id": id, "content": content}
}

// consent is the answer to the i-th call of a message.
func consent(m message, i int, approve bool, reason string) map[string]any {
	id, _, _ := strings.Cut(m.ToolCalls[i].ID, carrierMark)
	data, err := json.Marshal(map[string]any{"type": "mcp_approval_response", "approval_request_id": id, "approve": approve, "reason": reason})
	if err != nil {
		panic(err)
	}
	return toolMessage(m.ToolCalls[i].ID, string(data))
}
