package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCallsEndBeforeTheServers stops the program while a tool runs: the call ends first, and its server after.
func TestCallsEndBeforeTheServers(t *testing.T) {
	needsModel(t)
	path := filepath.Join(t.TempDir(), "there")
	entry := strings.Replace(ownServer(t), "{", `{"sandbox":"off",`, 1)
	s := serve(t, 0, "--drain", "2m", "--mcp-config", config(t, `{"default_timeout":120,"mcpServers":{"own":`+entry+`}}`))
	s.connected("own")
	type outcome struct {
		status int
		answer map[string]any
	}
	done := make(chan outcome, 1) // the calling goroutine sends once
	go func() {
		status, answer := s.call("/v1/mcp/execute", map[string]any{"server": "own", "tool": "wait", "arguments": map[string]any{"path": path}})
		done <- outcome{status, answer}
	}()
	s.until("the tool to run", func() bool { _, err := os.Stat(path + ".begun"); return err == nil })
	if err := syscall.Kill(s.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.until("the program to take no more requests", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.status != http.StatusOK || got.answer["result"] != "it is there" {
		t.Errorf("the running call answered %d %v", got.status, got.answer)
	}
}
