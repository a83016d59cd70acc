package app

import (
	"log/slog"
	"sync/atomic"

	"github.com/toolserve/toolserve/audit"
)

// secrets is what the server's own log must not show: the API key and the secrets of the mcp.json, which
// MCP servers, launch errors and URLs repeat. The zero value knows none.
type secrets struct {
	redactor atomic.Pointer[audit.Redactor]
}

// use hides what r hides, also in the log lines of loggers that exist.
func (s *secrets) use(r *audit.Redactor) { s.redactor.Store(r) }

// handler returns a handler that hides secrets before next gets a line.
func (s *secrets) handler(next slog.Handler) slog.Handler { return audit.Handler(next, s.hide) }

func (s *secrets) hide(text string) string {
	if r := s.redactor.Load(); r != nil {
		return r.Hide(text)
	}
	return text
}
