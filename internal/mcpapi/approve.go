package mcpapi

import (
	"encoding/json"
	"net/http"

	"github.com/toolserve/toolserve/mcphost"
)

// Approve approves something that waits: {"server", "tool"?, "digest"}. The digest is the one that the
// status showed beside the difference, so that nothing is approved but what was seen.
func (h *Handler) Approve(w http.ResponseWriter, r *http.Request) {
	body, err := h.readBody(w, r)
	if err != nil {
		h.writeError(w, readFailure(err))
		return
	}
	approval, err := readApproval(body)
	if err != nil {
		h.writeError(w, err)
		return
	}
	if h.opts.Host == nil {
		h.writeError(w, &mcphost.Error{Kind: mcphost.MCPOff, Server: approval.Server, Tool: approval.Tool, Message: offReason})
		return
	}
	if h.opts.Actor != nil {
		approval.Actor = h.opts.Actor(r)
	}
	approved, err := h.opts.Host.Approve(approval)
	if err != nil {
		h.writeError(w, err)
		return
	}
	h.write(w, http.StatusOK, map[string]any{"approved": approved})
}

func readApproval(body []byte) (mcphost.Approval, error) {
	var approval mcphost.Approval
	fields, err := readObject(body)
	if err != nil {
		return approval, err
	}
	targets := map[string]*string{"server": &approval.Server, "tool": &approval.Tool, "digest": &approval.Digest}
	for key, raw := range fields {
		target := targets[key]
		if target == nil {
			return approval, badRequest(key, "the key %q is not known; an approval is {\"server\", \"tool\", \"digest\"}", key)
		}
		if json.Unmarshal(raw, target) != nil {
			return approval, badRequest(key, "%q must be a string", key)
		}
	}
	switch {
	case approval.Server == "":
		return approval, badRequest("server", "the approval names no server")
	case approval.Digest == "":
		return approval, badRequest("digest", "the approval needs the \"digest\" of what was seen; GET /v1/mcp/status shows what waits")
	}
	return approval, nil
}
