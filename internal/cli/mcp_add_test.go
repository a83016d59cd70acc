package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/mcphost"
)

func runAdd(t *testing.T, args ...string) (status int, out, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Run(t.Context(), append([]string{"mcp"}, args...), IO{In: strings.NewReader(""), Out: &o, Err: &e, Env: func(string) string { return "" }})
	return status, o.String(), e.String()
}

func TestMCPAdd(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		status int
		out    string // the whole output; "" is none
		err    string // part of the errors
	}{
		{[]string{"add", "s", "--lazy", "--env", "K=a=b,c", "--", "npx", "-y", "p@1.0.0", "--flag"}, 0,
			"{\n  \"mcpServers\": {\n    \"s\": {\n      \"command\": \"npx\",\n      \"args\": [\n        \"-y\",\n        \"p@1.0.0\",\n        \"--flag\"\n      ],\n" +
				"      \"env\": {\n        \"K\": \"a=b,c\"\n      },\n      \"start\": \"lazy\"\n    }\n  }\n}\n", ""},
		{[]string{"add", "s", "--url", "https://a.example/mcp", "--transport", "http", "--header", "X-Token=abc"}, 0,
			"{\n  \"mcpServers\": {\n    \"s\": {\n      \"type\": \"http\",\n      \"url\": \"https://a.example/mcp\",\n      \"headers\": {\n        \"X-Token\": \"abc\"\n      }\n    }\n  }\n}\n",
			"write ${X_TOKEN}"},
		{[]string{"add", "s", "--url", "https://a.example/mcp", "--header", "Authorization: Bearer ${MINE}"}, 0,
			"{\n  \"mcpServers\": {\n    \"s\": {\n      \"url\": \"https://a.example/mcp\",\n      \"headers\": {\n        \"Authorization\": \"Bearer ${MINE}\"\n      }\n    }\n  }\n}\n",
			"warning: the variable MINE is not set here"},
		{[]string{"add", "s", "--url", "https://${HOST}/mcp", "--header", "X-A=${HOST}"}, 1, "", "the variable HOST is not set"},
		{[]string{"add", "s", "--url", "https://a.example/mcp", "--header", "X"}, 2, "", "give NAME=VALUE"},
		{[]string{"add", "s", "--", "bash", "-c", "id"}, 1, "", "Command 'bash' is not in the allowed commands whitelist"},
		{[]string{"add", "s", "--url", "http://169.254.169.254/"}, 1, "", "not public"},
		{[]string{"add", "s", "--", "npx", "-c", "id"}, 1, "", "MCP server 's'"},
		{[]string{"add", "a\u202eb", "--", "npx", "-y", "p@1.0.0"}, 1, "", "cannot be printed"},
		{[]string{"add", "s"}, 2, "", "give a program after --, or --url URL"},
		{[]string{"add", "s", "--url", "https://a.example/", "--", "npx"}, 2, "", "and not both"},
		{[]string{"add", "s", "--url", "https://a.example/", "--env", "A=1"}, 2, "", "--env and --cwd are for a program"},
		{[]string{"add", "s", "--header", "A=1", "--", "npx"}, 2, "", "--header are for --url"},
	} {
		status, out, stderr := runAdd(t, tt.args...)
		if status != tt.status || out != tt.out || !strings.Contains(stderr, tt.err) {
			t.Errorf("mcp %q: status %d\n%s\n%s", tt.args, status, out, stderr)
		}
	}
}

// patched applies a difference of one place, as patch(1) does.
func patched(t *testing.T, text, diff string) string {
	t.Helper()
	lines := strings.SplitAfter(diff, "\n")
	var before, after strings.Builder
	for _, line := range lines[3:] {
		if line == "" || line[0] == '\\' {
			continue
		}
		if line[0] != '+' {
			before.WriteString(line[1:])
		}
		if line[0] != '-' {
			after.WriteString(line[1:])
		}
	}
	if strings.Count(text, before.String()) != 1 {
		t.Fatalf("the difference does not fit:\n%s\n%s", diff, text)
	}
	return strings.Replace(text, before.String(), after.String(), 1)
}

func TestMCPAddAndRemoveInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcp.json")
	const text = "{\n  // mine\n  \"security\": {\"extra_commands\": [\"mytool\"]},\n  \"mcpServers\": {\n    \"a\": {\"command\": \"npx\", \"args\": [\"-y\", \"p@1.0.0\"]}, // keep\n" +
		"    \"b\": {\n      \"url\": \"https://a.example/mcp\"\n    }\n  }\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	status, diff, stderr := runAdd(t, "add", "new", "--config", path, "--", "mytool", "run")
	if status != 0 || strings.Contains(stderr, "whitelist") {
		t.Fatalf("status %d: %s", status, stderr)
	}
	added := patched(t, text, diff)
	if !strings.Contains(added, "// mine") || !strings.Contains(added, "// keep") {
		t.Errorf("comments are lost:\n%s", added)
	}
	cfg, _, err := mcphost.ParseConfig([]byte(added), mcphost.ParseOptions{})
	if err != nil || len(cfg.Servers) != 3 || cfg.Servers[0].Name != "new" || cfg.Servers[0].Command != "mytool" {
		t.Errorf("the text became %v\n%s", err, added)
	}
	if status, out, stderr := runAdd(t, "add", "a", "--config", path, "--", "npx", "-y", "p@1.0.0"); status != 1 || out != "" || !strings.Contains(stderr, "already") {
		t.Errorf("a name twice: %d %s %s", status, out, stderr)
	}
	status, diff, stderr = runAdd(t, "remove", "b", "--config", path)
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	left := patched(t, text, diff)
	t.Chdir(filepath.Dir(path))
	if _, here, _ := runAdd(t, "remove", "b", "--config", "mcp.json"); !strings.HasPrefix(here, "--- mcp.json\n+++ mcp.json\n") {
		t.Errorf("patch would not find the file of %s", here)
	}
	cfg, _, err = mcphost.ParseConfig([]byte(left), mcphost.ParseOptions{})
	if err != nil || len(cfg.Servers) != 1 || cfg.Servers[0].Name != "a" || !strings.Contains(left, "// keep") {
		t.Errorf("the text became %v\n%s", err, left)
	}
	if status, out, stderr := runAdd(t, "remove", "bb", "--config", path); status != 1 || out != "" || !strings.Contains(stderr, `has no server "bb"`) {
		t.Errorf("an unknown name: %d %s %s", status, out, stderr)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != text {
		t.Errorf("the file was written to: %s, %v", now, err)
	}
}
