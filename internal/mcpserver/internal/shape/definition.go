package shape

import (
	"encoding/json"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/mcphost"
)

// Tool writes a tool as MCP does. Schemas and annotations that clients can read are the server's bytes.
// With sessions, it is as the revisions with sessions have it: an output schema is one of objects or left out,
// and the tool may be asked to run as a task.
func Tool(name string, t mcphost.Tool, sessions bool) json.RawMessage {
	b := append([]byte(`{"name":`), rpc.Encode(name)...)
	member := func(key string, value json.RawMessage) {
		if value != nil {
			b = append(append(append(append(b, `,"`...), key...), `":`...), value...)
		}
	}
	if t.Title != "" {
		member("title", rpc.Encode(t.Title))
	}
	if t.Description != "" {
		member("description", rpc.Encode(t.Description))
	}
	member("inputSchema", input(t.Parameters))
	member("outputSchema", output(t.Output, sessions))
	member("annotations", hints(t.Annotations))
	if len(t.Icons) > 0 && icons(t.Icons) {
		member("icons", t.Icons)
	}
	member("_meta", Meta(t.Meta))
	if sessions { // so that it may run as a task, which is kept here, not by the server
		member("execution", json.RawMessage(`{"taskSupport":"optional"}`))
	}
	return append(b, '}')
}

// Resource returns a resource's definition. What cannot be taken apart is written anew, here and below.
func Resource(r *mcphost.Resource) json.RawMessage {
	kept, err := item(r.Raw, r.URI)
	if err != nil {
		return rpc.Encode(map[string]string{"uri": r.URI, "name": r.Name, "description": r.Description})
	}
	return kept
}

// Template returns a template's definition.
func Template(t *mcphost.ResourceTemplate) json.RawMessage {
	kept, err := item(t.Raw, t.URITemplate)
	if err != nil {
		return rpc.Encode(map[string]string{"uriTemplate": t.URITemplate, "name": t.Name, "description": t.Description})
	}
	return kept
}

// Prompt returns a prompt's definition under a name.
func Prompt(p *mcphost.Prompt, name string) json.RawMessage {
	kept, err := item(p.Raw, name)
	if err != nil {
		return rpc.Encode(map[string]any{"name": name, "description": p.Description, "arguments": append([]mcphost.PromptArgument{}, p.Arguments...)})
	}
	if name == p.Name {
		return kept
	}
	unnamed, _ := keep(kept, func(key string, _ json.RawMessage) bool { return key != "name" }) // it was taken apart
	return with(unnamed, "name", rpc.Encode(name))
}
