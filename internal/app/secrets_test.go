package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/internal/mcpapi"
	"github.com/toolserve/toolserve/internal/server/apikey"
)

// hostile stands for values that are neither text nor errors.
type hostile struct{ Token string }

func TestSecretsStayOutOfTheLog(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		var next slog.Handler = slog.NewTextHandler(&out, nil)
		if format == "json" {
			next = slog.NewJSONHandler(&out, nil)
		}
		var s secrets
		log := slog.New(s.handler(next))
		early := log.With("part", "early")
		log.Info("not known yet: " + secret)
		if !strings.Contains(out.String(), secret) {
			t.Fatal("the handler hides what it cannot know")
		}
		s.use(audit.NewRedactor(audit.RedactorOptions{Secrets: []string{secret}}))
		for name, line := range map[string]func(){
			"message":       func() { log.Info("with " + secret + " in it") },
			"value":         func() { log.Info("m", "k", secret) },
			"error":         func() { log.Error("m", "error", errors.New("dial https://u:"+secret+"@host: refused")) },
			"list":          func() { log.Info("m", "args", []string{"--token", secret}) },
			"struct":        func() { log.Info("m", "v", hostile{secret}) },
			"pointer":       func() { log.Info("m", "v", &hostile{secret}) },
			"group":         func() { log.Info("m", slog.Group("g", "k", secret, slog.Group("h", "e", errors.New(secret)))) },
			"with":          func() { log.With("k", secret).Info("m") },
			"in a group":    func() { log.WithGroup("g").With("k", secret).Info("m", "l", secret) },
			"early logger":  func() { early.Info("m", "k", secret) },
			"escaped":       func() { log.Info("m", "url", "https://host/?k="+secret+"&x=1") },
			"an API key":    func() { log.Info("m", "k", generated(t)) },
			"bearer header": func() { log.Info("m", "k", "Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345") },
		} {
			out.Reset()
			line()
			if text := out.String(); strings.Contains(text, secret) || !strings.Contains(text, audit.Redacted) {
				t.Errorf("%s, %s: %s", format, name, text)
			}
		}
		for range 1000 { // some look less random than others
			out.Reset()
			log.Info("m", "k", generated(t))
			if text := out.String(); !strings.Contains(text, audit.Redacted) {
				t.Fatalf("%s: an API key is in the log: %s", format, text)
			}
		}
		out.Reset()
		log.Debug("m")
		log.Info("m", "n", 7, "took", time.Second, "path", "/v1/mcp/tools", "list", []string{"a", "b"})
		if text := out.String(); strings.Contains(text, audit.Redacted) || strings.Count(text, "\n") != 1 || !strings.Contains(text, "7") || !strings.Contains(text, "/v1/mcp/tools") {
			t.Errorf("%s, an honest line: %s", format, text)
		}
	}
}

func generated(t *testing.T) string {
	t.Helper()
	text, _, err := apikey.Generate("a", 0, apikey.Chat)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestScopesOfMCPRoutes fails on a route that nobody has given a scope.
func TestScopesOfMCPRoutes(t *testing.T) {
	want := map[string]apikey.Scope{
		"GET /v1/mcp/status": apikey.Tools, "GET /v1/mcp/servers": apikey.Tools, "GET /v1/mcp/tools": apikey.Tools,
		"POST /v1/mcp/execute": apikey.Tools, "POST /v1/mcp/complete": apikey.Tools,
		"GET /v1/mcp/resources": apikey.Tools, "GET /v1/mcp/resources/templates": apikey.Tools,
		"GET /v1/mcp/resources/read": apikey.Tools, "POST /v1/mcp/resources/read": apikey.Tools,
		"GET /v1/mcp/prompts": apikey.Tools, "POST /v1/mcp/prompts/get": apikey.Tools,
		"POST /v1/mcp/elicitations/{id}": apikey.Tools,
		"POST /v1/mcp/approve":           apikey.Admin, "GET /v1/mcp/audit": apikey.Admin, "DELETE /v1/mcp/audit": apikey.Admin,
	}
	for _, route := range mcpapi.NewHandler(mcpapi.Options{}).Routes() {
		if scope, ok := want[route.Pattern]; !ok || mcpScope(route.Pattern) != scope {
			t.Errorf("%s needs the scope %q, want %q", route.Pattern, mcpScope(route.Pattern), scope)
		}
		delete(want, route.Pattern)
	}
	for pattern := range want {
		t.Errorf("there is no %s", pattern)
	}
}
