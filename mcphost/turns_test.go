package mcphost

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestWaitForATurn counts the wait for a turn into the timeout, and says so.
func TestWaitForATurn(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "s", Version: "1"}, nil)
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	server.AddTool(&mcp.Tool{Name: "slow", InputSchema: rawSchema(`{"type":"object"}`)}, func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		entered <- struct{}{}
		select {
		case <-leave:
		case <-ctx.Done():
		}
		return &mcp.CallToolResult{}, nil
	})
	h := start(t, &Config{Servers: []ServerConfig{{Name: "s", MaxParallelCalls: 2}}}, Options{Transport: inMemory(server)})
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := h.Execute(t.Context(), Call{Tool: "slow"})
			done <- err
		}()
		<-entered
	}
	_, err := h.Execute(t.Context(), Call{Tool: "slow", Timeout: 30 * time.Millisecond})
	var e *Error
	if !errors.As(err, &e) || e.Kind != TimedOut || !strings.Contains(e.Message, "after 0.03s: it waited for its turn behind 2 others of server 's', which runs 2 calls at a time (max_parallel_calls)") {
		t.Errorf("error is %v", err)
	}
	// The next one gets its turn late, and its tool takes too long for what is left.
	s := h.server("s")
	go func() {
		for s.turns.Ahead() < 3 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		leave <- struct{}{}
	}()
	_, err = h.Execute(t.Context(), Call{Tool: "slow", Timeout: 2 * time.Second})
	if !errors.As(err, &e) || e.Kind != TimedOut || !strings.Contains(e.Message, "server 's' did not answer 'slow', after ") || !strings.Contains(e.Message, "(max_parallel_calls is 2)") {
		t.Errorf("error is %v", err)
	}
	close(leave)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
