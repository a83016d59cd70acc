package rivals

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	gomcp "github.com/mark3labs/mcp-go/mcp"
	goserver "github.com/mark3labs/mcp-go/server"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// serverVariable makes the test binary run as the echo server of the library that it names.
const serverVariable = "TOOLSERVE_BENCH_SERVER"

func TestMain(m *testing.M) {
	var err error
	switch library := os.Getenv(serverVariable); library {
	case "":
		os.Exit(m.Run())
	case "go-sdk":
		err = serveOfficial()
	case "mcp-go":
		err = serveOther()
	default:
		err = fmt.Errorf("no server is made with %q", library)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// answer is what both servers echo; "4096" asks for that many bytes.
func answer(text string) string {
	var n int
	if _, err := fmt.Sscanf(text, "%d", &n); err == nil {
		return strings.Repeat("x", n)
	}
	return text
}

func serveOfficial() error {
	server := mcp.NewServer(&mcp.Implementation{Name: "echo", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "says it again"}, func(_ context.Context, _ *mcp.CallToolRequest, in struct {
		Text string `json:"text"`
	}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: answer(in.Text)}}}, nil, nil
	})
	return server.Run(context.Background(), &mcp.StdioTransport{})
}

func serveOther() error {
	server := goserver.NewMCPServer("echo", "1")
	tool := gomcp.NewTool("echo", gomcp.WithDescription("says it again"), gomcp.WithString("text", gomcp.Required()))
	server.AddTool(tool, func(_ context.Context, req gomcp.CallToolRequest) (*gomcp.CallToolResult, error) {
		return gomcp.NewToolResultText(answer(req.GetString("text", ""))), nil
	})
	return goserver.ServeStdio(server)
}
