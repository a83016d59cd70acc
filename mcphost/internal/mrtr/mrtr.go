// Package mrtr carries a request through the rounds of revision 2026-07-28: a server that wants to know
// something answers with what it asks (resultType input_required), and the request is sent again with the
// answers and the state that the server gave along, until the result is complete.
package mrtr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/content"
)

const (
	// maxRounds bounds how often one request is sent.
	maxRounds = 16
	// maxAsks bounds what is asked in one round.
	maxAsks = 32
	// maxDepth bounds the nesting of what is asked.
	maxDepth = 64
	// maxState bounds the state that goes back and forth, in bytes.
	maxState = 1 << 20
	// firstPause is the wait where a server asks for nothing but another round; it doubles each time.
	firstPause = 50 * time.Millisecond
)

// UnansweredError says that the server asked for something that it was not told.
type UnansweredError struct {
	// Method is what it asked for, such as "elicitation/create".
	Method string
	Err    error
}

func (e *UnansweredError) Error() string {
	return fmt.Sprintf("it asks for %s: %v", e.Method, e.Err)
}

// Unwrap returns why it was not told.
func (e *UnansweredError) Unwrap() error { return e.Err }

// Exchange is the two ways that a request takes.
type Exchange struct {
	// Send sends the request with the params and returns its result as the server sent it.
	Send func(ctx context.Context, params json.RawMessage) (json.RawMessage, error)
	// Answer answers what the server asks.
	Answer func(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error)
}

// Do sends a request, a JSON object without space around it, until the result is complete. An error of
// Send comes back as it is; what Answer refuses is an [*UnansweredError].
func (x Exchange) Do(ctx context.Context, params json.RawMessage) (json.RawMessage, error) {
	sent := params
	pause := firstPause
	for range maxRounds {
		result, err := x.Send(ctx, sent)
		if err != nil || content.Type(result) != content.InputRequired {
			return result, err
		}
		asks, state, err := read(result)
		if err != nil {
			return nil, err
		}
		if len(asks) == 0 {
			if err := wait(ctx, pause); err != nil {
				return nil, err
			}
			pause *= 2
		}
		if sent, err = x.answer(ctx, params, asks, state); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the server asked for more input in %d rounds, and was asked no more", maxRounds)
}

// ask is one thing that the server wants to know.
type ask struct {
	key, method string
	params      json.RawMessage
}

// Question is one thing that a server asks.
type Question struct {
	Method string
	Params json.RawMessage
}

// Asked returns what a result of the type input_required asks, within the bounds of what is answered here.
func Asked(result json.RawMessage) ([]Question, error) {
	asks, _, err := read(result)
	if err != nil {
		return nil, err
	}
	questions := make([]Question, len(asks))
	for i, a := range asks {
		questions[i] = Question{a.method, a.params}
	}
	return questions, nil
}

// read takes apart what a server asks. state is nil without one.
func read(result json.RawMessage) (asks []ask, state json.RawMessage, err error) {
	if err := rawjson.Check(result, maxDepth); err != nil {
		return nil, nil, fmt.Errorf("what the server asks cannot be read: %w", err)
	}
	var requests json.RawMessage
	rawjson.Fields(result, func(key string, value json.RawMessage) bool {
		switch key {
		case "inputRequests":
			requests = value
		case "requestState":
			state = value
		}
		return true
	})
	if string(state) == "null" {
		state = nil
	}
	if _, isText := rawjson.Text(state); state != nil && (!isText || len(state) > maxState) {
		return nil, nil, fmt.Errorf("the server's requestState is not a string of at most %d bytes", maxState)
	}
	if asks, err = readAsks(requests); err != nil {
		return nil, nil, err
	}
	if len(asks) == 0 && state == nil {
		return nil, nil, errors.New("the server asks for input and does not say for which")
	}
	return asks, state, nil
}

// readAsks reads inputRequests; nil and null are none.
func readAsks(requests json.RawMessage) (asks []ask, err error) {
	isObject := rawjson.Fields(requests, func(key string, value json.RawMessage) bool {
		a := ask{key: key}
		rawjson.Fields(value, func(key string, value json.RawMessage) bool {
			switch key {
			case "method":
				a.method, _ = rawjson.Text(value)
			case "params":
				a.params = value
			}
			return true
		})
		asks = append(asks, a)
		return len(asks) <= maxAsks
	})
	switch {
	case requests != nil && string(requests) != "null" && !isObject:
		return nil, errors.New("the server's inputRequests are not an object")
	case len(asks) > maxAsks:
		return nil, fmt.Errorf("the server asks for more than %d things at once", maxAsks)
	}
	return asks, nil
}

// answer returns the params of the next round: those of the first, the answers, and the state unread.
func (x Exchange) answer(ctx context.Context, params json.RawMessage, asks []ask, state json.RawMessage) (json.RawMessage, error) {
	next := append(json.RawMessage(nil), params[:len(params)-1]...)
	for i, a := range asks {
		given, err := x.Answer(ctx, a.method, a.params)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, &UnansweredError{Method: name(a.method), Err: err}
		}
		if i == 0 {
			next = append(next, `,"inputResponses":{`...)
		} else {
			next = append(next, ',')
		}
		next = append(rawjson.AppendText(next, a.key), ':')
		next = append(next, given...)
	}
	if len(asks) > 0 {
		next = append(next, '}')
	}
	if state != nil {
		next = append(append(next, `,"requestState":`...), state...)
	}
	return append(next, '}'), nil
}

// name makes a server's word for a method fit for a message.
func name(method string) string {
	switch method {
	case "roots/list", "elicitation/create", "sampling/createMessage":
		return method
	}
	return "something that is not known here"
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
