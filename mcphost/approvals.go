package mcphost

import (
	"errors"
	"fmt"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/pins"
	"github.com/toolserve/toolserve/policy/trust"
)

// Approvals is the lock file of a configuration while no host runs with it. A host that does run sees
// what is approved here when it next looks: when a server is started or its tools change.
type Approvals struct {
	cfg   *Config
	store *pins.Store
}

// OpenApprovals reads the lock file of a configuration.
func OpenApprovals(cfg *Config) (*Approvals, error) {
	path := cfg.LockFile()
	if path == "" {
		return nil, errors.New("the configuration has no path, and no \"lock_file\": approvals are kept in memory alone")
	}
	store, err := pins.Open(path)
	return &Approvals{cfg: cfg, store: store}, err
}

// Launch says how what a server's entry starts or reaches compares with what was approved: "new",
// "approved", "changed", or "off" where it is not compared. Of what changed, the difference is returned.
func (a *Approvals) Launch(server string) (state string, changed *Pending, err error) {
	for _, s := range a.cfg.Servers {
		if s.Name == server {
			return a.launch(s)
		}
	}
	return "", nil, errorf(Unknown, server, "", "Server '%s' not found in the configuration", server)
}

func (a *Approvals) launch(s ServerConfig) (state string, changed *Pending, err error) {
	rules := trustRules(a.cfg, s)
	if rules.Mode == trust.Off {
		return "off", nil, nil
	}
	outcome, err := a.store.Peek(s.Name, rules, a.cfg.LaunchItem(s, a.cfg.AuditOptions().Redactor))
	switch {
	case err != nil:
		return "", nil, err
	case outcome.Action == trust.Record:
		return "new", nil, nil
	case outcome.Action == trust.Keep:
		return "approved", nil, nil
	}
	p := newPending(s.Name, outcome)
	return "changed", &p, nil
}

// Pending returns what waits for approval: launches that changed, and what hosts have seen of tools and
// instructions.
func (a *Approvals) Pending() ([]Pending, error) {
	var out []Pending
	for _, s := range a.cfg.Servers {
		if s.Problem == nil {
			_, changed, err := a.launch(s)
			if err != nil {
				return nil, err
			}
			if changed != nil {
				out = append(out, *changed)
			}
		}
		waiting, err := a.store.Waiting(s.Name)
		if err != nil {
			return nil, err
		}
		rules := trustRules(a.cfg, s)
		for _, o := range waiting {
			if o.Item.Kind != trust.KindLaunch && rules.Mode != trust.Off {
				o.Action, o.Reason = trust.Suspend, rules.Judge(o.Item, trust.Pin{Digest: o.Approved}).Reason
				if o.Reason == "" {
					o.Reason = "it is new"
				}
				out = append(out, newPending(s.Name, o))
			}
		}
	}
	return out, nil
}

// Approve approves what waits under a digest, as [Host.Approve] does.
func (a *Approvals) Approve(approval Approval) (Pending, error) {
	pending, err := a.Pending()
	if err != nil {
		return Pending{}, err
	}
	for _, p := range pending {
		if p.Server != approval.Server || p.Digest != approval.Digest || approval.Tool != "" && approval.Tool != p.Tool {
			continue
		}
		by := approval.Actor
		if by == "" {
			by = "approved"
		}
		if err := a.store.Approve(p.Server, p.item, by, time.Now()); err != nil {
			return Pending{}, err
		}
		if err := a.store.Detached(); err != nil {
			return Pending{}, fmt.Errorf("the approval could not be kept: %w", err)
		}
		return p, nil
	}
	return Pending{}, errorf(Unknown, approval.Server, approval.Tool, "nothing of the server '%s' waits under this digest", approval.Server)
}
