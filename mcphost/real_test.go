package mcphost

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/policy"
)

// startReal runs the servers of a configuration as a user would write it.
func startReal(t *testing.T, text string) *Host {
	t.Helper()
	cfg, _, err := ParseConfig([]byte(text), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	launch := cfg.LaunchRules()
	launch.Pins = policy.PinsOff
	h, err := New(cfg, Options{Launch: &launch})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := h.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range h.Status() {
		if s.State != StateConnected {
			t.Fatalf("%s is %s: %s\n%s", s.Name, s.State, s.Error, strings.Join(s.Stderr, "\n"))
		}
		t.Logf("%s: %s, protocol %s, %d tools", s.Name, s.Implementation, s.Protocol, s.Tools)
	}
	return h
}

func TestRealServersFromNPM(t *testing.T) {
	if os.Getenv("TOOLSERVE_TEST_NPX") != "1" {
		t.Skip("TOOLSERVE_TEST_NPX is not 1")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startReal(t, `{"mcpServers":{
		"filesystem":{"command":"npx","args":["-y","@modelcontextprotocol/server-filesystem@2026.8.31","`+dir+`"],"connect_timeout":150},
		"everything":{"command":"npx","args":["-y","@modelcontextprotocol/server-everything@2026.8.31"],"connect_timeout":150}}}`)
	for _, s := range h.Status() {
		if len(s.Notes) > 0 || len(s.Pending) > 0 {
			t.Errorf("%s: honest definitions have notes %q, pending %+v", s.Name, s.Notes, s.Pending)
		}
	}
	result, err := h.Execute(t.Context(), Call{Server: "filesystem", Tool: "list_directory", Arguments: []byte(`{"path":"` + dir + `"}`)})
	if err != nil || result.Text() != "[FILE] hello.txt" {
		t.Errorf("list_directory: %q, %v", result.Text(), err)
	}
	result, err = h.Execute(t.Context(), Call{Tool: "get-tiny-image"})
	if err != nil || len(result.Content) != 3 || result.Content[1].Type != "image" {
		t.Errorf("get-tiny-image: %.300s, %v", result.Value(), err)
	}
	result, err = h.Execute(t.Context(), Call{Tool: "get-structured-content", Arguments: []byte(`{"location":"New York"}`)})
	if err != nil || len(result.Structured) == 0 {
		t.Errorf("get-structured-content: %.300s, %v", result.Value(), err)
	}
	_, err = h.Execute(t.Context(), Call{Tool: "trigger-long-running-operation", Arguments: []byte(`{"duration":10,"steps":2}`), Timeout: 300 * time.Millisecond})
	wantKind(t, err, TimedOut)
	_, err = h.Execute(t.Context(), Call{Tool: "everything__get-sum", Arguments: []byte(`{"a":"one","b":2}`)})
	wantKind(t, err, BadArguments, "a:")
}

func TestRealServersFromPyPI(t *testing.T) {
	if os.Getenv("TOOLSERVE_TEST_UVX") != "1" {
		t.Skip("TOOLSERVE_TEST_UVX is not 1")
	}
	h := startReal(t, `{"mcpServers":{"time":{"command":"uvx","args":["mcp-server-time"],"connect_timeout":150}}}`)
	result, err := h.Execute(t.Context(), Call{Tool: "time__get_current_time", Arguments: []byte(`{"timezone":"Europe/Berlin"}`)})
	if err != nil || !strings.Contains(result.Text(), "Europe/Berlin") {
		t.Errorf("get_current_time: %q, %v", result.Text(), err)
	}
}
