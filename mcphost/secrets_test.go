//go:build unix

package mcphost

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/toolserve/toolserve/audit"
)

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestHostHidesSecretsEverywhere runs servers with secrets in all places, by a program that gives the host a
// logger of its own: no line, status, error or record may repeat one.
func TestHostHidesSecretsEverywhere(t *testing.T) {
	var out lockedBuffer
	cfg := scriptedConfig(t, map[string]string{"good": "good", "dies": "dies"})
	for i := range cfg.Servers {
		cfg.Servers[i].Env["MY_API_KEY"] = "s3cret-in-env"
		cfg.Servers[i].Args = []string{"--token=s3cret-in-args", "postgres://u:s3cret-in-url@h/db"}
	}
	cfg.Servers = append(cfg.Servers,
		ServerConfig{Name: "refused", Transport: TransportStdio, Command: "npx", Args: []string{"-y", "pkg", "--token=s3cret-refused", "--x=;id", "--password", "s3cret-refused;id"}},
		ServerConfig{Name: "remote", Transport: TransportHTTP, URL: "https://127.0.0.1:1/mcp?api_key=s3cret-query", Headers: map[string]string{"Authorization": "Bearer s3cret-header"}},
	)
	h := start(t, cfg, Options{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	_, err := h.Execute(t.Context(), Call{
		Server: "good", Tool: "env", Request: "request-s3cret-in-env", Actor: "s3cret-in-args", Arguments: []byte(`{}`),
	})
	if err != nil {
		t.Error(err)
	}
	_, err = h.Execute(t.Context(), Call{Server: "good", Tool: "no-such-tool-s3cret-in-env", Arguments: []byte(`{"a":"s3cret-in-url"}`)})
	var seen strings.Builder
	seen.WriteString(out.String())
	if err == nil {
		t.Error("an unknown tool was called")
	}
	for _, st := range h.Status() {
		seen.WriteString(st.Error + strings.Join(st.Stderr, "\n") + strings.Join(st.Notes, "\n"))
	}
	for _, r := range h.Audit().Query(audit.Filter{Limit: -1}) {
		seen.WriteString(r.Server + r.Tool + r.Actor + r.Request + r.Reason + r.Error + r.Result + r.Note + string(r.Arguments) + strings.Join(r.Warnings, "\n"))
	}
	text := seen.String()
	for {
		i := strings.Index(text, "s3cret-")
		if i < 0 {
			break
		}
		t.Errorf("...%s...", text[max(0, i-120):min(len(text), i+60)])
		text = text[i+7:]
	}
}
