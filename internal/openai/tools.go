package openai

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

func decodeTools(f *fields, req *wireRequest) {
	for i, raw := range toolItems(f, "tools") {
		spec := object(raw, item("tools", i))
		switch kind := spec.get("type"); string(kind) {
		case `"mcp"`:
			addToolServer(spec, i, req)
		case `"tool_search"`:
			spec.word("execution", "server") // tools are searched for wherever some are deferred
		default:
			addTool(spec, toolFunction(spec), req)
		}
		f.fail(spec.err)
	}
	if n, ok := f.integer("max_tool_calls", 1, maxMaxToolCalls); ok {
		req.MaxToolCalls = int(n)
	}
	if f.has("functions") {
		decodeFunctions(f, req)
	}
	if parallel := f.flag("parallel_tool_calls"); parallel != nil {
		req.SingleToolCall = !*parallel
	}
	key := "tool_choice"
	if req.legacy {
		key, req.SingleToolCall = "function_call", true
	}
	if raw := f.get(key); raw != nil {
		decodeChoice(f, key, raw, req)
	}
}

func toolItems(f *fields, key string) [][]byte {
	items := f.items(key)
	if len(items) > maxTools {
		f.fail(invalid(key, "too_many", "%s has %d tools; at most %d are taken", key, len(items), maxTools))
		return nil
	}
	return items
}

// decodeFunctions reads the deprecated form of tools.
func decodeFunctions(f *fields, req *wireRequest) {
	if f.has("tools") {
		f.fail(invalid("functions", "invalid_value", "functions is the old form of tools; send one of them"))
		return
	}
	req.legacy = true
	for i, raw := range toolItems(f, "functions") {
		function := object(raw, item("functions", i))
		addTool(function, function, req)
		f.fail(function.err)
	}
}

// toolFunction returns the function object of an item of tools, nil after an error. Further keys of the
// item, such as those that /v1/mcp/tools puts beside it, are of no interest.
func toolFunction(spec *fields) *fields {
	if kind, ok := spec.str("type"); ok && kind != "function" {
		spec.fail(invalid(spec.at("type"), "unsupported_value", "%s is %s; this server takes tools of type \"function\" and \"mcp\"", spec.at("type"), quote(kind)))
		return nil
	}
	function := spec.child("function")
	if function == nil {
		spec.fail(invalid(spec.at("function"), "missing", "%s is missing; put name, description and parameters there", spec.at("function")))
	}
	return function
}

// addTool reads a function into req.Tools; an error goes to its holder spec.
func addTool(spec, function *fields, req *wireRequest) {
	if spec.err != nil {
		return
	}
	tool := chat.Tool{Parameters: schema(function, "parameters"), Strict: function.on("strict")}
	if spec != function {
		tool.Defer = spec.on("defer_loading")
	}
	tool.Name, _ = function.str("name")
	tool.Description, _ = function.str("description")
	at := function.at("name")
	switch {
	case function.err != nil:
	case tool.Name == "":
		function.fail(invalid(at, "missing", "%s is missing; it is what the model calls the tool by", at))
	case !validName(tool.Name):
		function.fail(invalid(at, "invalid_name", "%s is %s; a tool's name is 1 to 64 letters, digits, underscores and hyphens (^[a-zA-Z0-9_-]{1,64}$): rename the tool, with _ for dots and slashes", at, quote(tool.Name)))
	case slices.ContainsFunc(req.Tools, func(t chat.Tool) bool { return t.Name == tool.Name }):
		function.fail(invalid(at, "duplicate_name", "%s is %s, which another tool is called too; names must differ", at, quote(tool.Name)))
	}
	spec.fail(function.err)
	tool.Function = function.raw
	req.Tools = append(req.Tools, tool)
}

// schema returns a member that must be a JSON Schema of an object, nil when absent.
func schema(f *fields, key string) json.RawMessage {
	raw := f.get(key)
	if raw == nil {
		return nil
	}
	top := f.child(key)
	if top.err != nil {
		return nil
	}
	if kind := top.get("type"); kind != nil && key == "parameters" && !strings.Contains(string(kind), `"object"`) {
		f.fail(invalid(top.at("type"), "invalid_schema", "%s is %s; a function's parameters are a JSON Schema of type \"object\"", top.at("type"), describe(kind)))
		return nil
	}
	return json.RawMessage(raw)
}

func validName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 64
}

// decodeChoice reads tool_choice, or the deprecated function_call under its own key.
func decodeChoice(f *fields, key string, raw []byte, req *wireRequest) {
	switch raw[0] {
	case '"':
		words := []string{"none", "auto", "required"}
		if req.legacy {
			words = words[:2]
		}
		req.ToolChoice.Mode = chat.ToolChoiceMode(f.word(key, words...))
	case '{':
		choice := f.child(key)
		if choice.err == nil {
			decodeChoiceObject(choice, req)
		}
		f.fail(choice.err)
	default:
		f.fail(wrongType(key, "a string or an object", raw))
	}
}

func decodeChoiceObject(choice *fields, req *wireRequest) {
	holder := choice
	if !req.legacy {
		switch choice.word("type", "function", "allowed_tools", "mcp") {
		case "allowed_tools":
			allowTools(choice, req)
			return
		case "mcp":
			serverChoice(choice, req)
			return
		case "":
			choice.fail(invalid(choice.at("type"), "missing", `%s is missing; it must be "function" or "allowed_tools"`, choice.at("type")))
			return
		}
		if holder = choice.child("function"); holder == nil {
			choice.fail(invalid(choice.at("function"), "missing", `%s is missing; send {"type":"function","function":{"name":"..."}}`, choice.at("function")))
			return
		}
	}
	req.ToolChoice = chat.ToolChoice{Mode: chat.ToolNamed, Name: knownTool(holder, req)}
	choice.fail(holder.err)
}

// knownTool reads the name of one of the request's tools.
func knownTool(holder *fields, req *wireRequest) string {
	name, ok := holder.str("name")
	at := holder.at("name")
	switch {
	case holder.err != nil:
	case !ok:
		holder.fail(invalid(at, "missing", "%s is missing; it names one of the request's tools", at))
	case len(req.ToolServers) > 0: // whose tools are not known here
	case !slices.ContainsFunc(req.Tools, func(t chat.Tool) bool { return t.Name == name }):
		holder.fail(invalid(at, "unknown_tool", "%s is %s, which is none of the request's tools: %s", at, quote(name), toolNames(req.Tools)))
	}
	return name
}

func toolNames(tools []chat.Tool) string {
	if len(tools) == 0 {
		return "it has none"
	}
	const most = 20
	var names []string
	for _, t := range tools[:min(len(tools), most)] {
		names = append(names, quote(t.Name))
	}
	if len(tools) > most {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

// allowTools reads {"type":"allowed_tools","allowed_tools":{"mode":...,"tools":[...]}}: the request has
// these of its tools only.
func allowTools(choice *fields, req *wireRequest) {
	spec := choice.child("allowed_tools")
	if spec == nil {
		choice.fail(invalid(choice.at("allowed_tools"), "missing", "%s is missing; put mode and tools there", choice.at("allowed_tools")))
		return
	}
	if len(req.ToolServers) > 0 {
		spec.fail(invalid(spec.path, "unsupported_value", "%s cannot be combined with tools of type \"mcp\"; use their own allowed_tools", spec.path))
	}
	mode := spec.word("mode", "auto", "required")
	allowed := map[string]bool{}
	for i, raw := range spec.items("tools") {
		entry := object(raw, item(spec.at("tools"), i))
		if function := toolFunction(entry); function != nil {
			allowed[knownTool(function, req)] = true
			entry.fail(function.err)
		}
		spec.fail(entry.err)
	}
	if len(allowed) == 0 {
		spec.fail(invalid(spec.at("tools"), "missing", "%s is missing or empty; list the tools that may be called, or use tool_choice \"none\"", spec.at("tools")))
	}
	choice.fail(spec.err)
	req.Tools = slices.DeleteFunc(req.Tools, func(t chat.Tool) bool { return !allowed[t.Name] })
	if mode == "" {
		mode = "auto"
	}
	req.ToolChoice.Mode = chat.ToolChoiceMode(mode)
}
