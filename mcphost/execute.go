package mcphost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/content"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/policy"
)

// auditText bounds how much of a result goes into the audit log, which shortens it further.
const auditText = 4 << 10

// Call names a tool and what to pass it.
type Call struct {
	// Server is the server's name, or "" where the tool's name says enough.
	Server string
	// Tool is the tool's own name or its full name.
	Tool string
	// Arguments is a JSON object, or a JSON string that holds one; empty is {}.
	Arguments json.RawMessage
	// Approved says that a person agreed to this very call.
	Approved bool
	// Timeout bounds the call; 0 is what the configuration says.
	Timeout time.Duration
	// Origin says which path the call took ("execute", "chat", "loop"), Actor whose key it was and
	// Request which request it belongs to. They go into the audit log.
	Origin, Actor, Request string
	// Elicit asks the caller's user what the server wants to know, and waits for the answer or for the end
	// of the context; the call's time stands still meanwhile. Nil means that nobody can be asked.
	Elicit func(context.Context, Elicitation) (ElicitationAnswer, error)
	// OnLog takes what the server logs while the call runs, in order; nil takes nothing. It must not block.
	OnLog func(LogMessage)
}

// Execute runs a call: it finds the tool, checks the arguments, asks the policy, calls the server and
// records what happened, whatever it was. A tool's own failure is a Result with IsError. An error is
// an [*Error]. When ctx ends, the server is told to stop.
func (h *Host) Execute(ctx context.Context, call Call) (Result, error) {
	record := audit.Record{
		Kind: audit.KindCall, Server: call.Server, Tool: call.Tool, Arguments: call.Arguments,
		Origin: call.Origin, Actor: call.Actor, Request: call.Request,
	}
	h.mu.Lock()
	off := h.closed || h.ctx == nil
	if !off {
		h.calls.Add(1)
	}
	h.mu.Unlock()
	if off {
		return Result{}, errorf(MCPOff, call.Server, call.Tool, "the MCP servers are not running")
	}
	defer h.calls.Done()

	result, err := h.execute(ctx, call, &record)
	if err != nil {
		record.Error = err.Message
		if record.Code == "" {
			record.Code = string(err.Kind)
		}
		h.record(record)
		return Result{}, err
	}
	record.Success, record.Error = !result.IsError, catalog.Cut(result.ErrorMessage, auditText)
	record.Result = catalog.Cut(result.Text(), auditText)
	h.record(record)
	return result, nil
}

// execute does the work of Execute and notes in the record what it learns on the way.
func (h *Host) execute(ctx context.Context, call Call, record *audit.Record) (Result, *Error) {
	t, e := h.resolve(call.Server, call.Tool)
	if e != nil {
		record.Server, record.Tool = e.Server, e.Tool
		if e.Kind == NeedsApproval {
			record.Decision, record.Code, record.Reason = string(policy.Ask), "held", e.Message
		}
		return Result{}, e
	}
	record.Server, record.Tool = t.Server, t.Name
	arguments, e := h.arguments(t, call.Arguments)
	if e != nil {
		return Result{}, e
	}
	record.Arguments = arguments
	decision := h.gate().Decide(policy.Call{
		Server: t.Server, Tool: t.Name, Arguments: arguments, Profile: t.Profile, Approved: call.Approved,
		Run: call.Request, Actor: call.Actor,
	})
	record.Decision, record.Code, record.Reason = string(decision.Action), string(decision.Code), decision.Reason
	record.Warnings = decision.Warnings
	if decision.Action != policy.Allow {
		return Result{}, refused(t, decision)
	}
	s := h.server(t.Server)
	if s == nil {
		return Result{}, removed(t.Server, t.Name)
	}
	for _, warning := range decision.Warnings {
		s.logger.Warn("a tool call", "tool", t.Name, "warning", warning)
	}
	start := h.now()
	result, e := s.call(ctx, t, arguments, &call)
	duration := h.now().Sub(start)
	record.DurationMS = float64(duration.Microseconds()) / 1000
	if e != nil {
		return Result{}, e
	}
	result.Server, result.Tool, result.FullName = t.Server, t.Name, t.Full
	result.Warnings, result.Duration = decision.Warnings, duration
	if misfit := checkOutput(t, &result); misfit != "" {
		s.logger.Warn("the result of a tool is not as its schema says", "tool", t.Name, "misfit", misfit)
		result.Warnings = append(slices.Clip(result.Warnings), misfit)
		record.Warnings = result.Warnings
	}
	return result, nil
}

// checkOutput holds a structured result against the tool's output schema and returns what is wrong with
// it, or "". The result is good all the same: a model can make sense of what a program could not.
func checkOutput(t *catalog.Tool, r *Result) string {
	switch {
	case t.OutputCheck == nil || r.IsError || r.Truncated && r.Structured == nil:
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

// Resolve returns the tool that a call would run, by the same names that Execute takes.
func (h *Host) Resolve(server, name string) (Tool, error) {
	t, e := h.resolve(server, name)
	if e != nil {
		return Tool{}, e
	}
	return h.public(t), nil
}

// Decide says what the policy would do with a call, without running or counting it.
func (h *Host) Decide(call Call) (policy.Decision, error) {
	t, e := h.resolve(call.Server, call.Tool)
	if e != nil {
		return policy.Decision{}, e
	}
	arguments, e := h.arguments(t, call.Arguments)
	if e != nil {
		return policy.Decision{}, e
	}
	return h.gate().Preview(policy.Call{
		Server: t.Server, Tool: t.Name, Arguments: arguments, Profile: t.Profile, Approved: call.Approved,
		Run: call.Request, Actor: call.Actor,
	}), nil
}

// resolve finds the tool that a call names, or says why it is not there: a server that is not
// connected has no tools yet.
func (h *Host) resolve(server, name string) (*catalog.Tool, *Error) {
	if name == "" {
		return nil, errorf(BadArguments, server, "", "the call names no tool")
	}
	if server != "" && h.server(server) == nil {
		return nil, errorf(Unknown, server, name, "Server '%s' not found", server)
	}
	t, err := h.index.Load().Find(server, name)
	if err == nil {
		s := h.server(t.Server)
		switch {
		case s == nil:
			return nil, removed(t.Server, t.Name)
		case t.Held:
			return nil, errorf(NeedsApproval, t.Server, t.Name, "%s", s.reviewer.HeldTool(t.Name))
		}
		return t, nil
	}
	if err.Ambiguous {
		return nil, errorf(BadArguments, server, name, "%s", err.Message)
	}
	prefix, own, split := strings.Cut(name, catalog.Separator)
	if server == "" && split && h.server(prefix) != nil {
		server, name = prefix, own
	}
	if s := h.server(server); s != nil {
		if _, down := s.current(); down != nil {
			down.Tool = name
			return nil, down
		}
		if hidden := strings.TrimPrefix(name, server+catalog.Separator); s.has(hidden) {
			return nil, errorf(PolicyDenied, server, hidden,
				"Tool '%s' is not offered: the allowed_tools and blocked_tools of the server '%s' leave it out", hidden, server)
		}
	}
	return nil, errorf(Unknown, server, name, "%s", err.Message)
}

// removed is the error of a call of a server that is no longer configured.
func removed(server, tool string) *Error {
	return errorf(Unknown, server, tool, "Server '%s' was removed from the configuration", server)
}

// arguments reads and checks the arguments of a call.
func (h *Host) arguments(t *catalog.Tool, raw json.RawMessage) (json.RawMessage, *Error) {
	arguments, err := catalog.ReadArguments(raw)
	if err != nil {
		e := errorf(BadArguments, t.Server, t.Name, "the arguments of tool '%s' are %v", t.Full, err)
		e.Param = "arguments"
		return nil, e
	}
	if t.Check == nil {
		return arguments, nil
	}
	if misfit := t.Check.Validate(arguments); misfit != nil {
		e := errorf(BadArguments, t.Server, t.Name, "Tool '%s' argument validation failed: %s", t.Full, misfit.Message)
		if e.Param = "arguments"; misfit.Path != "" {
			e.Param += "." + misfit.Path
		}
		return nil, e
	}
	return arguments, nil
}

// refused is the error of a call that the policy did not let pass.
func refused(t *catalog.Tool, d policy.Decision) *Error { return refusal(t.Server, t.Name, d) }

// call runs a tool on the server, within its timeout.
func (s *server) call(ctx context.Context, t *catalog.Tool, arguments json.RawMessage, call *Call) (Result, *Error) {
	l, e := s.current()
	if e != nil {
		e.Tool = t.Name
		return Result{}, e
	}
	timeout := s.callTimeout(call.Timeout)
	callCtx, asks := s.asks.Begin(ctx, inbound.Caller{
		Tool: t.Name, Actor: call.Actor, Request: call.Request, Elicit: call.Elicit, OnLog: call.OnLog,
	}, timeout, errTimeout)
	defer asks.End()
	callCtx, fail := context.WithCancelCause(callCtx)
	defer fail(nil)
	stop := context.AfterFunc(l.ctx, func() { fail(errLinkEnded) })
	defer stop()

	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-callCtx.Done():
		return Result{}, s.callError(callCtx, l, t, timeout, callCtx.Err())
	}
	captureCtx, capture := wire.WithCapture(callCtx)
	decoded, err := l.session.CallTool(captureCtx, &mcp.CallToolParams{Name: t.Name, Arguments: arguments})
	raw := capture.Raw()
	if err != nil && (raw == nil || callCtx.Err() != nil) {
		return Result{}, s.callError(callCtx, l, t, timeout, err)
	}
	// The library may not know a kind of content that the server sent; its bytes are good all the same.
	if raw == nil {
		if raw, err = json.Marshal(decoded); err != nil {
			return Result{}, s.callError(callCtx, l, t, timeout, err)
		}
	}
	if content.Type(raw) == content.InputRequired {
		return Result{}, errorf(ServerFailed, t.Server, t.Name, "the tool '%s' asks for more input while it runs, which is not supported here", t.Full)
	}
	result, err := content.Read(raw, s.host.opts.MaxResult)
	if err != nil {
		return Result{}, errorf(ServerFailed, t.Server, t.Name, "server '%s' answered '%s' with no result: %v", t.Server, t.Name, err)
	}
	return result, nil
}

var (
	errTimeout   = errors.New("the call took too long")
	errLinkEnded = errors.New("the connection ended")
)

// callError says what went wrong with a call that was sent, or waited to be.
func (s *server) callError(ctx context.Context, l *link, t *catalog.Tool, timeout time.Duration, err error) *Error {
	var e *Error
	var protocol *jsonrpc.Error
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		e = errorf(TimedOut, t.Server, t.Name, "Tool call timed out after %gs: server '%s' did not answer '%s'", timeout.Seconds(), t.Server, t.Name)
	case cause != nil && !errors.Is(cause, errLinkEnded):
		e = errorf(Canceled, t.Server, t.Name, "the call of tool '%s' was given up by its caller", t.Full)
	case cause == nil && errors.As(err, &protocol):
		kind := ServerFailed
		if protocol.Code == jsonrpc.CodeInvalidParams {
			kind = BadArguments
		}
		e = errorf(kind, t.Server, t.Name, "server '%s' refused the call of '%s': %s (code %d)",
			t.Server, t.Name, catalog.Cut(protocol.Message, 2000), protocol.Code)
	default:
		if errors.Is(cause, errLinkEnded) {
			err = context.Cause(l.ctx)
		}
		if network := (*net.OpError)(nil); errors.As(err, &network) {
			notify(s.broken)
		}
		reason := err
		if !errors.As(err, new(changedError)) {
			reason = s.explainEnd(l, err)
		}
		e = errorf(ServerFailed, t.Server, t.Name, "server '%s' failed during the call of '%s': %v", t.Server, t.Name, reason)
	}
	e.Message = s.host.redactor.Hide(e.Message)
	e.Err = fmt.Errorf("call %s: %w", t.Full, err)
	return e
}
