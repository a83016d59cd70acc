package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/mcpcheck"
	"github.com/toolserve/toolserve/policy"
)

// MCPCheckCmd judges an mcp.json without starting anything.
type MCPCheckCmd struct {
	File string `arg:"" type:"path" help:"The mcp.json."`
	JSON bool   `help:"Print the judgement as JSON."`
	Call string `placeholder:"JSON" help:"A call to judge as well: {\"server\": \"…\", \"tool\": \"…\", \"arguments\": {…}}."`
}

// Help is the long description.
func (*MCPCheckCmd) Help() string {
	return "Exit status: 0 every server may start, 1 one is refused or the file cannot be read, 2 bad usage."
}

// Run prints the judgement of each server.
func (c *MCPCheckCmd) Run(streams IO) error {
	cfg, warnings, err := mcphost.LoadConfig(c.File, mcphost.ParseOptions{LookupEnv: lookup(streams.Env)})
	if err != nil {
		return err
	}
	cfg.Security.Launch.Machine, cfg.Security.Tools.ResolvePath = policy.LocalMachine(), policy.ResolveSymlinks
	opts := mcpcheck.Options{Warnings: warnings}
	if c.Call != "" {
		if opts.Call, err = readCall(c.Call); err != nil {
			return &ExitError{Code: usageStatus, Err: fmt.Errorf("--call: %w", err)}
		}
	}
	report, err := mcpcheck.Check(cfg, opts)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(streams.Out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = printReport(streams.Out, report)
	}
	if err == nil && !report.OK() {
		return &ExitError{Code: 1}
	}
	return err
}

// lookup tells an unset variable from a set one, which a plain getenv cannot: empty counts as unset.
func lookup(getenv func(string) string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v := getenv(name)
		return v, v != ""
	}
}

func readCall(text string) (*mcphost.Call, error) {
	var call struct {
		Server    string          `json:"server"`
		Tool      string          `json:"tool"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := json.Unmarshal([]byte(text), &call); err != nil {
		return nil, fmt.Errorf("not a JSON object with server, tool and arguments: %w", err)
	}
	if call.Tool == "" {
		return nil, fmt.Errorf("the call names no tool")
	}
	return &mcphost.Call{Server: call.Server, Tool: call.Tool, Arguments: call.Arguments}, nil
}

func printReport(out io.Writer, report mcpcheck.Report) error {
	for _, w := range report.Warnings {
		fmt.Fprintf(out, "warning: %s\n", w)
	}
	for _, s := range report.Servers {
		verdict := "allowed"
		switch {
		case !s.Allowed:
			verdict = "REFUSED"
		case s.Disabled:
			verdict = "disabled"
		}
		fmt.Fprintf(out, "%-9s %s\n", verdict, s.Name)
		if s.Reason != "" {
			fmt.Fprintf(out, "          %s\n", s.Reason)
		}
		for _, w := range s.Warnings {
			fmt.Fprintf(out, "          warning: %s\n", w)
		}
	}
	if c := report.Call; c != nil {
		fmt.Fprintf(out, "call      %s %s\n", c.Decision, c.Reason)
	}
	_, err := fmt.Fprintf(out, "%d servers\n", len(report.Servers))
	return err
}
