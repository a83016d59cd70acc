package inbound

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLog(t *testing.T) {
	var out bytes.Buffer
	h := New(Options{
		Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), LogLevel: "info",
		Hide: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") },
	})
	var lines []LogMessage
	begin(t, h, Caller{OnLog: func(m LogMessage) { lines = append(lines, m) }})
	for _, params := range []string{
		`{"level":"debug","data":"quiet"}`,
		`{"level":"error","logger":"a\u001bb","data":{"key":"hunter2"}}`,
		`{"level":"shout","data":"with hunter2"}`,
		`{"level":"info","data":"` + strings.Repeat("x", 2*maxLogData) + `"}`,
		`{"level":"info"}`,
		`{"level":`, `[]`, `{"level":1}`, `{"level":"info","level":"info"}`,
	} {
		h.Log(t.Context(), json.RawMessage(params))
	}
	if len(lines) != 5 {
		t.Fatalf("the caller was told %d lines: %+v", len(lines), lines)
	}
	if lines[1].Logger != "ab" || string(lines[1].Data) != `"{\"key\":\"***\"}"` || lines[2].Level != "info" || string(lines[2].Data) != `"with ***"` ||
		len(lines[3].Data) > maxLogData+10 || string(lines[4].Data) != "null" {
		t.Errorf("the caller was told %+v", lines)
	}
	text := out.String()
	if strings.Contains(text, "quiet") || strings.Contains(text, "hunter2") || !strings.Contains(text, "level=WARN") || strings.Count(text, "\n") != 4 {
		t.Errorf("the log is\n%s", text)
	}
}

// TestLogFlood passes on so many lines and no more.
func TestLogFlood(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	h := New(Options{Logger: slog.New(slog.NewTextHandler(&out, nil)), Now: func() time.Time { return now }})
	told := 0
	begin(t, h, Caller{OnLog: func(LogMessage) { told++ }})
	for i := range 5 * perCallLines {
		h.Log(t.Context(), json.RawMessage(fmt.Sprintf(`{"level":"info","data":%d}`, i)))
	}
	if told != perCallLines {
		t.Errorf("the caller was told %d lines", told)
	}
	if n := strings.Count(out.String(), "\n"); n != linesPerMinute+1 || !strings.Contains(out.String(), "logs too much") {
		t.Errorf("%d lines were logged", n)
	}
	h = New(Options{Logger: slog.New(slog.NewTextHandler(&out, nil)), LogLevel: "off"})
	out.Reset()
	h.Log(t.Context(), json.RawMessage(`{"level":"emergency","data":1}`))
	if out.Len() > 0 {
		t.Errorf("off, and yet: %s", out.String())
	}
}
