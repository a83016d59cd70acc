package app

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/mcphost"
)

func says(events ...chat.Event) func(context.Context, *chat.Request) iter.Seq2[chat.Event, error] {
	return func(context.Context, *chat.Request) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func TestSample(t *testing.T) {
	var s sampler
	var e *chat.Error
	if _, err := s.Sample(t.Context(), mcphost.SampleRequest{}); !errors.As(err, &e) || e.Kind != chat.KindBusy {
		t.Errorf("before there is a model: %v", err)
	}
	s.use("small", says(
		chat.Event{Kind: chat.ReasoningDelta, Text: "hm"}, chat.Event{Kind: chat.ContentDelta, Text: "fo"}, chat.Event{Kind: chat.ContentDelta, Text: "ur"},
		chat.Event{Kind: chat.CallStart, ID: "c1", Name: "add"}, chat.Event{Kind: chat.CallDelta, Text: `{"a":`}, chat.Event{Kind: chat.CallDelta, Text: `1}`}, chat.Event{Kind: chat.CallEnd},
		chat.Event{Kind: chat.Finish, Reason: chat.FinishToolCalls, Usage: chat.Usage{CompletionTokens: 3}},
	))
	got, err := s.Sample(t.Context(), mcphost.SampleRequest{})
	if err != nil || got.Text != "four" || got.Model != "small" || got.Reason != chat.FinishToolCalls || got.Usage.CompletionTokens != 3 ||
		len(got.Calls) != 1 || got.Calls[0] != (chat.ToolCall{ID: "c1", Name: "add", Arguments: `{"a":1}`}) {
		t.Errorf("%+v %v", got, err)
	}
	s.use("small", says(chat.Event{Kind: chat.CallStart}, chat.Event{Kind: chat.CallEnd, Incomplete: true}, chat.Event{Kind: chat.Finish}))
	if _, err := s.Sample(t.Context(), mcphost.SampleRequest{}); !errors.As(err, &e) || e.Kind != chat.KindInvalid {
		t.Errorf("a call that broke off: %v", err)
	}
	s.running.Store(maxSampling)
	if _, err := s.Sample(t.Context(), mcphost.SampleRequest{}); !errors.As(err, &e) || e.Kind != chat.KindBusy {
		t.Errorf("too many at a time: %v", err)
	}
	if s.running.Load() != maxSampling {
		t.Error("a refused request is counted on")
	}
}
