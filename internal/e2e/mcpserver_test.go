package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// mcpServerVariable makes the test binary an MCP server on standard input and output.
const mcpServerVariable = "TOOLSERVE_E2E_MCP_SERVER"

// runMCPServer serves two tools: echo, and sleep, which says that it runs, to who wants its progress, and answers
// when it is cancelled or killed.
func runMCPServer() int {
	server := mcp.NewServer(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
	type text struct {
		Text string `json:"text"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "Returns its text."},
		func(_ context.Context, _ *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "sleep", Description: "Sleeps for a long time."},
		func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			if token := req.Params.GetProgressToken(); token != nil {
				begun := &mcp.ProgressNotificationParams{ProgressToken: token, Message: "sleeping"}
				if err := req.Session.NotifyProgress(ctx, begun); err != nil {
					return nil, nil, err
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Hour):
			}
			return nil, nil, ctx.Err()
		})
	type file struct {
		Path string `json:"path"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "wait", Description: "Makes the file PATH.begun and waits for the file PATH."},
		func(ctx context.Context, _ *mcp.CallToolRequest, in file) (*mcp.CallToolResult, any, error) {
			err := os.WriteFile(in.Path+".begun", nil, 0o600)
			for err == nil && ctx.Err() == nil {
				if _, missing := os.Stat(in.Path); missing == nil {
					return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "it is there"}}}, nil, nil
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil, nil, errors.Join(err, ctx.Err())
		})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		return 1
	}
	return 0
}

// ownServer is the entry of an mcp.json for the test binary as an MCP server. It is no command that
// the policy knows, so the entry asks to skip its validation, which is allowed on loopback.
func ownServer(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	entry, err := json.Marshal(map[string]any{
		"command": path, "env": map[string]string{mcpServerVariable: "1"}, "skip_security_validation": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(entry)
}
