package approvals

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/pins"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
	"github.com/toolserve/toolserve/policy/screen"
	"github.com/toolserve/toolserve/policy/trust"
)

// Options are what a reviewer tells others. All are needed.
type Options struct {
	Logger   *slog.Logger
	Redactor *audit.Redactor
	// Record writes to the audit log.
	Record func(audit.Record)
	Now    func() time.Time
	// Take takes up a list as it may be offered. It is called while the next review waits.
	Take func(*catalog.Catalog)
}

// Setup is what a review goes by.
type Setup struct {
	Config *mcpjson.Config
	Server mcpjson.ServerConfig
	Pins   *pins.Store
}

// Reviewer compares one server with what was approved. It is safe for concurrent use.
type Reviewer struct {
	server string
	opts   Options

	reviewing    sync.Mutex          // orders the reviews; it is taken before mu
	looked       map[string][]string // findings by digest
	listed       *catalog.Catalog    // as the server sent it
	instructions string

	mu       sync.Mutex
	launch   []Pending // what waits of the launch: one or none
	packages []Pending // what waits of the packages that it runs
	pending  []Pending // what waits of the tools and instructions
	told     string    // the instructions, unless they are held
	findings []string
	reported map[string]bool // digests of what was said to wait
}

// NewReviewer returns the reviewer of a server.
func NewReviewer(server string, opts Options) *Reviewer {
	return &Reviewer{
		server: server, opts: opts, looked: map[string][]string{}, reported: map[string]bool{},
	}
}

// Pending returns what waits, Findings what screening found in the list in use.
func (r *Reviewer) Pending() []Pending {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat(r.launch, r.packages, r.pending)
}

// Instructions are what the server last told models about itself, or "" where that is held.
func (r *Reviewer) Instructions() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

// Findings returns what screening found in the texts of the server.
func (r *Reviewer) Findings() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.findings)
}

// Launch compares how the server is started or reached with what was approved. What is new is recorded when
// the server has come up: an entry that never worked may be mended freely. The error is a [HeldError] where
// it must not be started.
func (r *Reviewer) Launch(in Setup) error {
	r.reviewing.Lock()
	defer r.reviewing.Unlock()
	item := in.Config.LaunchItem(in.Server, r.opts.Redactor)
	judged := rules(in.Config, in.Server)
	outcome, err := in.Pins.Peek(r.server, judged, item)
	if err != nil {
		return err
	}
	outcomes := []pins.Outcome{outcome}
	if outcome.Action != trust.Record {
		outcomes, err = in.Pins.Review(r.server, judged, []trust.Item{item}, false, r.opts.Now())
	}
	if err != nil {
		return err
	}
	found := waiting(r.server, outcomes)
	r.mu.Lock()
	r.launch = found
	r.mu.Unlock()
	r.recordPending(found)
	if len(found) > 0 && found[0].Held {
		return HeldError{fmt.Sprintf("MCP server '%s': %s (%s). Look at it and approve it: %s",
			r.server, found[0].Reason, trust.Paths(found[0].Diff, 5), found[0].Mend)}
	}
	return nil
}

// Packages compares the packages that a server runs with what they held when they were first used. New ones
// are recorded where up says that the server has come up with them. The error is a [HeldError] where one
// must not be run.
func (r *Reviewer) Packages(in Setup, items []trust.Item, up bool) error {
	r.reviewing.Lock()
	defer r.reviewing.Unlock()
	judged := rules(in.Config, in.Server)
	var known []trust.Item
	for _, item := range items {
		outcome, err := in.Pins.Peek(r.server, judged, item)
		if err != nil {
			return err
		}
		if up || outcome.Action != trust.Record {
			known = append(known, item)
		}
	}
	outcomes, err := in.Pins.Review(r.server, judged, known, false, r.opts.Now())
	if err != nil {
		return err
	}
	found := waiting(r.server, outcomes)
	r.mu.Lock()
	r.packages = found
	r.mu.Unlock()
	r.recordPending(found)
	for _, o := range outcomes {
		if o.Action == trust.Record {
			r.opts.Logger.Info("a package is trusted from now on", "package", o.Item.Name, "digest", o.Item.Digest)
		}
	}
	for _, p := range found {
		if p.Held {
			return HeldError{fmt.Sprintf("MCP server '%s': package '%s': %s (%s). Look at it and approve it: %s",
				r.server, p.Tool, p.Reason, trust.Paths(p.Diff, 5), p.Mend)}
		}
	}
	return nil
}

// Review compares a server's list with what was approved and hands it to Take: tools that are held keep
// their names and are marked.
func (r *Reviewer) Review(in Setup, listed *catalog.Catalog, instructions string) error {
	r.reviewing.Lock()
	defer r.reviewing.Unlock()
	return r.review(in, listed, instructions)
}

// Recall hands the tools that are on record as approved to Take, as long as the server was not asked for
// any. It reports whether they are all known: that the launch is the approved one, that nothing waits, and
// that each definition was small enough to be kept.
func (r *Reviewer) Recall(in Setup) (bool, error) {
	r.reviewing.Lock()
	defer r.reviewing.Unlock()
	if r.listed != nil || rules(in.Config, in.Server).Mode == trust.Off {
		return r.listed != nil, nil
	}
	record, err := in.Pins.Approved(r.server)
	if err != nil || !record.Complete || record.Launch != in.Config.LaunchItem(in.Server, r.opts.Redactor).Digest {
		return false, err
	}
	r.listed = catalog.FromDefinitions(r.server, record.Tools)
	return true, r.review(in, r.listed, record.Instructions)
}

// Again reviews the last list once more, by other rules. Where there was none it does nothing.
func (r *Reviewer) Again(in Setup) error {
	r.reviewing.Lock()
	defer r.reviewing.Unlock()
	if r.listed == nil {
		return nil
	}
	return r.review(in, r.listed, r.instructions)
}

func (r *Reviewer) review(in Setup, listed *catalog.Catalog, instructions string) error {
	mode := in.Config.Security.Screen
	items := []trust.Item{in.Config.LaunchItem(in.Server, r.opts.Redactor)}
	var findings []string
	room := maxSearched
	for _, t := range listed.Tools {
		if !in.Server.Offers(t.Name) {
			continue
		}
		item := t.Item
		item.Findings = r.screened(mode, t, &room)
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
	outcomes, err := in.Pins.Review(r.server, rules(in.Config, in.Server), items, true, r.opts.Now())
	if err != nil {
		return err
	}
	r.listed, r.instructions = listed, instructions
	r.take(waiting(r.server, outcomes[1:]), findings)
	r.recordNew(outcomes)
	return nil
}

// take takes up the list that was reviewed.
func (r *Reviewer) take(found []Pending, findings []string) {
	held, told := map[string]bool{}, r.instructions
	for _, p := range found {
		if p.Kind == trust.KindInstructions && p.Held {
			told = ""
		}
		held[p.Tool] = held[p.Tool] || p.Kind == trust.KindTool && p.Held
	}
	offered := &catalog.Catalog{Instances: r.listed.Instances, TTL: r.listed.TTL, Notes: r.listed.Notes, Tools: slices.Clone(r.listed.Tools)}
	for i, t := range offered.Tools {
		if held[t.Name] {
			marked := *t
			marked.Held = true
			offered.Tools[i] = &marked
		}
	}
	r.mu.Lock()
	news := !slices.Equal(r.findings, findings)
	r.pending, r.findings, r.told = found, findings, told
	r.mu.Unlock()
	r.opts.Take(offered)
	r.recordPending(found)
	if news && len(findings) > 0 {
		for _, f := range findings[:min(len(findings), maxLogged)] {
			r.opts.Logger.Warn("screening of an MCP server", "finding", f)
		}
		r.opts.Record(audit.Record{
			Kind: audit.KindTrust, Server: r.server, Success: true, Code: "screening", Note: "findings in the texts of the server",
			Warnings: findings,
		})
	}
}

// Approve approves what waits under a digest, and nothing else: a tool is offered from then on. The error
// is [ErrNothing] or [ErrOther], or says why the approval could not be kept.
func (r *Reviewer) Approve(in Setup, a Approval) (Pending, error) {
	r.reviewing.Lock()
	defer r.reviewing.Unlock()
	p, err := r.find(a)
	if err != nil {
		return Pending{}, err
	}
	if err := in.Pins.Approve(r.server, p.item, a.by(), r.opts.Now()); err != nil {
		return Pending{}, fmt.Errorf("the approval could not be kept: %w", err)
	}
	r.opts.Record(audit.Record{
		Kind: audit.KindTrust, Server: p.Server, Tool: p.Tool, Actor: a.Actor, Success: true, Decision: "allow",
		Code: "approved_" + string(p.Kind), Note: fmt.Sprintf("%s in place of %s", p.Digest, orNone(p.Approved)),
	})
	r.opts.Logger.Info("approved", "kind", p.Kind, "tool", p.Tool, "digest", p.Digest)
	if p.Kind == trust.KindLaunch || p.Kind == trust.KindPackage {
		done := func(waits Pending) bool { return waits.Digest == p.Digest && waits.Tool == p.Tool }
		r.mu.Lock()
		r.launch, r.packages = slices.DeleteFunc(r.launch, done), slices.DeleteFunc(r.packages, done)
		r.mu.Unlock()
		return p, nil
	}
	return p, r.review(in, r.listed, r.instructions)
}

// find returns what waits under an approval's digest.
func (r *Reviewer) find(a Approval) (Pending, error) {
	named := slices.DeleteFunc(r.Pending(), func(p Pending) bool { return a.Tool != "" && p.Tool != a.Tool })
	for _, p := range named {
		if p.Digest == a.Digest {
			return p, nil
		}
	}
	what := fmt.Sprintf("server '%s'", r.server)
	if a.Tool != "" {
		what = fmt.Sprintf("tool '%s' of the server '%s'", a.Tool, r.server)
	}
	if len(named) == 0 {
		return Pending{}, approvalError{fmt.Sprintf("nothing of the %s waits for approval", what), ErrNothing}
	}
	return Pending{}, approvalError{
		fmt.Sprintf("what waits of the %s is not what this digest names; look at it again: GET /v1/mcp/status", what), ErrOther,
	}
}

// HeldTool says why a tool waits for approval, and what to do about it.
func (r *Reviewer) HeldTool(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pending {
		if p.Kind == trust.KindTool && p.Tool == name {
			return fmt.Sprintf("Tool '%s' of the server '%s' is held: %s (%s). Look at it and approve it: %s",
				name, r.server, p.Reason, trust.Parts(p.Diff), p.Mend)
		}
	}
	return fmt.Sprintf("Tool '%s' of the server '%s' is held until it is approved", name, r.server)
}
