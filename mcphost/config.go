package mcphost

import (
	"github.com/toolserve/toolserve/mcphost/internal/confine"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

// The configuration is read by the package mcpjson; its types have their names here too.
type (
	// Config is an mcp.json, read and checked: see [mcpjson.Config].
	Config = mcpjson.Config
	// ServerConfig is one server's entry: see [mcpjson.ServerConfig].
	ServerConfig = mcpjson.ServerConfig
	// Security is the security block: see [mcpjson.Security].
	Security = mcpjson.Security
	// SamplingConfig is whether a server may ask the model: see [mcpjson.Sampling].
	SamplingConfig = mcpjson.Sampling
	// ElicitationConfig is what a server may ask people: see [mcpjson.Elicitation].
	ElicitationConfig = mcpjson.Elicitation
	// SandboxConfig is what an entry says about its sandbox: see [mcpjson.SandboxConfig].
	SandboxConfig = mcpjson.SandboxConfig
	// SandboxNet is which connections a server may make: see [mcpjson.SandboxNet].
	SandboxNet = mcpjson.SandboxNet
	// OAuth says how a remote server's access tokens are got: see [mcpjson.OAuth].
	OAuth = mcpjson.OAuth
	// Transport says how a server is reached.
	Transport = mcpjson.Transport
	// ParseOptions says in what surroundings a configuration is read.
	ParseOptions = mcpjson.ParseOptions
	// Warning is something in a configuration that works but is probably not meant.
	Warning = mcpjson.Warning
	// SandboxSummary is how a server's process is confined, or would be.
	SandboxSummary = confine.Summary
)

// The transports.
const (
	TransportStdio = mcpjson.TransportStdio
	TransportHTTP  = mcpjson.TransportHTTP
	TransportSSE   = mcpjson.TransportSSE
	TransportAuto  = mcpjson.TransportAuto
)

// The settings of how much a stdio server's process is confined.
const (
	SandboxOff        = mcpjson.SandboxOff
	SandboxBestEffort = mcpjson.SandboxBestEffort
	SandboxRequire    = mcpjson.SandboxRequire
)

// The defaults of a configuration.
const (
	DefaultMaxToolCalls   = mcpjson.DefaultMaxToolCalls
	DefaultTimeout        = mcpjson.DefaultTimeout
	DefaultConnectTimeout = mcpjson.DefaultConnectTimeout
)

// LoadConfig reads a configuration file: see [mcpjson.Load].
func LoadConfig(path string, opts ParseOptions) (*Config, []Warning, error) {
	return mcpjson.Load(path, opts)
}

// ParseConfig reads the text of an mcp.json: see [mcpjson.Parse].
func ParseConfig(data []byte, opts ParseOptions) (*Config, []Warning, error) {
	return mcpjson.Parse(data, opts)
}
