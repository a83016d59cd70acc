package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/rawjson"
)

// Sampler generates an answer of the served model.
type Sampler interface {
	Sample(ctx context.Context, req SampleRequest) (SampleResult, error)
}

// SampleRequest is a conversation that a server wants the next turn of.
type SampleRequest struct {
	// Server is the server that asks. Tool, Actor and Request are those of the call that it belongs to,
	// or "" where that is not known.
	Server, Tool, Actor, Request string
	// Chat is the request; its MaxTokens is within the limits and never 0.
	Chat chat.Request
}

// SampleResult is the turn.
type SampleResult struct {
	// Model is the name of the model that wrote it.
	Model string
	Text  string
	// Calls are the calls of the request's own tools, which the server runs itself.
	Calls []chat.ToolCall
	// Reason is why the turn ended.
	Reason chat.FinishReason
	Usage  chat.Usage
}

// SamplingLimits bound what a server may have of the model. Zero fields mean the defaults.
type SamplingLimits struct {
	// MaxTokens bounds the tokens of one answer; 0 means 1024.
	MaxTokens int
	// MaxRequests bounds the requests of one tool call, and those of a minute that belong to none; 0
	// means 10. It is what ends a server that keeps asking.
	MaxRequests int
	// Timeout bounds one answer; 0 means 2 min.
	Timeout time.Duration
}

func (l SamplingLimits) orDefaults() SamplingLimits {
	if l.MaxTokens <= 0 {
		l.MaxTokens = 1024
	}
	if l.MaxRequests <= 0 {
		l.MaxRequests = 10
	}
	if l.Timeout <= 0 {
		l.Timeout = 2 * time.Minute
	}
	return l
}

func (h *Handlers) sample(ctx context.Context, params json.RawMessage) (any, error) {
	if h.opts.Sampler == nil && !h.opts.CallerSamples {
		return nil, refusal(jsonrpc.CodeMethodNotFound,
			"sampling is not allowed for this server; the operator can allow it with \"sampling\": {\"enabled\": true} in its entry")
	}
	req, err := readSampling(params)
	if err != nil {
		return nil, err
	}
	limits := h.opts.Sampling
	if req.MaxTokens <= 0 || req.MaxTokens > limits.MaxTokens {
		req.MaxTokens = limits.MaxTokens
	}
	call, err := h.sampling(ctx)
	if err != nil {
		return nil, err
	}
	if call != nil && call.Sample != nil {
		return h.callerSample(ctx, call, params)
	}
	if h.opts.Sampler == nil {
		return nil, refusal(jsonrpc.CodeMethodNotFound, "there is no model here, and no caller who has one")
	}
	ask := SampleRequest{Server: h.opts.Server, Chat: req}
	if call != nil {
		ask.Tool, ask.Actor, ask.Request = call.Tool, call.Actor, call.Request
	}
	ctx, end := during(ctx, call, limits.Timeout)
	defer end()
	start := h.opts.Now()
	result, err := h.opts.Sampler.Sample(ctx, ask)
	h.recordSample(ask, result, h.opts.Now().Sub(start), err)
	if err != nil {
		return nil, h.sampleError(ctx, err)
	}
	return writeSample(result), nil
}

// sampling counts a request against the call that it belongs to, or against the minute.
func (h *Handlers) sampling(ctx context.Context) (*Call, error) {
	most := h.opts.Sampling.MaxRequests
	call, known := h.callOf(ctx)
	switch {
	case known && call.over():
		return nil, refusal(jsonrpc.CodeInvalidRequest, "the tool call that this belongs to has ended")
	case known && !call.take(&call.sample, most):
		return nil, refusal(codeLimit, "a tool call may ask the model at most %d times; the operator can change \"max_requests\"", most)
	case !known && !h.samples.allow(h.opts.Now(), most):
		return nil, refusal(codeLimit, "the server may ask the model at most %d times in a minute apart from its tool calls", most)
	}
	return call, nil
}

func (h *Handlers) recordSample(ask SampleRequest, result SampleResult, took time.Duration, err error) {
	record := audit.Record{
		Kind: audit.KindSampling, Server: ask.Server, Tool: ask.Tool, Actor: ask.Actor, Request: ask.Request,
		Decision: "allow", Success: err == nil, DurationMS: float64(took.Microseconds()) / 1000,
	}
	if n := len(ask.Chat.Messages); n > 0 {
		record.Note = clip(ask.Chat.Messages[n-1].Text(), 1000)
	}
	if err != nil {
		record.Error = h.opts.Hide(err.Error())
	} else {
		record.Result = clip(result.Text, 4<<10)
	}
	h.opts.Record(record)
}

// sampleError says to the server why there is no answer: its own mistakes in detail, ours in one word.
// callerSample has the caller's model answer.
func (h *Handlers) callerSample(ctx context.Context, call *Call, params json.RawMessage) (any, error) {
	ctx, end := during(ctx, call, h.opts.Sampling.Timeout)
	defer end()
	result, err := call.Sample(ctx, params)
	if err == nil && (len(result) > maxParams || rawjson.Check(result, maxDepth) != nil || rawjson.Member(result, "content") == nil) {
		err = errors.New("the answer is no message, or too large")
	}
	record := audit.Record{
		Kind: audit.KindSampling, Server: h.opts.Server, Tool: call.Tool, Actor: call.Actor, Request: call.Request,
		Success: err == nil, Note: "answered by the caller",
	}
	if err != nil {
		record.Error = h.opts.Hide(clip(err.Error(), 500))
	}
	h.opts.Record(record)
	if err != nil {
		return nil, refusal(jsonrpc.CodeInternalError, "the caller did not answer: %s", clip(err.Error(), 500))
	}
	return result, nil
}

func (h *Handlers) sampleError(ctx context.Context, err error) error {
	var e *chat.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return refusal(jsonrpc.CodeInternalError, "the model did not answer within %s", h.opts.Sampling.Timeout)
	case ctx.Err() != nil:
		return refusal(jsonrpc.CodeInternalError, "the tool call was given up")
	case errors.As(err, &e) && e.Kind == chat.KindInvalid:
		return refusal(jsonrpc.CodeInvalidParams, "%s", clip(e.Message, 1000))
	case errors.As(err, &e) && e.Kind == chat.KindBusy:
		return refusal(codeLimit, "the model is busy; try again later")
	}
	h.opts.Logger.Warn("the model did not answer an MCP server", "error", h.opts.Hide(err.Error()))
	return refusal(jsonrpc.CodeInternalError, "the model could not answer")
}
