package mcphost

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestOwnToolsAreNotTaken connects hosts to a server that says, with its tools, behind whom it stands.
func TestOwnToolsAreNotTaken(t *testing.T) {
	behind := []any{"another", 7, strings.Repeat("x", 100)}
	server := mcp.NewServer(&mcp.Implementation{Name: "gateway", Version: "1"}, nil)
	add := func(name string) {
		server.AddTool(&mcp.Tool{Name: name, InputSchema: map[string]any{"type": "object"}},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return &mcp.CallToolResult{}, nil
			})
	}
	add("echo")
	server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			result, err := next(ctx, method, req)
			if list, ok := result.(*mcp.ListToolsResult); ok {
				list.Meta = mcp.Meta{InstancesKey: behind}
			}
			return result, err
		}
	})
	connect := func(ServerConfig) mcp.Transport {
		ours, theirs := mcp.NewInMemoryTransports()
		if _, err := server.Connect(t.Context(), theirs, nil); err != nil {
			t.Error(err)
		}
		return ours
	}
	h := start(t, scriptedConfig(t, map[string]string{"gateway": "plain"}), Options{Transport: connect})
	eventually(t, "the connection", func() bool { return status(t, h, "gateway").State == StateConnected })
	if names := h.Instances(); len(names) != 2 || names[0] != h.instance || !slices.Contains(names, "another") {
		t.Errorf("the instances are %v", names)
	}
	// The way closes while the server is connected, and is seen with the next list.
	behind = []any{"another", h.instance}
	add("again")
	eventually(t, "the end", func() bool { return status(t, h, "gateway").State == StateFailed })
	if st := status(t, h, "gateway"); !strings.Contains(st.Error, "leads back to this program") || len(h.Tools()) != 0 {
		t.Errorf("the server is %s: %s, with %d tools", st.State, st.Error, len(h.Tools()))
	}
}
