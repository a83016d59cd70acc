// Package approvals compares what servers are and offer with what a person approved of it, and keeps what
// waits to be approved.
package approvals

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/pins"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
	"github.com/toolserve/toolserve/policy/screen"
	"github.com/toolserve/toolserve/policy/trust"
)

// Pending is something of a server that is not as it was approved. It encodes to JSON as GET
// /v1/mcp/status shows it.
type Pending struct {
	Server string     `json:"server"`
	Kind   trust.Kind `json:"kind"`
	// Tool is the tool's own name, for a tool; a package's with its version, for a package.
	Tool string `json:"tool,omitempty"`
	// Held says that it is not used until it is approved; otherwise it is reported only.
	Held   bool   `json:"held"`
	Reason string `json:"reason"`
	// Digest names what waits, Approved what was approved, or "" where nothing was.
	Digest   string    `json:"digest"`
	Approved string    `json:"approved_digest,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	// Diff is what changed. Complete is false where there is more than it shows.
	Diff     []trust.Change `json:"diff"`
	Complete bool           `json:"diff_complete"`
	// Findings are what screening says about it.
	Findings []string `json:"findings,omitempty"`
	// Mend is the command that shows and approves it.
	Mend string `json:"mend"`

	item trust.Item
}

// Approval says that a person has seen something that waits, and agrees to it.
type Approval struct {
	Server string
	// Tool is the tool's own name; "" leaves it to the digest.
	Tool string
	// Digest is that of what was seen: nothing else is approved.
	Digest string
	// Actor is who approves, for the record.
	Actor string
}

func (a Approval) by() string { return cmp.Or(a.Actor, "approved") }

// HeldError keeps a server from being started until it is approved.
type HeldError struct{ reason string }

func (e HeldError) Error() string { return e.reason }

// What is wrong with an approval: errors.Is finds these in the errors of this package.
var (
	// ErrNothing says that nothing waits.
	ErrNothing = errors.New("nothing waits for approval")
	// ErrOther says that something else waits than what was seen.
	ErrOther = errors.New("something else waits for approval")
)

// approvalError has a message of its own and is one of the errors above.
type approvalError struct {
	message string
	kind    error
}

func (e approvalError) Error() string { return e.message }
func (e approvalError) Unwrap() error { return e.kind }

// rules says what is done about changes of a server.
func rules(cfg *mcpjson.Config, s mcpjson.ServerConfig) trust.Rules {
	security := &cfg.Security
	return trust.Rules{
		Mode: cmp.Or(s.Trust, security.Trust), HoldNew: security.HoldNewTools, HoldFindings: security.Screen == screen.Hold,
	}
}

const (
	// maxDiffs bounds the differences that are kept of one server, in bytes.
	maxDiffs = 1 << 20
	// maxSearched bounds how much of one list is searched for phrases, in bytes.
	maxSearched = 512 << 10
	// maxLogged bounds the findings of one list that are logged, maxReported how many digests are
	// remembered as reported.
	maxLogged, maxReported = 40, 10_000
)

// waiting returns the outcomes that are not as approved.
func waiting(server string, outcomes []pins.Outcome) []Pending {
	var out []Pending
	shown := 0
	for _, o := range outcomes {
		if o.Action != trust.Report && o.Action != trust.Suspend {
			continue
		}
		p := newPending(server, o)
		for _, c := range p.Diff {
			shown += c.Size()
		}
		if shown > maxDiffs {
			p.Diff, p.Complete = nil, false
		}
		out = append(out, p)
	}
	return out
}

func newPending(server string, o pins.Outcome) Pending {
	p := Pending{
		Server: server, Kind: o.Item.Kind, Tool: o.Item.Name, Held: o.Action == trust.Suspend, Reason: o.Reason,
		Digest: o.Item.Digest, Approved: o.Approved, Since: o.Since, Findings: o.Item.Findings, item: o.Item,
		Mend: command(server, o.Item.Name),
	}
	p.Diff, p.Complete = trust.Diff(o.Old, o.Item.Definition)
	if o.Approved != "" && o.Old == nil {
		p.Complete = false // what was approved is too large to be on record
	}
	return p
}

// command is a command to copy. It holds no name that a shell would read as more than a word: tools are
// named by servers.
func command(names ...string) string {
	command := "toolserve mcp approve"
	for _, name := range names {
		plain := func(r rune) bool {
			return r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		}
		rest := strings.TrimLeftFunc(name, plain)
		if name == "" || rest == name || strings.ContainsFunc(rest, func(r rune) bool { return !plain(r) && r != '-' && r != '/' }) {
			return command
		}
		command += " " + name
	}
	return command
}
