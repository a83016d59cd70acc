package client

import (
	"context"
	"net/http"
)

// Pending is something of an MCP server that is not as it was approved.
type Pending struct {
	Server string `json:"server"`
	// Kind is "launch", "tool" or "instructions"; Tool is set for a tool.
	Kind string `json:"kind"`
	Tool string `json:"tool"`
	// Held says that it is not used until it is approved.
	Held   bool   `json:"held"`
	Reason string `json:"reason"`
	// Digest names what waits, Approved what was approved, or "".
	Digest   string   `json:"digest"`
	Approved string   `json:"approved_digest"`
	Diff     []Change `json:"diff"`
	// Complete is false where there is more than the difference shows.
	Complete bool     `json:"diff_complete"`
	Findings []string `json:"findings"`
	// Mend is the command that approves it.
	Mend string `json:"mend"`
}

// Change is one place where two definitions differ. Old is nil for what was added, New for what was
// removed.
type Change struct {
	Path string  `json:"path"`
	Old  *string `json:"old"`
	New  *string `json:"new"`
}

// MCPApprove approves what waits on a server under a digest, and nothing else.
func (c *Client) MCPApprove(ctx context.Context, server, digest string) error {
	body := map[string]string{"server": server, "digest": digest}
	var answer struct{}
	_, err := c.call(ctx, http.MethodPost, "/v1/mcp/approve", nil, body, &answer)
	return err
}
