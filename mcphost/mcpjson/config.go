// Package mcpjson reads an mcp.json: the MCP servers of a host and the rules for them, in the dialects of
// the common clients. What is wrong with one server is that server's problem; a rule that is not
// understood fails the file.
package mcpjson

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/screen"
	"github.com/toolserve/toolserve/policy/trust"
)

// The bounds of a configuration file.
const (
	maxConfigSize    = 4 << 20
	maxConfigServers = 1000
)

// The defaults of a configuration.
const (
	// DefaultMaxParallelCalls is how many calls one server runs at a time.
	DefaultMaxParallelCalls = 64
	DefaultMaxToolCalls     = 10
	DefaultTimeout          = 30 * time.Second
	DefaultConnectTimeout   = 60 * time.Second
)

// Transport says how a server is reached.
type Transport string

// The transports. TransportAuto is an entry with a url and no type: Streamable HTTP, and the older
// SSE transport where the server does not speak it.
const (
	TransportStdio Transport = "stdio"
	TransportHTTP  Transport = "http"
	TransportSSE   Transport = "sse"
	TransportAuto  Transport = "auto"
)

// Config is an mcp.json, read and checked. The zero Config has no servers.
type Config struct {
	// Path is the file it came from, or "".
	Path string
	// Files are all files that it was read from: Path, and the envFiles of its servers.
	Files []string
	// Servers are the entries in the order of the file, the unusable ones included.
	Servers []ServerConfig
	// MaxToolCalls bounds the rounds of a loop that calls tools; 0 means 10.
	MaxToolCalls int
	// DefaultTimeout bounds a call of a server that sets no timeout of its own; 0 means 30 s.
	DefaultTimeout time.Duration
	// AllowedHighRiskTools are names, own or full, of tools that the high-risk rule lets pass.
	AllowedHighRiskTools []string
	// Security holds the rules of the security block.
	Security Security

	// written are the entries as the file has them, by name.
	written map[string]writtenEntry
	// lookedUp are the values of variables that are secret by their name and were filled in.
	lookedUp []string
}

// Security is the security block: what may be started and called, and what is kept of it.
type Security struct {
	// Launch judges what an entry asks to be started or dialled; see [Config.LaunchRules].
	Launch policy.LaunchRules
	// Tools judge each call; see [Config.ToolRules].
	Tools policy.ToolRules
	// RedactKeys are further names of fields whose values the audit log must not hold.
	RedactKeys []string
	// AuditFile is where the audit log is written; "" keeps it in memory alone.
	AuditFile string
	// AuditSync, AuditMaxBytes and AuditMaxFiles are SyncEvery, MaxBytes and MaxFiles of [audit.Options].
	AuditSync     time.Duration
	AuditMaxBytes int64
	AuditMaxFiles int
	// Trust says what is done about servers and tools that are not as they were approved; "" means hold.
	Trust trust.Mode
	// HoldNewTools holds tools that a server did not offer when it was first used.
	HoldNewTools bool
	// Screen says what is done about findings in the texts of servers; "" means warn.
	Screen screen.Mode
	// LockFile is where approvals are kept; "" means beside the configuration, see [Config.LockFile].
	LockFile string
	// Sandbox is how much stdio servers are confined: "off", "best-effort" or "require"; "" is the default.
	Sandbox string
	// SandboxLimits bound what each of them may use, where its entry says nothing.
	SandboxLimits SandboxLimits
}

// ServerConfig is one server's entry.
type ServerConfig struct {
	Name      string
	Transport Transport
	// Command, Args, Env, and Dir start a stdio server. Env is what the entry and its envFile set, on
	// top of the minimal environment that every server gets.
	Command string
	Args    []string
	Env     map[string]string
	Dir     string
	// Unset are variables that the process does not get, although every server does: null in the entry.
	Unset []string
	// URL and Headers reach a remote server.
	URL     string
	Headers map[string]string
	// OAuth says how a remote server's access tokens are got.
	OAuth OAuth
	// Disabled keeps the server from being started.
	Disabled bool
	// Timeout bounds a call; 0 means Config.DefaultTimeout.
	Timeout time.Duration
	// MaxTimeout bounds a call that tells of its progress, each time of which gives it Timeout once more; 0
	// means ten times that, and less than that is that.
	MaxTimeout time.Duration
	// ConnectTimeout bounds starting and the handshake; 0 means 60 s, since npx may first have to download.
	ConnectTimeout time.Duration
	// Lazy starts the server with its first call and ends it after IdleTimeout without one; 0 means 5 min.
	Lazy        bool
	IdleTimeout time.Duration
	// AllowedTools, when not nil, are the own names of the only tools offered; BlockedTools are not.
	AllowedTools, BlockedTools []string
	// AutoApprove are own names of tools that need no approval; "*" is all.
	AutoApprove []string
	// Sandbox is what the entry says about how its process is confined.
	Sandbox SandboxConfig
	// SkipSecurityValidation starts the server without the launch rules, where the host allows that.
	SkipSecurityValidation bool
	// Roots, unless empty, hold the path arguments of this server's calls in place of the general ones.
	// They are also the folders that the server is told of, in place of what its sandbox grants; NoRoots
	// tells it of none.
	Roots   []string
	NoRoots bool
	// CallerRoots says that a caller who is an MCP client itself names the roots (revision 2026-07-28).
	CallerRoots bool
	// Sampling and Elicitation are what it may ask of the model and of people.
	Sampling    Sampling
	Elicitation Elicitation
	// LogLevel is the least level of its own log lines that are logged, in words of MCP; "" is what the
	// server thinks right, "off" none.
	LogLevel string
	// CallsPerMinute limits the calls of this server; 0 means the general limit, -1 none.
	CallsPerMinute int
	// MaxParallelCalls is how many calls the server runs at a time; more wait, those of each key in order
	// and the keys in turn. 0 means DefaultMaxParallelCalls.
	MaxParallelCalls int
	// Reads say which of its resources and prompts may be read.
	Reads policy.ReadRules
	// Trust says what is done about changes of this server and its tools; "" means Security.Trust.
	Trust trust.Mode
	// Problem says why the entry cannot be used, or is nil. Such a server is listed as failed.
	Problem error
}

// Warning is something in a configuration that works but is probably not meant.
type Warning struct {
	// Server is the entry it is about, or "".
	Server string
	// Line and Column are its place in the file, from 1; 0 where it has none.
	Line, Column int
	Message      string
}

// String returns the warning as one line.
func (w Warning) String() string {
	var s strings.Builder
	if w.Line > 0 {
		fmt.Fprintf(&s, "line %d, column %d: ", w.Line, w.Column)
	}
	if w.Server != "" {
		fmt.Fprintf(&s, "MCP server '%s': ", w.Server)
	}
	s.WriteString(w.Message)
	return s.String()
}

// ParseOptions says in what surroundings a configuration is read. The zero value works.
type ParseOptions struct {
	// Path is the file's name for messages; relative paths in the file start at its folder.
	Path string
	// LookupEnv finds a variable for ${VAR}; nil is os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// Load reads a configuration file. See [Parse].
func Load(path string, opts ParseOptions) (*Config, []Warning, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("MCP config file not found: %s", path)
		}
		return nil, nil, fmt.Errorf("read MCP config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read MCP config %s: %w", path, err)
	}
	opts.Path = path
	return Parse(data, opts)
}

// Parse reads the text of an mcp.json: comments, trailing commas, the root keys mcpServers and
// servers, the dialects of the common clients, and ${VAR}, ${VAR:-default}, ${env:VAR}. It fails for
// a text that is not JSON or is ambiguous, with line and column. What is wrong with a single server
// is kept as that server's Problem and does not touch the others.
func Parse(data []byte, opts ParseOptions) (*Config, []Warning, error) {
	p := newConfigParser(opts)
	if len(data) > maxConfigSize {
		return nil, nil, p.fail(fmt.Errorf("larger than %d MiB", maxConfigSize>>20))
	}
	doc, err := jsonc.Parse(data)
	if err != nil {
		return nil, nil, p.fail(err)
	}
	if err := p.root(doc); err != nil {
		return nil, nil, p.fail(err)
	}
	return p.cfg, p.warnings, nil
}

// configParser carries the state of one Parse.
type configParser struct {
	cfg      *Config
	opts     ParseOptions
	dir      string
	vars     jsonc.Expander
	sandbox  *jsonc.Node       // VS Code\'s, of the root, for the entries that have sandboxEnabled; or nil
	local    map[string]string // what the env of the entry that is read sets
	warnings []Warning
}

func newConfigParser(opts ParseOptions) *configParser {
	if opts.LookupEnv == nil {
		opts.LookupEnv = os.LookupEnv
	}
	p := &configParser{opts: opts, cfg: &Config{Path: opts.Path}}
	if opts.Path != "" {
		p.cfg.Files = []string{opts.Path}
		p.dir = filepath.Dir(opts.Path)
		if abs, err := filepath.Abs(p.dir); err == nil {
			p.dir = abs
		}
	}
	p.vars = jsonc.Expander{Lookup: p.lookUp, Dir: p.dir}
	return p
}

// fail names the file before the reason, in the form that editors know.
func (p *configParser) fail(err error) error {
	name := p.opts.Path
	if name == "" {
		name = "mcp.json"
	}
	return fmt.Errorf("MCP config %s: %w", name, err)
}

func (p *configParser) warn(server string, at jsonc.Node, format string, args ...any) {
	place := at.Errorf(format, args...)
	p.warnings = append(p.warnings, Warning{Server: server, Line: place.Line, Column: place.Column, Message: place.Message})
}

// warnUnknown warns of a key that nothing reads.
func (p *configParser) warnUnknown(server string, m jsonc.Member, known []string) {
	if near := meant(m.Key, known); near != "" {
		p.warn(server, m.At, "unknown key %q is ignored; did you mean %q?", m.Key, near)
		return
	}
	p.warn(server, m.At, "unknown key %q is ignored", m.Key)
}

func rootKeys() []string {
	return []string{"mcpServers", "servers", "max_tool_calls", "default_timeout", "allowed_high_risk_tools", "security"}
}

func (p *configParser) root(doc jsonc.Node) error {
	members, err := doc.Members()
	if err != nil {
		return err
	}
	for _, m := range members { // entries speak of these, wherever they stand
		switch m.Key {
		case "sandbox":
			p.sandbox = &m.Value
		case "inputs":
			err = p.inputs(m.Value)
		}
		if err != nil {
			return inKey(m.Key, err)
		}
	}
	for _, m := range members {
		switch m.Key {
		case "mcpServers", "servers":
			err = p.servers(m)
		case "max_tool_calls":
			p.cfg.MaxToolCalls, err = positiveInt(m.Value)
		case "default_timeout":
			p.cfg.DefaultTimeout, err = seconds(m.Value)
		case "allowed_high_risk_tools":
			p.cfg.AllowedHighRiskTools, err = names(m.Value)
		case "security":
			err = p.security(m.Value)
		case "inputs", "sandbox", "$schema": // VS Code's; read above
		default:
			p.warnUnknown("", m, rootKeys())
		}
		if err != nil {
			return inKey(m.Key, err)
		}
	}
	return nil
}

// servers reads the entries under one of the two root keys.
func (p *configParser) servers(root jsonc.Member) error {
	members, err := root.Value.Members()
	if err != nil {
		return err
	}
	for _, m := range members {
		if slices.ContainsFunc(p.cfg.Servers, func(s ServerConfig) bool { return s.Name == m.Key }) {
			return m.At.Errorf("the server %q is named under both \"mcpServers\" and \"servers\"; keep one", m.Key)
		}
		if len(p.cfg.Servers) == maxConfigServers {
			return m.At.Errorf("more than %d servers", maxConfigServers)
		}
		p.cfg.Servers = append(p.cfg.Servers, p.server(m))
	}
	return nil
}
