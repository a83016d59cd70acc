package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/toolserve/toolserve/policy/internal/argv"
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
	// Rules are the operator's own, in order: the first that is about a call counts. They are asked after
	// everything that refuses a call.
	Rules []CallRule
	// Flow holds back what could carry private data out.
	Flow FlowRules
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
	// Reads are the rules for resources and prompts.
	Reads ReadRules
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
	// Reads are the rules for the server's resources and prompts.
	Reads ReadRules
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
	// Run names the request that the call belongs to, Conversation what that belongs to in turn; either may be
	// "", or [Unnamed]. Actor is whose they are.
	Run, Conversation, Actor string
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
	// AutoApproved says that AutoApprove of the server's rules names the tool.
	AutoApproved bool
	// RetryAfter is when the call may be tried again, for CodeRate.
	RetryAfter time.Duration
}

// Gate is the one decision point of tool calls. It is safe for concurrent use.
type Gate struct {
	rules    ToolRules
	patterns []*regexp.Regexp
	calls    []callRule
	limiter  *limiter
	flows    *flows
}

// NewGate checks the rules and returns their gate. It fails on a pattern that does not compile, an
// unknown mode or action, and a root that is not absolute.
func NewGate(rules ToolRules) (*Gate, error) {
	switch rules.HighRisk {
	case "":
		rules.HighRisk = RiskWarn
	case RiskWarn, RiskAsk, RiskBlock:
	default:
		return nil, fmt.Errorf("high-risk mode %q is unknown: use warn, ask or block", rules.HighRisk)
	}
	switch rules.Flow.Mode {
	case "":
		rules.Flow.Mode = FlowOff
	case FlowOff, FlowWarn, FlowAsk, FlowBlock:
	default:
		return nil, fmt.Errorf("flow mode %q is unknown: use off, warn, ask or block", rules.Flow.Mode)
	}
	rules.setDefaults()
	g := &Gate{rules: rules, limiter: &limiter{}, flows: &flows{}}
	for _, p := range rules.BlockedArgPatterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("blocked argument pattern %q: %w", p, err)
		}
		g.patterns = append(g.patterns, re)
	}
	var err error
	if g.calls, err = compileRules(rules.Rules); err != nil {
		return nil, err
	}
	if g.rules.Roots, err = g.cleanRoots(rules.Roots); err != nil {
		return nil, err
	}
	g.rules.Servers = make(map[string]ServerRules, len(rules.Servers))
	for name, s := range rules.Servers {
		if s.Roots, err = g.cleanRoots(s.Roots); err != nil {
			return nil, fmt.Errorf("server %q: %w", name, err)
		}
		g.rules.Servers[name] = s
	}
	return g, nil
}

// With returns a gate of other rules that goes on counting where this one is, and knows what it knows of
// runs: a change of the rules gives nobody a fresh minute.
func (g *Gate) With(rules ToolRules) (*Gate, error) {
	next, err := NewGate(rules)
	if err != nil {
		return nil, err
	}
	next.limiter, next.flows = g.limiter, g.flows
	return next, nil
}

func (r *ToolRules) setDefaults() {
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.CallsPerMinute == 0 {
		r.CallsPerMinute = DefaultCallsPerMinute
	}
	if r.MaxArgumentBytes <= 0 {
		r.MaxArgumentBytes = 1 << 20
	}
	if r.MaxArgumentDepth <= 0 {
		r.MaxArgumentDepth = 64
	}
}

func (g *Gate) cleanRoots(roots []string) ([]string, error) {
	var out []string
	for _, root := range roots {
		if !filepath.IsAbs(root) {
			return nil, fmt.Errorf("root %q is not an absolute path", root)
		}
		root = filepath.Clean(root)
		if g.rules.ResolvePath != nil {
			resolved, err := g.rules.ResolvePath(root)
			if err != nil {
				return nil, fmt.Errorf("root %q: %w", root, err)
			}
			root = resolved
		}
		out = append(out, root)
	}
	return out, nil
}

func (g *Gate) rootsOf(server string) []string {
	if s, ok := g.rules.Servers[server]; ok && len(s.Roots) > 0 {
		return s.Roots
	}
	return g.rules.Roots
}

// Decide judges a call and, when it is allowed, counts it against the limits.
func (g *Gate) Decide(c Call) Decision {
	d := g.judge(&c)
	if d.Action == Allow && !g.rules.Disabled {
		if g.count(&c, &d); d.Action == Allow {
			g.note(&c)
		}
	}
	return d
}

// Preview judges a call as Decide does but counts nothing: what would happen.
func (g *Gate) Preview(c Call) Decision { return g.judge(&c) }

func (g *Gate) judge(c *Call) Decision {
	d := Decision{Action: Allow}
	ask, full := "", c.Server+"__"+c.Tool
	if !g.rules.Disabled {
		if code, reason := g.listed(c, full); code != "" {
			return deny(d, code, reason)
		}
		var refusal string
		if ask, refusal = g.risk(c, full, &d); refusal != "" {
			return deny(d, CodeHighRisk, refusal)
		}
	}
	if code, reason := g.arguments(c); code != "" {
		return deny(d, code, reason)
	}
	if !g.rules.Disabled {
		if r := g.ruled(c); r != nil {
			switch r.Action {
			case Deny:
				return deny(d, CodeRule, r.say(c))
			case Ask:
				ask = r.say(c)
			case Allow:
				ask = ""
			}
		}
		question, refusal := g.flow(c, full, &d)
		if refusal != "" {
			return deny(d, CodeFlow, refusal)
		}
		ask = cmp.Or(ask, question)
	}
	if ask != "" && !c.Approved {
		d.Action, d.Code, d.Reason = Ask, CodeApproval, ask
	}
	return d
}

func deny(d Decision, code Code, reason string) Decision {
	d.Action, d.Code, d.Reason = Deny, code, reason
	return d
}

// listed applies the lists of blocked and allowed tools.
func (g *Gate) listed(c *Call, full string) (Code, string) {
	server := g.rules.Servers[c.Server]
	switch {
	case anyMatches(g.rules.BlockedTools, c.Tool, full, true) || anyMatches(server.BlockedTools, c.Tool, full, true):
		return CodeBlocked, "Tool '" + argv.Quote(c.Tool) + "' is blocked by security policy"
	case g.rules.AllowedTools != nil && !anyMatches(g.rules.AllowedTools, c.Tool, full, false),
		server.AllowedTools != nil && !anyMatches(server.AllowedTools, c.Tool, full, false):
		return CodeNotAllowed, "Tool '" + argv.Quote(c.Tool) + "' is not in the allowed tools list"
	}
	return "", ""
}

// anyMatches says whether a pattern of the list matches a tool's own or full name.
func anyMatches(list []string, tool, full string, fold bool) bool {
	for _, pattern := range list {
		if matches(pattern, tool, fold) || matches(pattern, full, fold) {
			return true
		}
	}
	return false
}

// matches compares a name with a pattern in which '*' stands for any text.
func matches(pattern, name string, fold bool) bool {
	head, tail, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name || fold && strings.EqualFold(pattern, name)
	}
	if len(name) < len(head) || !matches(head, name[:len(head)], fold) {
		return false
	}
	for i := len(head); i <= len(name); i++ {
		if matches(tail, name[i:], fold) {
			return true
		}
		if tail == "" {
			return true
		}
	}
	return false
}

// count counts an allowed call, or turns it into a refusal.
func (g *Gate) count(c *Call, d *Decision) {
	full := c.Server + "__" + c.Tool
	perServer := g.serverLimit(c.Server)
	used, wait, ok := g.limiter.take(g.rules.Now(),
		quota{"tool " + full, g.rules.CallsPerMinute}, quota{"server " + c.Server, perServer}, quota{"total", g.rules.TotalCallsPerMinute})
	if ok {
		return
	}
	d.Action, d.Code, d.RetryAfter = Deny, CodeRate, wait
	what, name, _ := strings.Cut(used.key, " ")
	if name == "" {
		d.Reason = fmt.Sprintf("Rate limit exceeded for all tools: max %d calls per minute", used.limit)
	} else {
		d.Reason = fmt.Sprintf("Rate limit exceeded for %s '%s': max %d calls per minute", what, argv.Quote(name), used.limit)
	}
}
