package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the transcripts that the tests produce")

// scenario is one testdata/*.txtar: what the parts do, and the transcript that must come of it.
type scenario struct {
	MaxRounds      int               `json:"max_rounds"`
	MaxRepeats     int               `json:"max_repeats"`
	MaxCalls       int               `json:"max_calls"`
	MaxResultBytes int               `json:"max_result_bytes"`
	NoTools        bool              `json:"no_tools"`
	Choice         chat.ToolChoice   `json:"choice"`
	Deny           map[string]string `json:"deny"`
	// Tools maps a name to what the tool answers: text, or text after "error:" or "unavailable:".
	Tools map[string]string `json:"tools"`
	// Turns are what the model writes, one after the other; the last one repeats.
	Turns []scriptedTurn `json:"turns"`
}

type scriptedTurn struct {
	Reasoning string            `json:"reasoning"`
	Text      string            `json:"text"`
	Calls     []chat.ToolCall   `json:"calls"`
	Open      bool              `json:"open"` // the last call is never completed
	Finish    chat.FinishReason `json:"finish"`
	Error     string            `json:"error"`
	NoFinish  bool              `json:"no_finish"`
}

// scriptedModel writes the turns of a scenario and notes what it was asked.
type scriptedModel struct {
	turns []scriptedTurn
	asked []chat.Request
}

func (m *scriptedModel) Generate(_ context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	turn := m.turns[min(len(m.asked), len(m.turns)-1)]
	asked := *req
	asked.Messages = slices.Clone(req.Messages)
	m.asked = append(m.asked, asked)
	return func(yield func(chat.Event, error) bool) {
		for _, e := range turn.events() {
			if !yield(e, nil) {
				return
			}
		}
		if turn.Error != "" {
			yield(chat.Event{}, errors.New(turn.Error))
		}
	}
}

func (t scriptedTurn) events() []chat.Event {
	var events []chat.Event
	if t.Reasoning != "" {
		events = append(events, chat.Event{Kind: chat.ReasoningDelta, Text: t.Reasoning})
	}
	for _, word := range strings.SplitAfter(t.Text, " ") {
		if word != "" {
			events = append(events, chat.Event{Kind: chat.ContentDelta, Text: word})
		}
	}
	for i, call := range t.Calls {
		half := len(call.Arguments) / 2
		events = append(events,
			chat.Event{Kind: chat.CallStart, Index: i, ID: call.ID, Name: call.Name},
			chat.Event{Kind: chat.CallDelta, Index: i, Text: call.Arguments[:half]},
			chat.Event{Kind: chat.CallDelta, Index: i, Text: call.Arguments[half:]})
		if !t.Open || i < len(t.Calls)-1 {
			events = append(events, chat.Event{Kind: chat.CallEnd, Index: i})
		}
	}
	if t.NoFinish || t.Error != "" {
		return events
	}
	reason := cmp.Or(t.Finish, chat.FinishStop)
	return append(events, chat.Event{Kind: chat.Finish, Reason: reason, Usage: chat.Usage{PromptTokens: 10, CompletionTokens: 1}})
}

// scriptedTools answers as the scenario says.
type scriptedTools map[string]string

func (s scriptedTools) Execute(_ context.Context, call chat.ToolCall) (Result, error) {
	answer := s[call.Name]
	if text, ok := strings.CutPrefix(answer, "unavailable:"); ok {
		return Result{}, errors.New(text)
	}
	if text, ok := strings.CutPrefix(answer, "error:"); ok {
		return Result{Content: chat.Text(text), IsError: true}, nil
	}
	return Result{Content: chat.Text(answer)}, nil
}

type scriptedGate map[string]string

func (g scriptedGate) Approve(_ context.Context, call chat.ToolCall) (Verdict, error) {
	reason, denied := g[call.Name]
	if reason == "give up" {
		return Verdict{}, errors.New("the gate gave up")
	}
	return Verdict{Allowed: !denied, Reason: reason}, nil
}

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScenario(t, file) })
	}
}

func runScenario(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s scenario
	decoder := json.NewDecoder(strings.NewReader(string(archive.Files[0].Data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	got := s.transcript(t)
	if *update {
		archive.Files = append(archive.Files[:1], txtar.File{Name: "transcript", Data: []byte(got)})
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if len(archive.Files) != 2 || got != string(archive.Files[1].Data) {
		t.Errorf("transcript:\n%s", got)
	}
}

// transcript runs the scenario and writes down the events, what the model was asked, and the history.
func (s scenario) transcript(t *testing.T) string {
	model := &scriptedModel{turns: s.Turns}
	opts := Options{
		Model: model, Gate: scriptedGate(s.Deny), MaxParallel: 1,
		MaxRounds: s.MaxRounds, MaxRepeats: s.MaxRepeats, MaxCalls: s.MaxCalls, MaxResultBytes: s.MaxResultBytes,
	}
	req := &chat.Request{
		ToolChoice: s.Choice,
		Messages:   []chat.Message{{Role: chat.RoleUser, Content: chat.Text("the question")}},
	}
	if !s.NoTools {
		opts.Tools = scriptedTools(s.Tools)
		for name := range s.Tools {
			req.Tools = append(req.Tools, chat.Tool{Name: name})
		}
		slices.SortFunc(req.Tools, func(a, b chat.Tool) int { return cmp.Compare(a.Name, b.Name) })
	}
	var out strings.Builder
	for e, err := range New(opts).Run(t.Context(), req) {
		if err != nil {
			fmt.Fprintf(&out, "failed: %v\n", err)
			continue
		}
		writeEvent(&out, e)
	}
	for i, asked := range model.asked {
		fmt.Fprintf(&out, "turn %d asked with tool_choice %q after %d messages\n", i+1, asked.ToolChoice.Mode, len(asked.Messages))
	}
	out.WriteString("history:\n")
	for _, m := range req.Messages {
		writeMessage(&out, m)
	}
	checkHistory(t, req.Messages)
	return out.String()
}

func writeEvent(out *strings.Builder, e Event) {
	switch e.Kind {
	case RoundStart:
		fmt.Fprintf(out, "round %d\n", e.Round)
	case CallStart:
		fmt.Fprintf(out, "call %s %s\n", e.Call.Name, e.Call.Arguments)
	case CallEnd:
		fmt.Fprintf(out, "%s %s: %q\n", e.Outcome, e.Call.Name, e.Result.Text())
	case Finish:
		fmt.Fprintf(out, "finish %s after %d+%d tokens\n", e.Stop, e.Usage.PromptTokens, e.Usage.CompletionTokens)
	}
}

func writeMessage(out *strings.Builder, m chat.Message) {
	fmt.Fprintf(out, "  %s", m.Role)
	if m.Role == chat.RoleTool {
		fmt.Fprintf(out, " %s(%s)", m.Name, m.ToolCallID)
	}
	if m.Reasoning != "" {
		fmt.Fprintf(out, " thinks %q", m.Reasoning)
	}
	if text := m.Text(); text != "" || len(m.ToolCalls) == 0 {
		fmt.Fprintf(out, " %q", text)
	}
	for _, call := range m.ToolCalls {
		fmt.Fprintf(out, " calls %s(%s) %s", call.Name, call.ID, call.Arguments)
	}
	out.WriteString("\n")
}

// checkHistory holds for every run: each call is an object and is answered, in order, right after its
// message.
func checkHistory(t *testing.T, messages []chat.Message) {
	t.Helper()
	var open []chat.ToolCall
	for i, m := range messages {
		if m.Role == chat.RoleTool {
			if len(open) == 0 || open[0].ID != m.ToolCallID {
				t.Fatalf("message %d answers %q, which is not the open call", i, m.ToolCallID)
			}
			open = open[1:]
			continue
		}
		if len(open) > 0 {
			t.Fatalf("call %s is not answered before message %d", open[0].ID, i)
		}
		for _, call := range m.ToolCalls {
			if err := checkArguments(call.Arguments); err != nil {
				t.Fatalf("message %d keeps arguments %q: %v", i, call.Arguments, err)
			}
		}
		open = slices.Clone(m.ToolCalls)
	}
	if len(open) > 0 {
		t.Fatalf("call %s has no tool message", open[0].ID)
	}
}
