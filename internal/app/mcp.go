package app

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
)

// startHost reads the mcp.json and begins to start its servers. Without a file there is no host. A file
// that cannot be read ends the start: a server without the tools that were asked for helps nobody. A bad
// entry in it does not.
func (a *App) startHost(ctx context.Context) error {
	tools := a.cfg.Tools
	if tools.MCPConfig == "" {
		return nil
	}
	cfg, warnings, err := mcphost.LoadConfig(tools.MCPConfig, mcphost.ParseOptions{LookupEnv: a.lookupEnv})
	if err != nil {
		return fmt.Errorf("--mcp-config: %w", err)
	}
	for _, w := range warnings {
		a.log.Warn("mcp config", "file", filepath.Base(tools.MCPConfig), "warning", w.String())
	}
	a.applyFlags(cfg)
	redactor := cfg.AuditOptions().Redactor
	redactor.AddSecrets(a.cfg.Network.APIKey)
	a.secrets.use(redactor)
	a.host, err = mcphost.New(cfg, mcphost.Options{Logger: a.log, Sampler: &a.sampler, Elicitation: true})
	if err != nil {
		return fmt.Errorf("--mcp-config %s: %w", tools.MCPConfig, err)
	}
	a.onClose(a.host.Close)
	return a.host.Start(ctx)
}

// lookupEnv finds a variable for ${VAR}. One that is set to nothing counts as unset: no server is helped by
// an empty secret.
func (a *App) lookupEnv(name string) (string, bool) {
	v := a.opts.Getenv(name)
	return v, v != ""
}

// applyFlags puts the flags on top of what the file says, and lets the rules look at this machine's files.
func (a *App) applyFlags(cfg *mcphost.Config) {
	t := a.cfg.Tools
	launch, rules := &cfg.Security.Launch, &cfg.Security.Tools
	launch.Machine, rules.ResolvePath = policy.LocalMachine(), policy.ResolveSymlinks
	launch.ExtraCommands = append(launch.ExtraCommands, t.AllowCommand...)
	launch.AllowUnsafe = launch.AllowUnsafe || t.AllowUnsafeMCP
	launch.Exposed = !a.cfg.Network.Loopback()
	if len(t.AllowedTools) > 0 {
		rules.AllowedTools = t.AllowedTools
	}
	rules.BlockedTools = append(rules.BlockedTools, t.BlockedTools...)
	cfg.AllowedHighRiskTools = append(cfg.AllowedHighRiskTools, t.AllowHighRiskTools...)
	if t.HighRisk != "" {
		rules.HighRisk = policy.RiskMode(t.HighRisk)
	}
	if t.MaxCallsPerMinute > 0 {
		rules.CallsPerMinute = t.MaxCallsPerMinute
	}
	if t.AuditFile != "" {
		cfg.Security.AuditFile = t.AuditFile
	}
}

// mcpSummary is the mcp part of GET /health.
type mcpSummary struct {
	Enabled   bool `json:"enabled"`
	Connected int  `json:"servers_connected"`
	Total     int  `json:"servers_total"`
	Tools     int  `json:"tools_available"`
}

func summary(host *mcphost.Host) mcpSummary {
	s := mcpSummary{Enabled: true}
	for _, status := range host.Status() {
		s.Total++
		if status.State == mcphost.StateConnected {
			s.Connected++
			s.Tools += status.Tools
		}
	}
	return s
}
