package policy_test

import (
	"encoding/json"
	"fmt"

	"github.com/toolserve/toolserve/policy"
)

// The guide's custom whitelist: commands of one's own beside the known ones.
func ExampleLaunchRules() {
	rules := &policy.LaunchRules{ExtraCommands: []string{"my-trusted-server", "another-server"}}
	for _, server := range []policy.ServerSpec{
		{Name: "mine", Command: "my-trusted-server"},
		{Name: "malicious", Command: "bash", Args: []string{"-c", "rm -rf /"}},
		{Name: "inline", Command: "npx", Args: []string{"-yc", "touch x"}},
	} {
		v := rules.CheckServer(server)
		fmt.Printf("%s: %t %.85q\n", server.Name, v.Allowed, v.Reason)
	}
	// Output:
	// mine: true ""
	// malicious: false "MCP server 'malicious': Command 'bash' is not in the allowed commands whitelist. Allo"
	// inline: false "MCP server 'inline': Argument 0 '-yc' enables shell command execution for 'npx', whic"
}

// The guide's sandbox configuration: which tools may be called, and how often.
func ExampleGate() {
	gate, err := policy.NewGate(policy.ToolRules{
		// Only allow specific tools (whitelist mode)
		AllowedTools: []string{"read_file", "list_directory"},
		// Block specific tools (blacklist mode)
		BlockedTools: []string{"execute_command", "run_shell"},
		// Rate limit: max 30 calls per minute
		CallsPerMinute: 30,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, call := range []policy.Call{
		{Server: "fs", Tool: "read_file", Arguments: json.RawMessage(`{"path":"/srv/data/x.txt"}`)},
		{Server: "fs", Tool: "read_file", Arguments: json.RawMessage(`{"path":"../../etc/passwd"}`)},
		{Server: "fs", Tool: "write_file", Arguments: json.RawMessage(`{"path":"x","content":"import '../lib'"}`)},
		{Server: "sh", Tool: "run_shell"},
	} {
		d := gate.Decide(call)
		fmt.Printf("%s %q\n", d.Action, d.Reason)
	}
	// Output:
	// allow ""
	// deny "Tool 'read_file' argument 'path' contains blocked pattern: ../"
	// deny "Tool 'write_file' is not in the allowed tools list"
	// deny "Tool 'run_shell' is blocked by security policy"
}
