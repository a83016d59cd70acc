package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that must come: a model to load, npx to fetch.
const patience = 3 * time.Minute

// binary is the folder of the built program. TestMain makes and removes it.
var binary string

// build compiles the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binary, "toolserve")
	output, err := exec.Command("go", "build", "-o", path, "github.com/toolserve/toolserve/cmd/toolserve").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if os.Getenv(mcpServerVariable) != "" {
		os.Exit(runMCPServer())
	}
	if os.Getenv(everythingVariable) != "" {
		os.Exit(runEverything())
	}
	if os.Getenv(conformanceVariable) != "" {
		os.Exit(runConformanceClient())
	}
	var err error
	if binary, err = os.MkdirTemp("", "toolserve-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(binary)
	os.Exit(code)
}

// needs skips the test unless the environment variables are set.
func needs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if os.Getenv(name) == "" {
			t.Skipf("%s is not set", name)
		}
	}
}

// needsModel skips the test where there is no model to serve.
func needsModel(t *testing.T) {
	t.Helper()
	needs(t, "TOOLSERVE_TEST_MODEL", "TOOLSERVE_TEST_ENGINE")
}

// program returns the path of the program.
func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs the program to its end and returns what it printed on standard output.
func run(t *testing.T, input string, args ...string) (stdout string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Stdin = strings.NewReader(input)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Logf("toolserve %s: %s", strings.Join(args, " "), stderr.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// served is a running `toolserve serve`.
type served struct {
	t   *testing.T
	url string
	pid int
}

// serve starts the program with the test model and returns when it answers. It ends with the test.
func serve(t *testing.T, port int, args ...string) *served {
	t.Helper()
	needsModel(t)
	if port == 0 {
		port = freePort(t)
	}
	log := filepath.Join(t.TempDir(), "serve.log")
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	args = append([]string{"serve", os.Getenv("TOOLSERVE_TEST_MODEL"), "--engine-dir", os.Getenv("TOOLSERVE_TEST_ENGINE"),
		"--port", fmt.Sprint(port)}, args...)
	cmd := exec.Command(program(t), args...)
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1) // the waiting goroutine sends once
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the server does not end at SIGTERM")
			_ = cmd.Process.Kill()
		}
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("log of the server:\n%s", text)
		}
	})
	s := &served{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port), pid: cmd.Process.Pid}
	s.until("the server to answer", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the server ended: %v", err)
		default:
		}
		resp, err := http.Get(s.url + "/health")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return s
}

// until waits for a condition.
func (s *served) until(what string, done func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// call makes a request and decodes its answer. A nil body is a GET.
func (s *served) call(path string, body any) (status int, answer map[string]any) {
	s.t.Helper()
	method, payload := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			s.t.Fatal(err)
		}
		method = http.MethodPost
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(payload))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		s.t.Fatalf("%s %s answered %d and no JSON object: %s", method, path, resp.StatusCode, data)
	}
	return resp.StatusCode, answer
}

// server returns the state of one MCP server and its error text.
func (s *served) server(name string) (state, reason string) {
	s.t.Helper()
	_, status := s.call("/v1/mcp/status", nil)
	servers, _ := status["servers"].([]any)
	for _, item := range servers {
		server := item.(map[string]any)
		if server["name"] == name {
			state, _ = server["state"].(string)
			reason, _ = server["error"].(string)
		}
	}
	return state, reason
}

// connected waits until an MCP server is connected.
func (s *served) connected(name string) {
	s.t.Helper()
	s.until("the MCP server "+name, func() bool {
		state, reason := s.server(name)
		if state == "failed" {
			s.t.Fatalf("MCP server %s failed: %s", name, reason)
		}
		return state == "connected"
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// config writes an mcp.json and returns its path.
func config(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mcp.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// guideCode returns the first block of code of the guide's chapters in testdata that begins with a text.
func guideCode(t *testing.T, beginning string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "\n```") {
		_, code, _ := strings.Cut(block, "\n") // the rest of the fence's line is the language
		if i%2 == 1 && strings.HasPrefix(code, beginning) {
			return code
		}
	}
	t.Fatalf("the guide has no code that begins with %q", beginning)
	return ""
}
