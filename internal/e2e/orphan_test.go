package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestKilledProgramLeavesNothing kills `toolserve serve` with SIGKILL. Its servers have children that ignore
// every request to end and have closed their streams.
func TestKilledProgramLeavesNothing(t *testing.T) {
	needsModel(t)
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("the processes are read from /proc, which is not there")
	}
	for _, sandbox := range []string{"off", "best-effort"} {
		t.Run(sandbox, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "server.sh")
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("( trap '' TERM HUP INT; exec </dev/null >/dev/null 2>&1; while :; do sleep 600; done ) &\n%s=1 %s\n", mcpServerVariable, self)
			if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			entry := fmt.Sprintf(`{"command":"/bin/sh","args":[%q],"skip_security_validation":true,"sandbox":{"level":%q,"read":[%q,%q]}}`,
				script, sandbox, filepath.Dir(script), filepath.Dir(self))
			s := serve(t, 0, "--mcp-config", config(t, `{"mcpServers":{"a":`+entry+`,"b":`+entry+`}}`))
			s.connected("a")
			s.connected("b")
			below := descendants(t, s.pid)
			if len(below) < 6 {
				t.Fatalf("there are %d processes: %v", len(below), below)
			}
			if err := syscall.Kill(s.pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.until("the processes to end", func() bool {
				for _, pid := range below {
					if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
						return false
					}
				}
				return true
			})
		})
	}
}
