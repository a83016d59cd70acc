package app

import (
	"context"
	"fmt"
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
func (s *secrets) handler(next slog.Handler) slog.Handler { return hiding{next, s} }

type hiding struct {
	next    slog.Handler
	secrets *secrets
}

func (h hiding) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h hiding) WithGroup(name string) slog.Handler {
	return hiding{h.next.WithGroup(name), h.secrets}
}

func (h hiding) WithAttrs(attrs []slog.Attr) slog.Handler {
	return hiding{h.next.WithAttrs(h.secrets.hideAll(attrs)), h.secrets}
}

func (h hiding) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.secrets.hide(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.secrets.hideAttr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (s *secrets) hide(text string) string {
	if r := s.redactor.Load(); r != nil {
		return r.Hide(text)
	}
	return text
}

func (s *secrets) hideAll(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = s.hideAttr(a)
	}
	return clean
}

// hideAttr hides in the text of an attribute. What is neither text nor a number, a time or the like
// becomes text.
func (s *secrets) hideAttr(a slog.Attr) slog.Attr {
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindString:
		value = slog.StringValue(s.hide(value.String()))
	case slog.KindGroup:
		value = slog.GroupValue(s.hideAll(value.Group())...)
	case slog.KindAny:
		value = s.hideAny(value.Any())
	}
	return slog.Attr{Key: a.Key, Value: value}
}

func (s *secrets) hideAny(v any) slog.Value {
	list, ok := v.([]string)
	if !ok {
		return slog.StringValue(s.hide(fmt.Sprint(v)))
	}
	clean := make([]string, len(list))
	for i, text := range list {
		clean[i] = s.hide(text)
	}
	return slog.AnyValue(clean)
}
