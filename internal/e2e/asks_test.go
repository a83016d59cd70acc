package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/client"
)

// everythingPackage is the version whose tools are named below.
const everythingPackage = "@modelcontextprotocol/server-everything@2026.8.31"

// everyTool is each tool of server-everything: what it is called with and what its result holds. The mark
// is what is to be seen on the way: progress, log, form, or url.
var everyTool = []struct{ tool, arguments, want, mark string }{
	{"echo", `{"message":"hello there"}`, "hello there", ""},
	{"get-annotated-message", `{"messageType":"success","includeImage":true}`, "image/png", ""},
	{"get-env", `{}`, "PATH", ""},
	{"get-resource-links", `{"count":2}`, "resource_link", ""},
	{"get-resource-reference", `{"resourceType":"Text","resourceId":1}`, "demo://resource", ""},
	{"get-structured-content", `{"location":"New York"}`, "humidity", ""},
	{"get-sum", `{"a":2,"b":3}`, "is 5", ""},
	{"get-tiny-image", `{}`, "image/png", ""},
	{"gzip-file-as-resource", `{"name":"x.gz","data":"data:text/plain;base64,aGVsbG8=","outputType":"resource"}`, "application/gzip", ""},
	{"toggle-simulated-logging", `{}`, "simulated", "log"},
	{"toggle-subscriber-updates", `{}`, "simulated", ""},
	{"trigger-long-running-operation", `{"duration":1,"steps":4}`, "completed", "progress"},
	{"get-roots-list", `{}`, "1 total", ""},
	{"trigger-elicitation-request", `{}`, "It was a dark and stormy night.", "form"},
	{"trigger-url-elicitation", `{"url":"https://example.org/x"}`, "accept", "url"},
	{"trigger-sampling-request", `{"prompt":"Say hi.","maxTokens":8}`, "stopReason", ""},
	{"simulate-research-query", `{"topic":"python","ambiguous":true}`, "python (programming)", "form"},
	{"trigger-sampling-request-async", `{"prompt":"Say hi.","maxTokens":8}`, "[COMPLETED]", ""},
	{"trigger-elicitation-request-async", `{}`, "[COMPLETED]", "form"},
}

// TestEveryTool runs all tools of server-everything through the server, over standard streams and over
// Streamable HTTP. Some are offered only to a client that declares what they need. The level of what it logs is
// drawn at random.
func TestEveryTool(t *testing.T) {
	needs(t, "TOOLSERVE_TEST_NPX")
	port := freePort(t)
	startEverything(t, port)
	root := t.TempDir()
	stdio := fmt.Sprintf(`"command":"npx","args":["-y",%q],"log_level":"debug"`, everythingPackage)
	s := serve(t, 0, "--mcp-config", config(t, fmt.Sprintf(`{"default_timeout":60,"security":{"max_calls_per_minute":0},"mcpServers":{
		"bare":{%s,"roots":false,"elicitation":false},
		"stdio":{%s,"roots":[%q],"sampling":{"enabled":true,"max_tokens":16}},
		"http":{"url":"http://127.0.0.1:%d/mcp","type":"http","roots":[%q],"sampling":true}}}`, stdio, stdio, root, port, root)))
	for _, name := range []string{"bare", "stdio", "http"} {
		s.connected(name)
	}
	t.Run("bare", func(t *testing.T) {
		got := s.tools(t, "bare", 13)
		for _, name := range []string{"get-roots-list", "trigger-elicitation-request", "trigger-sampling-request"} {
			if slices.Contains(got, name) {
				t.Errorf("%s is offered to a client that declared nothing", name)
			}
		}
	})
	for _, name := range []string{"stdio", "http"} {
		t.Run(name, func(t *testing.T) { s.everyTool(t, name) })
		t.Run(name+" cancel", func(t *testing.T) { s.cancelled(t, name) })
	}
}

// tools waits until a server offers so many tools and returns their own names.
func (s *served) tools(t *testing.T, server string, n int) (names []string) {
	t.Helper()
	s.until(fmt.Sprintf("%d tools of %s", n, server), func() bool {
		names = nil
		_, list := s.call("/v1/mcp/tools", nil)
		for _, item := range list["tools"].([]any) {
			if tool := item.(map[string]any); tool["server"] == server {
				names = append(names, tool["tool"].(string))
			}
		}
		return len(names) == n
	})
	return names
}

func (s *served) everyTool(t *testing.T, server string) {
	// The list has grown since the first reading: the server adds tools when it knows the client.
	offered := s.tools(t, server, len(everyTool))
	c, err := client.New(client.Options{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tt := range everyTool {
		t.Run(tt.tool, func(t *testing.T) {
			if !slices.Contains(offered, tt.tool) {
				t.Fatalf("not offered among %v", offered)
			}
			seen := map[string]int{}
			result, err := c.MCPWatch(t.Context(), client.Call{Server: server, Tool: tt.tool, Arguments: json.RawMessage(tt.arguments)}, client.Watcher{
				Progress: func(client.Progress) { seen["progress"]++ },
				Log:      func(client.LogLine) { seen["log"]++ },
				Ask: func(_ context.Context, q client.Question) (client.Answer, error) {
					seen[q.Mode]++
					return fillIn(t, q), nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			// Over HTTP the log has a stream of its own, which may be behind the answer.
			late := server == "http" && tt.mark == "log"
			if result.IsError || !strings.Contains(string(result.Raw), tt.want) || tt.mark != "" && seen[tt.mark] == 0 && !late {
				t.Errorf("seen %v, result %.600s", seen, result.Raw)
			}
			t.Logf("%s %s: %.0f ms, seen %v", server, tt.tool, result.DurationMS, seen)
		})
	}
	// A prerequisite address, which the server asks for by an error.
	asked := []string{}
	result, err := c.MCPWatch(t.Context(), client.Call{Server: server, Tool: "trigger-url-elicitation", Arguments: json.RawMessage(`{"url":"https://example.org/y","errorPath":true}`)},
		client.Watcher{Ask: func(_ context.Context, q client.Question) (client.Answer, error) {
			asked = append(asked, q.URL)
			return client.Answer{Action: "accept"}, nil
		}})
	if err != nil || result.IsError || strings.Join(asked, " ") != "https://modelcontextprotocol.io https://example.org/y" {
		t.Errorf("asked for %q, %v", asked, err)
	}
}

// fillIn answers as a person in a hurry does: what is required, and no more.
func fillIn(t *testing.T, q client.Question) client.Answer {
	t.Helper()
	content := `{}`
	switch {
	case q.Mode == "url":
		return client.Answer{Action: "accept"}
	case strings.Contains(string(q.Schema), `"interpretation"`):
		content = `{"interpretation":"programming"}`
	case strings.Contains(string(q.Schema), `"name"`):
		content = `{"name":"Ann"}`
	}
	return client.Answer{Action: "accept", Content: json.RawMessage(content)}
}

// cancelled leaves a call that would take long, and finds it given up on the record.
func (s *served) cancelled(t *testing.T, server string) {
	c, err := client.New(client.Options{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	_, err = c.MCPWatch(ctx, client.Call{Server: server, Tool: "trigger-long-running-operation", Arguments: json.RawMessage(`{"duration":50,"steps":100}`)},
		client.Watcher{Progress: func(client.Progress) { leave() }})
	if err == nil {
		t.Fatal("the call went on")
	}
	s.until("the call to be given up", func() bool {
		_, log := s.call("/v1/mcp/audit?errors=true&server="+server+"&tool=long-running", nil)
		text, err := json.Marshal(log)
		return err == nil && strings.Contains(string(text), "given up by its caller")
	})
	if status, answer := s.call("/v1/mcp/execute", map[string]any{"server": server, "tool": "echo", "arguments": map[string]any{"message": "still here"}}); status != http.StatusOK {
		t.Errorf("afterwards: %d %v", status, answer)
	}
}

// TestRootsReachTheServer tells server-filesystem where it may work, and tells it again when the file changes,
// without a restart.
func TestRootsReachTheServer(t *testing.T) {
	needs(t, "TOOLSERVE_TEST_NPX")
	parent := t.TempDir()
	first, second := filepath.Join(parent, "first"), filepath.Join(parent, "second")
	for _, dir := range []string{first, second} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := func(root string) string {
		return fmt.Sprintf(`{"mcpServers":{"fs":{"command":"npx","args":["-y","@modelcontextprotocol/server-filesystem@2026.8.31",%q],"roots":[%q]}}}`, parent, root)
	}
	file := config(t, text(first))
	s := serve(t, 0, "--mcp-config", file)
	s.connected("fs")
	allowed := func(dir string) func() bool {
		return func() bool {
			_, answer := s.call("/v1/mcp/execute", map[string]any{"tool": "list_allowed_directories"})
			return answer["result"] == "Allowed directories:\n"+dir
		}
	}
	s.until("the first root", allowed(first))
	before := descendants(t, s.pid)
	if err := os.WriteFile(file, []byte(text(second)), 0o644); err != nil {
		t.Fatal(err)
	}
	s.until("the second root", allowed(second))
	if after := descendants(t, s.pid); !slices.Equal(before, after) {
		t.Errorf("the processes were %v and are %v", before, after)
	}
}

// startEverything runs server-everything over Streamable HTTP until the test ends.
func startEverything(t *testing.T, port int) {
	t.Helper()
	cmd := exec.Command("npx", "-y", everythingPackage, "streamableHttp")
	cmd.Env = append(os.Environ(), fmt.Sprintf("PORT=%d", port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(patience)
	for {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/mcp", port))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("server-everything does not listen")
		}
		time.Sleep(200 * time.Millisecond)
	}
}
