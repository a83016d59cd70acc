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
	"unicode"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/library"
	"github.com/toolserve/toolserve/mcphost/internal/mrtr"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/screen"
)

const (
	// maxURI bounds the URI of a resource, in bytes.
	maxURI = 8 << 10
	// codeNotFound is the protocol's code for a resource that is not there, up to revision 2025-11-25; later
	// ones use that of invalid parameters.
	codeNotFound = -32002
)

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
}

// ask judges the read and sends it to the server, within its timeout. What the server asks in between is
// answered as during a call.
func (in *inquiry) ask(ctx context.Context, s *server, read policy.Read, q question) (json.RawMessage, *Error) {
	in.record.Server = s.name
	d := s.host.gate().DecideRead(read)
	in.record.Decision, in.record.Code, in.record.Reason = string(d.Action), string(d.Code), d.Reason
	if d.Action != policy.Allow {
		return nil, refusal(s.name, "", d)
	}
	l, down := s.ready(ctx)
	if down != nil {
		return nil, down
	}
	if init := l.session.InitializeResult(); init == nil || init.Capabilities == nil || !q.offers(init.Capabilities) {
		return nil, errorf(Unknown, s.name, "", "server '%s' does not offer that: it cannot be asked for %s", s.name, in.what)
	}
	timeout := s.callTimeout(in.caller.Timeout)
	ctx, asks := s.asks.Begin(ctx, inbound.Caller{
		Tool: q.method, Actor: in.caller.Actor, Request: in.caller.Request, Elicit: in.caller.Elicit,
	}, timeout, errTimeout)
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
		return l.requests.Do(ctx, wire.Request{Method: q.method, Params: params, Name: q.name})
	}}
	raw, err := s.rounds(ctx, exchange, q.params)
	in.took = s.host.now().Sub(start)
	in.record.DurationMS = float64(in.took.Microseconds()) / 1000
	if err != nil {
		return nil, in.askError(ctx, s, l, timeout, err)
	}
	return raw, nil
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
		if errors.Is(cause, errLinkEnded) {
			err = context.Cause(l.ctx)
		}
		if network := (*net.OpError)(nil); errors.As(err, &network) || errors.Is(err, wire.ErrEnded) {
			notify(s.broken)
		}
		reason := err
		if !errors.As(err, new(changedError)) {
			reason = s.explainEnd(l, err)
		}
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

func asError(err error, server string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return errorf(Canceled, server, "", "the request was given up by its caller")
}

// findPrompt returns the prompt that a name means: its own with the server, its own where only one server
// has it, or its full name with or without the server.
func (h *Host) findPrompt(ctx context.Context, server, name string) (*Prompt, *Error) {
	if name == "" {
		return nil, withParam(errorf(BadArguments, server, "", "no prompt is named; give \"name\""), "name")
	}
	listing, err := collect(ctx, h, server, (*library.Shelf).Prompts, nil)
	if err != nil {
		return nil, asError(err, server)
	}
	library.NameAll(listing.Items)
	found := library.FindPrompt(listing.Items, name)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return h.missingPrompt(listing, server, name)
	}
	var names []string
	for _, p := range found {
		names = append(names, p.FullName)
	}
	return nil, withParam(errorf(BadArguments, "", "", "several servers have a prompt '%s': give \"server\", or one of %s",
		name, strings.Join(names, ", ")), "server")
}

// missingPrompt says why a name leads to no prompt. A server whose list could not be read is asked all the
// same.
func (h *Host) missingPrompt(listing Listing[*Prompt], server, name string) (*Prompt, *Error) {
	prefix, own, split := strings.Cut(name, catalog.Separator)
	if server == "" && split && h.server(prefix) != nil {
		server, name = prefix, own
	}
	if s := h.server(server); s != nil {
		if _, down := s.current(); down != nil {
			return nil, down
		}
		i := slices.IndexFunc(listing.Servers, func(st ListStatus) bool { return st.Server == server })
		switch {
		case i >= 0 && !listing.Servers[i].Supported:
			return nil, withParam(errorf(Unknown, server, "", "server '%s' does not offer prompts", server), "name")
		case i >= 0 && listing.Servers[i].Error != "":
			own := strings.TrimPrefix(name, server+catalog.Separator)
			return &Prompt{Server: server, Name: own, FullName: catalog.FullName(server, own, 0)}, nil
		}
		return nil, withParam(errorf(Unknown, server, "", "Prompt %s not found on the server '%s'%s",
			screen.Quote(name), server, library.NearPrompt(listing.Items, name)), "name")
	}
	down := h.whoHad(func(s *library.Shelf) bool {
		_, _, prompts := s.Known()
		return slices.ContainsFunc(prompts.Items, func(p *Prompt) bool { return p.Name == name })
	})
	if down != nil {
		return nil, down
	}
	return nil, withParam(errorf(Unknown, "", "", "Prompt %s not found in any connected server%s",
		screen.Quote(name), library.NearPrompt(listing.Items, name)), "name")
}

// whoHad returns why the first server is not connected whose last lists satisfy has, or nil.
func (h *Host) whoHad(has func(*library.Shelf) bool) *Error {
	for _, s := range h.all() {
		if _, down := s.current(); down != nil && has(s.shelf) {
			return down
		}
	}
	return nil
}

func withParam(e *Error, param string) *Error {
	e.Param = param
	return e
}

// findResource returns the server of a URI: the one that is named, or the only one whose list or
// templates hold it.
func (h *Host) findResource(ctx context.Context, server, uri string) (*server, *Error) {
	if bad := checkURI(uri); bad != "" {
		return nil, withParam(errorf(BadArguments, server, "", "%s", bad), "uri")
	}
	if server != "" {
		return h.known(server)
	}
	resources, err := collect(ctx, h, "", (*library.Shelf).Resources, nil)
	if err != nil {
		return nil, asError(err, "")
	}
	templates, err := collect(ctx, h, "", (*library.Shelf).Templates, nil)
	if err != nil {
		return nil, asError(err, "")
	}
	owners := library.Owners(resources.Items, templates.Items, uri)
	switch len(owners) {
	case 1:
		return h.known(owners[0])
	case 0:
		down := h.whoHad(func(s *library.Shelf) bool {
			resources, templates, _ := s.Known()
			return len(library.Owners(resources.Items, templates.Items, uri)) > 0
		})
		if down != nil {
			return nil, down
		}
		return nil, withParam(errorf(Unknown, "", "", "the resource %s is in no list of a connected server; give \"server\" to ask one all the same",
			screen.Quote(uri)), "uri")
	}
	return nil, withParam(errorf(BadArguments, "", "", "several servers may have the resource %s: give \"server\", one of %s",
		screen.Quote(uri), strings.Join(owners, ", ")), "server")
}

// findTemplate returns the server of a URI template: the one that is named, or the only one that has it.
func (h *Host) findTemplate(ctx context.Context, server, template string) (*server, *Error) {
	if server != "" {
		return h.known(server)
	}
	templates, err := collect(ctx, h, "", (*library.Shelf).Templates, nil)
	if err != nil {
		return nil, asError(err, "")
	}
	var owners []string
	for _, t := range templates.Items {
		if t.URITemplate == template {
			owners = append(owners, t.Server)
		}
	}
	switch len(owners) {
	case 1:
		return h.known(owners[0])
	case 0:
		return nil, withParam(errorf(Unknown, "", "", "no connected server has the resource template %s", screen.Quote(template)), "template")
	}
	return nil, withParam(errorf(BadArguments, "", "", "several servers have the resource template %s: give \"server\", one of %s",
		screen.Quote(template), strings.Join(owners, ", ")), "server")
}

// known returns the server of a name.
func (h *Host) known(name string) (*server, *Error) {
	if s := h.server(name); s != nil {
		return s, nil
	}
	return nil, withParam(errorf(Unknown, name, "", "Server '%s' not found", name), "server")
}

// checkURI says what is wrong with a URI, or "".
func checkURI(uri string) string {
	switch {
	case uri == "":
		return "no resource is named; give \"uri\""
	case len(uri) > maxURI:
		return fmt.Sprintf("the URI is longer than %d bytes", maxURI)
	case !utf8.ValidString(uri):
		return "the URI is not UTF-8"
	case strings.ContainsFunc(uri, unicode.IsControl):
		return "the URI " + screen.Quote(uri) + " holds control characters"
	}
	return ""
}
