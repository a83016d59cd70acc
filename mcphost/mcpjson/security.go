package mcpjson

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/screen"
	"github.com/toolserve/toolserve/policy/trust"
)

func securityKeys() []string {
	return append(readKeys(), "allowed_commands", "extra_commands", "allowed_packages", "allowed_env", "allowed_hosts", "pins",
		"allowed_tools", "blocked_tools", "ask_tools", "high_risk", "allowed_high_risk_tools", "max_calls_per_minute",
		"max_server_calls_per_minute", "max_total_calls_per_minute", "blocked_argument_patterns", "rules", "flow", "path_rules",
		"path_arguments", "roots", "redact_keys", "audit_file", "audit_sync", "audit_max_bytes", "audit_max_files",
		"sandbox", "sandbox_limits", "trust", "new_tools", "screen", "lock_file", "max_reads_per_minute")
}

// security reads the security block. Unlike in a server's entry an error here fails the whole file:
// a rule that is not understood must not be a rule that is not applied.
func (p *configParser) security(block jsonc.Node) error {
	members, err := block.Members()
	if err != nil {
		return err
	}
	for _, m := range members {
		known, err := p.launchRule(m)
		if !known {
			known, err = p.toolRule(m)
		}
		if !known {
			known, err = readRule(&p.cfg.Security.Tools.Reads, m)
		}
		if !known {
			known, err = p.recordRule(m)
		}
		if !known {
			known, err = p.trustRule(m)
		}
		if !known {
			p.warnUnknown("", m, securityKeys())
		}
		if err != nil {
			return inKey(m.Key, err)
		}
	}
	return nil
}

func (p *configParser) launchRule(m jsonc.Member) (known bool, err error) {
	rules := &p.cfg.Security.Launch
	switch m.Key {
	case "allowed_commands":
		rules.AllowedCommands, err = names(m.Value)
	case "extra_commands":
		rules.ExtraCommands, err = names(m.Value)
	case "allowed_packages":
		rules.AllowedPackages, err = names(m.Value)
	case "allowed_env":
		rules.AllowedEnv, err = names(m.Value)
	case "allowed_hosts":
		rules.AllowedHosts, err = names(m.Value)
	case "pins":
		rules.Pins, err = oneOf(m.Value, policy.PinsOff, policy.PinsWarn, policy.PinsRequire)
	default:
		return false, nil
	}
	return true, err
}

func (p *configParser) toolRule(m jsonc.Member) (known bool, err error) {
	rules := &p.cfg.Security.Tools
	switch m.Key {
	case "allowed_tools":
		rules.AllowedTools, err = names(m.Value)
	case "blocked_tools":
		rules.BlockedTools, err = names(m.Value)
	case "ask_tools":
		rules.AskTools, err = names(m.Value)
	case "high_risk":
		rules.HighRisk, err = oneOf(m.Value, policy.RiskWarn, policy.RiskAsk, policy.RiskBlock)
	case "allowed_high_risk_tools":
		var more []string
		more, err = names(m.Value)
		p.cfg.AllowedHighRiskTools = append(p.cfg.AllowedHighRiskTools, more...)
	case "max_calls_per_minute":
		rules.CallsPerMinute, err = callsPerMinute(m.Value)
	case "max_server_calls_per_minute":
		rules.ServerCallsPerMinute, err = positiveInt(m.Value)
	case "max_total_calls_per_minute":
		rules.TotalCallsPerMinute, err = positiveInt(m.Value)
	case "max_reads_per_minute":
		rules.Reads.PerMinute, err = callsPerMinute(m.Value)
	case "blocked_argument_patterns":
		rules.BlockedArgPatterns, err = patterns(m.Value)
	case "rules":
		rules.Rules, err = p.callRules(m.Value)
	case "flow":
		rules.Flow, err = p.flowRules(m.Value)
	case "path_rules":
		var on bool
		on, err = m.Value.Bool()
		rules.NoPathRules = err == nil && !on
	case "path_arguments":
		rules.PathArguments, err = names(m.Value)
	case "roots":
		rules.Roots, err = p.roots(m.Value)
	default:
		return false, nil
	}
	return true, err
}

func (p *configParser) recordRule(m jsonc.Member) (known bool, err error) {
	s := &p.cfg.Security
	switch m.Key {
	case "redact_keys":
		s.RedactKeys, err = names(m.Value)
	case "audit_file":
		s.AuditFile, err = p.file(m.Value, "to keep the log in memory")
	case "audit_sync":
		s.AuditSync, err = auditSync(m.Value)
	case "audit_max_bytes":
		s.AuditMaxBytes, err = limitOrNone[int64](m.Value, 1<<40)
	case "audit_max_files":
		s.AuditMaxFiles, err = limitOrNone[int](m.Value, 1e6)
	case "sandbox_limits":
		s.SandboxLimits, err = p.sandboxLimits("", m.Value)
	case "sandbox":
		s.Sandbox, err = oneOf(m.Value, "off", "best-effort", "require")
	default:
		return false, nil
	}
	return true, err
}

func (p *configParser) trustRule(m jsonc.Member) (known bool, err error) {
	s := &p.cfg.Security
	switch m.Key {
	case "trust":
		s.Trust, err = oneOf(m.Value, trust.Off, trust.Warn, trust.Hold)
	case "new_tools":
		var word string
		word, err = oneOf(m.Value, "allow", "hold")
		s.HoldNewTools = word == "hold"
	case "screen":
		s.Screen, err = oneOf(m.Value, screen.Off, screen.Warn, screen.Hold)
	case "lock_file":
		s.LockFile, err = p.file(m.Value, "to keep it beside the configuration")
	default:
		return false, nil
	}
	return true, err
}

// auditSync reads when the file is flushed: "close", "always", or every so many seconds.
func auditSync(n jsonc.Node) (time.Duration, error) {
	if !n.IsString() {
		return seconds(n)
	}
	word, err := oneOf(n, "close", "always")
	if err == nil && word == "always" {
		return -1, nil
	}
	return 0, err
}

func (p *configParser) roots(n jsonc.Node) ([]string, error) {
	roots, err := p.texts(n)
	for i, root := range roots {
		roots[i] = p.resolve(root)
	}
	return roots, err
}

// file reads the path of a file. without says what leaving the key out is for.
func (p *configParser) file(n jsonc.Node, without string) (string, error) {
	path, err := n.Text()
	if err != nil {
		return "", err
	}
	if path == "" {
		return "", n.Errorf("must not be empty; leave the key out %s", without)
	}
	return p.resolve(path), nil
}

// resolve makes a path of the file absolute: relative ones start at the file's folder.
func (p *configParser) resolve(path string) string {
	if filepath.IsAbs(path) || p.dir == "" {
		return path
	}
	return filepath.Join(p.dir, path)
}

// LockFile returns the path of the lock file, or "" where there is none: that of the security block, or
// mcp.lock.json beside an mcp.json.
func (c *Config) LockFile() string {
	switch {
	case c.Security.LockFile != "":
		return c.Security.LockFile
	case c.Path == "":
		return ""
	}
	return strings.TrimSuffix(c.Path, filepath.Ext(c.Path)) + ".lock.json"
}

// LaunchRules returns the rules of the configuration for what may be started.
func (c *Config) LaunchRules() policy.LaunchRules { return c.Security.Launch }

// ToolRules returns the rules of the configuration for what may be called, those in the servers'
// entries included.
func (c *Config) ToolRules() policy.ToolRules {
	rules := c.Security.Tools
	rules.AllowedHighRiskTools = slices.Concat(rules.AllowedHighRiskTools, c.AllowedHighRiskTools)
	rules.Servers = maps.Clone(rules.Servers)
	for _, s := range c.Servers {
		own := policy.ServerRules{
			AllowedTools: s.AllowedTools, BlockedTools: s.BlockedTools, AutoApprove: s.AutoApprove,
			Roots: s.Roots, CallsPerMinute: s.CallsPerMinute, Reads: s.Reads,
		}
		if reflect.ValueOf(own).IsZero() {
			continue
		}
		if rules.Servers == nil {
			rules.Servers = map[string]policy.ServerRules{}
		}
		rules.Servers[s.Name] = own
	}
	return rules
}

// AuditOptions returns how the configuration wants its audit log kept: the values of its secrets are
// hidden in it.
func (c *Config) AuditOptions() audit.Options {
	return audit.Options{
		Path:      c.Security.AuditFile,
		SyncEvery: c.Security.AuditSync, MaxBytes: c.Security.AuditMaxBytes, MaxFiles: c.Security.AuditMaxFiles,
		Redactor: audit.NewRedactor(audit.RedactorOptions{Secrets: c.Secrets(), Keys: c.Security.RedactKeys}),
	}
}

// Spec is the entry as the launch rules judge it.
func (s ServerConfig) Spec() policy.ServerSpec {
	spec := policy.ServerSpec{Name: s.Name, SkipSecurityValidation: s.SkipSecurityValidation}
	if s.Transport == TransportStdio {
		spec.Command, spec.Args, spec.Env, spec.Cwd = s.Command, s.Args, s.Env, s.Dir
	} else {
		spec.URL, spec.Headers = s.URL, s.Headers
	}
	return spec
}
