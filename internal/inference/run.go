package inference

import (
	"context"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/engine"
)

// parser reads events out of the model's output.
type parser interface {
	Write(text string) []chat.Event
	WriteSpecial(token string) []chat.Event
	Close() []chat.Event
	parserState
}

// parserState is what a parser knows of the output so far.
type parserState interface {
	// Calls is how many calls have ended, Incomplete whether one of them broke off.
	Calls() int
	Incomplete() bool
}

// run is one generation on its way. It lives in the goroutine that ranges over the events.
type run struct {
	plan  *plan
	yield func(chat.Event, error) bool
	left  bool // the reader has left the range; yield must not be called again

	stop     *stopFilter
	probs    *aligner // nil: no logprobs
	usage    chat.Usage
	broken   bool // a call broke off
	thinking bool // the latest text was reasoning: the tokens up to the next text count as it, markup too
	asAnswer bool // reasoning is handed on as content
}

func newRun(m *Model, p *plan, yield func(chat.Event, error) bool) *run {
	r := &run{
		plan: p, yield: yield, stop: newStopFilter(p.stop),
		thinking: p.thinking, asAnswer: m.opts.ReasoningAsContent,
	}
	if p.engine.Logprobs {
		r.probs = &aligner{}
	}
	r.usage.PromptTokens = len(p.engine.Prompt)
	p.engine.OnStart = func(s engine.Start) { r.usage.CachedTokens = s.CachedTokens }
	return r
}

// generate runs the engine to the end of the answer. After an error, and after the reader has left, no
// event follows.
func (r *run) generate(ctx context.Context, from generator) error {
	reason := chat.FinishStop
	for token, err := range from.Generate(ctx, r.plan.engine) {
		if err != nil {
			return err
		}
		r.token(&token)
		if token.Finish == engine.FinishLength {
			reason = chat.FinishLength
		}
		if r.left || r.stop.hit || r.plan.single && r.plan.parser.Calls() > 0 {
			break
		}
	}
	if !r.stop.hit {
		r.pass(r.plan.parser.Close())
		r.flush()
	}
	switch {
	case r.broken:
		reason = chat.FinishLength
	case r.plan.parser.Calls() > 0:
		reason = chat.FinishToolCalls
	}
	r.send(&chat.Event{Kind: chat.Finish, Reason: reason, Usage: r.usage})
	return nil
}

// token hands one token to the parser. The spelling of an end-of-generation token is no output.
func (r *run) token(t *engine.Token) {
	r.usage.CompletionTokens++
	if r.thinking {
		r.usage.ReasoningTokens++
	}
	if t.Before != "" {
		r.pass(r.plan.parser.Write(t.Before))
	}
	switch {
	case t.End:
	case t.Special:
		r.pass(r.plan.parser.WriteSpecial(t.Text))
	default:
		if r.probs != nil {
			r.probs.add(t)
		}
		if t.Text != "" {
			r.pass(r.plan.parser.Write(t.Text))
		}
	}
}

// pass sends what the parser made of the output, except what the stop texts hold back or cut off.
func (r *run) pass(events []chat.Event) {
	if !r.broken && r.plan.parser.Incomplete() {
		r.broken = true
		markBroken(events)
	}
	for i := range events {
		ev := &events[i]
		if r.left || r.stop.hit {
			return
		}
		switch ev.Kind {
		case chat.ContentDelta:
			r.thinking = false
			r.content(r.stop.write(ev.Text))
			continue
		case chat.ReasoningDelta:
			if r.asAnswer {
				r.content(r.stop.write(ev.Text))
				continue
			}
			r.thinking = true
			if r.probs != nil {
				r.probs.take(ev.Text)
			}
		case chat.CallStart:
			r.thinking = false
			fallthrough
		case chat.CallDelta, chat.CallEnd:
			if r.probs != nil {
				r.probs.drop()
			}
		}
		r.flush()
		r.send(ev)
	}
}

// markBroken marks the call that broke off among these events. That ends a call, and hardly ever does one
// token end two.
func markBroken(events []chat.Event) {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Kind == chat.CallEnd {
			events[i].Incomplete = true
			return
		}
	}
}

// content sends text of the answer.
func (r *run) content(text string) {
	if text == "" {
		return
	}
	ev := chat.Event{Kind: chat.ContentDelta, Text: text}
	if r.probs != nil {
		ev.Logprobs = r.probs.take(text)
	}
	r.send(&ev)
}

// flush sends what the stop texts hold back.
func (r *run) flush() { r.content(r.stop.flush()) }

func (r *run) send(ev *chat.Event) {
	if !r.left && !r.yield(*ev, nil) {
		r.left = true
	}
}

// verbatim is the parser of an output in which nothing has a meaning.
type verbatim struct{ event [1]chat.Event }

func (v *verbatim) Write(text string) []chat.Event {
	v.event[0] = chat.Event{Kind: chat.ContentDelta, Text: text}
	return v.event[:]
}

func (*verbatim) WriteSpecial(string) []chat.Event { return nil }
func (*verbatim) Close() []chat.Event              { return nil }
func (*verbatim) Calls() int                       { return 0 }
func (*verbatim) Incomplete() bool                 { return false }
