package mcphost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/library"
	"github.com/toolserve/toolserve/mcphost/internal/mrtr"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/policy"
)

// codeNotFound is the protocol's code for a resource that is not there, up to revision 2025-11-25; later
// ones use that of invalid parameters.
const codeNotFound = -32002

// inquiry is one request for something that is no tool, on its way through the policy, the server and the
// record.
type inquiry struct {
	host   *Host
	caller Caller
	// what names the thing for messages.
	what string
	// kind is the Kind of a server's word that the parameters are wrong.
	kind   Kind
	record audit.Record
	took   time.Duration
	input  json.RawMessage // what the server asks its caller, in the place of an answer
	cached bool            // the answer came from the cache
}

// run does an inquiry and records what came of it.
func (in *inquiry) run(do func() *Error) error {
	h, r := in.host, &in.record
	r.Kind, r.Origin, r.Actor, r.Request = audit.KindRead, in.caller.Origin, in.caller.Actor, in.caller.Request
	if !h.enter() {
		return errorf(MCPOff, r.Server, "", "the MCP servers are not running")
	}
	defer h.calls.Done()
	if e := do(); e != nil {
		r.Error = e.Message
		if r.Code == "" {
			r.Code = string(e.Kind)
		}
		h.record(*r)
		return e
	}
	r.Success = true
	h.record(*r)
	return nil
}

// question is what is sent to a server.
type question struct {
	method string
	params json.RawMessage
	// name is what params name, where the protocol wants it apart.
	name string
	// offers says whether a server's capabilities hold what is asked for.
	offers func(*mcp.ServerCapabilities) bool
	// cached, where it is not nil, may know the answer from before.
	cached func() json.RawMessage
}

// admit judges the read, and returns the connection to ask over, or the answer that is known.
func (in *inquiry) admit(ctx context.Context, s *server, read policy.Read, q question) (*link, json.RawMessage, *Error) {
	in.record.Server = s.name
	read.Conversation = in.caller.Conversation
	read.Run, read.Actor, read.Approved = in.caller.Request, in.caller.Actor, in.caller.Approved
	d := s.host.gate().DecideRead(read)
	in.record.Decision, in.record.Code, in.record.Reason = string(d.Action), string(d.Code), d.Reason
	if d.Action != policy.Allow {
		return nil, nil, refusal(s.name, "", d)
	}
	l, down := s.ready(ctx)
	if down != nil {
		return nil, nil, down
	}
	if init := l.session.InitializeResult(); init == nil || init.Capabilities == nil || !q.offers(init.Capabilities) {
		return nil, nil, errorf(Unknown, s.name, "", "server '%s' does not offer that: it cannot be asked for %s", s.name, in.what)
	}
	if q.cached != nil {
		if raw := q.cached(); raw != nil {
			in.record.Note, in.cached = "from the cache", true
			return nil, raw, nil
		}
	}
	return l, nil, nil
}

// ask judges the read and sends it to the server, within its timeout. What the server asks in between is
// answered as during a call.
func (in *inquiry) ask(ctx context.Context, s *server, read policy.Read, q question) (json.RawMessage, *Error) {
	l, known, e := in.admit(ctx, s, read, q)
	if e != nil || known != nil {
		return known, e
	}
	relay, e := s.relay(l, in.caller.Relay, false)
	if e != nil {
		return nil, e
	}
	timeout := s.callTimeout(in.caller.Timeout)
	ctx, asks := s.asks.Begin(ctx, inbound.Caller{
		Tool: q.method, Actor: in.caller.Actor, Request: in.caller.Request, Elicit: in.caller.Elicit,
	}, inbound.Time{Silent: timeout}, errTimeout)
	defer asks.End()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	stop := context.AfterFunc(l.ctx, func() { fail(errLinkEnded) })
	defer stop()
	start := s.host.now()
	wait := queueWait{}
	exchange := mrtr.Exchange{Answer: s.asks.Answer, Send: func(ctx context.Context, params json.RawMessage) (json.RawMessage, error) {
		done, err := s.turn(ctx, in.caller.Actor, &wait)
		if err != nil {
			return nil, err
		}
		defer done()
		return l.requests.Do(ctx, wire.Request{Method: q.method, Params: relay.params(params), Name: q.name, Capabilities: relay.declares()})
	}}
	raw, asked, err := s.play(ctx, exchange, q.params, relay)
	in.took = s.host.now().Sub(start)
	in.record.DurationMS = float64(in.took.Microseconds()) / 1000
	if err != nil {
		return nil, in.askError(ctx, s, l, timeout, err)
	}
	if asked {
		in.input = raw
	}
	return raw, nil
}

// watch judges a subscription and subscribes.
func (in *inquiry) watch(ctx context.Context, s *server, uri string, f func(uri string)) (stop func(), e *Error) {
	in.record.Server = s.name
	d := s.host.gate().DecideRead(policy.Read{
		Server: s.name, Kind: policy.ReadResource, Name: uri, Run: in.caller.Request, Conversation: in.caller.Conversation, Actor: in.caller.Actor, Approved: in.caller.Approved,
	})
	in.record.Decision, in.record.Code, in.record.Reason = string(d.Action), string(d.Code), d.Reason
	if d.Action != policy.Allow {
		return nil, refusal(s.name, "", d)
	}
	l, down := s.current()
	if down != nil {
		return nil, down
	}
	if init := l.session.InitializeResult(); init == nil || init.Capabilities == nil || init.Capabilities.Resources == nil ||
		!init.Capabilities.Resources.Subscribe {
		return nil, errorf(Unknown, s.name, "", "server '%s' does not offer subscriptions to resources", s.name)
	}
	timeout := s.callTimeout(in.caller.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	quit, err := s.shelf.Watch(ctx, uri, f)
	if err != nil {
		return nil, in.askError(ctx, s, l, timeout, err)
	}
	return func() { s.unwatch(quit(), uri, timeout) }, nil
}

// unwatch tells the server, in the background, that nobody watches a resource any more.
func (s *server) unwatch(subscriber library.Subscriber, uri string, timeout time.Duration) {
	if subscriber == nil || !s.host.enter() {
		return // somebody does, or there is nobody to tell
	}
	s.host.calls.Go(func() {
		defer s.host.calls.Done()
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := subscriber.Unsubscribe(ctx, &mcp.UnsubscribeParams{URI: uri}); err != nil {
			s.logger.Debug("a subscription could not be ended", "uri", uri, "error", s.host.redactor.Hide(err.Error()))
		}
	})
}

// askError says what went wrong with a request that was sent, or waited to be.
func (in *inquiry) askError(ctx context.Context, s *server, l *link, timeout time.Duration, err error) *Error {
	var e *Error
	var protocol *jsonrpc.Error
	var unanswered *mrtr.UnansweredError
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		e = errorf(TimedOut, s.name, "", "server '%s' did not answer within %gs when it was asked for %s", s.name, timeout.Seconds(), in.what)
	case cause != nil && !errors.Is(cause, errLinkEnded):
		e = errorf(Canceled, s.name, "", "the request for %s was given up by its caller", in.what)
	case cause == nil && errors.As(err, &unanswered):
		e = errorf(NeedsInput, s.name, "", "server '%s' cannot give %s: %v", s.name, in.what, unanswered)
	case cause == nil && errors.As(err, &protocol):
		kind := ServerFailed
		switch protocol.Code {
		case jsonrpc.CodeInvalidParams:
			kind = in.kind
		case codeNotFound, jsonrpc.CodeMethodNotFound:
			kind = Unknown
		}
		e = errorf(kind, s.name, "", "server '%s' refused %s: %s (code %d)", s.name, in.what, catalog.Cut(protocol.Message, 2000), protocol.Code)
		e.answered(protocol, s.host.redactor.Hide)
	default:
		var reason error
		err, reason = s.broke(l, cause, err)
		e = errorf(ServerFailed, s.name, "", "server '%s' failed when it was asked for %s: %v", s.name, in.what, reason)
	}
	e.Message = s.host.redactor.Hide(e.Message)
	e.Err = fmt.Errorf("ask for %s: %w", in.what, err)
	return e
}

// failed is the error of an answer that is none.
func (in *inquiry) failed(s *server, err error) *Error {
	return errorf(ServerFailed, s.name, "", "server '%s' gave no usable answer for %s: %v", s.name, in.what, err)
}

// refusal is the error of what the policy did not let pass.
func refusal(server, tool string, d policy.Decision) *Error {
	kind := PolicyDenied
	switch {
	case d.Action == policy.Ask:
		kind = NeedsApproval
	case d.Code == policy.CodeRate:
		kind = RateLimited
	case d.Code == policy.CodeBadArguments:
		kind = BadArguments
	}
	e := errorf(kind, server, tool, "%s", d.Reason)
	e.RetryAfter = d.RetryAfter
	return e
}

func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("{}")
	}
	return data
}
