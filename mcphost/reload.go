package mcphost

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

// ConfigStatus is where the configuration in force came from. It encodes to JSON as GET /v1/mcp/status
// shows it.
type ConfigStatus struct {
	Path string `json:"path,omitempty"`
	// LoadedAt is when what is in force was taken up.
	LoadedAt time.Time `json:"loaded_at"`
	// Error says why a newer text was not taken up, since FailedAt; "" where there is none.
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failed_at,omitzero"`
}

// ReloadReport says what a change of the configuration did, by the names of the servers.
type ReloadReport struct {
	// Added were not there before, Removed are no longer. Restarted were ended, and are started as their
	// entries say now. Updated run on under other settings, Kept under the same ones.
	Added, Removed, Restarted, Updated, Kept []string
	// Notes name what takes effect only when the program is started again.
	Notes []string
}

// String returns the report as one line.
func (r ReloadReport) String() string {
	return fmt.Sprintf("added %q, removed %q, restarted %q, updated %q, kept %d", r.Added, r.Removed, r.Restarted, r.Updated, len(r.Kept))
}

// changedError is why a server that ran well was ended.
type changedError string

func (e changedError) Error() string { return string(e) }

const (
	errRemoved   changedError = "it was removed from the configuration"
	errRestarted changedError = "it was restarted, because its configuration changed"
)

// ConfigStatus returns where the configuration in force came from.
func (h *Host) ConfigStatus() ConfigStatus { return *h.config.Load() }

// ReloadFailed notes why a changed configuration is not taken up; what runs, runs on.
func (h *Host) ReloadFailed(err error) {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	status := h.ConfigStatus()
	status.Error, status.FailedAt = h.redactor.Hide(err.Error()), h.now()
	h.config.Store(&status)
	h.logger.Error("the changed MCP configuration is not taken up; the one before stays in force", "error", status.Error)
}

// Reload puts another configuration into force. Servers whose entries say the same run on with their calls,
// also where only a timeout, a limit or a list of tools changed. Others are started again, and calls of what
// was removed or is started again end with an [*Error]. Servers that had failed are tried again. Rules for
// tools, limits and redaction change at once for all calls that begin after; the audit log stays, and so does
// what was used of limits. When Reload fails, everything is as it was.
func (h *Host) Reload(cfg *Config) (ReloadReport, error) {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	before := h.setup.Load()
	in, err := newSetup(cfg, &h.opts, before)
	if err != nil {
		return ReloadReport{}, err
	}
	// Secrets are hidden before anything can speak of them.
	options := cfg.AuditOptions()
	h.redactor.AddSecrets(cfg.Secrets()...)
	h.redactor.AddKeys(cfg.Security.RedactKeys...)
	report := ReloadReport{}
	now := before.cfg.AuditOptions()
	if now.Redactor, options.Redactor = nil, nil; h.ownAudit && !reflect.DeepEqual(now, options) {
		report.Notes = append(report.Notes, "how the audit log is kept changes when the program is started again")
	}
	for _, s := range cfg.Servers {
		in.add(h.successor(before, in, s, &report))
	}
	for _, s := range before.servers {
		if in.byName[s.name] == nil {
			report.Removed = append(report.Removed, s.name)
		}
	}
	if err := h.replace(before, in); err != nil {
		return ReloadReport{}, err
	}
	h.config.Store(&ConfigStatus{Path: cfg.Path, LoadedAt: h.now()})
	h.lookAgain(before, in)
	h.record(audit.Record{Kind: audit.KindServer, Success: true, Note: "configuration changed: " + report.String()})
	h.logger.Info("MCP configuration changed", "added", report.Added, "removed", report.Removed,
		"restarted", report.Restarted, "updated", report.Updated, "kept", len(report.Kept))
	for _, note := range report.Notes {
		h.logger.Warn("MCP configuration changed", "note", note)
	}
	return report, nil
}

// successor returns the server that an entry is run by from now on: the one that runs, where it can.
func (h *Host) successor(before, in *setup, cfg ServerConfig, report *ReloadReport) *server {
	old := before.byName[cfg.Name]
	switch {
	case old == nil:
		report.Added = append(report.Added, cfg.Name)
	case h.mustRestart(before, in, old, cfg):
		report.Restarted = append(report.Restarted, cfg.Name)
	case !reflect.DeepEqual(*old.cfg(), cfg):
		report.Updated = append(report.Updated, cfg.Name)
		return old
	default:
		report.Kept = append(report.Kept, cfg.Name)
		return old
	}
	return newServer(h, in, cfg)
}

// mustRestart reports whether a server cannot run on under a changed entry and changed rules.
func (h *Host) mustRestart(before, in *setup, old *server, cfg ServerConfig) bool {
	is := *old.cfg()
	if is.SandboxSetting(before.cfg.Security.Sandbox) != cfg.SandboxSetting(in.cfg.Security.Sandbox) || !sameProcess(is, cfg) {
		return true
	}
	if cfg.Disabled || cfg.Problem != nil {
		return false // neither runs
	}
	if old.snapshot(nil).Sandbox.Covers() {
		return true // it could see the new file
	}
	if h.opts.Transport != nil && h.opts.Transport(cfg) != nil {
		return old.is(StateFailed)
	}
	return old.is(StateFailed) || !in.launch.CheckServer(cfg.Spec()).Allowed
}

// sameProcess reports whether two entries differ at most in what may change while their server runs.
func sameProcess(a, b ServerConfig) bool {
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if text(a.Problem) != text(b.Problem) {
		return false
	}
	for _, s := range []*ServerConfig{&a, &b} {
		s.Problem = nil
		s.Timeout, s.MaxTimeout, s.ConnectTimeout, s.CallsPerMinute, s.MaxParallelCalls = 0, 0, 0, 0, 0
		s.AllowedTools, s.BlockedTools, s.AutoApprove = nil, nil, nil
		s.Trust, s.Reads = "", policy.ReadRules{}
		s.Reads = policy.ReadRules{}
		s.Roots = nil // see rootsChanged
	}
	return reflect.DeepEqual(a, b)
}

// replace puts a setup into force: it ends the servers that are no longer in it and launches the new ones.
func (h *Host) replace(before, in *setup) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.New("the MCP host is closed")
	}
	h.setup.Store(in)
	for i := range in.cfg.Servers {
		if s := in.servers[i]; before.byName[s.name] == s {
			s.config.Store(&in.cfg.Servers[i])
		}
	}
	if h.ctx == nil {
		return nil
	}
	for _, old := range before.servers {
		next := in.byName[old.name]
		switch {
		case next == nil:
			old.cancel(errRemoved)
		case next != old:
			old.cancel(errRestarted)
		}
	}
	for _, s := range in.servers {
		if old := before.byName[s.name]; old != s {
			h.launchServer(s, old)
		}
	}
	return nil
}

// lookAgain judges what runs on by the new rules.
func (h *Host) lookAgain(before, in *setup) {
	for _, s := range in.servers {
		if before.byName[s.name] != s {
			continue
		}
		if s.is(StateHeld) {
			notify(s.approved) // which compares its launch once more
		}
		s.rootsChanged(before.cfg)
		if err := s.reviewer.Again(s.trusted()); err != nil {
			s.logger.Warn("the tools of an MCP server could not be compared with what was approved", "error", err)
		}
	}
	h.reindex()
	h.changes.add(allLists())
}

// is reports whether the server is in one of some states.
func (s *server) is(states ...State) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(states, s.state)
}
