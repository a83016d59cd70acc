package mcphost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
)

// TestConfigurationStaysHidden starts servers whose granted folder holds the configuration and what belongs to it.
func TestConfigurationStaysHidden(t *testing.T) {
	needSandbox(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("s3cret"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := scriptedConfig(t, map[string]string{"reads": "reader", "writes": "reader", "named": "reader"})
	cfg.Path, cfg.Files = file("mcp.json"), []string{filepath.Join(dir, "mcp.json"), file("secrets.env")}
	cfg.Security.AuditFile, cfg.Security.LockFile = filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "mcp.lock.json")
	cfg.Security.Tools.NoPathRules = true
	for i := range cfg.Servers {
		switch s := &cfg.Servers[i]; s.Name {
		case "reads":
			s.Sandbox.Read = []string{dir}
		case "writes":
			s.Sandbox.Write = []string{dir}
		case "named":
			s.Sandbox.Read = []string{dir, cfg.Path}
		}
		cfg.Servers[i].Sandbox.Level = SandboxRequire
	}
	beside := file("beside.txt")
	file("mcp-tokens.age")
	h := start(t, cfg, Options{
		Tokens: tokens.Open(tokens.Options{Path: filepath.Join(dir, "mcp-tokens.age")}), Private: []string{file("keys.json")},
	})
	read := func(server, path string) string {
		arguments, _ := json.Marshal(map[string]string{"text": path})
		result, err := h.Execute(t.Context(), Call{Server: server, Tool: "echo", Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		return result.Text()
	}
	hidden := []string{"mcp.json", "secrets.env", "audit.jsonl", "mcp-tokens.age", "keys.json"}
	for _, server := range []string{"reads", "writes"} {
		for _, name := range hidden {
			if got := read(server, filepath.Join(dir, name)); !strings.Contains(got, "permission denied") {
				t.Errorf("%s reads %s: %q", server, name, got)
			}
			if s := status(t, h, server).Sandbox; !slices.Contains(s.Hidden, filepath.Join(dir, name)) {
				t.Errorf("hidden from %s are %q", server, s.Hidden)
			}
		}
		if got := read(server, beside); !strings.Contains(got, "s3cret") {
			t.Errorf("%s reads what lies beside: %q", server, got)
		}
	}
	if got := read("reads", cfg.Security.LockFile); !strings.Contains(got, "permission denied") {
		t.Errorf("the lock file: %q", got)
	}
	if got := read("named", cfg.Path); !strings.Contains(got, "s3cret") {
		t.Errorf("what the entry names itself: %q", got)
	}
}
