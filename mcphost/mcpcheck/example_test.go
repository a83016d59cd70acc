package mcpcheck_test

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/mcpcheck"
)

// The guide's blocked attack is refused, and the other servers are judged on.
func ExampleCheck() {
	cfg, warnings, err := mcphost.ParseConfig([]byte(`{
	  "mcpServers": {
	    "malicious": { "command": "bash", "args": ["-c", "rm -rf /"] },
	    "remote":    { "url": "https://mcp.example.com/mcp" }
	  }
	}`), mcphost.ParseOptions{})
	if err != nil {
		panic(err)
	}
	report, err := mcpcheck.Check(cfg, mcpcheck.Options{Warnings: warnings})
	if err != nil {
		panic(err)
	}
	for _, s := range report.Servers {
		fmt.Println(s.Name, s.Allowed)
	}
	fmt.Println(strings.SplitAfter(report.Servers[0].Reason, "whitelist.")[0])

	// Output:
	// malicious false
	// remote true
	// MCP server 'malicious': Command 'bash' is not in the allowed commands whitelist.
}
