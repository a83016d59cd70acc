package mcphost

import (
	"os"
	"path/filepath"
	"slices"
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

// TestRealServersWithDomains starts servers whose packages have to be fetched, and which may reach one domain
// that is none of a registry.
func TestRealServersWithDomains(t *testing.T) {
	needSandbox(t)
	for _, c := range []struct{ variable, entry, tool, arguments, registry string }{
		{"TOOLSERVE_TEST_NPX", `"command":"npx","args":["-y","@modelcontextprotocol/server-everything@2026.8.31"]`, "echo", `{"message":"hi"}`, "registry.npmjs.org:443"},
		{"TOOLSERVE_TEST_UVX", `"command":"uvx","args":["mcp-server-time"]`, "get_current_time", `{"timezone":"UTC"}`, "pypi.org:443"},
	} {
		t.Run(c.registry, func(t *testing.T) {
			if os.Getenv(c.variable) != "1" {
				t.Skip(c.variable + " is not 1")
			}
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			// A registry may be a mirror inside.
			h := startReal(t, `{"security":{"allowed_hosts":["registry.npmjs.org","pypi.org","files.pythonhosted.org"]},
				"mcpServers":{"s":{`+c.entry+`,"sandbox":{"net":["api.example.com"]},"connect_timeout":150}}}`)
			result, err := h.Execute(t.Context(), Call{Tool: c.tool, Arguments: []byte(c.arguments)})
			if err != nil || result.IsError {
				t.Fatalf("%s, %v", result.Text(), err)
			}
			if s := h.Status()[0].Sandbox; s.Net != "api.example.com" || !slices.Contains(s.Launch, c.registry) {
				t.Errorf("the sandbox is %+v", s)
			}
			if c.variable != "TOOLSERVE_TEST_NPX" {
				return
			}
			// What the launch needed is closed now.
			result, err = h.Execute(t.Context(), Call{Tool: "gzip-file-as-resource", Arguments: []byte(`{"name":"a.gz","data":"https://registry.npmjs.org/"}`)})
			if err == nil && !result.IsError {
				t.Errorf("it fetched from the registry: %.200s", result.Text())
			}
		})
	}
}
