package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/mcphost"
)

// both are the servers that have one of each, of both eras.
func both(t *testing.T) map[string]any {
	return map[string]any{"new": everythingServer(t, "all"), "old": everythingServer(t, "2025-11-25")}
}

// sdkClient connects a client of the Go SDK that answers forms. revision "" lets it choose.
func sdkClient(t *testing.T, url, revision string, changed func()) (*mcp.ClientSession, func() []float64) {
	t.Helper()
	var mu sync.Mutex
	var progress []float64
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ann"}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
			mu.Lock()
			defer mu.Unlock()
			progress = append(progress, req.Params.Progress)
		},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed() },
	})
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url, MaxRetries: -1}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session, func() []float64 { mu.Lock(); defer mu.Unlock(); return slices.Clone(progress) }
}

func textOf(t *testing.T, session *mcp.ClientSession, tool string, token any) string {
	t.Helper()
	params := &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}}
	if token != nil {
		params.SetProgressToken(token)
	}
	result, err := session.CallTool(t.Context(), params)
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	data, err := json.Marshal(result.Content)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestReexportGoSDK drives /mcp with the Go SDK in both eras, directly and through a second toolserve.
func TestReexportGoSDK(t *testing.T) {
	direct := reexport(t, func(string) map[string]any { return both(t) })
	chained := reexport(t, func(string) map[string]any {
		return map[string]any{"far": map[string]any{"url": direct, "type": "http", "skip_security_validation": true}}
	})
	for _, c := range []struct{ name, url, prefix, revision string }{
		{"newest", direct, "", ""}, {"2025-11-25", direct, "", "2025-11-25"}, {"2025-06-18", direct, "", "2025-06-18"}, {"2025-03-26", direct, "", "2025-03-26"},
		{"chained", chained, "far__", ""}, {"chained 2025-11-25", chained, "far__", "2025-11-25"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := make(chan struct{}, 100)
			session, progress := sdkClient(t, c.url, c.revision, func() { changed <- struct{}{} })
			if got := session.InitializeResult().ProtocolVersion; c.revision != "" && got != c.revision || c.revision == "" && got != "2026-07-28" {
				t.Errorf("the revision is %s", got)
			}
			for _, server := range []string{"new__", "old__"} {
				if got := textOf(t, session, c.prefix+server+"test_simple_text", nil); !strings.Contains(got, "simple text") {
					t.Errorf("the text is %s", got)
				}
				if got := textOf(t, session, c.prefix+server+"test_input_required_result_elicitation", nil); !strings.Contains(got, "Hello, Ann!") {
					t.Errorf("%s: the answer to the form is %s", server, got)
				}
			}
			textOf(t, session, c.prefix+"old__test_tool_with_progress", "p")
			waitFor(t, "the progress", func() bool { return len(progress()) >= 3 })
			if got := progress(); !slices.Equal(got, []float64{0, 50, 100}) {
				t.Errorf("the progress was %v", got)
			}
			prompt, err := session.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: c.prefix + "old__test_simple_prompt"})
			if err != nil || len(prompt.Messages) != 1 {
				t.Errorf("the prompt is %+v, %v", prompt, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: c.prefix + "new__wait"}); err == nil {
				t.Error("a call that was given up ended well")
			}
		})
	}
}

// TestReexportChanges has a client of each era hear that a server's tools changed.
func TestReexportChanges(t *testing.T) {
	url := reexport(t, func(string) map[string]any { return both(t) })
	for _, revision := range []string{"", "2025-11-25"} {
		changed := make(chan struct{}, 100)
		session, _ := sdkClient(t, url, revision, func() { changed <- struct{}{} })
		for heard := false; !heard; {
			textOf(t, session, "old__test_trigger_tool_change", nil)
			select {
			case <-changed:
				heard = true
			case <-time.After(time.Second): // the client may not have listened yet
			case <-t.Context().Done():
				t.Fatalf("%s: nothing was heard", revision)
			}
		}
	}
}

// TestReexportLoop points a toolserve at itself.
func TestReexportLoop(t *testing.T) {
	entry := func(url string) map[string]any {
		return map[string]any{"url": url, "type": "http", "skip_security_validation": true}
	}
	host, url := startReexport(t, func(own string) map[string]any {
		return map[string]any{"self": entry(own), "new": everythingServer(t, "all")}
	})
	waitFor(t, "the refusal", func() bool {
		refused, connected := false, false
		for _, s := range host.Status() {
			refused = refused || s.Name == "self" && strings.Contains(s.Error, "leads back to this program")
			connected = connected || s.Name == "new" && s.State == mcphost.StateConnected
		}
		return refused && connected
	})
	session, _ := sdkClient(t, url, "", func() {})
	if got := textOf(t, session, "new__test_simple_text", nil); !strings.Contains(got, "simple text") {
		t.Errorf("the other server answers %s", got)
	}
	for tool, err := range session.Tools(t.Context(), nil) {
		if err != nil || strings.HasPrefix(tool.Name, "self__") {
			t.Errorf("%v %v is offered", tool, err)
		}
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 5000 {
		if done() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s did not come", what)
}

// TestReexportPython drives /mcp with the mcp package of PyPI, in both eras.
func TestReexportPython(t *testing.T) {
	python := needsPython(t, "mcp", "mcp_types")
	url := reexport(t, func(string) map[string]any { return both(t) })
	for _, mode := range []string{"auto", "legacy", "2026-07-28"} {
		output, err := exec.CommandContext(t.Context(), python, "testdata/mcp_client.py", url, mode).CombinedOutput()
		t.Logf("%s", output)
		if err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// TestReexportTypeScript drives /mcp with the TypeScript SDK, which the conformance suite brings along: a call
// whose connection breaks, and tasks.
func TestReexportTypeScript(t *testing.T) {
	needs(t, "TOOLSERVE_TEST_CONFORMANCE")
	modules := os.Getenv("TOOLSERVE_TEST_CONFORMANCE")
	script := scriptBeside(t, "mcp_client.mjs", modules)
	url := reexport(t, func(string) map[string]any { return both(t) })
	output, err := exec.CommandContext(t.Context(), filepath.Join(modules, ".bin/node"), script, url).CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

// TestReexportInspector drives /mcp with the command line of the MCP inspector.
func TestReexportInspector(t *testing.T) {
	needs(t, "TOOLSERVE_TEST_NPX")
	url := reexport(t, func(string) map[string]any { return both(t) })
	for want, arguments := range map[string][]string{
		`"new__test_simple_text"`:   {"--method", "tools/list"},
		"This is a simple text":     {"--method", "tools/call", "--tool-name", "old__test_simple_text"},
		`"test://static-text"`:      {"--method", "resources/list"},
		`"new__test_simple_prompt"`: {"--method", "prompts/list"},
	} {
		arguments = append([]string{"-y", "@modelcontextprotocol/inspector@2.12.0", "--cli", url, "--transport", "http"}, arguments...)
		output, err := exec.CommandContext(t.Context(), "npx", arguments...).CombinedOutput()
		if err != nil || !strings.Contains(string(output), want) {
			t.Errorf("%v: %v\n%s", arguments[5:], err, fmt.Sprintf("%.2000s", output))
		}
	}
}
