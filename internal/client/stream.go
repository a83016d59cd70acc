package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/sse"
)

// ErrBroken is the error of a stream that ended before the server said that it was complete.
var ErrBroken = errors.New("the server's answer broke off")

// Generate asks the server for one streamed chat completion. Sampling fields that equal
// [chat.DefaultSampling] are not sent, so that the server's own settings hold; the log probabilities,
// ContinueFinalMessage and NoGenerationPrompt are not sent at all. Leaving the range cancels the
// generation on the server. The error is an [*UnreachableError], an [*Error], one that is [ErrBroken],
// or the cause of ctx being done.
func (c *Client) Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := c.generate(ctx, req, yield); err != nil && !errors.Is(err, errLeft) {
			yield(chat.Event{}, err)
		}
	}
}

// errLeft ends a stream whose consumer left the range.
var errLeft = errors.New("client: the range was left")

func (c *Client) generate(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) error {
	wire, err := encodeRequest(req)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	resp, err := c.send(ctx, http.MethodPost, "/v1/chat/completions", nil, wire)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return fmt.Errorf("%s answered with %q instead of an event stream: is it a toolserve?", c.URL(), kind)
	}
	d := decoder{yield: yield}
	reader := sse.NewReader(resp.Body)
	for !d.done {
		event, err := reader.Next()
		if err != nil {
			return d.end(ctx, err)
		}
		if err := d.event(event.Data); err != nil {
			return err
		}
	}
	return d.finish()
}

// chunk is one event of the stream. Pointers tell what is absent from what is empty.
type chunk struct {
	Error   *errorBody `json:"error"`
	Choices []struct {
		Delta struct {
			Content   string      `json:"content"`
			Reasoning string      `json:"reasoning_content"`
			ToolCalls []callDelta `json:"tool_calls"`
		} `json:"delta"`
		FinishReason chat.FinishReason `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		PromptDetails    struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionDetails struct {
			ReasoningTokens int `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	} `json:"usage"`
}

type callDelta struct {
	Index    int    `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// decoder turns the chunks of one stream into events.
type decoder struct {
	yield func(chat.Event, error) bool
	// open holds the calls that have begun, in order: the last one is being written.
	open   []int
	closed int // how many of them have their CallEnd
	reason chat.FinishReason
	usage  chat.Usage
	done   bool // [DONE] was read
}

func (d *decoder) emit(e chat.Event) error {
	if !d.yield(e, nil) {
		return errLeft
	}
	return nil
}

func (d *decoder) event(data []byte) error {
	if string(data) == "[DONE]" {
		d.done = true
		return nil
	}
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("an event of the server's stream is no JSON object: %w", err)
	}
	if c.Error != nil {
		return c.Error.error(0)
	}
	if c.Usage != nil {
		d.usage = chat.Usage{
			PromptTokens:     c.Usage.PromptTokens,
			CachedTokens:     c.Usage.PromptDetails.CachedTokens,
			CompletionTokens: c.Usage.CompletionTokens,
			ReasoningTokens:  c.Usage.CompletionDetails.ReasoningTokens,
		}
	}
	if len(c.Choices) == 0 {
		return nil
	}
	choice := c.Choices[0]
	if choice.FinishReason != "" {
		d.reason = choice.FinishReason
	}
	if err := d.text(chat.ReasoningDelta, choice.Delta.Reasoning); err != nil {
		return err
	}
	if err := d.text(chat.ContentDelta, choice.Delta.Content); err != nil {
		return err
	}
	for _, call := range choice.Delta.ToolCalls {
		if err := d.call(call); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) text(kind chat.EventKind, text string) error {
	if text == "" {
		return nil
	}
	return d.emit(chat.Event{Kind: kind, Text: text})
}

// call passes on a piece of a call. The wire does not say when a call is complete: it is when the next
// one begins or the generation ends.
func (d *decoder) call(delta callDelta) error {
	if len(d.open) == 0 || d.open[len(d.open)-1] != delta.Index {
		if err := d.closeCalls(); err != nil {
			return err
		}
		d.open = append(d.open, delta.Index)
		start := chat.Event{Kind: chat.CallStart, Index: len(d.open) - 1, ID: delta.ID, Name: delta.Function.Name}
		if err := d.emit(start); err != nil {
			return err
		}
	}
	if delta.Function.Arguments == "" {
		return nil
	}
	return d.emit(chat.Event{Kind: chat.CallDelta, Index: len(d.open) - 1, Text: delta.Function.Arguments})
}

func (d *decoder) closeCalls() error {
	for ; d.closed < len(d.open); d.closed++ {
		if err := d.emit(chat.Event{Kind: chat.CallEnd, Index: d.closed}); err != nil {
			return err
		}
	}
	return nil
}

// end judges a stream that stopped before [DONE]. A finish reason without it is taken as complete:
// some proxies swallow the last line.
func (d *decoder) end(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF) && d.reason != "":
		return d.finish()
	case errors.Is(err, io.EOF):
		return ErrBroken
	default:
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
}

func (d *decoder) finish() error {
	if d.reason == "" {
		return ErrBroken
	}
	if err := d.closeCalls(); err != nil {
		return err
	}
	return d.emit(chat.Event{Kind: chat.Finish, Reason: d.reason, Usage: d.usage})
}
