package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/mcpapi"
	"github.com/toolserve/toolserve/internal/openai/insert"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/internal/server/apikey"
	"github.com/toolserve/toolserve/mcphost"
)

// contexts fetches the prompts and resources that requests name. Images and audio that the model does not read
// become descriptions.
type contexts struct {
	host  *mcphost.Host
	reads func(chat.PartType) bool
}

// Prompt returns the messages of a prompt.
func (c contexts) Prompt(ctx context.Context, ref insert.Prompt) ([]chat.Message, error) {
	caller, err := contextCaller(ctx)
	if err != nil {
		return nil, err
	}
	got, err := c.host.GetPrompt(ctx, mcphost.PromptGet{Caller: caller, Server: ref.Server, Name: ref.Name, Arguments: ref.Arguments})
	if err != nil {
		return nil, contextError(err)
	}
	var messages []chat.Message
	for _, m := range got.Messages {
		content := mcphost.Result{Content: []mcphost.Content{m.Content}}
		messages = append(messages, chat.Message{Role: chat.Role(m.Role), Content: content.Parts(c.reads(chat.PartImage), c.reads(chat.PartAudio))})
	}
	return messages, nil
}

// Resource returns the contents of a resource.
func (c contexts) Resource(ctx context.Context, ref insert.Resource) ([]chat.Part, error) {
	caller, err := contextCaller(ctx)
	if err != nil {
		return nil, err
	}
	got, err := c.host.ReadResource(ctx, mcphost.ResourceRead{Caller: caller, Server: ref.Server, URI: ref.URI})
	if err != nil {
		return nil, contextError(err)
	}
	return got.Parts(c.reads(chat.PartImage), c.reads(chat.PartAudio)), nil
}

// contextCaller is for whom a request's context is fetched. Its key has to open the MCP servers too.
func contextCaller(ctx context.Context) (mcphost.Caller, error) {
	caller := server.CallerOf(ctx)
	if !caller.May(apikey.Tools) {
		return mcphost.Caller{}, &insert.Error{Status: http.StatusForbidden, Code: "missing_scope",
			Message: "the API key \"" + caller.Actor + "\" may not use prompts and resources of MCP servers: it needs the scope \"tools\" too"}
	}
	return mcphost.Caller{Origin: "chat", Actor: caller.Actor, Request: caller.Request}, nil
}

// contextError tells the API why a prompt or a resource is not there.
func contextError(err error) error {
	var e *mcphost.Error
	if !errors.As(err, &e) {
		return err
	}
	status, _ := mcpapi.StatusOf(e.Kind)
	return &insert.Error{Status: status, Code: string(e.Kind), Param: e.Param, Message: e.Message, RetryAfter: e.RetryAfter}
}
