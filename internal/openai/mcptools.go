package openai

import (
	"net/http"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// Bounds on the tools of type mcp.
const (
	maxToolServers  = 64
	maxLabel        = 128
	maxFilterNames  = 1024
	maxURL          = 2048
	maxHeaders      = 32
	maxHeaderBytes  = 8 << 10
	maxDescription  = 4 << 10
	maxMaxToolCalls = 1000
)

// addToolServer reads an item of tools of type mcp.
func addToolServer(spec *fields, index int, req *wireRequest) {
	s := chat.ToolServer{Index: index, Defer: spec.on("defer_loading"), Asks: spec.on("elicitation")}
	s.Label, _ = spec.str("server_label")
	at := spec.at("server_label")
	switch {
	case spec.err != nil:
	case s.Label == "":
		spec.fail(invalid(at, "missing", "%s is missing; it names the MCP server", at))
	case len(s.Label) > maxLabel:
		spec.fail(invalid(at, "too_long", "%s has more than %d bytes", at, maxLabel))
	case slices.ContainsFunc(req.ToolServers, func(o chat.ToolServer) bool { return o.Label == s.Label }):
		spec.fail(invalid(at, "duplicate_name", "%s is %s, which another of the tools has too; name each server once", at, quote(s.Label)))
	case len(req.ToolServers) >= maxToolServers:
		spec.fail(invalid("tools", "too_many", "tools names more than %d MCP servers", maxToolServers))
	}
	for _, key := range []string{"connector_id", "tunnel_id"} {
		if spec.has(key) {
			spec.fail(invalid(spec.at(key), "unsupported_value", "%s is not served here; name a configured server by server_label, or give a server_url", spec.at(key)))
		}
	}
	decodeServerURL(spec, &s)
	s.Allowed = toolFilter(spec, "allowed_tools")
	s.Approval = approvalRule(spec)
	req.ToolServers = append(req.ToolServers, s)
}

// decodeServerURL reads how to reach a server that the request brings along.
func decodeServerURL(spec *fields, s *chat.ToolServer) {
	s.URL = bounded(spec, "server_url", maxURL)
	s.Description = bounded(spec, "server_description", maxDescription)
	if headers := spec.child("headers"); headers != nil {
		if len(headers.members) > maxHeaders {
			spec.fail(invalid(headers.path, "too_many", "%s has more than %d headers", headers.path, maxHeaders))
			return
		}
		s.Headers = map[string]string{}
		for _, m := range headers.members {
			name := http.CanonicalHeaderKey(m.key)
			value := bounded(headers, m.key, maxHeaderBytes)
			_, twice := s.Headers[name]
			if headers.err == nil && (!validHeaderName(m.key) || strings.ContainsAny(value, "\r\n\x00")) || twice {
				headers.fail(invalid(headers.path, "invalid_value", "%s has %s, which HTTP cannot carry or which is there twice", headers.path, quote(m.key)))
			}
			s.Headers[name] = value
		}
		spec.fail(headers.err)
	}
	if token := bounded(spec, "authorization", maxHeaderBytes); token != "" {
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) || s.Headers["Authorization"] != "" {
			spec.fail(invalid(spec.at("authorization"), "invalid_value", "%s must be a token of visible ASCII characters, and go without an Authorization in headers", spec.at("authorization")))
		}
		if s.Headers == nil {
			s.Headers = map[string]string{}
		}
		s.Headers["Authorization"] = "Bearer " + token
	}
	if s.URL == "" && s.Headers != nil && spec.err == nil {
		spec.fail(invalid(spec.at("headers"), "invalid_value", "%s has headers or authorization, which are for a server_url; a configured server has its own", spec.path))
	}
}

// validHeaderName reports whether a name is a token of RFC 9110.
func validHeaderName(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

// bounded returns a string member of at most so many bytes.
func bounded(f *fields, key string, most int) string {
	s, _ := f.str(key)
	if len(s) > most {
		f.fail(invalid(f.at(key), "too_long", "%s has more than %d bytes", f.at(key), most))
		return ""
	}
	return s
}

// toolFilter reads a list of names or {"tool_names", "read_only"}; nil when absent.
func toolFilter(f *fields, key string) *chat.ToolFilter {
	raw := f.get(key)
	if raw == nil {
		return nil
	}
	if raw[0] == '[' {
		return &chat.ToolFilter{Names: filterNames(f, key)}
	}
	if raw[0] != '{' {
		f.fail(wrongType(f.at(key), "a list of names or an object", raw))
		return nil
	}
	spec := f.child(key)
	filter := &chat.ToolFilter{ReadOnly: spec.flag("read_only")}
	if spec.has("tool_names") {
		filter.Names = filterNames(spec, "tool_names")
	}
	f.fail(spec.err)
	return filter
}

// filterNames reads a list of names, which is never nil.
func filterNames(f *fields, key string) []string {
	items := f.items(key)
	if len(items) > maxFilterNames {
		f.fail(invalid(f.at(key), "too_many", "%s has more than %d names", f.at(key), maxFilterNames))
		return nil
	}
	names := make([]string, 0, len(items))
	for i, raw := range items {
		if raw[0] != '"' {
			f.fail(wrongType(item(f.at(key), i), "a string", raw))
			return nil
		}
		names = append(names, text(raw))
	}
	return names
}

// approvalRule reads require_approval.
func approvalRule(f *fields) chat.ApprovalRule {
	const key = "require_approval"
	raw := f.get(key)
	if raw == nil {
		return chat.ApprovalRule{}
	}
	if raw[0] != '{' {
		return chat.ApprovalRule{Mode: chat.ApprovalMode(f.word(key, "always", "never"))}
	}
	spec := f.child(key)
	rule := chat.ApprovalRule{Always: toolFilter(spec, "always"), Never: toolFilter(spec, "never")}
	if spec.err == nil && rule.Always == nil && rule.Never == nil {
		spec.fail(invalid(spec.path, "invalid_value", `%s has neither "always" nor "never"; give one, or leave it out`, spec.path))
	}
	f.fail(spec.err)
	return rule
}

// serverChoice reads {"type":"mcp","server_label","name"?} as a tool choice.
func serverChoice(choice *fields, req *wireRequest) {
	label, _ := choice.str("server_label")
	name, _ := choice.str("name")
	if choice.err == nil && !slices.ContainsFunc(req.ToolServers, func(s chat.ToolServer) bool { return s.Label == label }) {
		choice.fail(invalid(choice.at("server_label"), "unknown_server", "%s is %s, which is no server_label of the request's tools", choice.at("server_label"), quote(label)))
	}
	req.ToolChoice = chat.ToolChoice{Mode: chat.ToolNamed, Name: name, Server: label}
	if name == "" {
		req.ToolChoice.Mode = chat.ToolRequired
	}
}
