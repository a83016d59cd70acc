package mcphost

import (
	"errors"

	"github.com/toolserve/toolserve/mcphost/internal/approvals"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/confine"
	"github.com/toolserve/toolserve/mcphost/internal/packages"
	"github.com/toolserve/toolserve/policy/trust"
)

type (
	// Pending is something of a server that is not as it was approved.
	Pending = approvals.Pending
	// Approval says that a person has seen something that waits, and agrees to it.
	Approval = approvals.Approval
	// Approvals is the lock file of a configuration while no host runs with it.
	Approvals = approvals.File
)

// OpenApprovals reads the lock file of a configuration.
func OpenApprovals(cfg *Config) (*Approvals, error) { return approvals.Open(cfg) }

func newReviewer(s *server) *approvals.Reviewer {
	return approvals.NewReviewer(s.name, approvals.Options{
		Logger: s.logger, Redactor: s.host.redactor, Record: s.host.record, Now: s.host.now, Take: s.take,
	})
}

// trusted is what reviews of the server go by.
func (s *server) trusted() approvals.Setup {
	in := s.host.setup.Load()
	return approvals.Setup{Config: in.cfg, Server: *s.cfg(), Pins: in.pins}
}

// packagesTrusted compares the packages that the server runs with what they held before: those that are
// fetched already before it is started, and all once it is up.
func (s *server) packagesTrusted(custom, up bool) error {
	cfg := s.cfg()
	if custom || cfg.Transport != TransportStdio {
		return nil
	}
	in := s.host.setup.Load()
	var items []trust.Item
	for _, p := range packages.Find(confine.Caches(in.cfg, cfg), in.launch.CheckServer(cfg.Spec()).Packages) {
		if p.Integrity == "" {
			if up {
				s.logger.Info("what a package holds is not known", "package", p.Name, "version", p.Version)
			}
			continue
		}
		items = append(items, p.Item())
	}
	return s.reviewer.Packages(s.trusted(), items, up)
}

// take takes up a list of tools as it may be offered.
func (s *server) take(offered *catalog.Catalog) {
	s.mu.Lock()
	s.catalog = offered
	s.mu.Unlock()
	s.host.reindex()
}

// Approve approves what waits under a digest, and nothing else. A tool is offered from then on, a server
// that is held is started. The error is an [*Error] of kind Unknown where nothing waits, of NeedsApproval
// where something else waits than what was seen.
func (h *Host) Approve(a Approval) (Pending, error) {
	s := h.server(a.Server)
	if s == nil {
		return Pending{}, h.noServer(a.Server, a.Tool)
	}
	p, err := s.reviewer.Approve(s.trusted(), a)
	switch {
	case errors.Is(err, approvals.ErrNothing):
		return Pending{}, errorf(Unknown, a.Server, a.Tool, "%v", err)
	case errors.Is(err, approvals.ErrOther):
		e := errorf(NeedsApproval, a.Server, a.Tool, "%v", err)
		e.Param = "digest"
		return Pending{}, e
	}
	if err == nil && (p.Kind == trust.KindLaunch || p.Kind == trust.KindPackage) {
		notify(s.approved)
	}
	return p, err
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

func isHeld(err error) bool { return errors.As(err, new(approvals.HeldError)) }
