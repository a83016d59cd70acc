package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// serveFolder serves a model with server-filesystem, which sees a folder of the test.
func serveFolder(t *testing.T) (s *served, folder string) {
	t.Helper()
	needsModel(t)
	needs(t, "TOOLSERVE_TEST_NPX")
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal([]string{"-y", "@modelcontextprotocol/server-filesystem@2026.8.31", folder})
	if err != nil {
		t.Fatal(err)
	}
	s = serve(t, 0, "--mcp-config", config(t, fmt.Sprintf(`{"mcpServers":{"filesystem":{"command":"npx","args":%s}}}`, args)))
	s.connected("filesystem")
	return s, folder
}

// TestToolLoopPython lets the server run the tools of server-filesystem for the openai package of PyPI.
func TestToolLoopPython(t *testing.T) {
	python := needsPython(t, "openai")
	s, folder := serveFolder(t)
	output, err := exec.CommandContext(t.Context(), python, "testdata/openai_mcp.py", s.url, folder).CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
	_, audit := s.call("/v1/mcp/audit", nil)
	origins := map[any]int{}
	entries, _ := audit["entries"].([]any)
	for _, e := range entries {
		origins[e.(map[string]any)["origin"]]++
	}
	if origins["loop"] < 5 || len(origins) > 2 {
		t.Errorf("the records are of %v", origins)
	}
}

// TestToolLoopNode does so for the openai package of npm.
func TestToolLoopNode(t *testing.T) {
	needs(t, "TOOLSERVE_TEST_NODE_MODULES")
	s, folder := serveFolder(t)
	output, err := exec.CommandContext(t.Context(), "node", nodeScript(t, "openai_mcp.mjs"), s.url, folder).CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

// TestToolLoopClientLeaves goes away while a tool runs that would take an hour: the tool is told, and the
// server is free for the next.
func TestToolLoopClientLeaves(t *testing.T) {
	needsModel(t)
	s := serve(t, 0, "--mcp-auto-tools", "--mcp-tool-search", "off",
		"--mcp-config", config(t, `{"default_timeout":3600,"mcpServers":{"good":`+ownServer(t)+`}}`))
	s.connected("good")
	body := `{"model":"default","stream":true,"max_tokens":64,"parallel_tool_calls":false,
		"tool_choice":{"type":"function","function":{"name":"good__sleep"}},"tools":[{"type":"mcp","server_label":"good","require_approval":"never"}],
		"messages":[{"role":"user","content":"Sleep."}]}`
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	running := false
	for !running && lines.Scan() { // the item begins before the call is sent; the tool itself says that it runs
		running = strings.Contains(lines.Text(), `"message":"sleeping"`)
	}
	if !running {
		t.Fatalf("the tool does not run (%d, %v)", resp.StatusCode, lines.Err())
	}
	leave()
	s.until("the call to be given up", func() bool {
		_, audit := s.call("/v1/mcp/audit", nil)
		return strings.Contains(fmt.Sprint(audit), "canceled")
	})
	status, answer := s.call("/v1/chat/completions", map[string]any{"model": "default", "max_tokens": 1, "messages": []any{map[string]any{"role": "user", "content": "Hi."}}})
	if status != http.StatusOK {
		t.Errorf("the next request is answered %d %v", status, answer)
	}
}
