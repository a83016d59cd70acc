package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeysAndAudit makes keys, serves with them, calls a tool, and verifies the audit file.
func TestKeysAndAudit(t *testing.T) {
	needsModel(t)
	dir := t.TempDir()
	keysFile, auditFile := filepath.Join(dir, "keys.json"), filepath.Join(dir, "audit.jsonl")
	texts, entries := map[string]string{}, []string{}
	for name, scopes := range map[string]string{"chatter": "chat", "worker": "tools", "boss": "admin"} {
		out, status := run(t, "", "keys", "new", name, "--scopes", scopes)
		key, entry, ok := strings.Cut(strings.TrimSpace(out), "\n")
		if status != 0 || !ok {
			t.Fatalf("keys new: status %d, %q", status, out)
		}
		texts[name], entries = key, append(entries, entry)
	}
	text := "{\"keys\": [\n" + strings.Join(entries, ",\n") + ",\n]}\n"
	if err := os.WriteFile(keysFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, 0, "--mcp-config", config(t, `{"mcpServers":{"good":`+ownServer(t)+`}}`),
		"--api-keys-file", keysFile, "--api-key", "master", "--audit-file", auditFile)
	request := func(key, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer)
	}
	s.until("the tool", func() bool {
		_, answer := request(texts["worker"], "GET", "/v1/mcp/tools", "")
		return strings.Contains(answer, "good__echo")
	})
	const chat, call = `{"model":"default","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`, `{"tool":"good__echo","arguments":{"text":"x"}}`
	withPrompt := strings.Replace(chat, "{", `{"mcp_prompt":"p",`, 1)
	if status, answer := request(texts["chatter"], "POST", "/v1/chat/completions", withPrompt); status != 403 || !strings.Contains(answer, "missing_scope") {
		t.Errorf("a prompt with a key for chat alone: %d %s", status, answer)
	}
	if status, answer := request("master", "POST", "/v1/chat/completions", withPrompt); status != 404 {
		t.Errorf("a prompt with a key for everything: %d %s", status, answer)
	}
	for _, route := range []struct{ who, method, path, body string }{
		{"chatter", "POST", "/v1/chat/completions", chat},
		{"chatter", "GET", "/v1/models", ""},
		{"worker", "GET", "/v1/mcp/tools", ""},
		{"worker", "GET", "/v1/mcp/status", ""},
		{"worker", "POST", "/v1/mcp/execute", call},
		{"worker", "GET", "/v1/mcp/prompts", ""},
		{"worker", "GET", "/v1/mcp/resources", ""},
		{"boss", "GET", "/v1/mcp/audit", ""},
		{"boss", "DELETE", "/v1/mcp/audit", ""},
	} {
		for name, key := range texts {
			status, answer := request(key, route.method, route.path, route.body)
			if name == route.who && status != 200 || name != route.who && (status != 403 || !strings.Contains(answer, "missing_scope")) {
				t.Errorf("%s %s with the key of %s: %d %s", route.method, route.path, name, status, answer)
			}
		}
		if status, answer := request("", route.method, route.path, route.body); status != 401 {
			t.Errorf("%s %s without a key: %d %s", route.method, route.path, status, answer)
		}
		if status, answer := request("master", route.method, route.path, route.body); status != 200 {
			t.Errorf("%s %s with --api-key: %d %s", route.method, route.path, status, answer)
		}
	}
	const loop = `{"model":"default","max_tokens":1,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"mcp","server_label":"good"}]}`
	if status, answer := request(texts["chatter"], "POST", "/v1/chat/completions", loop); status != 403 || !strings.Contains(answer, "missing_scope") || !strings.Contains(answer, "tools") {
		t.Errorf("a tool of type mcp with the key of chatter: %d %s", status, answer)
	}
	if status, answer := request("master", "POST", "/v1/chat/completions", loop); status != 200 {
		t.Errorf("a tool of type mcp with --api-key: %d %s", status, answer)
	}
	if status, answer := request(texts["worker"], "POST", "/v1/mcp/approve", `{}`); status != 403 || !strings.Contains(answer, "admin") {
		t.Errorf("an approval with the key of worker: %d %s", status, answer)
	}
	checkAudit(t, auditFile, texts)
}

// checkAudit wants calls of worker and of the master key in the file, no key, and an intact chain.
func checkAudit(t *testing.T, file string, texts map[string]string) {
	t.Helper()
	records, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, actor := range []string{"worker", "default"} {
		if want := fmt.Sprintf(`"origin":"execute","actor":%q`, actor); !strings.Contains(string(records), want) {
			t.Errorf("the audit file lacks %s:\n%s", want, records)
		}
	}
	for _, key := range texts {
		if strings.Contains(string(records), key) {
			t.Errorf("the audit file shows a key:\n%s", records)
		}
	}
	if out, status := run(t, "", "mcp", "audit", "--verify", file); status != 0 || !strings.Contains(out, "intact") {
		t.Errorf("verify: status %d, %s", status, out)
	}
	changed := strings.Replace(string(records), `"actor":"worker"`, `"actor":"nobody"`, 1)
	if err := os.WriteFile(file+".changed", []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := run(t, "", "mcp", "audit", "--verify", file+".changed"); status != 1 {
		t.Errorf("verify of a changed file: status %d, %s", status, out)
	}
}
