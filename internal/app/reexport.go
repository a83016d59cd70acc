package app

import (
	"github.com/toolserve/toolserve/internal/mcpserver"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/internal/server/apikey"
)

// offerMCP adds /mcp, the MCP servers as one for other clients. Without an mcp.json it says that MCP is off.
// It needs no flag: it opens to a key what /v1/mcp/execute does, under the same policy.
func (a *App) offerMCP() {
	opts := mcpserver.Options{Actor: server.Actor, Logger: a.log}
	if a.host != nil {
		opts.Tools, opts.Catalogue, opts.Library, opts.Reader = a.host, a.host, a.host, a.host
		opts.Instructions = a.host.Instructions
	}
	handler := mcpserver.New(opts)
	a.endStreams = handler.EndStreams
	a.onClose(handler.Close)
	for _, route := range handler.Routes() {
		a.server.Handle(apikey.Tools, route.Pattern, route.Handler)
	}
}
