package e2e

import (
	"bufio"
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/internal/oauthtest"
)

// protected is an MCP server with one tool behind an authorization server.
func protected(t *testing.T) *oauthtest.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "protected", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "hello"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hello"}}}, nil, nil
	})
	s := oauthtest.New(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	s.Lifetime = 3600
	return s
}

// login runs `toolserve mcp login` to its end, with a person who follows the printed address and pastes the
// one that it leads to.
func login(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), append([]string{"mcp", "login", "--no-browser"}, args...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if !strings.HasPrefix(lines.Text(), "http://") {
			continue
		}
		back, err := oauthtest.Follow(t.Context(), lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stdin.Write([]byte(back + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("toolserve mcp login: %v\n%s", err, said.String())
	}
}

// TestLoginOfARunningServer: a server that needs a login waits for `toolserve mcp login`, and comes up
// without a restart; the login outlives the program.
func TestLoginOfARunningServer(t *testing.T) {
	needsModel(t)
	t.Setenv("TOOLSERVE_TOKENS_FILE", filepath.Join(t.TempDir(), "tokens.age"))
	t.Setenv("TOOLSERVE_TOKENS_PASSPHRASE", "a passphrase of the test")
	s := protected(t)
	file := config(t, `{"mcpServers":{"remote":{"url":"`+s.Resource+`"}}}`)
	server := serve(t, 0, "--mcp-config", file)
	server.until("the server to be held", func() bool {
		state, reason := server.server("remote")
		return state == "held" && strings.Contains(reason, "run: toolserve mcp login remote --mcp-config "+file)
	})
	call := map[string]any{"server": "remote", "tool": "hello", "arguments": map[string]any{}}
	if status, answer := server.call("/v1/mcp/execute", call); status != http.StatusConflict {
		t.Errorf("a call before the login: %d %v", status, answer)
	}
	login(t, "remote", "--mcp-config", file)
	server.connected("remote")
	s.Expire(false) // the token is renewed
	if status, answer := server.call("/v1/mcp/execute", call); status != http.StatusOK || answer["result"] != "hello" {
		t.Errorf("a call after the login: %d %v", status, answer)
	}
	if s.Seen("authorize") != 1 || s.Seen("refresh_token") != 1 {
		t.Errorf("%d logins and %d renewals; want one of each", s.Seen("authorize"), s.Seen("refresh_token"))
	}
	serve(t, 0, "--mcp-config", file).connected("remote")
	if s.Seen("authorize") != 1 {
		t.Error("another program needed another login")
	}
	if out, status := run(t, "", "mcp", "logout", "remote", "--mcp-config", file); status != 0 || !strings.Contains(out, "logged out of 'remote'") {
		t.Errorf("logout: status %d: %s", status, out)
	}
	server.until("the logout to be seen", func() bool {
		status, _ := server.call("/v1/mcp/execute", call)
		return status == http.StatusConflict
	})
}
