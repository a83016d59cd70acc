package mcpcheck_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/mcpcheck"
)

func TestSandboxInCheck(t *testing.T) {
	dir := t.TempDir()
	cfg, warnings, err := mcphost.ParseConfig([]byte(`{"security":{"sandbox":"best-effort"},"servers":{
		"fs":{"command":"npx","args":["-y","@modelcontextprotocol/server-filesystem@2026.8.31","`+dir+`"]},
		"off":{"command":"npx","args":["-y","a@1.0.0"],"sandbox":"off"},
		"domains":{"command":"npx","args":["-y","a@1.0.0"],"sandbox":{"network":{"allowedDomains":["a.b"]}}},
		"remote":{"url":"https://example.com/mcp"}}}`), mcphost.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := mcpcheck.Check(cfg, mcpcheck.Options{Warnings: warnings})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]mcpcheck.ServerReport{}
	for _, s := range report.Servers {
		by[s.Name] = s
	}
	if s := by["fs"]; !s.Allowed || s.Sandbox.Setting != "best-effort" || !slices.Equal(s.Sandbox.Write, []string{dir}) || s.Sandbox.Net != "all" {
		t.Errorf("fs: %+v", s)
	}
	if s := by["off"]; !s.Allowed || s.Sandbox.Level != "process-group" || s.Sandbox.Setting != "off" {
		t.Errorf("off: %+v", s)
	}
	if s := by["domains"]; !s.Allowed || s.Sandbox.Net != "a.b" || !slices.Equal(s.Sandbox.Launch, []string{"registry.npmjs.org:443"}) || len(s.Warnings) != 0 {
		t.Errorf("domains: %+v", s)
	}
	if s := by["remote"]; !s.Allowed || s.Sandbox.Level != "none" {
		t.Errorf("remote: %+v", s)
	}
	text, err := json.Marshal(by["off"].Sandbox)
	if err != nil || string(text) != `{"level":"process-group","setting":"off"}` {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}
