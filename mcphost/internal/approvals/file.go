package approvals

import (
	"errors"
	"fmt"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/pins"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
	"github.com/toolserve/toolserve/policy/trust"
)

// File is the lock file of a configuration while no host runs with it. A host that does run sees
// what is approved here when it next looks: when a server is started or its tools change.
type File struct {
	cfg   *mcpjson.Config
	store *pins.Store
}

// Open reads the lock file of a configuration.
func Open(cfg *mcpjson.Config) (*File, error) {
	path := cfg.LockFile()
	if path == "" {
		return nil, errors.New("the configuration has no path, and no \"lock_file\": approvals are kept in memory alone")
	}
	store, err := pins.Open(path)
	return &File{cfg: cfg, store: store}, err
}

// Launch says how what a server's entry starts or reaches compares with what was approved: "new",
// "approved", "changed", or "off" where it is not compared. Of what changed, the difference is returned.
func (f *File) Launch(server string) (state string, changed *Pending, err error) {
	for _, s := range f.cfg.Servers {
		if s.Name == server {
			return f.launch(s)
		}
	}
	return "", nil, fmt.Errorf("the server '%s' is not in the configuration", server)
}

func (f *File) launch(s mcpjson.ServerConfig) (state string, changed *Pending, err error) {
	judged := rules(f.cfg, s)
	if judged.Mode == trust.Off {
		return "off", nil, nil
	}
	outcome, err := f.store.Peek(s.Name, judged, f.cfg.LaunchItem(s, f.cfg.AuditOptions().Redactor))
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
func (f *File) Pending() ([]Pending, error) {
	var out []Pending
	for _, s := range f.cfg.Servers {
		if s.Problem == nil {
			_, changed, err := f.launch(s)
			if err != nil {
				return nil, err
			}
			if changed != nil {
				out = append(out, *changed)
			}
		}
		found, err := f.store.Waiting(s.Name)
		if err != nil {
			return nil, err
		}
		judged := rules(f.cfg, s)
		for _, o := range found {
			if o.Item.Kind != trust.KindLaunch && judged.Mode != trust.Off {
				o.Action, o.Reason = trust.Suspend, judged.Judge(o.Item, trust.Pin{Digest: o.Approved}).Reason
				if o.Reason == "" {
					o.Reason = "it is new"
				}
				out = append(out, newPending(s.Name, o))
			}
		}
	}
	return out, nil
}

// Approve approves what waits under a digest, as [Reviewer.Approve] does.
func (f *File) Approve(approval Approval) (Pending, error) {
	pending, err := f.Pending()
	if err != nil {
		return Pending{}, err
	}
	for _, p := range pending {
		if p.Server != approval.Server || p.Digest != approval.Digest || approval.Tool != "" && approval.Tool != p.Tool {
			continue
		}
		if err := f.store.Approve(p.Server, p.item, approval.by(), time.Now()); err != nil {
			return Pending{}, err
		}
		if err := f.store.Detached(); err != nil {
			return Pending{}, fmt.Errorf("the approval could not be kept: %w", err)
		}
		return p, nil
	}
	return Pending{}, approvalError{fmt.Sprintf("nothing of the server '%s' waits under this digest", approval.Server), ErrNothing}
}
