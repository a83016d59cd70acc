package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toolserve/toolserve/chat"
)

// executeFunc is a Tools of one function.
type executeFunc func(ctx context.Context, call chat.ToolCall) (Result, error)

func (f executeFunc) Execute(ctx context.Context, call chat.ToolCall) (Result, error) {
	return f(ctx, call)
}

// calls is a turn of n calls of "tool", each with its own arguments.
func calls(n int) scriptedTurn {
	var turn scriptedTurn
	for i := range n {
		turn.Calls = append(turn.Calls, chat.ToolCall{ID: fmt.Sprint(i), Name: "tool", Arguments: fmt.Sprintf(`{"n":%d}`, i)})
	}
	return turn
}

func question() *chat.Request {
	return &chat.Request{
		Messages: []chat.Message{{Role: chat.RoleUser, Content: chat.Text("?")}},
		Tools:    []chat.Tool{{Name: "tool"}},
	}
}

// drain runs to the end and returns the last error.
func drain(events iter.Seq2[Event, error]) (last error) {
	for _, err := range events {
		last = err
	}
	return last
}

func TestCallsOfOneTurnRunInParallelUpToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		tools := executeFunc(func(_ context.Context, call chat.ToolCall) (Result, error) {
			now := running.Add(1)
			for {
				old := most.Load()
				if now <= old || most.CompareAndSwap(old, now) {
					break
				}
			}
			time.Sleep(time.Second)
			running.Add(-1)
			return Result{Content: chat.Text("result of " + call.Arguments)}, nil
		})
		req := question()
		model := &scriptedModel{turns: []scriptedTurn{calls(7), {Text: "done"}}}
		if err := drain(New(Options{Model: model, Tools: tools, MaxParallel: 3}).Run(t.Context(), req)); err != nil {
			t.Fatal(err)
		}
		if most.Load() != 3 {
			t.Errorf("%d calls ran at once, want 3", most.Load())
		}
		checkHistory(t, req.Messages)
		for i, m := range req.Messages[2:9] {
			if want := fmt.Sprintf(`result of {"n":%d}`, i); m.Text() != want {
				t.Errorf("tool message %d is %q, want %q", i, m.Text(), want)
			}
		}
	})
}

func TestResultsAreShownAsTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tools := executeFunc(func(_ context.Context, call chat.ToolCall) (Result, error) {
			if call.ID == "0" {
				time.Sleep(time.Minute)
			}
			return Result{Content: chat.Text("x")}, nil
		})
		model := &scriptedModel{turns: []scriptedTurn{calls(2), {Text: "done"}}}
		var order []string
		for e, err := range New(Options{Model: model, Tools: tools}).Run(t.Context(), question()) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == CallEnd {
				order = append(order, fmt.Sprint(e.Call.ID, " ", e.Elapsed))
			}
		}
		if fmt.Sprint(order) != "[1 0s 0 1m0s]" {
			t.Errorf("calls ended as %v", order)
		}
	})
}

func TestCancellingEndsTheCallsThatRunAndThoseThatWait(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the user went away")
	tools := executeFunc(func(ctx context.Context, call chat.ToolCall) (Result, error) {
		if call.ID == "0" {
			return Result{Content: chat.Text("done in time")}, nil
		}
		cancel(cause)
		<-ctx.Done()
		return Result{}, ctx.Err()
	})
	req := question()
	model := &scriptedModel{turns: []scriptedTurn{calls(3)}}
	var outcomes []Outcome
	var last error
	for e, err := range New(Options{Model: model, Tools: tools, MaxParallel: 1}).Run(ctx, req) {
		last = err
		if e.Kind == CallEnd {
			outcomes = append(outcomes, e.Outcome)
		}
	}
	if !errors.Is(last, cause) {
		t.Errorf("run ended with %v, want the cause", last)
	}
	if fmt.Sprint(outcomes) != "[ran cancelled cancelled]" {
		t.Errorf("outcomes %v", outcomes)
	}
	checkHistory(t, req.Messages)
	if got := req.Messages[2].Text(); got != "done in time" {
		t.Errorf("the result that came is %q", got)
	}
	if len(model.asked) != 1 {
		t.Errorf("the model was asked %d times", len(model.asked))
	}
}

func TestCancellingAGenerationKeepsWhatWasSaid(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	model := generateFunc(func(ctx context.Context, yield func(chat.Event, error) bool) {
		if !yield(chat.Event{Kind: chat.ContentDelta, Text: "half an ans"}, nil) {
			return
		}
		<-ctx.Done()
		yield(chat.Event{}, errors.New("connection closed"))
	})
	req := question()
	var last error
	for e, err := range New(Options{Model: model}).Run(ctx, req) {
		if e.Kind == ModelEvent {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("run ended with %v", last)
	}
	if n := len(req.Messages); n != 2 || req.Messages[1].Text() != "half an ans" {
		t.Errorf("history: %v", req.Messages)
	}
}

// generateFunc is a Model of one function.
type generateFunc func(ctx context.Context, yield func(chat.Event, error) bool)

func (f generateFunc) Generate(ctx context.Context, _ *chat.Request) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) { f(ctx, yield) }
}

// TestLeavingTheRange leaves it after every possible number of events: nothing is yielded after that,
// no call goes on, and the history can be used.
func TestLeavingTheRange(t *testing.T) {
	for limit := 1; ; limit++ {
		tools := executeFunc(func(ctx context.Context, call chat.ToolCall) (Result, error) {
			if call.ID == "1" && limit < 100 {
				select {
				case <-ctx.Done():
					return Result{}, ctx.Err()
				case <-time.After(time.Millisecond):
				}
			}
			return Result{Content: chat.Text("x")}, nil
		})
		req := question()
		model := &scriptedModel{turns: []scriptedTurn{calls(3), {Text: "some words at the end"}}}
		seen := 0
		for _, err := range New(Options{Model: model, Tools: tools, MaxParallel: 2}).Run(t.Context(), req) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == limit {
				break
			}
		}
		checkHistory(t, req.Messages)
		if seen < limit {
			if limit < 20 {
				t.Fatalf("the run has only %d events", seen)
			}
			return
		}
	}
}

func TestImagesOfAResultReachTheModel(t *testing.T) {
	picture := chat.Part{Type: chat.PartImage, URL: "data:image/png;base64,AAAA"}
	tools := executeFunc(func(context.Context, chat.ToolCall) (Result, error) {
		return Result{Content: []chat.Part{picture, {Type: chat.PartText, Text: "0123456789"}}, IsError: true}, nil
	})
	req := question()
	model := &scriptedModel{turns: []scriptedTurn{calls(1), {Text: "done"}}}
	if err := drain(New(Options{Model: model, Tools: tools, MaxResultBytes: 10}).Run(t.Context(), req)); err != nil {
		t.Fatal(err)
	}
	content := req.Messages[2].Content
	if len(content) != 4 || content[0].Text != "Error: " || content[1] != picture || content[2].Text != "012" {
		t.Errorf("content %+v", content)
	}
}

func Example() {
	model := &scriptedModel{turns: []scriptedTurn{
		{Calls: []chat.ToolCall{{ID: "1", Name: "add", Arguments: `{"a":2,"b":3}`}}},
		{Text: "It is 5."},
	}}
	tools := executeFunc(func(context.Context, chat.ToolCall) (Result, error) {
		return Result{Content: chat.Text("5")}, nil
	})
	req := &chat.Request{
		Messages: []chat.Message{{Role: chat.RoleUser, Content: chat.Text("2 + 3?")}},
		Tools:    []chat.Tool{{Name: "add"}},
	}
	for event, err := range New(Options{Model: model, Tools: tools}).Run(context.Background(), req) {
		switch {
		case err != nil:
			fmt.Println("failed:", err)
		case event.Kind == CallEnd:
			fmt.Println(event.Call.Name, event.Call.Arguments, "=", event.Result.Text())
		case event.Kind == Finish:
			fmt.Println(req.Messages[len(req.Messages)-1].Text())
		}
	}
	// Output:
	// add {"a":2,"b":3} = 5
	// It is 5.
}

// deferring is a gate that leaves the calls with certain arguments open.
type deferring map[string]bool

func (g deferring) Approve(_ context.Context, call chat.ToolCall) (Verdict, error) {
	return Verdict{Allowed: !g[call.ID], Deferred: g[call.ID]}, nil
}

// TestDeferredCalls wants the other calls of the turn to be run, the run to end, and another run to go on
// from there.
func TestDeferredCalls(t *testing.T) {
	req := question()
	tools := executeFunc(func(_ context.Context, call chat.ToolCall) (Result, error) {
		return Result{Content: chat.Text("result " + call.ID)}, nil
	})
	model := &scriptedModel{turns: []scriptedTurn{calls(3), {Text: "done"}}}
	var last Event
	for e, err := range New(Options{Model: model, Tools: tools, Gate: deferring{"1": true}}).Run(t.Context(), req) {
		if last = e; err != nil {
			t.Fatal(err)
		}
	}
	if last.Kind != Finish || last.Stop != StopDeferred || len(req.Messages) != 4 {
		t.Fatalf("ended with %+v after %d messages", last, len(req.Messages))
	}
	req.Messages = append(req.Messages, chat.Message{Role: chat.RoleUser, Content: chat.Text("yes, do")})
	req.ToolChoice.Mode = chat.ToolRequired
	var ran []string
	for e, err := range New(Options{Model: model, Tools: tools}).Run(t.Context(), req) {
		if last = e; err != nil {
			t.Fatal(err)
		}
		if e.Kind == CallRun {
			ran = append(ran, e.Call.ID)
		}
	}
	var said []string
	for _, m := range req.Messages[2:] {
		said = append(said, m.Text())
	}
	if got := strings.Join(said, "; "); fmt.Sprint(ran) != "[1]" || got != "result 0; result 1; result 2; yes, do; done" || last.Stop != StopAnswer {
		t.Errorf("ran %v, messages %s, stop %s", ran, got, last.Stop)
	}
	if model.asked[1].ToolChoice.Mode != chat.ToolAuto {
		t.Errorf("the tool choice of the turn after the calls is %q", model.asked[1].ToolChoice.Mode)
	}
	checkHistory(t, req.Messages)
}

// TestIncompleteCalls wants a call that broke off not to be run.
func TestIncompleteCalls(t *testing.T) {
	model := generateFunc(func(_ context.Context, yield func(chat.Event, error) bool) {
		for _, e := range []chat.Event{
			{Kind: chat.CallStart, ID: "a", Name: "tool"}, {Kind: chat.CallDelta, Text: "{}"}, {Kind: chat.CallEnd, Incomplete: true},
			{Kind: chat.Finish, Reason: chat.FinishLength},
		} {
			if !yield(e, nil) {
				return
			}
		}
	})
	tools := executeFunc(func(context.Context, chat.ToolCall) (Result, error) {
		t.Error("it was run")
		return Result{}, nil
	})
	if err := drain(New(Options{Model: model, Tools: tools}).Run(t.Context(), question())); err != nil {
		t.Fatal(err)
	}
}

// TestReports wants the reports of a call between its start and its end, in order, and nobody to wait for a
// reader.
func TestReports(t *testing.T) {
	tools := executeFunc(func(ctx context.Context, call chat.ToolCall) (Result, error) {
		for i := range maxReports + 5 {
			Report(ctx, Progress{Progress: float64(i), Message: call.ID})
		}
		return Result{Content: chat.Text("x")}, nil
	})
	model := &scriptedModel{turns: []scriptedTurn{calls(3), {Text: "done"}}}
	last, ended := map[string]float64{}, map[string]bool{}
	for e, err := range New(Options{Model: model, Tools: tools}).Run(t.Context(), question()) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case CallEnd:
			ended[e.Call.ID] = true
		case CallProgress:
			if before, any := last[e.Call.ID]; ended[e.Call.ID] || any && e.Progress.Progress <= before || e.Progress.Message != e.Call.ID {
				t.Errorf("call %s: %+v after %v, ended %v", e.Call.ID, e.Progress, before, ended[e.Call.ID])
			}
			last[e.Call.ID] = e.Progress.Progress
		}
	}
	if len(last) == 0 {
		t.Error("nothing was reported")
	}
	Report(t.Context(), Progress{}) // outside a call it does nothing
}

// TestNotes wants every note of a call, in order, however many there are.
func TestNotes(t *testing.T) {
	tools := executeFunc(func(ctx context.Context, call chat.ToolCall) (Result, error) {
		for i := range 3 * maxReports {
			if err := Tell(ctx, fmt.Sprint(call.ID, " ", i)); err != nil {
				return Result{}, err
			}
		}
		return Result{Content: chat.Text("x")}, nil
	})
	model := &scriptedModel{turns: []scriptedTurn{calls(2), {Text: "done"}}}
	told := map[string]int{}
	for e, err := range New(Options{Model: model, Tools: tools}).Run(t.Context(), question()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == CallNote {
			if want := fmt.Sprint(e.Call.ID, " ", told[e.Call.ID]); e.Note != want {
				t.Errorf("note %v, want %s", e.Note, want)
			}
			told[e.Call.ID]++
		}
		if e.Kind == CallEnd && told[e.Call.ID] != 3*maxReports {
			t.Errorf("%d notes before the end of %s", told[e.Call.ID], e.Call.ID)
		}
	}
	if len(told) != 2 || Tell(t.Context(), "x") == nil {
		t.Errorf("told %v, or there was a run where there is none", told)
	}
}

// TestNotesToNobody wants a call to end that tells something to a reader who has left.
func TestNotesToNobody(t *testing.T) {
	tools := executeFunc(func(ctx context.Context, call chat.ToolCall) (Result, error) {
		for {
			if err := Tell(ctx, "x"); err != nil {
				return Result{}, err
			}
		}
	})
	model := &scriptedModel{turns: []scriptedTurn{calls(1), {Text: "done"}}}
	for e, err := range New(Options{Model: model, Tools: tools}).Run(t.Context(), question()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == CallNote {
			break
		}
	}
}
