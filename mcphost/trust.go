package mcphost

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/pins"
	"github.com/toolserve/toolserve/policy/screen"
	"github.com/toolserve/toolserve/policy/trust"
)

// Pending is something of a server that is not as it was approved. It encodes to JSON as GET
// /v1/mcp/status shows it.
type Pending struct {
	Server string     `json:"server"`
	Kind   trust.Kind `json:"kind"`
	// Tool is the tool's own name, for a tool.
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

// heldError keeps a server from being started until it is approved.
type heldError struct{ reason string }

func (e heldError) Error() string { return e.reason }

func trustRules(cfg *Config, s ServerConfig) trust.Rules {
	security := &cfg.Security
	return trust.Rules{
		Mode: cmp.Or(s.Trust, security.Trust), HoldNew: security.HoldNewTools, HoldFindings: security.Screen == screen.Hold,
	}
}

func (s *server) trustRules() trust.Rules { return trustRules(s.host.cfg(), *s.cfg()) }

// launchTrusted compares how the server is started or reached with what was approved. What is new is
// recorded when the server has come up: an entry that never worked may be mended freely.
func (s *server) launchTrusted() error {
	s.reviewing.Lock()
	defer s.reviewing.Unlock()
	item := s.host.cfg().LaunchItem(*s.cfg(), s.host.redactor)
	outcome, err := s.host.pins().Peek(s.name, s.trustRules(), item)
	if err != nil {
		return err
	}
	outcomes := []pins.Outcome{outcome}
	if outcome.Action != trust.Record {
		outcomes, err = s.host.pins().Review(s.name, s.trustRules(), []trust.Item{item}, false, s.host.now())
	}
	if err != nil {
		return err
	}
	waiting := s.waiting(outcomes)
	s.mu.Lock()
	s.launch = waiting
	s.mu.Unlock()
	s.recordPending(waiting)
	if len(waiting) > 0 && waiting[0].Held {
		return heldError{fmt.Sprintf("MCP server '%s': %s (%s). Look at it and approve it: %s",
			s.name, waiting[0].Reason, trust.Paths(waiting[0].Diff, 5), waiting[0].Mend)}
	}
	return nil
}

// review compares a server's list with what was approved and takes it up: tools that are held keep their
// names and are not offered.
func (s *server) review(listed *catalog.Catalog, instructions string) error {
	s.reviewing.Lock()
	defer s.reviewing.Unlock()
	return s.reviewLocked(listed, instructions)
}

func (s *server) reviewLocked(listed *catalog.Catalog, instructions string) error {
	mode := s.host.cfg().Security.Screen
	items := []trust.Item{s.host.cfg().LaunchItem(*s.cfg(), s.host.redactor)}
	var findings []string
	room := maxSearched
	for _, t := range listed.Tools {
		if !s.cfg().Offers(t.Name) {
			continue
		}
		item := t.Item
		item.Findings = s.screened(mode, t, &room)
		findings = append(findings, prefixed("tool '"+screen.Visible(t.Name)+"': ", item.Findings)...)
		items = append(items, item)
	}
	if encoded, err := json.Marshal(instructions); instructions != "" && err == nil {
		item := trust.NewItem(trust.KindInstructions, "", encoded)
		if mode != screen.Off {
			var look screen.Screener
			look.Text("instructions", instructions)
			item.Findings = texts(look.Findings())
		}
		findings = append(findings, item.Findings...)
		items = append(items, item)
	}
	outcomes, err := s.host.pins().Review(s.name, s.trustRules(), items, true, s.host.now())
	if err != nil {
		return err
	}
	s.take(listed, instructions, s.waiting(outcomes[1:]), findings)
	s.recordNew(outcomes)
	return nil
}

// waiting returns the outcomes that are not as approved.
func (s *server) waiting(outcomes []pins.Outcome) []Pending {
	var out []Pending
	shown := 0
	for _, o := range outcomes {
		if o.Action != trust.Report && o.Action != trust.Suspend {
			continue
		}
		p := newPending(s.name, o)
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

const (
	// maxDiffs bounds the differences that are kept of one server, in bytes.
	maxDiffs = 1 << 20
	// maxSearched bounds how much of one list is searched for phrases, in bytes.
	maxSearched = 512 << 10
	// maxStatusNotes bounds the notes of one server in the status, maxReported how many digests are
	// remembered as reported.
	maxStatusNotes, maxReported = 40, 10_000
)

func newPending(server string, o pins.Outcome) Pending {
	p := Pending{
		Server: server, Kind: o.Item.Kind, Tool: o.Item.Name, Held: o.Action == trust.Suspend, Reason: o.Reason,
		Digest: o.Item.Digest, Approved: o.Approved, Since: o.Since, Findings: o.Item.Findings, item: o.Item,
		Mend: approveCommand(server, o.Item.Name),
	}
	p.Diff, p.Complete = trust.Diff(o.Old, o.Item.Definition)
	if o.Approved != "" && o.Old == nil {
		p.Complete = false // what was approved is too large to be on record
	}
	return p
}

// approveCommand is a command to copy. It holds no name that a shell would read as more than a word: tools
// are named by servers.
func approveCommand(names ...string) string {
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

// take takes up a list that was reviewed.
func (s *server) take(listed *catalog.Catalog, instructions string, waiting []Pending, findings []string) {
	held := map[string]bool{}
	for _, p := range waiting {
		held[p.Tool] = held[p.Tool] || p.Kind == trust.KindTool && p.Held
	}
	offered := &catalog.Catalog{Notes: listed.Notes, Tools: slices.Clone(listed.Tools)}
	for i, t := range offered.Tools {
		if held[t.Name] {
			marked := *t
			marked.Held = true
			offered.Tools[i] = &marked
		}
	}
	s.mu.Lock()
	news := !slices.Equal(s.findings, findings)
	s.listed, s.instructions, s.catalog = listed, instructions, offered
	s.pending, s.findings = waiting, findings
	s.mu.Unlock()
	s.host.reindex()
	s.recordPending(waiting)
	if news && len(findings) > 0 {
		for _, f := range findings[:min(len(findings), maxStatusNotes)] {
			s.logger.Warn("screening of an MCP server", "finding", f)
		}
		s.host.record(audit.Record{
			Kind: audit.KindTrust, Server: s.name, Success: true, Code: "screening", Note: "findings in the texts of the server",
			Warnings: findings,
		})
	}
}

// Approve approves what waits under a digest, and nothing else. A tool is offered from then on, a server
// that is held is started. The error is an [*Error] of kind Unknown where nothing waits, of NeedsApproval
// where something else waits than what was seen.
func (h *Host) Approve(a Approval) (Pending, error) {
	s := h.server(a.Server)
	if s == nil {
		return Pending{}, errorf(Unknown, a.Server, a.Tool, "Server '%s' not found", a.Server)
	}
	s.reviewing.Lock()
	defer s.reviewing.Unlock()
	p, e := s.find(a)
	if e != nil {
		return Pending{}, e
	}
	by := a.Actor
	if by == "" {
		by = "approved"
	}
	if err := h.pins().Approve(s.name, p.item, by, h.now()); err != nil {
		return Pending{}, fmt.Errorf("the approval could not be kept: %w", err)
	}
	h.record(audit.Record{
		Kind: audit.KindTrust, Server: p.Server, Tool: p.Tool, Actor: a.Actor, Success: true, Decision: "allow",
		Code: "approved_" + string(p.Kind), Note: fmt.Sprintf("%s in place of %s", p.Digest, orNone(p.Approved)),
	})
	s.logger.Info("approved", "kind", p.Kind, "tool", p.Tool, "digest", p.Digest)
	if p.Kind == trust.KindLaunch {
		s.mu.Lock()
		s.launch = nil
		s.mu.Unlock()
		notify(s.approved)
		return p, nil
	}
	s.mu.Lock()
	listed, instructions := s.listed, s.instructions
	s.mu.Unlock()
	return p, s.reviewLocked(listed, instructions)
}

// find returns what waits under an approval's digest.
func (s *server) find(a Approval) (Pending, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Concat(s.launch, s.pending)
	named := slices.DeleteFunc(slices.Clone(all), func(p Pending) bool { return a.Tool != "" && p.Tool != a.Tool })
	for _, p := range named {
		if p.Digest == a.Digest {
			return p, nil
		}
	}
	what := fmt.Sprintf("server '%s'", s.name)
	if a.Tool != "" {
		what = fmt.Sprintf("tool '%s' of the server '%s'", a.Tool, s.name)
	}
	if len(named) == 0 {
		return Pending{}, errorf(Unknown, s.name, a.Tool, "nothing of the %s waits for approval", what)
	}
	e := errorf(NeedsApproval, s.name, a.Tool, "what waits of the %s is not what this digest names; look at it again: GET /v1/mcp/status", what)
	e.Param = "digest"
	return Pending{}, e
}

// heldTool is the error of a call of a tool that waits for approval.
func (s *server) heldTool(t *catalog.Tool) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pending {
		if p.Kind == trust.KindTool && p.Tool == t.Name {
			return errorf(NeedsApproval, t.Server, t.Name,
				"Tool '%s' of the server '%s' is held: %s (%s). Look at it and approve it: %s",
				t.Name, t.Server, p.Reason, trust.Parts(p.Diff), p.Mend)
		}
	}
	return errorf(NeedsApproval, t.Server, t.Name, "Tool '%s' of the server '%s' is held until it is approved", t.Name, t.Server)
}

// hold waits until the server is approved or ctx ends.
func (s *server) hold(err error, done <-chan struct{}) {
	s.set(StateHeld, s.host.redactor.Hide(err.Error()))
	s.settle()
	select {
	case <-s.approved:
		s.set(StateConnecting, "")
	case <-done:
	}
}

func isHeld(err error) bool { return errors.As(err, new(heldError)) }
