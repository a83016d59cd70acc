package engine

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	// ErrContextFull is what every [*ContextError] is.
	ErrContextFull = errors.New("engine: the prompt does not fit the context")
	// ErrEngineDead means that the model library failed in a way that it cannot recover from. The process
	// goes on; this engine serves nothing more.
	ErrEngineDead = errors.New("engine: the model library failed and cannot go on; restart toolserve")
	// ErrClosed means that the engine was closed.
	ErrClosed = errors.New("engine: closed")
	// ErrQueueFull means that too many requests wait already.
	ErrQueueFull = errors.New("engine: too many requests wait; try again later")
	// ErrNoSpace is what a [Backend] returns from Decode when its cells are all taken. Nothing of the batch
	// was evaluated.
	ErrNoSpace = errors.New("engine: no free cells")
)

// ContextError is a prompt that leaves no room in the context.
type ContextError struct {
	// Prompt is the prompt's tokens, Limit the context's.
	Prompt, Limit int
}

// Error gives both numbers.
func (e *ContextError) Error() string {
	return fmt.Sprintf("the prompt has %d tokens and the context holds %d (prompt and answer together): shorten the messages or serve with a larger context", e.Prompt, e.Limit)
}

// Is makes a ContextError an [ErrContextFull].
func (e *ContextError) Is(target error) bool { return target == ErrContextFull }

// RequestError is a request that cannot be run as it stands.
type RequestError struct {
	// Field is the field of [Request] that is wrong, such as "Grammar".
	Field string
	Err   error
}

// Error names the field and the reason.
func (e *RequestError) Error() string { return fmt.Sprintf("engine: request %s: %v", e.Field, e.Err) }

// Unwrap returns the reason.
func (e *RequestError) Unwrap() error { return e.Err }
