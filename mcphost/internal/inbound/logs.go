package inbound

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"

	"github.com/toolserve/toolserve/internal/rawjson"
)

const (
	// maxLogData bounds a log line in bytes.
	maxLogData = 8 << 10
	// linesPerMinute bounds the lines that go into our own log.
	linesPerMinute = 300
)

// LogMessage is a line that a server logs (MCP, server/utilities/logging). It is the server's word.
type LogMessage struct {
	// Level is one of debug, info, notice, warning, error, critical, alert, emergency.
	Level string `json:"level"`
	// Logger is the server's name for where it comes from, or "".
	Logger string `json:"logger,omitempty"`
	// Data is any JSON, at most 8 KiB; what is longer is a string that begins with its beginning.
	Data json.RawMessage `json:"data"`
}

// levels are the levels of MCP, which are those of RFC 5424, from the least.
func levels() []string {
	return []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}
}

// Log takes a notifications/message of the server: into the logger, and to the caller of the call that it
// belongs to. What is no log message is dropped. It does not block on anything but the caller's OnLog.
func (h *Handlers) Log(ctx context.Context, params json.RawMessage) {
	if len(params) > maxParams || rawjson.Check(params, maxDepth) != nil {
		return
	}
	var m LogMessage
	if json.Unmarshal(params, &m) != nil {
		return
	}
	rank := slices.Index(levels(), m.Level)
	if rank < 0 {
		m.Level, rank = "info", 1
	}
	m.Logger = clip(clean(m.Logger), 200)
	m.Data = h.logData(m.Data)
	call, known := h.callOf(ctx)
	if h.wanted(rank) {
		switch now := h.opts.Now(); {
		case h.lines.allow(now, linesPerMinute):
			h.opts.Logger.Log(ctx, slogLevel(rank), "log of an MCP server", "level", m.Level, "logger", m.Logger, "data", string(m.Data))
		case h.lines.allow(now, linesPerMinute+2): // the line after the last one
			h.opts.Logger.Warn("an MCP server logs too much; the rest of this minute is left out", "limit", linesPerMinute)
		}
	}
	if known {
		call.log(m)
	}
}

// log passes a line on to the caller, unless the call is over or has passed on enough.
func (c *Call) log(m LogMessage) {
	c.mu.Lock()
	defer c.mu.Unlock() // held meanwhile, so that nothing comes once End has returned
	if c.OnLog == nil || c.ended || c.lines >= perCallLines {
		return
	}
	c.lines++
	c.OnLog(m)
}

// wanted reports whether lines of a level go into our own log.
func (h *Handlers) wanted(rank int) bool {
	return h.opts.LogLevel != "off" && rank >= slices.Index(levels(), h.opts.LogLevel)
}

// slogLevel is our level for one of MCP's, by its place in levels. A server's error is not one of ours.
func slogLevel(rank int) slog.Level {
	switch {
	case rank == 0:
		return slog.LevelDebug
	case rank <= 2:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// logData bounds and redacts the data of a line.
func (h *Handlers) logData(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null")
	}
	if text, ok := rawjson.Text(data); ok {
		return encode(h.opts.Hide(clip(text, maxLogData)))
	}
	if hidden := h.opts.Hide(string(data)); len(data) > maxLogData || hidden != string(data) {
		return encode(clip(hidden, maxLogData))
	}
	return data
}

func encode(s string) json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage("null")
	}
	return data
}
