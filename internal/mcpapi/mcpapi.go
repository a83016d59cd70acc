// Package mcpapi answers /v1/mcp: the state of the MCP servers, their tools, resources and prompts, the
// execution of a call, approvals and the audit log. It decides nothing: the host it is given does.
package mcpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost"
)

// offReason is what is said where there is no host.
const offReason = "MCP is not configured; start the server with --mcp-config FILE"

// host is what the handlers need of an [mcphost.Host].
type host interface {
	Status() []mcphost.ServerStatus
	Tools() []mcphost.Tool
	Execute(ctx context.Context, call mcphost.Call) (mcphost.Result, error)
	Approve(approval mcphost.Approval) (mcphost.Pending, error)
}

// auditLog is what the handlers need of an [audit.Log].
type auditLog interface {
	Query(audit.Filter) []audit.Record
	Clear() int
}

// Options are what a Handler works with. The zero value answers as a server without MCP does.
type Options struct {
	// Host runs the servers; nil means that MCP is off.
	Host host
	// Lists and Reads answer for resources and prompts; nil means that MCP is off.
	Lists lister
	Reads reader
	// Config says where the configuration of the host came from; nil says nothing.
	Config func() mcphost.ConfigStatus
	// Audit is the log that the host writes; nil has no records.
	Audit auditLog
	// Actor names whose key a request came with, for the audit log; nil names nobody.
	Actor func(*http.Request) string
	// MaxBody bounds the body of a call in bytes; 0 means 4 MiB.
	MaxBody int64
	// Logger is told of answers that could not be encoded; nil is silent.
	Logger *slog.Logger
}

// Handler answers the routes of /v1/mcp.
type Handler struct {
	opts      Options
	questions questions
}

// NewHandler returns a handler.
func NewHandler(opts Options) *Handler {
	if opts.MaxBody <= 0 {
		opts.MaxBody = 4 << 20
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{opts: opts}
}

// Route is a pattern of [http.ServeMux] and what answers it.
type Route struct {
	Pattern string
	Handler http.Handler
}

// Routes returns all routes.
func (h *Handler) Routes() []Route {
	return []Route{
		{"GET /v1/mcp/status", http.HandlerFunc(h.Status)},
		{"GET /v1/mcp/servers", http.HandlerFunc(h.Status)},
		{"GET /v1/mcp/tools", http.HandlerFunc(h.Tools)},
		{"GET /v1/mcp/resources", http.HandlerFunc(h.Resources)},
		{"GET /v1/mcp/resources/templates", http.HandlerFunc(h.ResourceTemplates)},
		{"GET /v1/mcp/resources/read", http.HandlerFunc(h.ReadResource)},
		{"POST /v1/mcp/resources/read", http.HandlerFunc(h.ReadResource)},
		{"GET /v1/mcp/prompts", http.HandlerFunc(h.Prompts)},
		{"POST /v1/mcp/prompts/get", http.HandlerFunc(h.GetPrompt)},
		{"POST /v1/mcp/complete", http.HandlerFunc(h.Complete)},
		{"POST /v1/mcp/execute", http.HandlerFunc(h.Execute)},
		{"POST /v1/mcp/elicitations/{id}", http.HandlerFunc(h.Answer)},
		{"POST /v1/mcp/approve", http.HandlerFunc(h.Approve)},
		{"GET /v1/mcp/audit", http.HandlerFunc(h.AuditLog)},
		{"DELETE /v1/mcp/audit", http.HandlerFunc(h.ClearAuditLog)},
	}
}

// unencodable is the body of the error for an answer that could not be encoded.
const unencodable = `{"error":{"message":"the answer could not be encoded","type":"server_error","param":null,"code":"internal_error"},"is_error":true,"error_message":"the answer could not be encoded","status":500}`

// write sends v as JSON.
func (h *Handler) write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		h.opts.Logger.Error("an answer could not be encoded", "error", err)
		status, body = http.StatusInternalServerError, []byte(unencodable)
	}
	h.reply(w, status, body)
}

// reply sends JSON, followed by a line break.
func (h *Handler) reply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Cache-Control", "no-store") // first: the server has set it, and a map that is full grows at that
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1)) // known, it need not be sent in chunks
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that left needs no answer
}
