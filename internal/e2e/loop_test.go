package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestToolLoopPython lets the server run the tools of server-filesystem for the openai package of PyPI.
func TestToolLoopPython(t *testing.T) {
	needsModel(t)
	needs(t, "TOOLSERVE_TEST_NPX")
	python := needsPython(t, "openai")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal([]string{"-y", "@modelcontextprotocol/server-filesystem", folder})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, 0, "--mcp-config", config(t, fmt.Sprintf(`{"mcpServers":{"filesystem":{"command":"npx","args":%s}}}`, args)))
	s.connected("filesystem")
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
