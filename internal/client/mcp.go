package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/toolserve/toolserve/chat"
)

// Status is what GET /v1/mcp/status answers.
type Status struct {
	Servers []ServerStatus `json:"servers"`
	// Reason says why Servers is empty.
	Reason string `json:"reason"`
	// Config is where the configuration came from.
	Config ConfigStatus `json:"config"`
	// Raw is the answer as it came.
	Raw json.RawMessage `json:"-"`
}

// ConfigStatus is the file of the configuration in force, and why a newer text of it is not, or "".
type ConfigStatus struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// ServerStatus is the state of one MCP server.
type ServerStatus struct {
	Name       string `json:"name"`
	State      string `json:"state"`
	Transport  string `json:"transport"`
	ToolsCount int    `json:"tools_count"`
	Resources  int    `json:"resources_count"`
	Prompts    int    `json:"prompts_count"`
	Error      string `json:"error"`
	Restarts   int    `json:"restarts"`
	// RestartedAt are the last times that it was started again, LastError is why it last went away.
	RestartedAt []time.Time `json:"restarted_at"`
	LastError   string      `json:"last_error"`
	// Stderr are the last lines of its standard error.
	Stderr []string `json:"stderr"`
	// Sandbox is the level of confinement: text or an object, as the server words it.
	Sandbox json.RawMessage `json:"sandbox"`
	// Notes are complaints about its tools, and what screening found in its texts.
	Notes []string `json:"notes"`
	// Pending is what is not as it was approved.
	Pending []Pending `json:"pending"`
}

// Describe is the server's name and state in words, with its error.
func (s ServerStatus) Describe() string {
	if s.Error == "" {
		return s.Name + ": " + s.State
	}
	return s.Name + ": " + s.State + ": " + s.Error
}

// Tool is a tool of one of the server's MCP servers.
type Tool struct {
	// Name is the name that a model calls: server__tool.
	Name string `json:"name"`
	// Server and Own are the MCP server and the tool's name there.
	Server      string          `json:"server"`
	Own         string          `json:"tool"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	// Function is the OpenAI function object, to be handed to chat completions as it is.
	Function json.RawMessage `json:"function"`
	// Annotations are the MCP server's own claims about the tool. They are hints from an untrusted
	// party: they may raise caution, never lower it.
	Annotations Annotations `json:"annotations"`
	// Raw is the tool as it came.
	Raw json.RawMessage `json:"-"`
}

// Annotations are MCP's tool annotations, as far as toolserve uses them.
type Annotations struct {
	Destructive *bool `json:"destructiveHint"`
	ReadOnly    *bool `json:"readOnlyHint"`
}

// Chat returns the tool as a model is given it.
func (t Tool) Chat() chat.Tool {
	return chat.Tool{Name: t.Name, Description: t.Description, Parameters: t.Parameters, Function: t.Function}
}

// ParameterNames lists the tool's parameters in the order of its schema; a ? marks the optional ones.
func (t Tool) ParameterNames() []string {
	var schema struct {
		Properties json.RawMessage `json:"properties"`
		Required   []string        `json:"required"`
	}
	if json.Unmarshal(t.Parameters, &schema) != nil || len(schema.Properties) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(schema.Properties))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return nil
	}
	var names []string
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		var skipped json.RawMessage
		if err != nil || !ok || decoder.Decode(&skipped) != nil {
			break
		}
		if !slices.Contains(schema.Required, name) {
			name += "?"
		}
		names = append(names, name)
	}
	return names
}

// ToolList is what GET /v1/mcp/tools answers.
type ToolList struct {
	Tools []Tool
	// Reason says why Tools is empty.
	Reason string
	// Unavailable are the MCP servers that would offer more: Name, State and Error are set.
	Unavailable []ServerStatus
	// Raw is the answer as it came.
	Raw json.RawMessage
}

// MCPStatus asks for the state of the MCP servers.
func (c *Client) MCPStatus(ctx context.Context) (*Status, error) {
	var status Status
	raw, err := c.call(ctx, http.MethodGet, "/v1/mcp/status", nil, nil, &status)
	status.Raw = raw
	return &status, err
}

// MCPTools lists the tools of the connected MCP servers.
func (c *Client) MCPTools(ctx context.Context) (*ToolList, error) {
	var body struct {
		Tools       []json.RawMessage `json:"tools"`
		Reason      string            `json:"reason"`
		Unavailable []struct {
			Server string `json:"server"`
			State  string `json:"state"`
			Error  string `json:"error"`
		} `json:"unavailable"`
	}
	raw, err := c.call(ctx, http.MethodGet, "/v1/mcp/tools", nil, nil, &body)
	if err != nil {
		return nil, err
	}
	list := &ToolList{Tools: make([]Tool, len(body.Tools)), Reason: body.Reason, Raw: raw}
	for i, item := range body.Tools {
		if err := json.Unmarshal(item, &list.Tools[i]); err != nil {
			return nil, fmt.Errorf("GET /v1/mcp/tools: tool %d: %w", i, err)
		}
		list.Tools[i].Raw = item
	}
	for _, u := range body.Unavailable {
		list.Unavailable = append(list.Unavailable, ServerStatus{Name: u.Server, State: u.State, Error: u.Error})
	}
	return list, nil
}

// Call is a call of an MCP tool.
type Call struct {
	// Server may be empty where Tool is server__tool or only one server has it.
	Server string `json:"server,omitempty"`
	Tool   string `json:"tool"`
	// Arguments is the JSON text of one object; nil is {}.
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// CallResult is what POST /v1/mcp/execute answers for a call that ran.
type CallResult struct {
	Server string `json:"server"`
	Tool   string `json:"tool"`
	// Result is a JSON string for one text, else a list of MCP content objects, strings among them.
	Result            json.RawMessage `json:"result"`
	StructuredContent json.RawMessage `json:"structured_content"`
	// IsError says that the tool ran and failed; ErrorMessage then says how.
	IsError      bool            `json:"is_error"`
	ErrorMessage string          `json:"error_message"`
	DurationMS   float64         `json:"duration_ms"`
	Raw          json.RawMessage `json:"-"`
}

// MCPCall executes a tool. A call that did not run (refused, unknown, held, failed on the way) is an
// [*Error] with the status that says which.
func (c *Client) MCPCall(ctx context.Context, call Call) (*CallResult, error) {
	var result CallResult
	raw, err := c.call(ctx, http.MethodPost, "/v1/mcp/execute", nil, call, &result)
	result.Raw = raw
	return &result, err
}

// AuditFilter selects audit records. The zero value is the server's default.
type AuditFilter struct {
	// Limit is the number of newest records; 0 is the server's default.
	Limit int
	// Tool and Server select by part of the tool's name and by server.
	Tool, Server string
	// Errors selects the calls that did not succeed.
	Errors bool
}

// AuditLog is what GET /v1/mcp/audit answers.
type AuditLog struct {
	Entries []AuditEntry
	// Reason says why Entries is empty.
	Reason string
	// Raw is the answer as it came.
	Raw json.RawMessage
}

// AuditEntry is one record: its fields that people read, and Raw as it came.
type AuditEntry struct {
	Seq        uint64          `json:"seq"`
	Time       time.Time       `json:"time"`
	Kind       string          `json:"kind"`
	Server     string          `json:"server"`
	Tool       string          `json:"tool"`
	Decision   string          `json:"decision"`
	Reason     string          `json:"reason"`
	Success    bool            `json:"success"`
	Error      string          `json:"error"`
	Note       string          `json:"note"`
	DurationMS float64         `json:"duration_ms"`
	Raw        json.RawMessage `json:"-"`
}

// MCPAudit reads the newest records of the audit log.
func (c *Client) MCPAudit(ctx context.Context, filter AuditFilter) (*AuditLog, error) {
	query := url.Values{}
	if filter.Limit > 0 {
		query.Set("limit", strconv.Itoa(filter.Limit))
	}
	if filter.Tool != "" {
		query.Set("tool", filter.Tool)
	}
	if filter.Server != "" {
		query.Set("server", filter.Server)
	}
	if filter.Errors {
		query.Set("errors", "true")
	}
	var body struct {
		Entries []json.RawMessage `json:"entries"`
		Reason  string            `json:"reason"`
	}
	raw, err := c.call(ctx, http.MethodGet, "/v1/mcp/audit", query, nil, &body)
	if err != nil {
		return nil, err
	}
	log := &AuditLog{Raw: raw, Reason: body.Reason, Entries: make([]AuditEntry, len(body.Entries))}
	for i, record := range body.Entries {
		if err := json.Unmarshal(record, &log.Entries[i]); err != nil {
			return nil, err
		}
		log.Entries[i].Raw = record
	}
	return log, nil
}
