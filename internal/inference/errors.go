package inference

import (
	"errors"
	"fmt"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/prompt"
)

// invalid is the client's fault in a field of its request.
func invalid(param, code, format string, args ...any) *chat.Error {
	return &chat.Error{Kind: chat.KindInvalid, Param: param, Code: code, Message: fmt.Sprintf(format, args...)}
}

// translate says what an error of the prompt or the engine means to a client. Others, such as a context's,
// pass.
func translate(err error) error {
	var (
		render *prompt.RequestError
		full   *engine.ContextError
		field  *engine.RequestError
	)
	switch {
	case errors.As(err, &render):
		param := render.Param
		if param == "" {
			param = "messages"
		}
		return &chat.Error{Kind: chat.KindInvalid, Param: param, Code: "invalid_prompt", Message: render.Message, Err: err}
	case errors.As(err, &full):
		return &chat.Error{Kind: chat.KindInvalid, Param: "messages", Code: "context_length_exceeded", Message: full.Error(), Err: err}
	case errors.As(err, &field):
		return &chat.Error{Kind: chat.KindInvalid, Param: clientField(field.Field), Code: "invalid_value", Message: field.Error(), Err: err}
	case errors.Is(err, engine.ErrQueueFull):
		return &chat.Error{Kind: chat.KindBusy, Code: "overloaded", RetryAfter: 2 * time.Second, Err: err,
			Message: "too many requests wait for the model; try again in a moment"}
	case errors.Is(err, engine.ErrEngineDead):
		return &chat.Error{Kind: chat.KindUnavailable, Code: "engine_failed", Err: err,
			Message: "the model has failed and cannot go on until the server is restarted: " + err.Error()}
	case errors.Is(err, engine.ErrClosed):
		return &chat.Error{Kind: chat.KindUnavailable, Code: "stopping", Err: err, Message: "the server is stopping"}
	}
	return err
}

// clientField is the request's name for a field of the engine's request.
func clientField(field string) string {
	switch field {
	case "Grammar":
		return "tools"
	case "Prompt":
		return "messages"
	case "MaxTokens":
		return "max_tokens"
	case "TopLogprobs":
		return "top_logprobs"
	}
	return ""
}
