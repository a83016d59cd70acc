package mcphost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/content"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/mrtr"
	"github.com/toolserve/toolserve/mcphost/internal/turns"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

// call runs a tool on the server, within its timeout.
func (s *server) call(ctx context.Context, t *catalog.Tool, arguments json.RawMessage, call *Call) (Result, *Error) {
	l, e := s.ready(ctx)
	if e != nil {
		e.Tool = t.Name
		return Result{}, e
	}
	callCtx, asks := s.asks.Begin(ctx, inbound.Caller{
		Tool: t.Name, Actor: call.Actor, Request: call.Request, Elicit: call.Elicit, NoElicit: call.NoElicit, Sample: call.Sample, OnLog: call.OnLog,
	}, s.callTime(call.Timeout), errTimeout)
	defer asks.End()
	stop := context.AfterFunc(l.ctx, func() { asks.Fail(errLinkEnded) })
	defer stop()

	relay, e := s.relay(l, call.Relay, call.OnTask != nil)
	if e != nil {
		return Result{}, e
	}
	s.hearLogs(callCtx, l, call.OnLog != nil)
	wait, steps := queueWait{}, steps{asks: asks, tell: call.OnProgress}
	exchange := mrtr.Exchange{Answer: s.asks.Answer, Send: func(ctx context.Context, params json.RawMessage) (json.RawMessage, error) {
		done, err := s.turn(ctx, call.Actor, &wait)
		if err != nil {
			return nil, err
		}
		defer done()
		return l.requests.Do(ctx, wire.Request{
			Method: "tools/call", Params: relay.params(params), Name: t.Name, Headers: t.Headers(arguments),
			LogLevel: s.logLevel(call.OnLog != nil), Capabilities: relay.declares(), OnProgress: steps.listener(),
		})
	}}
	raw, asked, err := s.play(callCtx, exchange, s.callParams(l, t, arguments, call.OnTask != nil), relay)
	if err == nil && asked {
		return Result{Input: raw}, nil
	}
	if err == nil && mrtr.IsTask(raw) {
		s.taskTime(call, asks)
		raw, err = s.await(callCtx, l, &steps, raw, call)
	}
	if err != nil {
		return Result{}, s.callError(callCtx, l, t, asks, &wait, err)
	}
	result, err := content.Read(raw, s.host.opts.MaxResult)
	if err != nil {
		return Result{}, errorf(ServerFailed, t.Server, t.Name, "server '%s' answered '%s' with no result: %v", t.Server, t.Name, err)
	}
	return result, nil
}

// queueWait is what a call knows of its wait for its turn.
type queueWait struct {
	waited  time.Duration
	ahead   int  // who was before it when it began to wait for the last time
	waiting bool // it never had its last turn
	limit   int
}

// turn waits for a turn of the server, which done gives back.
func (s *server) turn(ctx context.Context, actor string, wait *queueWait) (done func(), err error) {
	limit := cmp.Or(s.cfg().MaxParallelCalls, mcpjson.DefaultMaxParallelCalls)
	wait.limit, wait.ahead, wait.waiting = limit, s.turns.Ahead(), true
	waited, err := s.turns.Take(ctx, actor, limit)
	wait.waited += waited
	if err != nil {
		return nil, err
	}
	wait.waiting = false
	return func() { s.turns.Done(limit) }, nil
}

// explain says what a call that took too long did with its time.
func (w *queueWait) explain(server, tool string) string {
	const round = 10 * time.Millisecond
	switch {
	case w.waiting:
		return fmt.Sprintf("it waited for its turn behind %d others of server '%s', which runs %d calls at a time (max_parallel_calls)", w.ahead, server, w.limit)
	case w.waited >= round:
		return fmt.Sprintf("server '%s' did not answer '%s', after %v of waiting for its turn behind others (max_parallel_calls is %d)",
			server, tool, w.waited.Round(round), w.limit)
	}
	return fmt.Sprintf("server '%s' did not answer '%s'; \"timeout\" of its entry or of the call allows more", server, tool)
}

func callParams(name string, arguments json.RawMessage) json.RawMessage {
	b := make([]byte, 0, len(name)+len(arguments)+32)
	b = rawjson.AppendText(append(b, `{"name":`...), name)
	b = append(append(b, `,"arguments":`...), arguments...)
	return append(b, '}')
}

var (
	errTimeout   = fmt.Errorf("the call took too long: %w", context.DeadlineExceeded)
	errLinkEnded = errors.New("the connection ended")
)

// callError says what went wrong with a call that was sent, or waited to be.
func (s *server) callError(ctx context.Context, l *link, t *catalog.Tool, asks *inbound.Call, wait *queueWait, err error) *Error {
	var e *Error
	var protocol *jsonrpc.Error
	var unanswered *mrtr.UnansweredError
	login := l.credentialError(err)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		e = errorf(TimedOut, t.Server, t.Name, "%s", timedOut(asks, wait, t.Server, t.Name))
	case errors.Is(err, turns.ErrTooMany):
		e = errorf(RateLimited, t.Server, t.Name, "server '%s' did not run '%s': %v (%d calls)", t.Server, t.Name, err, turns.MaxWaiting)
		e.RetryAfter = time.Second
	case cause != nil && !errors.Is(cause, errLinkEnded):
		e = errorf(Canceled, t.Server, t.Name, "the call of tool '%s' was given up by its caller", t.Full)
	case login != nil:
		e = errorf(NeedsApproval, t.Server, t.Name, "server '%s' did not run '%s': %s", t.Server, t.Name, login.Message)
	case cause == nil && errors.As(err, &unanswered):
		e = errorf(NeedsInput, t.Server, t.Name, "Tool '%s' cannot go on: %v", t.Full, unanswered)
	case cause == nil && errors.As(err, &protocol):
		kind := ServerFailed
		if protocol.Code == jsonrpc.CodeInvalidParams {
			kind = BadArguments
		}
		e = errorf(kind, t.Server, t.Name, "server '%s' refused the call of '%s': %s (code %d)",
			t.Server, t.Name, catalog.Cut(protocol.Message, 2000), protocol.Code)
		e.answered(protocol, s.host.redactor.Hide)
	default:
		var reason error
		err, reason = s.broke(l, cause, err)
		e = errorf(ServerFailed, t.Server, t.Name, "server '%s' failed during the call of '%s': %v", t.Server, t.Name, reason)
	}
	e.Message = s.host.redactor.Hide(e.Message)
	e.Err = fmt.Errorf("call %s: %w", t.Full, err)
	return e
}

// broke returns why a request was left without an answer that its server should have given, and the reason
// to tell people. A connection that broke is dialled anew.
func (s *server) broke(l *link, cause, err error) (of, reason error) {
	if errors.Is(cause, errLinkEnded) || l.ctx.Err() != nil {
		err = context.Cause(l.ctx)
	}
	if network := (*net.OpError)(nil); errors.As(err, &network) || errors.Is(err, wire.ErrEnded) {
		notify(s.broken)
	}
	if errors.As(err, new(changedError)) {
		return err, err
	}
	return err, s.explainEnd(l, err)
}

// checkOutput holds a structured result against the tool's output schema and returns what is wrong with
// it, or "". The result is good all the same: a model can make sense of what a program could not.
func checkOutput(t *catalog.Tool, r *Result) string {
	switch {
	case t.OutputCheck == nil || r.Input != nil || r.IsError || r.Truncated && r.Structured == nil:
		return ""
	case r.Structured == nil:
		return "the result has no structuredContent, which the tool's output schema promises"
	}
	misfit := t.OutputCheck.Validate(r.Structured)
	if misfit == nil {
		return ""
	}
	return "structuredContent does not fit the tool's output schema: " + misfit.Message
}
