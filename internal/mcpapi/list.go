package mcpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

// serverItem is one server of GET /v1/mcp/status.
type serverItem struct {
	Name           string                 `json:"name"`
	State          mcphost.State          `json:"state"`
	Transport      mcphost.Transport      `json:"transport"`
	ToolsCount     int                    `json:"tools_count"`
	Error          *string                `json:"error"`
	Restarts       int                    `json:"restarts"`
	RestartedAt    []time.Time            `json:"restarted_at,omitempty"`
	LastError      string                 `json:"last_error,omitempty"`
	LastErrorAt    time.Time              `json:"last_error_at,omitzero"`
	Sandbox        mcphost.SandboxSummary `json:"sandbox"`
	ResourcesCount int                    `json:"resources_count"`
	TemplatesCount int                    `json:"resource_templates_count"`
	PromptsCount   int                    `json:"prompts_count"`
	Since          time.Time              `json:"since"`
	RetryAt        *time.Time             `json:"retry_at,omitempty"`
	PID            int                    `json:"pid,omitempty"`
	Protocol       string                 `json:"protocol,omitempty"`
	Implementation string                 `json:"implementation,omitempty"`
	Notes          []string               `json:"notes,omitempty"`
	Stderr         []string               `json:"stderr,omitempty"`
	// Pending is what is not as it was approved: see POST /v1/mcp/approve.
	Pending []mcphost.Pending `json:"pending,omitempty"`
}

// statusBody is the answer of GET /v1/mcp/status.
type statusBody struct {
	Enabled bool `json:"enabled"`
	// Reason says why Servers is empty.
	Reason    string       `json:"reason,omitempty"`
	Servers   []serverItem `json:"servers"`
	Total     int          `json:"servers_total"`
	Connected int          `json:"servers_connected"`
	Tools     int          `json:"tools_available"`
	// Config is where the configuration in force came from, and why a newer text is not.
	Config *mcphost.ConfigStatus `json:"config,omitempty"`
}

// Status answers with the state of every server.
func (h *Handler) Status(w http.ResponseWriter, _ *http.Request) {
	body := statusBody{Servers: []serverItem{}}
	if h.opts.Host == nil {
		body.Reason = offReason
		h.write(w, http.StatusOK, body)
		return
	}
	body.Enabled = true
	if h.opts.Config != nil {
		config := h.opts.Config()
		body.Config = &config
	}
	for _, s := range h.opts.Host.Status() {
		body.Servers = append(body.Servers, newServerItem(s))
		body.Total++
		body.Tools += s.Tools
		if s.State == mcphost.StateConnected {
			body.Connected++
		}
	}
	if body.Total == 0 {
		body.Reason = "the MCP configuration names no server"
	}
	h.write(w, http.StatusOK, body)
}

func newServerItem(s mcphost.ServerStatus) serverItem {
	item := serverItem{
		Name: s.Name, State: s.State, Transport: s.Transport, ToolsCount: s.Tools, Restarts: s.Restarts,
		RestartedAt: s.RestartedAt, LastError: s.LastError, LastErrorAt: s.LastErrorAt,
		ResourcesCount: s.Resources, TemplatesCount: s.ResourceTemplates, PromptsCount: s.Prompts,
		Sandbox: s.Sandbox, Since: s.Since, PID: s.PID, Protocol: s.Protocol, Implementation: s.Implementation,
		Notes: s.Notes, Stderr: s.Stderr, Pending: s.Pending,
	}
	if s.Error != "" {
		item.Error = &s.Error
	}
	if !s.RetryAt.IsZero() {
		item.RetryAt = &s.RetryAt
	}
	return item
}

// toolItem is one tool: OpenAI's form, and flat beside it what scripts read.
type toolItem struct {
	Type        string          `json:"type"`
	Function    function        `json:"function"`
	Name        string          `json:"name"`
	Server      string          `json:"server"`
	Tool        string          `json:"tool"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Output      json.RawMessage `json:"output_schema,omitempty"`
	Annotations json.RawMessage `json:"annotations,omitempty"`
	HighRisk    bool            `json:"high_risk,omitempty"`
	Problem     string          `json:"problem,omitempty"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// absence is a server whose tools are missing from a list.
type absence struct {
	Server string        `json:"server"`
	State  mcphost.State `json:"state"`
	Error  string        `json:"error,omitempty"`
}

// toolsBody is the answer of GET /v1/mcp/tools.
type toolsBody struct {
	Tools []toolItem `json:"tools"`
	Count int        `json:"count"`
	// Reason says why Tools is empty.
	Reason string `json:"reason,omitempty"`
	// Unavailable are the servers that would offer more.
	Unavailable []absence `json:"unavailable,omitempty"`
	// Held are the tools that are not offered until they are approved.
	Held []heldTool `json:"held,omitempty"`
}

// heldTool is a tool whose definition is not the approved one. Of the definition nothing is said here: this
// list may go to a model.
type heldTool struct {
	Server string `json:"server"`
	Tool   string `json:"tool"`
	Reason string `json:"reason"`
}

// Tools answers with the tools of all connected servers.
func (h *Handler) Tools(w http.ResponseWriter, _ *http.Request) {
	body := toolsBody{Tools: []toolItem{}}
	if h.opts.Host == nil {
		body.Reason = offReason
		h.write(w, http.StatusOK, body)
		return
	}
	for _, t := range h.opts.Host.Tools() {
		body.Tools = append(body.Tools, newToolItem(t))
	}
	body.Count = len(body.Tools)
	status := h.opts.Host.Status()
	for _, s := range status {
		if s.State != mcphost.StateConnected && s.State != mcphost.StateDisabled && s.State != mcphost.StateIdle {
			body.Unavailable = append(body.Unavailable, absence{s.Name, s.State, s.Error})
		}
		for _, p := range s.Pending {
			if p.Held && p.Tool != "" {
				body.Held = append(body.Held, heldTool{p.Server, p.Tool, p.Reason})
			}
		}
	}
	if body.Count == 0 {
		body.Reason = emptyReason(status)
	}
	h.write(w, http.StatusOK, body)
}

func newToolItem(t mcphost.Tool) toolItem {
	return toolItem{
		Type:     "function",
		Function: function{t.FullName, t.Description, t.Parameters},
		Name:     t.FullName, Server: t.Server, Tool: t.Name, Title: t.Title, Description: t.Description,
		Parameters: t.Parameters, Output: t.Output, Annotations: t.Annotations, HighRisk: t.HighRisk, Problem: t.Problem,
	}
}

// emptyReason says why there are no tools.
func emptyReason(servers []mcphost.ServerStatus) string {
	if len(servers) == 0 {
		return "the MCP configuration names no server"
	}
	var parts []string
	for _, s := range servers {
		part := fmt.Sprintf("%s is %s", s.Name, s.State)
		switch {
		case s.Error != "":
			part += " (" + s.Error + ")"
		case s.State == mcphost.StateConnected && len(s.Pending) > 0:
			part += fmt.Sprintf(" and its tools wait for approval (toolserve mcp approve %s)", s.Name)
		case s.State == mcphost.StateConnected:
			part += " and offers no tools"
		}
		if parts = append(parts, part); len(parts) == 5 && len(servers) > 5 {
			parts = append(parts, fmt.Sprintf("and %d more", len(servers)-5))
			break
		}
	}
	return "no server offers a tool now: " + strings.Join(parts, "; ")
}
