package mcphost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readOutside asks a file server for a file that a link in its folder leads to, past its own checks
// where it has none, and by each way that its tools offer.
func TestRealFileServerIsConfined(t *testing.T) {
	if os.Getenv("TOOLSERVE_TEST_NPX") != "1" {
		t.Skip("TOOLSERVE_TEST_NPX is not 1")
	}
	needSandbox(t)
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	granted, secret := filepath.Join(base, "granted"), filepath.Join(base, "secret")
	for _, err := range []error{os.Mkdir(granted, 0o700), os.WriteFile(secret, []byte("s3cret"), 0o600), os.Symlink(secret, filepath.Join(granted, "link"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// The server is told that it may read everything beneath base, and the sandbox that it may not:
	// what stops it is then the kernel, not the server's own check.
	h := startReal(t, `{"security":{"path_rules":false},"mcpServers":{"fs":{"command":"npx",
		"args":["-y","@modelcontextprotocol/server-filesystem@2026.8.31","`+granted+`","`+base+`"],
		"sandbox":{"filesystem":{"denyRead":["`+base+`"],"allowWrite":["`+granted+`"]}},"connect_timeout":150}}}`)
	s := h.Status()[0].Sandbox
	if s.Level != "enforced" && len(s.Missing) > 1 {
		t.Errorf("the sandbox is %+v", s)
	}
	for _, path := range []string{secret, filepath.Join(granted, "link"), filepath.Join(granted, "..", "secret")} {
		result, err := h.Execute(t.Context(), Call{Server: "fs", Tool: "read_text_file", Arguments: []byte(`{"path":"` + path + `"}`)})
		if err == nil && (!result.IsError || strings.Contains(result.Text(), "s3cret")) {
			t.Errorf("it read %s: %s", path, result.Text())
		}
	}
	inside := filepath.Join(granted, "new.txt")
	result, err := h.Execute(t.Context(), Call{Server: "fs", Tool: "write_file", Arguments: []byte(`{"path":"` + inside + `","content":"hi"}`)})
	if data, _ := os.ReadFile(inside); err != nil || result.IsError || string(data) != "hi" {
		t.Errorf("write_file: %s, %v, wrote %q", result.Text(), err, data)
	}
}

func TestRealServerWithoutNetwork(t *testing.T) {
	if os.Getenv("TOOLSERVE_TEST_NPX") != "1" {
		t.Skip("TOOLSERVE_TEST_NPX is not 1")
	}
	needSandbox(t)
	// The first start fills the cache; with a pinned version the second needs no network.
	startReal(t, `{"mcpServers":{"e":{"command":"npx","args":["-y","@modelcontextprotocol/server-everything@2026.8.31"],"connect_timeout":150}}}`).Close()
	h := startReal(t, `{"mcpServers":{"e":{"command":"npx","args":["-y","@modelcontextprotocol/server-everything@2026.8.31"],
		"sandbox":{"net":false},"connect_timeout":150}}}`)
	result, err := h.Execute(t.Context(), Call{Tool: "gzip-file-as-resource", Arguments: []byte(`{"name":"a.gz","data":"https://registry.npmjs.org/"}`)})
	if err == nil && !result.IsError {
		t.Errorf("it fetched: %.200s", result.Text())
	}
	result, err = h.Execute(t.Context(), Call{Tool: "echo", Arguments: []byte(`{"message":"hi"}`)})
	if err != nil || result.IsError || !strings.Contains(result.Text(), "hi") {
		t.Errorf("echo: %s, %v", result.Text(), err)
	}
}
