// Package mcpcheck judges a configuration without starting anything.
package mcpcheck

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/confine"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/trust"
)

// Options say what [Check] judges by. The zero value judges by the configuration's own rules.
type Options struct {
	// Launch and Gate are as in [mcphost.Options].
	Launch *policy.LaunchRules
	Gate   *policy.Gate
	// Warnings are those of reading the configuration; each is reported with its server.
	Warnings []mcphost.Warning
	// Call, when set, is a call to judge as well.
	Call *mcphost.Call
}

// Report is what [Check] found. It encodes to JSON as `toolserve mcp check --json` prints it.
type Report struct {
	Servers []ServerReport `json:"servers"`
	// Warnings are about the file as a whole.
	Warnings []string `json:"warnings,omitempty"`
	// Call is the judgement of the call that was asked about.
	Call *CallReport `json:"call,omitempty"`
}

// ServerReport is the judgement of one server.
type ServerReport struct {
	Name    string `json:"name"`
	Allowed bool   `json:"allowed"`
	// Reason says why the server is refused, and what to do; empty when allowed.
	Reason   string                 `json:"reason"`
	Warnings []string               `json:"warnings"`
	Disabled bool                   `json:"disabled,omitempty"`
	Sandbox  mcphost.SandboxSummary `json:"sandbox"`
	// Trust says how the entry compares with the lock file: "new", "approved", "changed" or "off"; "" where
	// the configuration has none.
	Trust string `json:"trust,omitempty"`
	// Changed is what changed since the entry was approved, or nil. Such a server is held when it is to be
	// started.
	Changed *mcphost.Pending `json:"changed,omitempty"`
}

// CallReport is the judgement of a call.
type CallReport struct {
	Decision policy.Action `json:"decision"`
	Reason   string        `json:"reason"`
	Warnings []string      `json:"warnings,omitempty"`
}

// OK reports whether no server is refused.
func (r Report) OK() bool {
	for _, s := range r.Servers {
		if !s.Allowed {
			return false
		}
	}
	return true
}

// Check judges every server of a configuration, and a call, without starting or dialling anything. It
// fails when the rules themselves cannot be used.
func Check(cfg *mcphost.Config, opts Options) (Report, error) {
	launch := opts.Launch
	if launch == nil {
		rules := cfg.LaunchRules()
		launch = &rules
	}
	gate := opts.Gate
	if gate == nil {
		var err error
		if gate, err = policy.NewGate(cfg.ToolRules()); err != nil {
			return Report{}, err
		}
	}
	report := Report{Servers: []ServerReport{}}
	for _, s := range cfg.Servers {
		report.Servers = append(report.Servers, checkServer(cfg, s, launch, opts.Warnings))
	}
	if err := report.compare(cfg); err != nil {
		report.Warnings = append(report.Warnings, err.Error())
	}
	for _, w := range opts.Warnings {
		if w.Server == "" {
			report.Warnings = append(report.Warnings, w.String())
		}
	}
	if opts.Call != nil {
		call := checkCall(cfg, gate, *opts.Call)
		report.Call = &call
	}
	return report, nil
}

// compare says of each server how it compares with the lock file. It writes nothing.
func (r *Report) compare(cfg *mcphost.Config) error {
	if cfg.LockFile() == "" {
		return nil
	}
	approvals, err := mcphost.OpenApprovals(cfg)
	if err != nil {
		return err
	}
	for i := range r.Servers {
		s := &r.Servers[i]
		if !s.Allowed {
			continue
		}
		if s.Trust, s.Changed, err = approvals.Launch(s.Name); err != nil {
			return err
		}
		if s.Changed != nil {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s (%s): it is held until %s",
				s.Changed.Reason, trust.Paths(s.Changed.Diff, 5), s.Changed.Mend))
		}
	}
	return nil
}

func checkServer(cfg *mcphost.Config, s mcphost.ServerConfig, launch *policy.LaunchRules, warnings []mcphost.Warning) ServerReport {
	r := ServerReport{Name: s.Name, Disabled: s.Disabled, Warnings: []string{}, Sandbox: mcphost.SandboxSummary{Level: "none"}}
	for _, w := range warnings {
		if w.Server == s.Name {
			r.Warnings = append(r.Warnings, mcphost.Warning{Line: w.Line, Column: w.Column, Message: w.Message}.String())
		}
	}
	if s.Problem != nil {
		r.Reason = s.Problem.Error()
		return r
	}
	verdict := launch.CheckServer(s.Spec())
	r.Allowed, r.Reason = verdict.Allowed, verdict.Reason
	r.Warnings = append(r.Warnings, verdict.Warnings...)
	var err error
	if r.Sandbox, err = confine.Preview(cfg, &s); err != nil && r.Allowed {
		r.Allowed, r.Reason = false, fmt.Sprintf("MCP server '%s': %v", s.Name, err)
	}
	return r
}

// checkCall judges a call by names alone: without its server running, a tool's schema is not known.
func checkCall(cfg *mcphost.Config, gate *policy.Gate, call mcphost.Call) CallReport {
	server, tool := call.Server, call.Tool
	for _, s := range cfg.Servers {
		own, prefixed := strings.CutPrefix(tool, s.Name+catalog.Separator)
		if prefixed && (server == "" || server == s.Name) {
			server, tool = s.Name, own
			break
		}
	}
	deny := func(reason string) CallReport { return CallReport{Decision: policy.Deny, Reason: reason} }
	switch {
	case tool == "":
		return deny("the call names no tool")
	case server == "" && len(cfg.Servers) == 1:
		server = cfg.Servers[0].Name
	case server == "":
		return deny("the call names no server, and the configuration has more than one")
	}
	known := false
	for _, s := range cfg.Servers {
		known = known || s.Name == server
		if s.Name == server && !s.Offers(tool) {
			return deny("Tool '" + tool + "' is not in the allowed tools list of the server '" + server + "'")
		}
	}
	if !known {
		return deny("Server '" + server + "' not found")
	}
	arguments, err := catalog.ReadArguments(call.Arguments)
	if err != nil {
		return deny("the arguments are " + err.Error())
	}
	d := gate.Preview(policy.Call{Server: server, Tool: tool, Arguments: arguments, Approved: call.Approved})
	return CallReport{Decision: d.Action, Reason: d.Reason, Warnings: d.Warnings}
}
