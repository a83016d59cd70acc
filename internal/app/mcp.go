package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/toolserve/toolserve/internal/filewatch"
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
	var files *filewatch.Watcher
	if tools.Watch {
		files = filewatch.New(filewatch.Options{Logger: a.log}, tools.MCPConfig) // before it is read
		a.onClose(files.Close)
	}
	cfg, err := a.loadMCP()
	if err != nil {
		return fmt.Errorf("--mcp-config: %w", err)
	}
	a.redactor = cfg.AuditOptions().Redactor
	a.redactor.AddSecrets(a.cfg.Network.APIKey)
	a.secrets.use(a.redactor)
	a.host, err = mcphost.New(cfg, mcphost.Options{
		Logger: a.log, Sampler: &a.sampler, Elicitation: true, Tokens: mcphost.OpenTokens(a.opts.Getenv),
		RunDir: a.runDir(), Private: []string{a.cfg.Network.APIKeysFile, a.cfg.Network.TLSKey},
	})
	if err != nil {
		return fmt.Errorf("--mcp-config %s: %w", tools.MCPConfig, err)
	}
	a.onClose(a.host.Close)
	if err := a.host.Start(context.WithoutCancel(ctx)); err != nil { // Close ends it, after the calls of running requests
		return err
	}
	if tools.Watch {
		a.watchMCP(ctx, files, cfg)
	}
	return nil
}

// loadMCP reads the mcp.json and puts the flags on top.
func (a *App) loadMCP() (*mcphost.Config, error) {
	path := a.cfg.Tools.MCPConfig
	cfg, warnings, err := mcphost.LoadConfig(path, mcphost.ParseOptions{LookupEnv: a.lookupEnv})
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		a.log.Warn("mcp config", "file", filepath.Base(path), "warning", w.String())
	}
	a.applyFlags(cfg)
	return cfg, nil
}

// ReloadMCP reads the mcp.json again and puts what it says into force. What cannot be read or used is said
// in the log and in GET /v1/mcp/status, and changes nothing.
func (a *App) ReloadMCP() {
	if a.host == nil {
		a.log.Warn("there is no MCP configuration to read again; start with --mcp-config FILE")
		return
	}
	a.reloading.Lock()
	defer a.reloading.Unlock()
	cfg, err := a.loadMCP()
	if err == nil {
		a.redactor.AddSecrets(cfg.Secrets()...)
		a.redactor.AddKeys(cfg.Security.RedactKeys...)
		_, err = a.host.Reload(cfg)
	}
	if err != nil {
		a.host.ReloadFailed(err)
		return
	}
	a.mcpFiles.Store(&cfg.Files)
}

// watchMCP reloads the configuration when one of its files changes.
func (a *App) watchMCP(ctx context.Context, files *filewatch.Watcher, cfg *mcphost.Config) {
	a.mcpFiles.Store(&cfg.Files)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		files.Run(ctx, func() []string { return *a.mcpFiles.Load() }, a.ReloadMCP)
	}()
	a.onClose(func() error {
		cancel()
		<-ended
		return nil
	})
}

// runDir is where records of the servers' processes are kept: a folder that is the user's alone, or "".
func (a *App) runDir() string {
	if dir := a.opts.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "toolserve")
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "toolserve", "run")
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
