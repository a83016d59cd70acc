package mcpserver

import (
	"context"
	"encoding/json"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/listing"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/shape"
	"github.com/toolserve/toolserve/mcphost"
)

// Library is what the handler needs of a host to list resources and prompts.
type Library interface {
	Resources(ctx context.Context, server string) (mcphost.Listing[*mcphost.Resource], error)
	ResourceTemplates(ctx context.Context, server string) (mcphost.Listing[*mcphost.ResourceTemplate], error)
	Prompts(ctx context.Context, server string) (mcphost.Listing[*mcphost.Prompt], error)
}

// Reader is what the handler needs of a host to read them.
type Reader interface {
	ReadResource(ctx context.Context, req mcphost.ResourceRead) (mcphost.ResourceResult, error)
	GetPrompt(ctx context.Context, req mcphost.PromptGet) (mcphost.PromptResult, error)
	Complete(ctx context.Context, req mcphost.CompletionRequest) (mcphost.Completion, error)
	WatchResource(ctx context.Context, req mcphost.ResourceRead, f func(uri string)) (stop func(), err error)
}

// listResources answers resources/list.
func (h *Handler) listResources(ctx context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	all, err := h.opts.Library.Resources(ctx, x.view.server)
	all.Items = listing.Unique(all.Items, func(r *mcphost.Resource) string { return r.URI })
	return listing.Of("resources", all, err, params, shape.Resource)
}

// listTemplates answers resources/templates/list.
func (h *Handler) listTemplates(ctx context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	all, err := h.opts.Library.ResourceTemplates(ctx, x.view.server)
	all.Items = listing.Unique(all.Items, func(t *mcphost.ResourceTemplate) string { return t.URITemplate })
	return listing.Of("resourceTemplates", all, err, params, shape.Template)
}

// listPrompts answers prompts/list.
func (h *Handler) listPrompts(ctx context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	all, err := h.opts.Library.Prompts(ctx, x.view.server)
	return listing.Of("prompts", all, err, params, func(p *mcphost.Prompt) json.RawMessage {
		if x.view.server != "" {
			return shape.Prompt(p, p.Name)
		}
		return shape.Prompt(p, p.FullName)
	})
}

func (x *exchange) caller() mcphost.Caller {
	return mcphost.Caller{Origin: origin, Actor: x.actor, Request: x.request, Conversation: x.conversation}
}

// caller is the caller of a read that may ask its user.
func (j *job) caller() mcphost.Caller {
	c := j.x.caller()
	c.Relay = j.relay()
	if j.x.client.Forms || j.x.client.URLs {
		c.Elicit = j.elicit
	}
	return c
}

// readResource answers resources/read.
func (h *Handler) readResource(j *job) (json.RawMessage, *rpc.Error) {
	uri, bad := incoming.Text(j.params, "uri")
	if bad != nil {
		return nil, bad
	}
	req := mcphost.ResourceRead{Caller: j.caller(), Server: j.x.view.server, URI: uri, First: true}
	result, err := h.opts.Reader.ReadResource(j.ctx, req)
	if err != nil {
		return nil, j.x.readError(err, req.URI)
	}
	if result.Input != nil {
		return results.Asked(result.Input), nil
	}
	answer := map[string]any{"contents": result.Contents}
	if j.x.session == nil {
		answer["ttlMs"], answer["cacheScope"] = result.TTL.Milliseconds(), "private"
	}
	return results.Read(answer, result.Meta), nil
}

// readError is what a client is told of a resource that could not be read.
func (x *exchange) readError(err error, uri string) *rpc.Error {
	e := results.Refusal(err)
	if e.Code == rpc.CodeResourceNotFound || e.Code == rpc.CodeInvalidParams {
		e.Data = rpc.Encode(map[string]string{"uri": uri})
	}
	if e.Code == rpc.CodeResourceNotFound && x.session == nil { // which that revision does not know
		e.Code = rpc.CodeInvalidParams
	}
	return e
}

// getPrompt answers prompts/get.
func (h *Handler) getPrompt(j *job) (json.RawMessage, *rpc.Error) {
	req := mcphost.PromptGet{Caller: j.caller(), Server: j.x.view.server}
	err := rpc.Fields(j.params, func(key string, value json.RawMessage) error {
		switch key {
		case "name":
			return json.Unmarshal(value, &req.Name)
		case "arguments":
			return json.Unmarshal(value, &req.Arguments)
		}
		return nil
	})
	if err != nil || req.Name == "" {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "the params need a \"name\", a string, and take \"arguments\", an object of strings")
	}
	result, err := h.opts.Reader.GetPrompt(j.ctx, req)
	if err != nil {
		e := results.Refusal(err)
		if e.Code == rpc.CodeResourceNotFound {
			e.Code = rpc.CodeInvalidParams
		}
		return nil, e
	}
	if result.Input != nil {
		return results.Asked(result.Input), nil
	}
	messages := make([]any, len(result.Messages))
	for i, m := range result.Messages {
		messages[i] = map[string]any{"role": m.Role, "content": results.Item(m.Content)}
	}
	answer := map[string]any{"messages": messages}
	if result.Description != "" {
		answer["description"] = result.Description
	}
	return results.Read(answer, result.Meta), nil
}

// complete answers completion/complete.
func (h *Handler) complete(ctx context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	var in struct {
		Ref      struct{ Type, Name, URI string }
		Argument struct{ Name, Value string }
		Context  struct{ Arguments map[string]string }
	}
	if json.Unmarshal(params, &in) != nil || in.Argument.Name == "" {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "the params need \"ref\" and \"argument\" with \"name\" and \"value\"")
	}
	req := mcphost.CompletionRequest{Caller: x.caller(), Server: x.view.server, First: true,
		Argument: in.Argument.Name, Value: in.Argument.Value, Known: in.Context.Arguments}
	switch in.Ref.Type {
	case "ref/prompt":
		req.Prompt = in.Ref.Name
	case "ref/resource":
		req.Template = in.Ref.URI
	default:
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "the type of \"ref\" must be \"ref/prompt\" or \"ref/resource\"")
	}
	c, err := h.opts.Reader.Complete(ctx, req)
	if err != nil {
		e := results.Refusal(err)
		if e.Code == rpc.CodeResourceNotFound {
			e.Code = rpc.CodeInvalidParams
		}
		return nil, e
	}
	found := map[string]any{"values": c.Values, "hasMore": c.HasMore}
	if c.Total >= 0 {
		found["total"] = c.Total
	}
	return rpc.Encode(map[string]any{"completion": found}), nil
}
