package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/policy/internal/address"
	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/shape"
	"github.com/toolserve/toolserve/policy/internal/strictjson"
)

// DefaultReadsPerMinute is the limit of one server's reads when the rules set none.
const DefaultReadsPerMinute = 600

// ReadRules say which resources and prompts may be read. Resources are named by URI, prompts by their own
// name or as "server__prompt"; all may be globs, in which '*' stands for any text. The zero value allows
// every resource that the rules for paths let pass, and every prompt.
type ReadRules struct {
	// AllowedResources and AllowedPrompts, unless nil, are the only ones. Empty and not nil: none.
	AllowedResources, AllowedPrompts []string
	// BlockedResources and BlockedPrompts win over the allowed ones.
	BlockedResources, BlockedPrompts []string
	// PerMinute limits the reads of one server, resources, prompts and completions together: 0 means
	// DefaultReadsPerMinute, Unlimited no limit. ServerRules have no limit of their own here.
	PerMinute int
}

// ReadKind says what is read.
type ReadKind string

// The kinds of reads.
const (
	ReadResource ReadKind = "resource"
	ReadTemplate ReadKind = "template" // of resources: its variables are completed
	ReadPrompt   ReadKind = "prompt"
)

// Read is a request for something of a server that is no tool.
type Read struct {
	Server string
	Kind   ReadKind
	// Name is the URI of a resource or its template, as it will be sent, or a prompt's own name.
	Name string
	// Arguments are those of a prompt, or what is completed: a JSON object; empty means {}.
	Arguments json.RawMessage
	// Approved says that a person approved this very read.
	Approved bool
	// Run, Conversation and Actor are those of a [Call].
	Run, Conversation, Actor string
}

// call is the read as [CallRule] and [FlowRules] see it: a call of a tool "resources/read", "prompts/get" or
// "completion/complete", with "uri" or with "name" and "arguments".
func (r *Read) call() *Call {
	c := &Call{Server: r.Server, Tool: "resources/read", Run: r.Run, Conversation: r.Conversation, Actor: r.Actor, Approved: r.Approved}
	arguments := map[string]any{"uri": r.Name}
	if r.Kind != ReadResource {
		c.Tool = "prompts/get"
		if r.Kind == ReadTemplate {
			c.Tool = "completion/complete"
		}
		arguments = map[string]any{"name": r.Name}
		if len(r.Arguments) > 0 {
			arguments["arguments"] = r.Arguments
		}
	}
	c.Arguments, _ = json.Marshal(arguments) // what is no JSON was refused before
	return c
}

func (r *Read) what() string { return r.word() + " '" + argv.Quote(r.Name) + "'" }

func (r *Read) word() string {
	switch r.Kind {
	case ReadPrompt:
		return "Prompt"
	case ReadTemplate:
		return "Resource template"
	}
	return "Resource"
}

// DecideRead judges a read and, when it is allowed, counts it against the limits: those of reads, and
// those of the server and of all calls. A file: URI is held to the rules for paths, and so are the
// arguments of a prompt. The operator's CallRules hold, and for FlowRules what a resource holds is private.
func (g *Gate) DecideRead(r Read) Decision {
	d := g.PreviewRead(r)
	if d.Action == Allow && !g.rules.Disabled {
		if g.countRead(&r, &d); d.Action == Allow {
			g.noteRead(&r)
		}
	}
	return d
}

// PreviewRead judges a read as DecideRead does but counts nothing.
func (g *Gate) PreviewRead(r Read) Decision {
	d := Decision{Action: Allow}
	if !g.rules.Disabled {
		if code, reason := g.listedRead(&r); code != "" {
			return deny(d, code, reason)
		}
		if code, reason := g.location(&r); code != "" {
			return deny(d, code, reason)
		}
	}
	if code, reason := g.arguments(&Call{Server: r.Server, Tool: r.Name, Arguments: r.Arguments}); code != "" {
		return deny(d, code, strings.Replace(reason, "Tool '", r.word()+" '", 1))
	}
	if g.rules.Disabled || len(g.calls) == 0 {
		return d
	}
	c := r.call()
	switch rule := g.ruled(c); {
	case rule == nil || rule.Action == Allow:
	case rule.Action == Deny:
		return deny(d, CodeRule, rule.say(c))
	case !r.Approved:
		d.Action, d.Code, d.Reason = Ask, CodeApproval, rule.say(c)
	}
	return d
}

// noteRead remembers that the run has read private data: a resource, or a prompt that the rules call private.
func (g *Gate) noteRead(r *Read) {
	f, full := &g.rules.Flow, r.Server+"__"+r.Name
	named := func(patterns []string) bool {
		for _, pattern := range patterns {
			if shape.Glob(pattern, r.Name, true) || shape.Glob(pattern, full, true) {
				return true
			}
		}
		return false
	}
	if f.Mode == FlowOff || named(f.Exempt) || r.Kind != ReadResource && !named(f.Private) {
		return
	}
	g.noteRuns(r.call(), full)
}

// Offers reports whether the lists of allowed and blocked names let a resource or prompt be listed. A
// template is judged as if it were a URI.
func (g *Gate) Offers(r Read) bool {
	if g.rules.Disabled {
		return true
	}
	code, _ := g.listedRead(&r)
	return code == ""
}

// listedRead applies the lists of blocked and allowed names.
func (g *Gate) listedRead(r *Read) (Code, string) {
	server := g.rules.Servers[r.Server].Reads
	allowed, blocked := [2][]string{g.rules.Reads.AllowedResources, server.AllowedResources},
		[2][]string{g.rules.Reads.BlockedResources, server.BlockedResources}
	list := "allowed_resources"
	if r.Kind == ReadPrompt {
		allowed, blocked = [2][]string{g.rules.Reads.AllowedPrompts, server.AllowedPrompts},
			[2][]string{g.rules.Reads.BlockedPrompts, server.BlockedPrompts}
		list = "allowed_prompts"
	}
	for _, patterns := range blocked {
		if r.in(patterns, true) {
			return CodeBlocked, r.what() + " is blocked by security policy"
		}
	}
	for _, patterns := range allowed {
		if patterns != nil && !r.in(patterns, false) {
			return CodeNotAllowed, r.what() + " is not in the " + list + " list"
		}
	}
	return "", ""
}

// in says whether a pattern names what is read. A URI is compared in its plain spelling.
func (r *Read) in(patterns []string, fold bool) bool {
	for _, pattern := range patterns {
		if r.Kind == ReadPrompt {
			if shape.Glob(pattern, r.Name, fold) || shape.Glob(pattern, r.Server+"__"+r.Name, fold) {
				return true
			}
			continue
		}
		if shape.Glob(shape.PlainURI(pattern), shape.PlainURI(r.Name), fold) || fold && shape.Glob(pattern, r.Name, fold) {
			return true
		}
	}
	return false
}

// location judges where a resource lies. No way leads up in its URI, to the metadata service of a cloud,
// or, for a file, to a guarded place or out of the roots.
func (g *Gate) location(r *Read) (Code, string) {
	if r.Kind != ReadResource || g.rules.NoPathRules {
		return "", ""
	}
	data, err := json.Marshal(map[string]string{"uri": r.Name})
	if err != nil || !utf8.ValidString(r.Name) {
		return CodeBadArguments, r.what() + " is no URI: not valid UTF-8"
	}
	a := &argumentCheck{gate: g, call: &Call{Server: r.Server, Tool: r.Name}, rules: g.placesOf(r.Server)}
	err = strictjson.Walk(data, strictjson.Limits{Bytes: g.rules.MaxArgumentBytes, Depth: 1}, func(n strictjson.Node) bool {
		return n.IsName || a.uri(n)
	})
	var bad *strictjson.Error
	switch {
	case errors.As(err, &bad):
		return CodeBadArguments, r.what() + " is no URI: " + bad.Msg
	case a.pattern != "":
		return CodeArgument, r.what() + " leads to a blocked place: " + a.pattern
	}
	return "", ""
}

func (a *argumentCheck) uri(n strictjson.Node) bool {
	for _, re := range a.gate.patterns {
		if re.MatchString(n.Text) {
			return a.hit(n, re.String())
		}
	}
	scheme, rest, ok := strings.Cut(n.Text, ":")
	switch {
	case !ok || strings.EqualFold(scheme, "file"):
		return a.pathValue(n)
	case address.IsMetadataURL(n.Text):
		return a.hit(n, "metadata address")
	case strings.ContainsRune(n.Text, 0):
		return a.hit(n, "NUL")
	case shape.Climbs(rest):
		return a.hit(n, "../")
	}
	return true
}

// countRead counts an allowed read, or turns it into a refusal.
func (g *Gate) countRead(r *Read, d *Decision) {
	limit := g.rules.Reads.PerMinute
	if limit == 0 {
		limit = DefaultReadsPerMinute
	}
	used, wait, ok := g.limiter.take(g.rules.Now(),
		quota{"reads " + r.Server, limit}, quota{"server " + r.Server, g.serverLimit(r.Server)}, quota{"total", g.rules.TotalCallsPerMinute})
	if ok {
		return
	}
	d.Action, d.Code, d.RetryAfter = Deny, CodeRate, wait
	d.Reason = fmt.Sprintf("Rate limit exceeded for reading from server '%s': max %d per minute", argv.Quote(r.Server), used.limit)
}

// serverLimit is how many calls of one server may be made in a minute; 0 is no limit.
func (g *Gate) serverLimit(server string) int {
	if n := g.rules.Servers[server].CallsPerMinute; n != 0 {
		return n
	}
	return g.rules.ServerCallsPerMinute
}
