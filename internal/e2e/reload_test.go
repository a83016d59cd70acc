package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// loaded returns what GET /v1/mcp/status says of the configuration.
func (s *served) loaded() (at, problem string) {
	s.t.Helper()
	_, status := s.call("/v1/mcp/status", nil)
	config, _ := status["config"].(map[string]any)
	at, _ = config["loaded_at"].(string)
	problem, _ = config["error"].(string)
	return at, problem
}

// TestConfigChangesWhileRunning edits the mcp.json and an envFile of a running server: what did not change
// runs on, with its calls; a broken file changes nothing.
func TestConfigChangesWhileRunning(t *testing.T) {
	needsModel(t)
	own := ownServer(t)
	dir := t.TempDir()
	path, env := filepath.Join(dir, "mcp.json"), filepath.Join(dir, "own.env")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file+"~", []byte(text), 0o600); err != nil { // as editors save
			t.Fatal(err)
		}
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	withFile := strings.Replace(own, "{", `{"envFile":"own.env","trust":"off",`, 1)
	write(env, "A=1")
	text := fmt.Sprintf(`{"default_timeout":100,"mcpServers":{"kept":%s,"filed":%s}}`, own, withFile)
	write(path, text)
	s := serve(t, 0, "--mcp-config", path)
	s.connected("kept")
	s.connected("filed")
	pids := func() [2]float64 {
		var found [2]float64
		_, status := s.call("/v1/mcp/status", nil)
		for i, item := range status["servers"].([]any) {
			if i < 2 {
				found[i], _ = item.(map[string]any)["pid"].(float64)
			}
		}
		return found
	}
	before := pids()
	running := make(chan int, 1) // the calling goroutine sends once
	go func() {
		status, _ := s.call("/v1/mcp/execute", map[string]any{"server": "kept", "tool": "sleep", "timeout": 100})
		running <- status
	}()

	write(env, "A=2")
	s.until("the server of the envFile to be started again", func() bool {
		now := pids()
		return now[1] != 0 && now[1] != before[1]
	})
	at, _ := s.loaded()
	write(path, text[:len(text)-2])
	s.until("the broken file to be noticed", func() bool { _, problem := s.loaded(); return problem != "" })
	if now, problem := s.loaded(); now != at || !strings.Contains(problem, "mcp.json: line 1, column") {
		t.Errorf("loaded at %s and then %s: %s", at, now, problem)
	}
	if status, answer := s.call("/v1/mcp/execute", map[string]any{"tool": "kept__echo", "arguments": map[string]any{"text": "hello"}}); status != http.StatusOK {
		t.Errorf("under a broken file: %d %v", status, answer)
	}
	write(path, strings.Replace(text, `"filed":`, `"added":`, 1))
	s.connected("added")
	if _, problem := s.loaded(); problem != "" {
		t.Errorf("the mended file: %s", problem)
	}
	if state, _ := s.server("filed"); state != "" {
		t.Errorf("the removed server is %s", state)
	}
	at, _ = s.loaded()
	if err := syscall.Kill(s.pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.until("the hangup to be heard", func() bool { now, _ := s.loaded(); return now != at })
	if now := pids(); now[0] != before[0] {
		t.Errorf("the unchanged server was process %v and is %v", before[0], now[0])
	}
	select {
	case status := <-running:
		t.Errorf("the call of the unchanged server ended with %d", status)
	default:
	}
	if data, err := os.ReadFile(path); err != nil || !strings.Contains(string(data), `"added":`) {
		t.Errorf("the file is now %s, %v", data, err)
	}
	// Its end ends the call.
	write(path, `{"mcpServers":{}}`)
	if status := <-running; status != http.StatusBadGateway {
		t.Errorf("the call of the removed server answered %d", status)
	}
}
