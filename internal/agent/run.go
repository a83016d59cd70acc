package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// errLeft ends a run whose consumer left the range: nothing may be yielded any more.
var errLeft = errors.New("agent: the range was left")

// run is the state of one call of [Loop.Run].
type run struct {
	opts  Options
	req   *chat.Request
	yield func(Event, error) bool
	// choice is the tool choice of the coming turn.
	choice chat.ToolChoice
	round  int
	seen   repeats
	// stop is set when no more tools may be called, and says why.
	stop  Stop
	usage chat.Usage
	// calls counts those that the gate allowed, and deferred says that it left one of them open.
	calls    int
	deferred bool
}

// emit yields one event and reports errLeft when the consumer wants no more.
func (r *run) emit(e Event) error {
	e.Round = r.round
	if !r.yield(e, nil) {
		return errLeft
	}
	return nil
}

func (r *run) loop(ctx context.Context) error {
	if done, err := r.resume(ctx); done || err != nil {
		return err
	}
	for r.round = 1; ; r.round++ {
		if r.round > r.opts.MaxRounds && r.stop == "" {
			r.stop = StopRounds
		}
		turn, err := r.generate(ctx)
		if err != nil {
			r.keepPartial(turn)
			return err
		}
		if len(turn.message.ToolCalls) == 0 || r.stop != "" {
			return r.finish(turn)
		}
		r.req.Messages = append(r.req.Messages, turn.message)
		if err := r.answerCalls(ctx, len(r.req.Messages)-1); err != nil {
			return err
		}
		if r.deferred {
			return r.emit(Event{Kind: Finish, Stop: StopDeferred, Usage: r.usage})
		}
		r.choice = chat.ToolChoice{Mode: chat.ToolAuto}
	}
}

// resume answers the open calls of the last turn in the request, and reports whether the run ends with
// that.
func (r *run) resume(ctx context.Context) (done bool, err error) {
	last := len(r.req.Messages) - 1
	for last >= 0 && r.req.Messages[last].Role != chat.RoleAssistant {
		last--
	}
	if last < 0 || !r.open(last) {
		return false, nil
	}
	if r.choice.Mode != chat.ToolNone {
		r.choice = chat.ToolChoice{Mode: chat.ToolAuto}
	}
	if err := r.answerCalls(ctx, last); err != nil {
		return true, err
	}
	if r.deferred {
		return true, r.emit(Event{Kind: Finish, Stop: StopDeferred, Usage: r.usage})
	}
	return false, nil
}

// open reports whether a call of the turn at a place in the messages has no tool message.
func (r *run) open(turn int) bool {
	answers := r.answers(turn)
	return slices.ContainsFunc(r.req.Messages[turn].ToolCalls, func(call chat.ToolCall) bool {
		_, ok := answers[call.ID]
		return !ok
	})
}

// answers returns the tool messages right behind a turn, by the id of their call.
func (r *run) answers(turn int) map[string]chat.Message {
	answers := map[string]chat.Message{}
	for _, m := range r.req.Messages[turn+1:] {
		if m.Role != chat.RoleTool {
			break
		}
		answers[m.ToolCallID] = m
	}
	return answers
}

// keepPartial puts what the model had said before it was interrupted into the history. Its calls are
// left out: they have not run and nobody waits for them.
func (r *run) keepPartial(turn turn) {
	turn.message.ToolCalls = nil
	if len(turn.message.Content) > 0 {
		r.req.Messages = append(r.req.Messages, turn.message)
	}
}

// finish ends the run with the model's answer. Calls in a turn that was asked for without tools are
// dropped: nobody would answer them.
func (r *run) finish(turn turn) error {
	turn.message.ToolCalls = nil
	r.req.Messages = append(r.req.Messages, turn.message)
	stop := r.stop
	switch {
	case stop != "":
	case turn.reason == chat.FinishLength:
		stop = StopLength
	default:
		stop = StopAnswer
	}
	return r.emit(Event{Kind: Finish, Stop: stop, Usage: r.usage})
}

// turn is one message of the model and how it ended.
type turn struct {
	message chat.Message
	reason  chat.FinishReason
}

// generate asks the model for its next turn and passes its events on. With an error it returns what
// had come until then.
func (r *run) generate(ctx context.Context) (turn, error) {
	if err := r.emit(Event{Kind: RoundStart}); err != nil {
		return turn{}, err
	}
	req := *r.req
	req.ToolChoice = r.choice
	if r.stop != "" {
		req.ToolChoice = chat.ToolChoice{Mode: chat.ToolNone}
	}
	var c collector
	for event, err := range r.opts.Model.Generate(ctx, &req) {
		if err != nil {
			return c.turn(r.round), generateError(ctx, err)
		}
		c.add(event)
		if err := r.emit(Event{Kind: ModelEvent, Model: event}); err != nil {
			return c.turn(r.round), err
		}
	}
	if c.reason == "" {
		return c.turn(r.round), generateError(ctx, ErrNoFinish)
	}
	r.addUsage(c.usage)
	return c.turn(r.round), nil
}

// generateError prefers the reason for which the run was cancelled over the failure that it caused.
func generateError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (r *run) addUsage(u chat.Usage) {
	r.usage.PromptTokens += u.PromptTokens
	r.usage.CachedTokens += u.CachedTokens
	r.usage.CompletionTokens += u.CompletionTokens
	r.usage.ReasoningTokens += u.ReasoningTokens
}

// collector puts the events of one turn together into a message.
type collector struct {
	text, reasoning strings.Builder
	calls           []openCall
	reason          chat.FinishReason
	usage           chat.Usage
}

// openCall is a call whose arguments are still coming.
type openCall struct {
	index     int
	id, name  string
	arguments []byte
	closed    bool
}

func (c *collector) add(e chat.Event) {
	switch e.Kind {
	case chat.ContentDelta:
		c.text.WriteString(e.Text)
	case chat.ReasoningDelta:
		c.reasoning.WriteString(e.Text)
	case chat.CallStart:
		c.calls = append(c.calls, openCall{index: e.Index, id: e.ID, name: e.Name})
	case chat.CallDelta:
		if call := c.call(e.Index); call != nil {
			call.arguments = append(call.arguments, e.Text...)
		}
	case chat.CallEnd:
		if call := c.call(e.Index); call != nil {
			call.closed = !e.Incomplete
		}
	case chat.Finish:
		c.reason, c.usage = e.Reason, e.Usage
	}
}

func (c *collector) call(index int) *openCall {
	for i := len(c.calls) - 1; i >= 0; i-- {
		if c.calls[i].index == index {
			return &c.calls[i]
		}
	}
	return nil
}

// turn returns the message so far, with the calls that are complete. Each gets an id of its own: an
// id that is missing or used twice would leave its result without an address.
func (c *collector) turn(round int) turn {
	message := chat.Message{Role: chat.RoleAssistant, Reasoning: c.reasoning.String()}
	if c.text.Len() > 0 {
		message.Content = chat.Text(c.text.String())
	}
	used := map[string]bool{}
	for i := range c.calls {
		call := &c.calls[i]
		if !call.closed {
			continue
		}
		id := call.id
		for n := i; id == "" || used[id]; n++ {
			id = fmt.Sprintf("call_%d_%d", round, n)
		}
		used[id] = true
		arguments := strings.TrimSpace(string(call.arguments))
		if arguments == "" { // how some models call a function without parameters
			arguments = "{}"
		}
		message.ToolCalls = append(message.ToolCalls, chat.ToolCall{ID: id, Name: call.name, Arguments: arguments})
	}
	return turn{message: message, reason: c.reason}
}
