package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// filesystemConfig is the guide's, but for the tools that write, since a small model calls anything with any path,
// and for a folder of the test in the place of /tmp: that may hold more than the model can read.
func filesystemConfig(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	return config(t, fmt.Sprintf(`{"mcpServers":{"filesystem":{
		"command":"npx","args":["-y","@modelcontextprotocol/server-filesystem",%q],
		"allowed_tools":["list_directory","list_directory_with_sizes","get_file_info","list_allowed_directories"]}}}`, folder))
}

// TestGuideScript runs the script of the guide's chapter "Tool Calling Example" as it stands there, on
// the port that it names, with a model that is made to call.
func TestGuideScript(t *testing.T) {
	needsModel(t)
	needs(t, "TOOLSERVE_TEST_NPX")
	python := needsPython(t, "httpx")
	listener, err := net.Listen("tcp", "127.0.0.1:8000")
	if err != nil {
		t.Skip("the script needs port 8000, which is taken")
	}
	listener.Close()
	s := serve(t, 8000, "--mcp-config", filesystemConfig(t), "--default-tool-choice", "required", "--max-tokens", "32")
	s.connected("filesystem")
	script := filepath.Join(t.TempDir(), "guide.py")
	if err := os.WriteFile(script, []byte(guideCode(t, "import json")), 0o644); err != nil {
		t.Fatal(err)
	}
	output := s.untilAnswered(python, script)
	_, audit := s.call("/v1/mcp/audit", nil)
	t.Logf("answer: %s\naudit: %v", output, audit)
	if entries, _ := audit["entries"].([]any); len(entries) == 0 {
		t.Error("no call is on the record")
	}
}

// warmUp asks the script's first question for one token. The script's client gives up after five
// seconds, which a busy machine needs to read all tools for the first time.
func (s *served) warmUp() {
	s.t.Helper()
	resp, err := http.Get(s.url + "/v1/mcp/tools")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var listed struct {
		Tools json.RawMessage `json:"tools"` // as it came: the order of its keys reaches the prompt
	}
	if err := json.NewDecoder(resp.Body).Decode(&listed); err != nil {
		s.t.Fatal(err)
	}
	status, answer := s.call("/v1/chat/completions", map[string]any{
		"model": "default", "tools": listed.Tools, "tool_choice": "required", "max_tokens": 1,
		"messages": []any{map[string]any{"role": "user", "content": "List files in /tmp"}},
	})
	if status != http.StatusOK {
		s.t.Fatalf("the warm-up answered %d %v", status, answer)
	}
}

// untilAnswered runs the script until it prints an answer, three times at most: it draws its tokens
// anew each time, and a model this small may ramble past the five seconds.
func (s *served) untilAnswered(python, script string) string {
	t := s.t
	t.Helper()
	for attempt := 1; ; attempt++ {
		s.warmUp()
		output, err := exec.CommandContext(t.Context(), python, script).CombinedOutput()
		switch {
		case err == nil && strings.TrimSpace(string(output)) != "":
			t.Logf("answered at attempt %d", attempt)
			return string(output)
		case attempt == 3:
			t.Fatalf("no answer in %d attempts: %v\n%s", attempt, err, output)
		}
		t.Logf("attempt %d: %v\n%s", attempt, err, output)
	}
}

// TestBlockedAttack serves the guide's malicious entry beside a good one.
func TestBlockedAttack(t *testing.T) {
	needsModel(t)
	malicious := strings.TrimSuffix(strings.TrimSpace(guideCode(t, "{")), "}\n}")
	s := serve(t, 0, "--mcp-config", config(t, malicious+`, "good": `+ownServer(t)+`}}`))
	s.connected("good")
	want := strings.TrimPrefix(strings.TrimSpace(guideCode(t, "ValueError")), "ValueError: ")
	if state, reason := s.server("malicious"); state != "failed" || !strings.HasPrefix(reason, want) {
		t.Errorf("malicious is %s: %s", state, reason)
	}
	status, answer := s.call("/v1/mcp/execute", map[string]any{"tool": "echo", "arguments": map[string]any{"text": "hello"}})
	if status != http.StatusOK || answer["result"] != "hello" {
		t.Errorf("the good server answered %d %v", status, answer)
	}
	out, code := run(t, "", "mcp", "call", "--url", s.url, "good__echo", `{"text":"again"}`)
	if code != 0 || out != "again\n" {
		t.Errorf("mcp call: status %d, %q", code, out)
	}
	if out, code = run(t, "", "mcp", "call", "--url", s.url, "malicious__x"); code != 1 || out != "" {
		t.Errorf("mcp call of the refused server: status %d, %q", code, out)
	}
}

// TestKilledServer kills an MCP server with SIGKILL while a call runs.
func TestKilledServer(t *testing.T) {
	needsModel(t)
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("the processes are read from /proc, which is not there")
	}
	for _, tt := range []struct{ name, entry, tool, arguments, npx string }{
		{"own", ownServer(t), "sleep", `{}`, ""},
		{"everything", `{"command":"npx","args":["-y","` + everythingPackage + `"]}`,
			"trigger-long-running-operation", `{"duration":60,"steps":60}`, "TOOLSERVE_TEST_NPX"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.npx != "" {
				needs(t, tt.npx)
			}
			s := serve(t, 0, "--mcp-config", config(t, `{"default_timeout":120,"mcpServers":{"victim":`+tt.entry+`}}`))
			s.connected("victim")
			before := descendants(t, s.pid)
			if len(before) == 0 {
				t.Fatal("the MCP server is no process of the server")
			}
			type outcome struct {
				status int
				answer map[string]any
				at     time.Time
			}
			done := make(chan outcome, 1) // the calling goroutine sends once
			go func() {
				status, answer := s.call("/v1/mcp/execute", map[string]any{"server": "victim", "tool": tt.tool, "arguments": tt.arguments})
				done <- outcome{status, answer, time.Now()}
			}()
			time.Sleep(300 * time.Millisecond) // lets the call reach the server; one that came later would be a 503
			leaf := before[len(before)-1]
			killed := time.Now()
			if err := syscall.Kill(leaf, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			got := <-done
			t.Logf("answered %d after %v: %v", got.status, got.at.Sub(killed).Round(time.Millisecond), got.answer)
			if got.status != http.StatusBadGateway {
				t.Errorf("the call answered %d", got.status)
			}
			if state, _ := s.server("victim"); state != "retrying" && state != "connecting" && state != "connected" {
				t.Errorf("the server is %s", state)
			}
			s.connected("victim")
			t.Logf("connected again after %v", time.Since(killed).Round(time.Millisecond))
			s.until("the old processes to end", func() bool {
				for _, pid := range before {
					if syscall.Kill(pid, 0) == nil {
						return false
					}
				}
				return true
			})
		})
	}
}

// descendants returns the processes below one, parents before their children.
func descendants(t *testing.T, root int) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(line), "toolserve-orphans") {
			continue // it watches the others
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // the name in between may hold anything
		if fields := strings.Fields(rest); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var all []int
	for queue := children[root]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// TestNoProcessIsLeft ends a server and finds its MCP servers gone.
func TestNoProcessIsLeft(t *testing.T) {
	needsModel(t)
	var pids []int
	t.Run("serve", func(t *testing.T) {
		s := serve(t, 0, "--mcp-config", config(t, `{"mcpServers":{"own":`+ownServer(t)+`}}`))
		s.connected("own")
		pids = descendants(t, s.pid)
	})
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d is still there", pid)
		}
	}
}

// TestExamplesAgainstTheProgram runs the clients of the folder examples and the guide's jq line.
func TestExamplesAgainstTheProgram(t *testing.T) {
	needsModel(t)
	needs(t, "TOOLSERVE_TEST_NPX")
	s := serve(t, 0, "--mcp-config", filesystemConfig(t))
	s.connected("filesystem")
	for _, example := range examples {
		t.Run(example.name, func(t *testing.T) {
			t.Log(runExample(t, s.url, example.needs, example.input, example.args...))
		})
	}
	t.Run("jq", func(t *testing.T) {
		if _, err := exec.LookPath("jq"); err != nil {
			t.Skip("jq is not installed")
		}
		out, err := exec.CommandContext(t.Context(), "bash", "-c", "curl -s "+s.url+"/v1/mcp/tools | jq '.tools[].name'").Output()
		if err != nil || !strings.Contains(string(out), `"filesystem__list_directory"`) {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("chat", func(t *testing.T) {
		out, code := run(t, "Say hello.\n/exit\n", "chat", "--url", s.url, "--no-tools")
		if code != 0 || strings.TrimSpace(out) == "" {
			t.Errorf("status %d, %q", code, out)
		}
	})
}

// TestTimeServer uses the MCP server of PyPI.
func TestTimeServer(t *testing.T) {
	needsModel(t)
	needs(t, "TOOLSERVE_TEST_UVX")
	s := serve(t, 0, "--mcp-config", "../../examples/mcp/time.json")
	s.connected("time")
	out, code := run(t, "", "mcp", "call", "--url", s.url, "time", "get_current_time", `{"timezone":"UTC"}`)
	if code != 0 || !strings.Contains(out, "UTC") {
		t.Errorf("status %d, %s", code, out)
	}
}
