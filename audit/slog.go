package audit

import (
	"context"
	"fmt"
	"log/slog"
)

// Handler returns a handler that lets hide take the secrets out of each line, message and values, before next
// gets it. What is neither text nor a number, a time or the like becomes text.
func Handler(next slog.Handler, hide func(string) string) slog.Handler { return hiding{next, hide} }

type hiding struct {
	next slog.Handler
	hide func(string) string
}

func (h hiding) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h hiding) WithGroup(name string) slog.Handler { return hiding{h.next.WithGroup(name), h.hide} }

func (h hiding) WithAttrs(attrs []slog.Attr) slog.Handler {
	return hiding{h.next.WithAttrs(h.all(attrs)), h.hide}
}

func (h hiding) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.hide(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h hiding) all(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return clean
}

func (h hiding) attr(a slog.Attr) slog.Attr {
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindString:
		value = slog.StringValue(h.hide(value.String()))
	case slog.KindGroup:
		value = slog.GroupValue(h.all(value.Group())...)
	case slog.KindAny:
		value = h.any(value.Any())
	}
	return slog.Attr{Key: a.Key, Value: value}
}

func (h hiding) any(v any) slog.Value {
	list, ok := v.([]string)
	if !ok {
		return slog.StringValue(h.hide(fmt.Sprint(v)))
	}
	clean := make([]string, len(list))
	for i, text := range list {
		clean[i] = h.hide(text)
	}
	return slog.AnyValue(clean)
}
