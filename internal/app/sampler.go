package app

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/mcphost"
)

// maxSampling bounds the answers that MCP servers have the model write at a time: they share it with the
// clients of the API.
const maxSampling = 4

// sampler lets MCP servers ask the served model. It writes one turn and runs no tool: a server that is
// handed a call runs it itself, so nothing here can go round in circles; how often a server may ask is
// bounded by the host.
type sampler struct {
	model   atomic.Pointer[sampled] // nil until the model is loaded
	running atomic.Int32
}

// sampled is the model that answers.
type sampled struct {
	name     string
	generate func(context.Context, *chat.Request) iter.Seq2[chat.Event, error]
}

// use names the model, once it is there.
func (s *sampler) use(name string, generate func(context.Context, *chat.Request) iter.Seq2[chat.Event, error]) {
	s.model.Store(&sampled{name, generate})
}

// Sample writes one turn. Reasoning is left out: the server sees what a client of the API would.
func (s *sampler) Sample(ctx context.Context, req mcphost.SampleRequest) (mcphost.SampleResult, error) {
	model := s.model.Load()
	if model == nil {
		return mcphost.SampleResult{}, &chat.Error{Kind: chat.KindBusy, Message: "the model is still being loaded"}
	}
	defer s.running.Add(-1)
	if s.running.Add(1) > maxSampling {
		return mcphost.SampleResult{}, &chat.Error{Kind: chat.KindBusy, Message: "too many MCP servers ask the model at a time"}
	}
	result := mcphost.SampleResult{Model: model.name}
	var text strings.Builder
	var arguments []strings.Builder
	for event, err := range model.generate(ctx, &req.Chat) {
		if err != nil {
			return mcphost.SampleResult{}, err
		}
		switch event.Kind {
		case chat.ContentDelta:
			text.WriteString(event.Text)
		case chat.CallStart:
			result.Calls = append(result.Calls, chat.ToolCall{ID: event.ID, Name: event.Name})
			arguments = append(arguments, strings.Builder{})
		case chat.CallDelta:
			arguments[event.Index].WriteString(event.Text)
		case chat.CallEnd:
			if event.Incomplete {
				return mcphost.SampleResult{}, &chat.Error{Kind: chat.KindInvalid, Message: "the answer ended inside a call of a tool; allow more tokens"}
			}
		case chat.Finish:
			result.Reason, result.Usage = event.Reason, event.Usage
		}
	}
	result.Text = text.String()
	for i := range result.Calls {
		result.Calls[i].Arguments = arguments[i].String()
	}
	return result, nil
}
