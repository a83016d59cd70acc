package toolloop

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/mcphost"
)

// tool is a server's tool that this run may call.
type tool struct {
	mcphost.Tool
	// label is what the request calls the server.
	label string
	// identity is what an approval holds for: the label, and the URL where the request brings one.
	identity string
	host     host
	rule     chat.ApprovalRule
	// ask is what the rule leaves open.
	ask bool
	// asks says that the client answers what the server asks its user.
	asks bool
}

// maxNames bounds the names that an error lists.
const maxNames = 20

// collectTools returns the tools of the request, and of the servers that it names or, with auto, of all.
func (r *run) collectTools(ctx context.Context, req *chat.Request, auto bool) (all []offered, err error) {
	r.tools, r.names, r.about, r.req.Tools = map[string]*tool{}, map[[2]string]string{}, map[string]string{}, nil
	own := make(map[string]bool, len(req.Tools))
	for _, t := range req.Tools {
		own[t.Name] = true
		all = append(all, offered{tool: t, hide: t.Defer})
	}
	if auto {
		for _, t := range r.loop.opts.Host.Tools() {
			all = append(all, r.offer(&tool{Tool: t, label: t.Server, identity: t.Server, host: r.loop.opts.Host}))
		}
		return all, nil
	}
	for i := range req.ToolServers {
		s := &req.ToolServers[i]
		param := "tools[" + strconv.Itoa(s.Index) + "]"
		if r.caller.NoTools {
			return nil, refusal(chat.KindForbidden, param, "missing_scope", "%s is of type \"mcp\", whose tools the server runs: the API key needs the scope \"tools\" for that", param)
		}
		if all, err = r.serverTools(ctx, s, param, own, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// serverTools adds the tools of one server.
func (r *run) serverTools(ctx context.Context, s *chat.ToolServer, param string, own map[string]bool, all []offered) ([]offered, error) {
	from, identity := r.loop.opts.Host, s.Label
	if s.URL != "" {
		guest, err := r.invite(ctx, s, param)
		if err != nil {
			return nil, err
		}
		from, identity = guest, s.Label+" "+s.URL
	}
	tools, err := connected(from, s.Label, param)
	if err != nil {
		return nil, err
	}
	if err := checkNames(s, tools, param); err != nil {
		return nil, err
	}
	r.about[s.Label] = s.Description
	shown := server{label: s.Label}
	for _, t := range tools {
		if !picks(s.Allowed, &t) {
			continue
		}
		if own[t.FullName] || r.tools[t.FullName] != nil {
			return nil, invalid(param, "duplicate_name", "%s brings the tool %q, which another of the tools is called too; rename that one", param, t.FullName)
		}
		added := &tool{Tool: t, label: s.Label, identity: identity, host: from, rule: s.Approval, ask: !t.AutoApproved, asks: s.Asks}
		o := r.offer(added)
		o.hide = s.Defer
		all = append(all, o)
		shown.tools = append(shown.tools, added)
	}
	r.servers = append(r.servers, shown)
	return all, nil
}

func (r *run) offer(t *tool) offered {
	r.tools[t.FullName], r.names[[2]string{t.label, t.Name}] = t, t.FullName
	return offered{label: t.label, tool: chat.Tool{
		Name: t.FullName, Description: t.Description, Parameters: t.Parameters, Function: functionJSON(&t.Tool),
	}}
}

// connected returns the tools of a server, which must be connected.
func connected(from host, label, param string) ([]mcphost.Tool, error) {
	if from == nil {
		return nil, unavailable(param, false, "%s is of type \"mcp\", and MCP is not configured; start the server with --mcp-config FILE", param)
	}
	var tools []mcphost.Tool
	for _, t := range from.Tools() {
		if t.Server == label {
			tools = append(tools, t)
		}
	}
	if len(tools) > 0 {
		return tools, nil
	}
	var names []string
	for _, status := range from.Status() {
		if status.Name != label {
			names = append(names, status.Name)
			continue
		}
		return nil, absent(&status, param)
	}
	return nil, invalid(param+".server_label", "unknown_server", "%s.server_label is %q, which is no configured MCP server: %s", param, label, list(names))
}

// absent says why a server has no tools, or nil where it simply has none.
func absent(s *mcphost.ServerStatus, param string) error {
	switch {
	case s.State != mcphost.StateConnected:
		reason := string(s.State)
		if s.Error != "" {
			reason += ": " + s.Error
		}
		soon := s.State == mcphost.StateConnecting || s.State == mcphost.StateRetrying
		return unavailable(param, soon, "%s: MCP server '%s' is not connected (%s)", param, s.Name, reason)
	case len(s.Pending) > 0:
		return unavailable(param, false, "%s: the tools of MCP server '%s' wait for approval (toolserve mcp approve %s)", param, s.Name, s.Name)
	}
	return nil
}

// list writes names for an error.
func list(names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	more := ""
	if len(names) > maxNames {
		names, more = names[:maxNames], ", ..."
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return "they are " + strings.Join(quoted, ", ") + more
}

// checkNames refuses a filter that names what the server does not offer: a misspelt tool that is silently
// never offered, or never asked about, is worse than an error.
func checkNames(s *chat.ToolServer, offered []mcphost.Tool, param string) error {
	filters := []struct {
		key    string
		filter *chat.ToolFilter
	}{{"allowed_tools", s.Allowed}, {"require_approval.always", s.Approval.Always}, {"require_approval.never", s.Approval.Never}}
	for _, f := range filters {
		if f.filter == nil {
			continue
		}
		for _, name := range f.filter.Names {
			if slices.ContainsFunc(offered, func(t mcphost.Tool) bool { return named(name, &t) }) {
				continue
			}
			names := make([]string, len(offered))
			for i := range offered {
				names[i] = offered[i].Name
			}
			return invalid(param+"."+f.key, "unknown_tool", "%s.%s has %q, which MCP server '%s' does not offer now: %s",
				param, f.key, name, s.Label, list(names))
		}
	}
	return nil
}

// picks reports whether a filter picks a tool; no filter picks all.
func picks(f *chat.ToolFilter, t *mcphost.Tool) bool {
	if f == nil {
		return true
	}
	if f.Names != nil && !slices.ContainsFunc(f.Names, func(name string) bool { return named(name, t) }) {
		return false
	}
	return f.ReadOnly == nil || *f.ReadOnly == readOnly(t)
}

// named reports whether a name means a tool: its own, or the full one.
func named(name string, t *mcphost.Tool) bool { return name == t.Name || name == t.FullName }

// readOnly reports whether the server says of a tool that it changes nothing.
func readOnly(t *mcphost.Tool) bool {
	var says struct {
		ReadOnly bool `json:"readOnlyHint"`
	}
	return json.Unmarshal(t.Annotations, &says) == nil && says.ReadOnly
}

// needsConsent reports whether the request wants to be asked before the tool runs.
func (t *tool) needsConsent() bool {
	rule := &t.rule
	switch {
	case rule.Always != nil && picks(rule.Always, &t.Tool):
		return true
	case rule.Never != nil && picks(rule.Never, &t.Tool):
		return false
	case rule.Mode != chat.ApprovalDefault:
		return rule.Mode == chat.ApprovalAlways
	case rule.Always != nil && rule.Never == nil: // only those are to be asked about
		return false
	}
	return t.ask
}

// chooseTool settles a tool choice that names a server's tool.
func (r *run) chooseTool(req *chat.Request, all []offered) error {
	choice := &r.req.ToolChoice
	if choice.Mode == chat.ToolRequired && len(all) == 0 {
		return invalid("tool_choice", "invalid_value", "tool_choice is \"required\", but there are no tools for this request; send tools, or leave tool_choice out")
	}
	if req.ToolChoice.Server == "" {
		return nil
	}
	only := []chat.Tool{}
	for _, o := range all {
		from := r.tools[o.tool.Name]
		if from != nil && from.label == choice.Server && (choice.Name == "" || named(choice.Name, &from.Tool)) {
			only = append(only, o.tool)
		}
	}
	switch {
	case len(only) == 0:
		return invalid("tool_choice", "unknown_tool", "tool_choice names the tool %q of MCP server '%s', which the request does not offer", choice.Name, choice.Server)
	case choice.Name != "":
		choice.Name = only[0].Name
	default:
		r.only = only
	}
	choice.Server = ""
	return nil
}
