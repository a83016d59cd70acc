// Package rivals measures tool calls beside other clients of MCP. It is a module of its own, so that what it
// compares with is no dependency of toolserve:
//
//	cd mcphost/internal/rivals && go test -run xxx -bench . -benchtime 1x
//
// The same echo server, once made with the official library for Go and once with mcp-go, is called in turns
// by the client of either library, by a host of this module, and over HTTP as users call it: with the policy,
// the audit file and the sandbox as they are by default.
package rivals
