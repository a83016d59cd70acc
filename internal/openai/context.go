package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/insert"
)

// maxResources bounds the resources that one request puts into its conversation, maxResourceBytes what they
// hold together.
const maxResources, maxResourceBytes = 32, 16 << 20

// wanted is what a request wants of MCP servers in its conversation, and the fields that say so.
type wanted struct {
	prompt        *insert.Prompt
	promptPath    string
	resources     []insert.Resource
	resourcesPath string
}

func (w *wanted) any() bool { return w.prompt != nil || len(w.resources) > 0 }

// decodeWanted reads mcp_prompt and mcp_resources, or what stands for them in the metadata.
func decodeWanted(f *fields) (w wanted) {
	if raw := f.get("mcp_prompt"); raw != nil {
		w.prompt, w.promptPath = promptRef(f, "mcp_prompt", raw), "mcp_prompt"
	}
	if f.has("mcp_resources") {
		w.resourcesPath = "mcp_resources"
		for i, raw := range f.items("mcp_resources") {
			w.resources = append(w.resources, resourceRef(f, item("mcp_resources", i), raw))
		}
	}
	if raw := f.get("metadata"); raw != nil && raw[0] == '{' {
		w.metadata(f, f.child("metadata"))
	}
	if len(w.resources) > maxResources {
		f.fail(invalid(w.resourcesPath, "too_many", "%s names %d resources; at most %d are taken", w.resourcesPath, len(w.resources), maxResources))
	}
	return w
}

// promptRef reads {"server", "name", "arguments"}, or a string that is the name.
func promptRef(f *fields, path string, raw []byte) *insert.Prompt {
	if raw[0] == '"' {
		return named(f, path, &insert.Prompt{Name: text(raw)})
	}
	object := object(raw, path)
	ref := &insert.Prompt{}
	ref.Server, _ = object.str("server")
	ref.Name, _ = object.str("name")
	if arguments := object.child("arguments"); arguments != nil {
		ref.Arguments = promptArguments(arguments)
		object.fail(arguments.err)
	}
	f.fail(object.err)
	return named(f, path, ref)
}

func named(f *fields, path string, ref *insert.Prompt) *insert.Prompt {
	if ref.Name == "" {
		f.fail(invalid(path, "missing", `%s names no prompt; send {"server":"...","name":"...","arguments":{}}`, path))
	}
	return ref
}

// promptArguments reads an object whose values are strings, or numbers, true and false as they are written.
func promptArguments(object *fields) map[string]string {
	out := make(map[string]string, len(object.members))
	for _, m := range object.members {
		switch m.value[0] {
		case '"':
			out[m.key] = text(m.value)
		case '{', '[', 'n':
			object.fail(wrongType(object.at(m.key), "a string", m.value))
		default:
			out[m.key] = string(m.value)
		}
	}
	return out
}

// resourceRef reads {"server", "uri"}, or a string that is the URI.
func resourceRef(f *fields, path string, raw []byte) (ref insert.Resource) {
	if raw[0] == '"' {
		ref.URI = text(raw)
	} else {
		object := object(raw, path)
		ref.Server, _ = object.str("server")
		ref.URI, _ = object.str("uri")
		f.fail(object.err)
	}
	if ref.URI == "" {
		f.fail(invalid(path, "missing", `%s names no resource; send {"server":"...","uri":"..."}`, path))
	}
	return ref
}

// metadata reads the spelling of clients that can send strings alone: mcp_prompt is a name or the JSON text
// of {"server", "name", "arguments"}, mcp_prompt_args the JSON text of arguments, and mcp_resources a list of
// URIs with commas between them, or the JSON text of a list.
func (w *wanted) metadata(f, data *fields) {
	const promptPath, argumentsPath, resourcesPath = "metadata.mcp_prompt", "metadata.mcp_prompt_args", "metadata.mcp_resources"
	prompt, hasPrompt := stringIn(data, "mcp_prompt")
	arguments, hasArguments := stringIn(data, "mcp_prompt_args")
	resources, hasResources := stringIn(data, "mcp_resources")
	switch {
	case hasPrompt && w.prompt != nil:
		f.fail(invalid(promptPath, "conflict", "mcp_prompt and %s are both given; keep the first", promptPath))
	case hasResources && w.resourcesPath != "":
		f.fail(invalid(resourcesPath, "conflict", "mcp_resources and %s are both given; keep the first", resourcesPath))
	case hasArguments && !hasPrompt:
		f.fail(invalid(argumentsPath, "invalid_value", "%s needs %s", argumentsPath, promptPath))
	}
	if hasPrompt && f.err == nil {
		w.promptPath = promptPath
		if raw, ok := jsonIn(prompt, '{'); ok {
			w.prompt = promptRef(f, promptPath, raw)
		} else {
			w.prompt = named(f, promptPath, &insert.Prompt{Name: prompt})
		}
	}
	if hasArguments && f.err == nil {
		raw, ok := jsonIn(arguments, '{')
		if !ok {
			f.fail(invalid(argumentsPath, "invalid_value", "%s is %s; it must be the JSON text of an object", argumentsPath, quote(arguments)))
			return
		}
		object := object(raw, argumentsPath)
		w.prompt.Arguments = promptArguments(object)
		f.fail(object.err)
	}
	if hasResources && f.err == nil {
		w.resourcesPath = resourcesPath
		w.resources = listedResources(f, resourcesPath, resources)
	}
}

func listedResources(f *fields, path, text string) (refs []insert.Resource) {
	if raw, ok := jsonIn(text, '['); ok {
		items, err := list(raw, path)
		f.fail(err)
		for i, raw := range items {
			refs = append(refs, resourceRef(f, item(path, i), raw))
		}
		return refs
	}
	for uri := range strings.SplitSeq(text, ",") {
		if uri = strings.TrimSpace(uri); uri != "" {
			refs = append(refs, insert.Resource{URI: uri})
		}
	}
	return refs
}

// stringIn returns a member of the metadata that is a string. Metadata is the client's own: what is not one
// of these is left alone.
func stringIn(f *fields, key string) (string, bool) {
	if raw := f.get(key); raw != nil && raw[0] == '"' {
		s := strings.TrimSpace(text(raw))
		return s, s != ""
	}
	return "", false
}

// jsonIn returns the JSON value that a string holds, where it begins with the given character.
func jsonIn(s string, first byte) ([]byte, bool) {
	return []byte(s), s != "" && s[0] == first && json.Valid([]byte(s))
}

// generate answers a request, with what it wants of MCP servers in its conversation.
func (h *Handler) generate(ctx context.Context, req *wireRequest) iter.Seq2[chat.Event, error] {
	if !req.wanted.any() {
		return h.opts.Generator.Generate(ctx, &req.Request)
	}
	return func(yield func(chat.Event, error) bool) {
		if err := h.fetch(ctx, req); err != nil {
			yield(chat.Event{}, err)
			return
		}
		for ev, err := range h.opts.Generator.Generate(ctx, &req.Request) {
			if !yield(ev, err) {
				return
			}
		}
	}
}

// fetch puts into the conversation what the request wants there.
func (h *Handler) fetch(ctx context.Context, req *wireRequest) error {
	w := &req.wanted
	if h.opts.Contexts == nil {
		return &insert.Error{Status: http.StatusServiceUnavailable, Code: "mcp_unavailable",
			Message: "MCP is not configured, so there are no prompts and resources; start the server with --mcp-config FILE"}
	}
	var prompt []chat.Message
	var parts []chat.Part
	var err error
	if w.prompt != nil {
		if prompt, err = h.opts.Contexts.Prompt(ctx, *w.prompt); err != nil {
			return at(err, w.promptPath)
		}
	}
	room := maxResourceBytes
	for i, ref := range w.resources {
		more, err := h.opts.Contexts.Resource(ctx, ref)
		if err != nil {
			return at(err, item(w.resourcesPath, i))
		}
		for _, part := range more {
			room -= len(part.Text) + len(part.URL) + len(part.Data)
		}
		if room < 0 {
			path := item(w.resourcesPath, i)
			return &chat.Error{Kind: chat.KindInvalid, Param: path, Code: "too_long",
				Message: fmt.Sprintf("%s makes the resources of the request longer than %d MiB; name fewer", path, maxResourceBytes>>20)}
		}
		parts = insert.Joined(parts, more)
	}
	req.Messages = insert.Into(req.Messages, prompt, parts)
	if len(req.Messages) == 0 {
		return &chat.Error{Kind: chat.KindInvalid, Param: "messages", Code: "missing",
			Message: "messages is empty, and the prompt gave none; send at least one message"}
	}
	return nil
}

// at names the field of the request in an error about a reference.
func at(err error, path string) error {
	var e *insert.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	if named.Param = path; e.Param != "" {
		named.Param += "." + e.Param
	}
	return &named
}

// contextFailure is the answer to a [insert.Error].
func contextFailure(e *insert.Error) *apiError {
	out := status(e.Status, e.Code, e.Message)
	out.param, out.retryAfter = e.Param, e.RetryAfter
	return out
}
