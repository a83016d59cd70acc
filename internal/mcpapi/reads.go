package mcpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

// reader is what the handlers of reads need of an [mcphost.Host].
type reader interface {
	ReadResource(ctx context.Context, req mcphost.ResourceRead) (mcphost.ResourceResult, error)
	GetPrompt(ctx context.Context, req mcphost.PromptGet) (mcphost.PromptResult, error)
	Complete(ctx context.Context, req mcphost.CompletionRequest) (mcphost.Completion, error)
}

// resourceBody is the answer of /v1/mcp/resources/read.
type resourceBody struct {
	Server   string                    `json:"server"`
	URI      string                    `json:"uri"`
	Contents []mcphost.ResourceContent `json:"contents"`
	// Truncated says that something was cut or left out for its size; the contents say so where it was.
	Truncated bool `json:"truncated"`
	// TTL is how many milliseconds the server says that the contents are good, and Scope for whom.
	TTL        int64    `json:"ttlMs,omitempty"`
	Scope      string   `json:"cacheScope,omitempty"`
	Cached     bool     `json:"cached,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
	IsError    bool     `json:"is_error"`
	DurationMS float64  `json:"duration_ms"`
}

// ReadResource reads one resource: GET with ?server= and uri=, or POST with a body of the same members.
func (h *Handler) ReadResource(w http.ResponseWriter, r *http.Request) {
	var req mcphost.ResourceRead
	var err error
	if r.Method == http.MethodPost {
		var f *members
		if f, err = h.readMembers(w, r); err == nil {
			f.str("server", &req.Server)
			f.str("uri", &req.URI)
			f.limits(&req.Caller)
			err = f.err
		}
	} else {
		req, err = readResourceQuery(r)
	}
	if err != nil {
		h.writeError(w, err)
		return
	}
	if h.opts.Reads == nil {
		h.writeError(w, &mcphost.Error{Kind: mcphost.MCPOff, Server: req.Server, Message: offReason})
		return
	}
	h.caller(r, "resources", &req.Caller)
	h.read(w, r, &req.Caller, func() (any, error) {
		result, err := h.opts.Reads.ReadResource(r.Context(), req)
		return resourceBody{
			Server: result.Server, URI: result.URI, Contents: append([]mcphost.ResourceContent{}, result.Contents...),
			Truncated: result.Truncated, TTL: result.TTL.Milliseconds(), Scope: result.Scope, Cached: result.Cached, Warnings: result.Warnings,
			DurationMS: milliseconds(result.Duration),
		}, err
	})
}

func readResourceQuery(r *http.Request) (mcphost.ResourceRead, error) {
	query, err := readQuery(r, "server", "uri", "timeout")
	if err != nil {
		return mcphost.ResourceRead{}, err
	}
	req := mcphost.ResourceRead{Server: query["server"], URI: query["uri"]}
	if text := query["timeout"]; text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return req, badRequest("timeout", "\"timeout\" must be a number of seconds, not %q", text)
		}
		if req.Timeout, err = timeoutOf(seconds); err != nil {
			return req, err
		}
	}
	return req, nil
}

// promptBody is the answer of POST /v1/mcp/prompts/get.
type promptBody struct {
	Name        string          `json:"name"`
	Server      string          `json:"server"`
	Prompt      string          `json:"prompt"`
	Description string          `json:"description,omitempty"`
	Messages    []promptMessage `json:"messages"`
	Truncated   bool            `json:"truncated"`
	Warnings    []string        `json:"warnings,omitempty"`
	IsError     bool            `json:"is_error"`
	DurationMS  float64         `json:"duration_ms"`
}

type promptMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// GetPrompt gets the messages of a prompt.
func (h *Handler) GetPrompt(w http.ResponseWriter, r *http.Request) {
	f, err := h.readMembers(w, r)
	if err != nil {
		h.writeError(w, err)
		return
	}
	var req mcphost.PromptGet
	var prompt string
	f.str("server", &req.Server)
	f.str("name", &req.Name)
	f.str("prompt", &prompt)
	f.texts("arguments", &req.Arguments)
	f.limits(&req.Caller)
	if req.Name == "" {
		req.Name = prompt
	} else if prompt != "" && prompt != req.Name {
		f.fail(badRequest("prompt", "\"name\" is %q and \"prompt\" is %q; give one of them", req.Name, prompt))
	}
	if f.err != nil {
		h.writeError(w, f.err)
		return
	}
	if h.opts.Reads == nil {
		h.writeError(w, &mcphost.Error{Kind: mcphost.MCPOff, Server: req.Server, Message: offReason})
		return
	}
	h.caller(r, "prompts", &req.Caller)
	h.read(w, r, &req.Caller, func() (any, error) {
		result, err := h.opts.Reads.GetPrompt(r.Context(), req)
		body := promptBody{
			Name: result.FullName, Server: result.Server, Prompt: result.Name, Description: result.Description,
			Messages: []promptMessage{}, Truncated: result.Truncated, Warnings: result.Warnings, DurationMS: milliseconds(result.Duration),
		}
		for _, m := range result.Messages {
			body.Messages = append(body.Messages, promptMessage{m.Role, m.Content.Raw})
		}
		return body, err
	})
}

// completionBody is the answer of POST /v1/mcp/complete.
type completionBody struct {
	Values []string `json:"values"`
	// Total is how many there are, null where the server does not say.
	Total   *int `json:"total"`
	HasMore bool `json:"has_more"`
	// Reason says why Values is empty.
	Reason string `json:"reason,omitempty"`
}

// Complete asks a server what an argument may be: {"server"?, "prompt" or "template", "argument", "value"?,
// "arguments"?}, or MCP's own {"ref", "argument": {"name", "value"}, "context"}.
func (h *Handler) Complete(w http.ResponseWriter, r *http.Request) {
	f, err := h.readMembers(w, r)
	if err != nil {
		h.writeError(w, err)
		return
	}
	var req mcphost.CompletionRequest
	f.str("server", &req.Server)
	f.str("prompt", &req.Prompt)
	f.str("template", &req.Template)
	f.texts("arguments", &req.Known)
	f.limits(&req.Caller)
	f.protocolForm(&req)
	f.str("value", &req.Value)
	if f.err != nil {
		h.writeError(w, f.err)
		return
	}
	if h.opts.Reads == nil {
		h.writeError(w, &mcphost.Error{Kind: mcphost.MCPOff, Server: req.Server, Message: offReason})
		return
	}
	h.caller(r, "complete", &req.Caller)
	result, err := h.opts.Reads.Complete(r.Context(), req)
	if err != nil {
		h.writeError(w, err)
		return
	}
	body := completionBody{Values: append([]string{}, result.Values...), HasMore: result.HasMore}
	if result.Total >= 0 {
		body.Total = &result.Total
	}
	if len(body.Values) == 0 {
		body.Reason = fmt.Sprintf("the server proposes nothing for %q that goes on from %q", req.Argument, req.Value)
	}
	h.write(w, http.StatusOK, body)
}

// caller says for whom a request is.
func (h *Handler) caller(r *http.Request, origin string, c *mcphost.Caller) {
	c.Origin, c.Request = origin, r.Header.Get("X-Request-Id")
	if h.opts.Actor != nil {
		c.Actor = h.opts.Actor(r)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func timeoutOf(seconds float64) (time.Duration, error) {
	if !(seconds >= 0 && seconds <= 24*3600) {
		return 0, badRequest("timeout", "\"timeout\" must be from 0 to 86400 seconds")
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// members are those of a body, read by name. Keys are compared exactly; others are ignored.
type members struct {
	all map[string]json.RawMessage
	err error // the first; nothing is read after it
}

func (h *Handler) readMembers(w http.ResponseWriter, r *http.Request) (*members, error) {
	body, err := h.readBody(w, r)
	if err != nil {
		return nil, readFailure(err)
	}
	all, err := readObject(body)
	if err != nil {
		return nil, err
	}
	return &members{all: all}, nil
}

func (f *members) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// get decodes a member into a value, unless it is absent or null.
func (f *members) get(name, want string, to any) {
	raw, ok := f.all[name]
	if !ok || f.err != nil || string(raw) == "null" {
		return
	}
	if json.Unmarshal(raw, to) != nil {
		f.fail(badRequest(name, "%q must be %s", name, want))
	}
}

func (f *members) str(name string, to *string) { f.get(name, "a string", to) }

// limits reads "timeout" and "approved".
func (f *members) limits(c *mcphost.Caller) {
	var seconds float64
	f.get("timeout", "a number of seconds", &seconds)
	f.get("approved", "true or false", &c.Approved)
	var err error
	if c.Timeout, err = timeoutOf(seconds); err != nil {
		f.fail(err)
	}
}

// texts reads an object whose values are strings. Numbers, true and false are taken as they are written,
// which is what a person means who leaves out the quotes.
func (f *members) texts(name string, to *map[string]string) {
	raw, ok := f.all[name]
	if !ok || f.err != nil || string(raw) == "null" {
		return
	}
	object, err := readObject(raw)
	if err != nil {
		f.fail(badRequest(name, "%q must be an object of strings", name))
		return
	}
	out := make(map[string]string, len(object))
	for key, value := range object {
		var text string
		switch {
		case json.Unmarshal(value, &text) == nil && string(value) != "null":
		case value[0] == '{' || value[0] == '[' || value[0] == 'n':
			f.fail(badRequest(name+"."+key, "%q must be a string", name+"."+key))
			return
		default:
			text = string(value)
		}
		out[key] = text
	}
	*to = out
}

// protocolForm reads what is completed, in our form or in MCP's.
func (f *members) protocolForm(req *mcphost.CompletionRequest) {
	argument, ref := f.all["argument"], f.all["ref"]
	if len(argument) > 0 && argument[0] == '{' {
		inner := f.inner("argument")
		inner.str("name", &req.Argument)
		inner.str("value", &req.Value)
		f.fail(inner.err)
	} else {
		f.str("argument", &req.Argument)
	}
	if len(ref) > 0 {
		inner := f.inner("ref")
		var kind string
		inner.str("type", &kind)
		switch kind {
		case "ref/prompt":
			inner.str("name", &req.Prompt)
		case "ref/resource":
			inner.str("uri", &req.Template)
		default:
			inner.fail(badRequest("ref.type", "\"ref.type\" must be \"ref/prompt\" or \"ref/resource\", not %q", kind))
		}
		f.fail(inner.err)
	}
	if len(f.all["context"]) > 0 {
		inner := f.inner("context")
		inner.texts("arguments", &req.Known)
		f.fail(inner.err)
	}
}

// inner reads a member that must be an object.
func (f *members) inner(name string) *members {
	all, err := readObject(f.all[name])
	if err != nil {
		var bad *requestError
		if errors.As(err, &bad) {
			err = badRequest(name, "%q must be an object", name)
		}
	}
	return &members{all: all, err: err}
}
