package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/internal/e2e/everything"
	"github.com/toolserve/toolserve/internal/mcpserver"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/mcphost"
)

// everythingVariable makes the test binary the MCP server that has one of each. Its value is the revision
// to speak, or "all".
const everythingVariable = "TOOLSERVE_E2E_EVERYTHING"

func runEverything() int {
	opts := everything.Options{Tasks: true}
	if revision := os.Getenv(everythingVariable); revision != "all" {
		opts.Revisions = []string{revision}
	}
	if err := everything.New(opts).Run(context.Background(), everything.Tasks(&mcp.StdioTransport{})); err != nil {
		return 1
	}
	return 0
}

// reexport is startReexport that waits until all servers are connected.
func reexport(t *testing.T, servers func(own string) map[string]any) string {
	t.Helper()
	host, url := startReexport(t, servers)
	if err := host.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range host.Status() {
		if s.State != mcphost.StateConnected {
			t.Fatalf("%s is %s: %s", s.Name, s.State, s.Error)
		}
	}
	return url
}

// startReexport serves MCP servers at /mcp, with all that toolserve puts around it but a model, and returns
// the address. The servers are told the address too.
func startReexport(t testing.TB, servers func(own string) map[string]any) (*mcphost.Host, string) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	srv := server.New(server.Options{Logger: slog.New(slog.DiscardHandler), Drain: time.Second})
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://%s/mcp", srv.Addr())
	text, err := json.Marshal(map[string]any{
		"mcpServers": servers(url), "security": map[string]any{"max_calls_per_minute": 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := mcphost.ParseConfig(text, mcphost.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := mcphost.New(cfg, mcphost.Options{Logger: logger, Elicitation: true})
	if err != nil {
		t.Fatal(err)
	}
	handler := mcpserver.New(mcpserver.Options{Tools: host, Catalogue: host, Library: host, Reader: host, Instructions: host.Instructions, Actor: server.Actor, Logger: logger})
	for _, route := range handler.Routes() {
		srv.Handle("", route.Pattern, route.Handler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx) }()
	t.Cleanup(func() {
		handler.EndStreams()
		cancel()
		<-served
		handler.Close()
		host.Close()
	})
	if err := host.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return host, url
}

// everythingServer is the entry of the test binary as that server.
func everythingServer(t testing.TB, revision string) map[string]any {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"command": path, "env": map[string]string{everythingVariable: revision}, "skip_security_validation": true,
		"sampling": true, "roots": "caller",
	}
}

// TestConformanceServer runs the official suite in server mode against /mcp, with a server of the newest
// revision behind it and one of the initialize era.
func TestConformanceServer(t *testing.T) {
	for _, suite := range []struct {
		name, version, variable, server string
		arguments                       []string
	}{
		{"0.1.16 over 2026-07-28", "0.1.16", "TOOLSERVE_TEST_CONFORMANCE", "new", []string{"--suite", "active"}},
		{"0.1.16 over 2025-11-25", "0.1.16", "TOOLSERVE_TEST_CONFORMANCE", "old", []string{"--suite", "active"}},
		{"0.2.0-alpha.12", "0.2.0-alpha.12", "TOOLSERVE_TEST_CONFORMANCE_NEXT", "new", []string{"--requirements", "2026-07-28"}},
		{"0.2.0-alpha.12 2025-11-25", "0.2.0-alpha.12", "TOOLSERVE_TEST_CONFORMANCE_NEXT", "old", []string{"--requirements", "2025-11-25"}},
	} {
		t.Run(suite.name, func(t *testing.T) {
			needs(t, suite.variable)
			url := reexport(t, func(string) map[string]any { return both(t) })
			runConformanceServer(t, os.Getenv(suite.variable), suite.version, url+"/"+suite.server, suite.arguments)
		})
	}
}

func runConformanceServer(t *testing.T, modules, version, url string, arguments []string) {
	dir := t.TempDir()
	arguments = append([]string{filepath.Join(modules, "@modelcontextprotocol/conformance/dist/index.js"), "server", "--url", url, "-o", dir}, arguments...)
	cmd := exec.CommandContext(t.Context(), filepath.Join(modules, ".bin/node"), arguments...)
	output, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	expected := baseline(t, "server-"+version)
	scenarios := checks(t, dir)
	if len(scenarios) < 25 {
		t.Fatalf("the suite ran %d scenarios only:\n%s", len(scenarios), output)
	}
	passedScenarios, passed, total := 0, 0, 0
	for _, s := range scenarios {
		passed, total = passed+s.passed, total+s.passed+len(s.bad)
		reason, known := expected[s.name]
		switch {
		case len(s.bad) == 0:
			passedScenarios++
			if known {
				t.Errorf("%s passes: take it out of the baseline", s.name)
			}
		case !known:
			t.Errorf("%s:\n  %s", s.name, strings.Join(s.bad, "\n  "))
		default:
			t.Logf("%s fails as expected (%s): %s", s.name, reason, strings.Join(s.bad, "; "))
		}
	}
	t.Logf("conformance %s, server mode: %d of %d scenarios, %d of %d checks", version, passedScenarios, len(scenarios), passed, total)
}
