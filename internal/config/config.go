// Package config holds the settings of a server: what the flags of `toolserve serve` and the
// environment set, with their defaults and their rules. Only the command line and the wiring read it;
// every other package has options of its own. The tools and their policy are configured in an
// mcp.json, which mcphost reads.
package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
)

// Serve is everything that `toolserve serve` can be told. The struct tags are the flags: names,
// defaults and help; docs/config.md is generated from them.
type Serve struct {
	Model string `arg:"" optional:"" help:"A .gguf file, or org/repo[:quant] on the Hugging Face hub. Without it: the starter model, SmolLM2-135M-Instruct, which is small and only good for trying things out."`

	Network    Network    `embed:"" group:"Network"`
	Engine     Engine     `embed:"" group:"Model and engine"`
	Generation Generation `embed:"" group:"Generation and tool calls"`
	Tools      Tools      `embed:"" group:"Tools and policy"`
	Log        Log        `embed:"" group:"Log"`
}

// Engine is which model runs, on what, and how many requests at once.
type Engine struct {
	ServedModelName    []string `placeholder:"NAME" help:"Name of the model in the API; may be given more than once. The name \"default\" always works."`
	ContinuousBatching bool     `help:"Serve several requests in one batch, up to --max-num-seqs. Without it requests wait for each other."`
	MaxNumSeqs         int      `default:"8" help:"Most requests in one batch, with --continuous-batching."`
	ContextSize        int      `default:"0" help:"Most tokens of one request, prompt and answer together; 0 takes what the model was trained with, at most 8192."`
	CacheSize          int      `default:"0" help:"Tokens that all requests together may hold, those kept for reuse included; 0 takes --context-size for each request, at most 16384 in all."`
	Threads            int      `default:"0" help:"CPU threads for the model; 0 takes the number of physical cores."`
	GPULayers          int      `name:"gpu-layers" default:"-1" help:"Layers to put on the GPU, for an engine variant that has one; -1 puts all."`
	EngineDir          string   `type:"path" help:"Folder with llama.cpp libraries of your own, instead of the pinned ones." env:"TOOLSERVE_ENGINE_DIR"`
	EngineVariant      string   `default:"cpu" enum:"cpu,cuda,vulkan,metal" help:"Build of llama.cpp to use: cpu, cuda, vulkan or, from an --engine-dir, metal. Only cpu has been tested by us."`
	ChatTemplate       string   `type:"path" help:"File with a chat template (Jinja) to use instead of the model's own."`
}

// Generation is what a request means that leaves things open, and how the output is read.
type Generation struct {
	MaxTokens            int    `default:"0" help:"Most tokens of an answer to a request that sets none; 0 lets it run to the end of the context."`
	EnableAutoToolChoice bool   `default:"true" negatable:"" help:"Let the model call tools when a request brings some and has no tool_choice. Without it such a request means tool_choice \"none\"."`
	DefaultToolChoice    string `default:"auto" enum:"auto,none,required" help:"What a request with tools and without tool_choice means: auto, none or required."`
	ToolCallParser       string `default:"auto" placeholder:"FAMILY" help:"Format of the model's tool calls. auto takes it from the chat template."`
	ReasoningParser      string `default:"auto" placeholder:"FAMILY" help:"Format of the model's reasoning: auto takes that of the tool-call format, none hands reasoning on as content."`
	AllowUnknownTools    bool   `help:"Hand on calls of tools that the request does not name. Without it they become text."`
}

// Tools is where the tools come from and what they may do. What a flag sets here is added to, or
// replaces, the same setting of the file.
type Tools struct {
	MCPConfig          string   `name:"mcp-config" type:"path" placeholder:"FILE" help:"An mcp.json: the MCP servers whose tools are offered." env:"TOOLSERVE_MCP_CONFIG"`
	Watch              bool     `name:"mcp-watch" default:"true" negatable:"" help:"Take up changes of the mcp.json, and of the envFiles that it names, while running. A SIGHUP does so in any case."`
	AllowCommand       []string `name:"mcp-allow-command" placeholder:"NAME" help:"Command that MCP servers may be started with, besides the whitelist."`
	AllowedTools       []string `name:"mcp-allowed-tools" placeholder:"TOOL" help:"Only these tools may run."`
	BlockedTools       []string `name:"mcp-blocked-tools" placeholder:"TOOL" help:"These tools may not run."`
	AllowHighRiskTools []string `name:"mcp-allow-high-risk-tools" placeholder:"TOOL" help:"High-risk tools that run without a warning or a question."`
	HighRisk           string   `name:"mcp-high-risk" default:"" enum:",warn,ask,block" help:"What happens to a tool whose name says that it runs commands: warn, ask or block. The file's setting by default, which is warn."`
	AutoTools          bool     `name:"mcp-auto-tools" help:"Offer the tools of the MCP servers to chat requests that name no tools, and run what the model calls."`
	AllowServerURL     bool     `name:"mcp-allow-server-url" help:"Let chat requests bring MCP servers along by server_url: remote ones on public addresses, under the policy. Needs a key or loopback."`
	ToolSearch         string   `name:"mcp-tool-search" default:"auto" enum:"auto,on,off" help:"Keep tools that the server runs out of the prompt until the model searches for them: auto where they would fill more than a quarter of the context and where the request says so, on always, off never."`
	MaxRounds          int      `name:"mcp-max-rounds" default:"0" help:"Most turns of the model that call tools in one answer, where the server runs them; 0 leaves max_tool_calls of the file, which is 10."`
	MaxCallsPerMinute  int      `name:"mcp-max-calls-per-minute" default:"0" help:"Most calls of each tool in a minute; 0 leaves the file's setting, which is 60."`
	AuditFile          string   `type:"path" placeholder:"FILE" help:"Append the audit record of every tool call to this file."`
	AllowUnsafeMCP     bool     `name:"allow-unsafe-mcp" help:"Honour skip_security_validation of the mcp.json also while listening on an address that is not loopback."`
}

// Log is what the server writes on standard error.
type Log struct {
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"Least level that is written: debug, info, warn or error."`
	LogFormat string `default:"text" enum:"text,json" help:"text or json."`
}

// maxSeqs is llama.cpp's own bound on sequences in a context.
const maxSeqs = 256

// Validate reports the first setting that cannot work.
func (s *Serve) Validate() error {
	if err := s.Network.validate(); err != nil {
		return err
	}
	switch {
	case s.Engine.MaxNumSeqs < 1 || s.Engine.MaxNumSeqs > maxSeqs:
		return fmt.Errorf("--max-num-seqs %d: give a number between 1 and %d", s.Engine.MaxNumSeqs, maxSeqs)
	case min(s.Engine.ContextSize, s.Engine.CacheSize, s.Engine.Threads) < 0:
		return fmt.Errorf("--context-size, --cache-size and --threads: give 0 for the default, or a positive number")
	case s.Generation.MaxTokens < 0:
		return fmt.Errorf("--max-tokens %d: give 0 for no limit, or a positive number", s.Generation.MaxTokens)
	case s.Tools.MaxCallsPerMinute < 0:
		return fmt.Errorf("--mcp-max-calls-per-minute %d: give 0 for the file's setting, or a positive number", s.Tools.MaxCallsPerMinute)
	case s.Tools.MaxRounds < 0:
		return fmt.Errorf("--mcp-max-rounds %d: give 0 for the file's setting, or a positive number", s.Tools.MaxRounds)
	case s.Tools.AutoTools && s.Tools.MCPConfig == "":
		return fmt.Errorf("--mcp-auto-tools offers the tools of MCP servers: give --mcp-config too")
	case s.Tools.AllowServerURL && s.Tools.MCPConfig == "":
		return fmt.Errorf("--mcp-allow-server-url works under the rules of an mcp.json: give --mcp-config too")
	case s.Tools.AllowServerURL && s.Network.Keyless() && !s.Network.Loopback():
		return fmt.Errorf("--mcp-allow-server-url would let everyone who reaches --host %s make connections from here: give --api-key or --api-keys-file", s.Network.Host)
	case slices.Contains(s.Engine.ServedModelName, ""):
		return fmt.Errorf("--served-model-name: a name is empty")
	}
	return files(map[string]string{"--mcp-config": s.Tools.MCPConfig, "--chat-template": s.Engine.ChatTemplate})
}

// files reports the first flag whose file is not there.
func files(flags map[string]string) error {
	for _, flag := range slices.Sorted(maps.Keys(flags)) {
		path := flags[flag]
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		} else if info.IsDir() {
			return fmt.Errorf("%s %s is a folder; give the file", flag, path)
		}
	}
	return nil
}

// ToolChoice is the tool_choice of a request that has tools and says nothing.
func (g Generation) ToolChoice() string {
	if !g.EnableAutoToolChoice && g.DefaultToolChoice == "auto" {
		return "none"
	}
	return g.DefaultToolChoice
}
