package mcpapi

import (
	"net/http"
	"strconv"

	"github.com/toolserve/toolserve/audit"
)

// auditBody is the answer of GET /v1/mcp/audit.
type auditBody struct {
	Entries []audit.Record `json:"entries"`
	Count   int            `json:"count"`
	// Reason says why Entries is empty.
	Reason string `json:"reason,omitempty"`
}

// AuditLog answers with the newest records, oldest first: ?limit=N&tool=PART&server=PART&errors=true.
func (h *Handler) AuditLog(w http.ResponseWriter, r *http.Request) {
	filter, err := readFilter(r)
	if err != nil {
		h.writeError(w, err)
		return
	}
	body := auditBody{Entries: []audit.Record{}}
	if h.opts.Audit != nil {
		body.Entries = append(body.Entries, h.opts.Audit.Query(filter)...)
	}
	body.Count = len(body.Entries)
	switch {
	case body.Count > 0:
	case h.opts.Audit == nil:
		body.Reason = offReason
	default:
		body.Reason = "no record matches; nothing was called since the start or the last clear, or the filter is too narrow"
	}
	h.write(w, http.StatusOK, body)
}

func readFilter(r *http.Request) (audit.Filter, error) {
	query := r.URL.Query()
	filter := audit.Filter{Tool: query.Get("tool"), Server: query.Get("server")}
	if text := query.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > 100_000 {
			return filter, badRequest("limit", "\"limit\" must be a number from 1 to 100000, not %q", text)
		}
		filter.Limit = limit
	}
	if text := query.Get("errors"); text != "" {
		only, err := strconv.ParseBool(text)
		if err != nil {
			return filter, badRequest("errors", "\"errors\" must be true or false, not %q", text)
		}
		filter.ErrorsOnly = only
	}
	return filter, nil
}

// ClearAuditLog empties the log's memory and says how many records that were. A file keeps them.
func (h *Handler) ClearAuditLog(w http.ResponseWriter, _ *http.Request) {
	cleared := 0
	if h.opts.Audit != nil {
		cleared = h.opts.Audit.Clear()
	}
	h.write(w, http.StatusOK, map[string]int{"cleared": cleared})
}
