package mcphost

import (
	"context"
	"os"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/policy"
)

// BenchmarkExecute compares a call through the host, with everything it checks and records, with one
// of the protocol library's own client to the same server.
func BenchmarkExecute(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	env := map[string]string{modeVariable: "good"}
	arguments := []byte(`{"text":"hello"}`)

	b.Run("direct", func(b *testing.B) {
		p, err := sandbox.Start(sandbox.Spec{Path: self, Env: sandbox.MinimalEnv(os.Environ(), env)}, sandbox.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Stop(sandbox.Ladder{})
		client := mcp.NewClient(&mcp.Implementation{Name: "bench", Version: "1"}, nil)
		session, err := client.Connect(context.Background(), &mcp.IOTransport{Reader: p.Stdout(), Writer: p.Stdin()}, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("wire", func(b *testing.B) {
		p, err := sandbox.Start(sandbox.Spec{Path: self, Env: sandbox.MinimalEnv(os.Environ(), env)}, sandbox.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Stop(sandbox.Ladder{})
		client := mcp.NewClient(&mcp.Implementation{Name: "bench", Version: "1"}, nil)
		transport := &wire.Stdio{In: p.Stdin(), Out: p.Stdout(), OnNoise: func(string) {}, OnClose: p.CloseInput}
		session, err := client.Connect(context.Background(), transport, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("host", func(b *testing.B) {
		cfg := &Config{Servers: []ServerConfig{{Name: "s", Transport: TransportStdio, Command: self, Env: env, SkipSecurityValidation: true}}}
		cfg.Security.Tools.CallsPerMinute = policy.Unlimited
		h, err := New(cfg, Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer h.Close()
		if err := h.Start(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := h.WaitReady(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Execute(context.Background(), Call{Server: "s", Tool: "echo", Arguments: arguments}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
