package mcphost_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
)

// inMemory reaches, in place of the process that an entry names, a small MCP server in this program.
func inMemory(mcphost.ServerConfig) mcp.Transport {
	server := mcp.NewServer(&mcp.Implementation{Name: "files"}, nil)
	type path struct {
		Path  string `json:"path"`
		Token string `json:"token,omitempty"`
	}
	answer := func(text string) mcp.ToolHandlerFor[path, any] {
		return func(context.Context, *mcp.CallToolRequest, path) (*mcp.CallToolResult, any, error) {
			if text == "" {
				return nil, nil, errors.New("no such file")
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		}
	}
	mcp.AddTool(server, &mcp.Tool{Name: "list_directory"}, answer("file1.txt"))
	mcp.AddTool(server, &mcp.Tool{Name: "read_file"}, answer(""))
	mcp.AddTool(server, &mcp.Tool{Name: "run_shell"}, answer("done"))
	client, far := mcp.NewInMemoryTransports()
	if _, err := server.Connect(context.Background(), far, nil); err != nil {
		panic(err)
	}
	return client
}

const config = `{
  "mcpServers": {
    "filesystem": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/tmp"] } // the guide's
  }
}`

// The custom sandbox configuration of the guide: which tools may run, how often, and a callback for
// each call.
func Example() {
	ctx := context.Background()
	cfg, _, err := mcphost.ParseConfig([]byte(config), mcphost.ParseOptions{})
	if err != nil {
		panic(err)
	}
	gate, err := policy.NewGate(policy.ToolRules{
		AllowedTools:   []string{"read_file", "list_directory"},
		BlockedTools:   []string{"execute_command", "run_shell"},
		CallsPerMinute: 30,
	})
	if err != nil {
		panic(err)
	}
	log, err := audit.Open(audit.Options{OnRecord: func(r audit.Record) {
		if r.Kind == audit.KindCall {
			fmt.Printf("Tool: %s, Success: %v\n", r.Tool, r.Success)
		}
	}})
	if err != nil {
		panic(err)
	}
	defer log.Close()
	host, err := mcphost.New(cfg, mcphost.Options{Gate: gate, Audit: log, Transport: inMemory})
	if err != nil {
		panic(err)
	}
	defer host.Close()
	if err := errors.Join(host.Start(ctx), host.WaitReady(ctx)); err != nil {
		panic(err)
	}

	result, err := host.Execute(ctx, mcphost.Call{Tool: "list_directory", Arguments: []byte(`{"path":"/tmp"}`)})
	fmt.Println(result.Text(), err)
	_, err = host.Execute(ctx, mcphost.Call{Tool: "filesystem__run_shell", Arguments: []byte(`{"path":"/tmp"}`)})
	fmt.Println(err)

	// Output:
	// Tool: list_directory, Success: true
	// file1.txt <nil>
	// Tool: run_shell, Success: false
	// Tool 'run_shell' is blocked by security policy
}

// Accessing the audit log as the guide does: the newest records, by name, errors alone, and clearing it.
func ExampleHost_Audit() {
	ctx := context.Background()
	cfg, _, err := mcphost.ParseConfig([]byte(config), mcphost.ParseOptions{})
	if err != nil {
		panic(err)
	}
	host, err := mcphost.New(cfg, mcphost.Options{Transport: inMemory})
	if err != nil {
		panic(err)
	}
	defer host.Close()
	if err := errors.Join(host.Start(ctx), host.WaitReady(ctx)); err != nil {
		panic(err)
	}
	host.Execute(ctx, mcphost.Call{Tool: "list_directory", Arguments: []byte(`{"path":"/tmp","token":"t0p-secret"}`)})
	host.Execute(ctx, mcphost.Call{Tool: "read_file", Arguments: []byte(`{"path":"/tmp/none"}`)})

	log := host.Audit()
	for _, r := range log.Query(audit.Filter{Tool: "list", Limit: 50}) {
		fmt.Printf("%s %s %s\n", r.Tool, r.Arguments, r.Decision)
	}
	for _, r := range log.Query(audit.Filter{ErrorsOnly: true}) {
		fmt.Printf("%s: %s\n", r.Tool, r.Error)
	}
	log.Clear()
	fmt.Println(len(log.Query(audit.Filter{})))

	// Output:
	// list_directory {"path":"/tmp","token":"[REDACTED]"} allow
	// read_file: no such file
	// 0
}
