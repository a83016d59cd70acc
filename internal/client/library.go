package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// ListServer is what came of one MCP server's list.
type ListServer struct {
	Server string   `json:"server"`
	State  string   `json:"state"`
	Count  int      `json:"count"`
	Hidden int      `json:"hidden"`
	Error  string   `json:"error"`
	Notes  []string `json:"notes"`
}

// Resource is a resource of an MCP server, or a template of resources.
type Resource struct {
	Server      string `json:"server"`
	URI         string `json:"uri"`
	URITemplate string `json:"uriTemplate"`
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	MIMEType    string `json:"mimeType"`
	// Size is in bytes; nil where the server does not say.
	Size *int64 `json:"size"`
}

// ResourceList is what GET /v1/mcp/resources and /v1/mcp/resources/templates answer.
type ResourceList struct {
	Resources []Resource `json:"resources"`
	Templates []Resource `json:"resource_templates"`
	// Reason says why there are none.
	Reason  string       `json:"reason"`
	Servers []ListServer `json:"servers"`
	// Raw is the answer as it came.
	Raw json.RawMessage `json:"-"`
}

// MCPResources lists the resources of one MCP server, or of all where server is empty; with templates, the
// templates of resources.
func (c *Client) MCPResources(ctx context.Context, server string, templates bool) (*ResourceList, error) {
	path := "/v1/mcp/resources"
	if templates {
		path += "/templates"
	}
	var list ResourceList
	raw, err := c.call(ctx, http.MethodGet, path, ofServer(server), nil, &list)
	list.Raw = raw
	return &list, err
}

func ofServer(server string) url.Values {
	if server == "" {
		return nil
	}
	return url.Values{"server": {server}}
}

// ResourceContents is what /v1/mcp/resources/read answers.
type ResourceContents struct {
	Server   string `json:"server"`
	Contents []struct {
		URI      string  `json:"uri"`
		MIMEType string  `json:"mimeType"`
		Text     *string `json:"text"`
		// Blob is base64; it is empty for a text.
		Blob string `json:"blob"`
	} `json:"contents"`
	Truncated bool     `json:"truncated"`
	Warnings  []string `json:"warnings"`
	// Raw is the answer as it came.
	Raw json.RawMessage `json:"-"`
}

// MCPRead reads a resource, and lets the Watcher answer what the MCP server asks meanwhile. Server may be empty
// where only one server has the URI.
func (c *Client) MCPRead(ctx context.Context, server, uri string, w Watcher) (*ResourceContents, error) {
	body := map[string]string{"uri": uri}
	if server != "" {
		body["server"] = server
	}
	var contents ResourceContents
	raw, err := c.watched(ctx, "/v1/mcp/resources/read", body, w, &contents)
	contents.Raw = raw
	return &contents, err
}

// Prompt is a prompt of an MCP server.
type Prompt struct {
	// Name is its full name: server__prompt.
	Name        string `json:"name"`
	Server      string `json:"server"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Arguments   []struct {
		Name     string `json:"name"`
		Required bool   `json:"required"`
	} `json:"arguments"`
}

// PromptList is what GET /v1/mcp/prompts answers.
type PromptList struct {
	Prompts []Prompt `json:"prompts"`
	// Reason says why there are none.
	Reason  string       `json:"reason"`
	Servers []ListServer `json:"servers"`
	// Raw is the answer as it came.
	Raw json.RawMessage `json:"-"`
}

// MCPPrompts lists the prompts of one MCP server, or of all where server is empty.
func (c *Client) MCPPrompts(ctx context.Context, server string) (*PromptList, error) {
	var list PromptList
	raw, err := c.call(ctx, http.MethodGet, "/v1/mcp/prompts", ofServer(server), nil, &list)
	list.Raw = raw
	return &list, err
}

// PromptCall names a prompt and its arguments.
type PromptCall struct {
	// Server may be empty where Name says enough.
	Server    string            `json:"server,omitempty"`
	Name      string            `json:"name"`
	Arguments map[string]string `json:"arguments,omitempty"`
}

// PromptMessages is what POST /v1/mcp/prompts/get answers.
type PromptMessages struct {
	Description string `json:"description"`
	Messages    []struct {
		Role string `json:"role"`
		// Content is a content object of MCP.
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Warnings []string `json:"warnings"`
	// Raw is the answer as it came.
	Raw json.RawMessage `json:"-"`
}

// MCPPrompt gets the messages of a prompt, and lets the Watcher answer what the MCP server asks meanwhile.
func (c *Client) MCPPrompt(ctx context.Context, call PromptCall, w Watcher) (*PromptMessages, error) {
	var messages PromptMessages
	raw, err := c.watched(ctx, "/v1/mcp/prompts/get", call, w, &messages)
	messages.Raw = raw
	return &messages, err
}

// Completion is what POST /v1/mcp/complete answers.
type Completion struct {
	Values  []string `json:"values"`
	HasMore bool     `json:"has_more"`
	// Reason says why there are no values.
	Reason string `json:"reason"`
	// Raw is the answer as it came.
	Raw json.RawMessage `json:"-"`
}

// MCPComplete asks what an argument of a prompt may be that begins with value. The other arguments may
// narrow it down.
func (c *Client) MCPComplete(ctx context.Context, call PromptCall, argument, value string) (*Completion, error) {
	body := map[string]any{"prompt": call.Name, "argument": argument, "value": value}
	if call.Server != "" {
		body["server"] = call.Server
	}
	if len(call.Arguments) > 0 {
		body["arguments"] = call.Arguments
	}
	var completion Completion
	raw, err := c.call(ctx, http.MethodPost, "/v1/mcp/complete", nil, body, &completion)
	completion.Raw = raw
	return &completion, err
}
