package mcphost

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/mcphost/content"
	"github.com/toolserve/toolserve/mcphost/internal/library"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/screen"
)

// Caller says for whom something is read.
type Caller struct {
	// Timeout bounds the request; 0 is what the configuration says.
	Timeout time.Duration
	// Origin says which path the request took ("resources", "prompts", "chat"), Actor whose key it was and
	// Request which request it belongs to. They go into the audit log.
	Origin, Actor, Request string
	// Conversation names what Request belongs to, as that of a [Call] does.
	Conversation string
	// Approved says that a person agreed to this very request.
	Approved bool
	// Elicit asks the caller's user what the server wants to know before it answers; nil means that nobody
	// can be asked.
	Elicit func(context.Context, Elicitation) (ElicitationAnswer, error)
	// Relay is what a caller that speaks the protocol itself sends along; nil for all others.
	Relay *Relay
}

// ResourceRead asks for the contents of a resource.
type ResourceRead struct {
	Caller
	// Server may be "" where the lists of only one server hold the URI.
	Server, URI string
	// First says that, where several servers have the URI, the first of them in the configuration is meant,
	// also while it is not connected.
	First bool
}

// ResourceResult is what a resource holds.
type ResourceResult struct {
	Server, URI string
	Contents    []ResourceContent
	// Meta is as in a [Result].
	Meta json.RawMessage
	// Input is what the server asks before it answers, as in a [Result].
	Input json.RawMessage
	// Truncated says that something was left out for its size; the contents say so where it was.
	Truncated bool
	// TTL is how long the server says that the contents are good, or 0, and Scope for whom: "public",
	// "private" or "".
	TTL   time.Duration
	Scope string
	// Cached says that the contents were read before, and are still good by the server's word.
	Cached bool
	// Warnings are what screening says of the texts.
	Warnings []string
	// Duration is how long the server took.
	Duration time.Duration
}

// ReadResource reads a resource: it finds the server, asks the policy, reads, and records what happened.
// An error is an [*Error]. When ctx ends, the server is told to stop.
func (h *Host) ReadResource(ctx context.Context, req ResourceRead) (ResourceResult, error) {
	out := ResourceResult{URI: req.URI}
	in := inquiry{host: h, caller: req.Caller, what: "the resource " + screen.Quote(req.URI), kind: Unknown}
	in.record = audit.Record{Server: req.Server, Tool: "resources/read", Arguments: encode(map[string]string{"uri": req.URI})}
	err := in.run(func() *Error {
		s, e := h.findResource(ctx, req.Server, req.URI, req.First)
		if e != nil {
			return e
		}
		out.Server = s.name
		raw, e := in.ask(ctx, s, policy.Read{Server: s.name, Kind: policy.ReadResource, Name: req.URI}, question{
			method: "resources/read", params: encode(map[string]string{"uri": req.URI}), name: req.URI,
			offers: func(caps *mcp.ServerCapabilities) bool { return caps.Resources != nil },
			cached: func() json.RawMessage { return s.shelf.Cached(req.URI, req.Actor, h.now()) },
		})
		out.Duration, out.Input = in.took, in.input
		if e != nil || out.Input != nil {
			return e
		}
		answer, err := library.ParseRead(raw, h.opts.MaxResult, h.cfg().Security.Screen)
		if err != nil {
			return in.failed(s, err)
		}
		if out.Cached = in.cached; !out.Cached {
			s.shelf.Keep(req.URI, req.Actor, raw, answer, h.now())
		}
		out.Contents, out.Truncated, out.TTL, out.Scope = answer.Contents, answer.Truncated, answer.TTL, answer.Scope
		out.Warnings, out.Meta = answer.Findings, content.Meta(raw)
		in.record.Result, in.record.Warnings = fmt.Sprintf("%d contents, %d bytes", len(out.Contents), len(raw)), out.Warnings
		return nil
	})
	return out, err
}

// WatchResource subscribes to a resource: f is called with the URI that changed, the resource's own or one
// below it, until stop is called. The subscription outlives the connection to the server: when that is made
// anew, f is called too. Calls may come at the same time and must return at once. The subscription is judged
// and recorded as a read is. An error is an [*Error].
func (h *Host) WatchResource(ctx context.Context, req ResourceRead, f func(uri string)) (stop func(), err error) {
	in := inquiry{host: h, caller: req.Caller, what: "changes of the resource " + screen.Quote(req.URI), kind: Unknown}
	in.record = audit.Record{Server: req.Server, Tool: "resources/subscribe", Arguments: encode(map[string]string{"uri": req.URI})}
	err = in.run(func() *Error {
		s, e := h.findResource(ctx, req.Server, req.URI, req.First)
		if e != nil {
			return e
		}
		stop, e = in.watch(ctx, s, req.URI, f)
		return e
	})
	return stop, err
}

// PromptGet asks for a prompt's messages.
type PromptGet struct {
	Caller
	// Server may be "" where Name says enough. Name is the prompt's own name or its full name.
	Server, Name string
	Arguments    map[string]string
}

// PromptResult is what a prompt gave.
type PromptResult struct {
	Server, Name, FullName, Description string
	Messages                            []PromptMessage
	// Meta is as in a [Result].
	Meta json.RawMessage
	// Input is what the server asks before it answers, as in a [Result].
	Input json.RawMessage
	// Truncated says that messages were left out for their size; the last one says so.
	Truncated bool
	// Warnings are what screening says of the texts, and arguments that the prompt does not know.
	Warnings []string
	// Duration is how long the server took.
	Duration time.Duration
}

// PromptMessage is one message of a prompt.
type PromptMessage struct {
	// Role is "user" or "assistant".
	Role string
	// Content is one item, as in a tool's result.
	Content Content
}

// GetPrompt gets the messages of a prompt: it finds the prompt, checks the arguments, asks the policy and
// then the server, and records what happened. An error is an [*Error]; its Param names the first argument
// that is missing.
func (h *Host) GetPrompt(ctx context.Context, req PromptGet) (PromptResult, error) {
	var out PromptResult
	in := inquiry{host: h, caller: req.Caller, what: "the prompt " + screen.Quote(req.Name), kind: BadArguments}
	given := req.Arguments
	if given == nil {
		given = map[string]string{}
	}
	in.record = audit.Record{Server: req.Server, Tool: "prompts/get", Arguments: promptArguments(req.Name, given)}
	err := in.run(func() *Error {
		p, e := h.findPrompt(ctx, req.Server, req.Name)
		if e != nil {
			return e
		}
		s, e := h.known(p.Server)
		if e != nil {
			return e
		}
		in.record.Server, in.record.Arguments = p.Server, promptArguments(p.Name, given)
		out.Server, out.Name, out.FullName = p.Server, p.Name, p.FullName
		if out.Warnings, e = checkArguments(p, given); e != nil {
			return e
		}
		raw, e := in.ask(ctx, s, policy.Read{Server: s.name, Kind: policy.ReadPrompt, Name: p.Name, Arguments: encode(given)}, question{
			method: "prompts/get", params: promptArguments(p.Name, given), name: p.Name,
			offers: func(caps *mcp.ServerCapabilities) bool { return caps.Prompts != nil },
		})
		out.Duration, out.Input = in.took, in.input
		if e != nil || out.Input != nil {
			return e
		}
		answer, err := library.ParsePrompt(raw, h.opts.MaxResult, h.cfg().Security.Screen)
		if err != nil {
			return in.failed(s, err)
		}
		out.Description, out.Truncated, out.Meta = answer.Description, answer.Truncated, content.Meta(raw)
		out.Warnings = append(out.Warnings, answer.Findings...)
		for _, m := range answer.Messages {
			out.Messages = append(out.Messages, PromptMessage{Role: m.Role, Content: content.ReadItem(m.Content)})
		}
		in.record.Result, in.record.Warnings = fmt.Sprintf("%d messages, %d bytes", len(out.Messages), len(raw)), out.Warnings
		return nil
	})
	return out, err
}

// promptArguments are the params of prompts/get, and what the audit log shows of them.
func promptArguments(name string, arguments map[string]string) json.RawMessage {
	return encode(map[string]any{"name": name, "arguments": arguments})
}

// checkArguments holds arguments against a prompt. It warns of those that the prompt does not know, where
// it names any.
func checkArguments(p *Prompt, given map[string]string) (warnings []string, e *Error) {
	missing, unknown := p.Missing(given)
	if len(missing) > 0 {
		return nil, withParam(errorf(BadArguments, p.Server, "", "Prompt '%s' needs %s: %s", p.FullName,
			plural(len(missing), "the argument", "the arguments"), strings.Join(missing, ", ")), "arguments."+missing[0])
	}
	if len(unknown) > 0 && len(p.Raw) > 0 {
		warnings = append(warnings, fmt.Sprintf("the prompt '%s' names no %s: %s", p.FullName,
			plural(len(unknown), "such argument", "such arguments"), screen.Visible(strings.Join(unknown, ", "))))
	}
	return warnings, nil
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// CompletionRequest asks a server for values of an argument.
type CompletionRequest struct {
	Caller
	// Server may be "" where the prompt says enough.
	Server string
	// First says that, where several servers have the template, the first of them in the configuration is
	// meant.
	First bool
	// Prompt is a prompt's own or full name, or Template a URI template: one of them.
	Prompt, Template string
	// Argument is the argument of the prompt, or the variable of the template; Value what was typed of it.
	Argument, Value string
	// Known are values of other arguments, which the proposals may depend on.
	Known map[string]string
}

// Complete asks a server what an argument of a prompt, or a variable of a resource template, may be. It is
// judged and recorded as a read is. An error is an [*Error].
func (h *Host) Complete(ctx context.Context, req CompletionRequest) (Completion, error) {
	var out Completion
	in := inquiry{host: h, caller: req.Caller, what: "completions of " + screen.Quote(req.Argument), kind: BadArguments}
	in.record = audit.Record{Server: req.Server, Tool: "completion/complete",
		Arguments: encode(map[string]any{"prompt": req.Prompt, "template": req.Template, "argument": req.Argument, "value": req.Value})}
	err := in.run(func() *Error {
		params := &mcp.CompleteParams{Argument: mcp.CompleteParamsArgument{Name: req.Argument, Value: req.Value}}
		if len(req.Known) > 0 {
			params.Context = &mcp.CompleteContext{Arguments: req.Known}
		}
		s, read, e := h.completed(ctx, req, params)
		if e != nil {
			return e
		}
		in.record.Arguments = encode(map[string]any{"ref": params.Ref, "argument": params.Argument})
		read.Arguments = encode(map[string]string{req.Argument: req.Value})
		raw, e := in.ask(ctx, s, read, question{
			method: "completion/complete", params: encode(params),
			offers: func(caps *mcp.ServerCapabilities) bool { return caps.Completions != nil },
		})
		if e != nil {
			return e
		}
		var err error
		if out, err = library.ParseCompletion(raw); err != nil {
			return in.failed(s, err)
		}
		in.record.Result = fmt.Sprintf("%d values", len(out.Values))
		return nil
	})
	return out, err
}

// completed finds what a completion is for.
func (h *Host) completed(ctx context.Context, req CompletionRequest, params *mcp.CompleteParams) (*server, policy.Read, *Error) {
	switch {
	case req.Argument == "":
		return nil, policy.Read{}, withParam(errorf(BadArguments, req.Server, "", "no argument is named; give \"argument\""), "argument")
	case (req.Prompt == "") == (req.Template == ""):
		return nil, policy.Read{}, errorf(BadArguments, req.Server, "", "give one of \"prompt\" and \"template\"")
	case req.Prompt != "":
		p, e := h.findPrompt(ctx, req.Server, req.Prompt)
		if e != nil {
			return nil, policy.Read{}, e
		}
		params.Ref = &mcp.CompleteReference{Type: "ref/prompt", Name: p.Name}
		s, e := h.known(p.Server)
		return s, policy.Read{Server: p.Server, Kind: policy.ReadPrompt, Name: p.Name}, e
	}
	params.Ref = &mcp.CompleteReference{Type: "ref/resource", URI: req.Template}
	s, e := h.findTemplate(ctx, req.Server, req.Template, req.First)
	if e != nil {
		return nil, policy.Read{}, e
	}
	return s, policy.Read{Server: s.name, Kind: policy.ReadTemplate, Name: req.Template}, nil
}

// Parts returns the contents as the parts of a message, each under a line that names its URI. What was cut
// for its size says so.
func (r ResourceResult) Parts(images, audio bool) []chat.Part {
	var items []Content
	for _, c := range r.Contents {
		items = append(items, content.ReadItem(encode(map[string]any{"type": "resource", "resource": c})))
	}
	return Result{Content: items}.Parts(images, audio)
}
