package mcphost

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/content"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
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
	// OnProgress, unless nil, is told what the tool says of its progress: in order, and never after
	// Execute returned. While it runs, the call waits, and of what comes meanwhile the newest is kept.
	OnProgress func(Progress)
	// Origin says which path the call took ("execute", "chat", "loop"), Actor whose key it was and
	// Request which request it belongs to. They go into the audit log.
	Origin, Actor, Request string
	// Conversation names what Request belongs to, for the rule about private data; "" is nothing more,
	// [policy.Unnamed] nothing that could be told from other requests of the actor.
	Conversation string
	// Elicit asks the caller's user what the server wants to know, and waits for the answer or for the end
	// of the context; the call's time stands still meanwhile. Nil means that nobody can be asked.
	Elicit func(context.Context, Elicitation) (ElicitationAnswer, error)
	// NoElicit says why Elicit is nil and what to do about it, or is "".
	NoElicit string
	// Sample has the caller's model answer a server that may ask for a word of a model, in the place of ours;
	// nil leaves it to ours. Params and result are those of sampling/createMessage.
	Sample func(ctx context.Context, params json.RawMessage) (json.RawMessage, error)
	// Relay is what a caller that speaks the protocol itself sends along; nil for all others.
	Relay *Relay
	// OnTask says that the caller can wait for long. It is told, in order, when the server runs the call in the
	// background, as a task, and what the server then says of it, which may be "". Tools that may run so are
	// asked to, and where no timeout is set the call has an hour. It must not block.
	OnTask func(status string)
	// OnLog takes what the server logs while the call runs, in order; nil takes nothing. It must not block.
	OnLog func(LogMessage)
}

// What a call answers is mapped by the package content; its types have their names here too.
type (
	// Result is what a tool answered: see [content.Result].
	Result = content.Result
	// Content is one item of a result: see [content.Item].
	Content = content.Item
)

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

// Refuse records that a person was asked about a call and refused it. The call is not run.
func (h *Host) Refuse(call Call, reason string) {
	record := audit.Record{
		Kind: audit.KindCall, Server: call.Server, Tool: call.Tool, Arguments: call.Arguments,
		Origin: call.Origin, Actor: call.Actor, Request: call.Request,
		Decision: string(policy.Deny), Code: "refused", Reason: cmp.Or(reason, "refused by the user"),
		Error: "the call was refused by the user",
	}
	if t, e := h.resolve(call.Server, call.Tool); e == nil {
		record.Server, record.Tool = t.Server, t.Name
	}
	h.record(record)
}

// execute does the work of Execute and notes in the record what it learns on the way.
func (h *Host) execute(ctx context.Context, call Call, record *audit.Record) (Result, *Error) {
	t, e := h.resolveNow(ctx, call.Server, call.Tool)
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
		Run: call.Request, Conversation: call.Conversation, Actor: call.Actor,
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
	if e := h.awaken(ctx, s, t); e != nil {
		return Result{}, e
	}
	defer s.used()
	for _, warning := range decision.Warnings {
		s.logger.Warn("a tool call", "tool", t.Name, "warning", warning)
	}
	return h.run(ctx, s, t, &call, record)
}

// run has the server run a call that was let pass, with the arguments and the warnings of its record.
func (h *Host) run(ctx context.Context, s *server, t *catalog.Tool, call *Call, record *audit.Record) (Result, *Error) {
	start := h.now()
	result, e := s.call(ctx, t, record.Arguments, call)
	duration := h.now().Sub(start)
	record.DurationMS = float64(duration.Microseconds()) / 1000
	if e != nil {
		return Result{}, e
	}
	result.Server, result.Tool, result.FullName = t.Server, t.Name, t.Full
	result.Warnings, result.Duration = record.Warnings, duration
	if misfit := checkOutput(t, &result); misfit != "" {
		s.logger.Warn("the result of a tool is not as its schema says", "tool", t.Name, "misfit", misfit)
		result.Warnings = append(slices.Clip(result.Warnings), misfit)
		record.Warnings = result.Warnings
	}
	return result, nil
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
		Run: call.Request, Conversation: call.Conversation, Actor: call.Actor,
	}), nil
}

// newsWait is how long a call waits for a list of tools that changed. What a server does not list by then
// nobody has seen, and the tool runs as it was approved.
const newsWait = 5 * time.Second

// resolveNow is resolve by the newest list: where the server said that its tools changed, it is read first.
func (h *Host) resolveNow(ctx context.Context, server, name string) (*catalog.Tool, *Error) {
	t, e := h.resolve(server, name)
	if e == nil {
		server = t.Server
	}
	if s := h.server(server); s != nil && s.news.Wait(ctx, newsWait) {
		return h.resolve(server, name)
	}
	return t, e
}

// resolve finds the tool that a call names, or says why it is not there: a server that is not
// connected has no tools yet.
func (h *Host) resolve(server, name string) (*catalog.Tool, *Error) {
	if name == "" {
		return nil, errorf(BadArguments, server, "", "the call names no tool")
	}
	if server != "" && h.server(server) == nil {
		return nil, h.noServer(server, name)
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
		if _, down := s.current(); down != nil && !s.is(StateIdle) {
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
	arguments, misfit := t.Fit(arguments)
	if misfit != nil {
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

// has reports whether the server's own list holds a tool, offered or not.
func (s *server) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.catalog.Tools, func(t *catalog.Tool) bool { return t.Name == name })
}
