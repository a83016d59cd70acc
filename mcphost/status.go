package mcphost

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
)

// maxStatusNotes bounds the notes of one server in the status.
const maxStatusNotes = 40

// ServerStatus is what is known of one server.
type ServerStatus struct {
	Name      string
	State     State
	Transport Transport
	// Tools is how many tools it offers; 0 unless it is connected.
	Tools int
	// Resources, ResourceTemplates and Prompts are how many of these it offers, as far as they were read;
	// 0 unless it is connected.
	Resources, ResourceTemplates, Prompts int
	// Error is the reason for a state other than connected, or "".
	Error string
	// Notes are complaints about its list of tools, and what screening found in its texts.
	Notes []string
	// Pending is what is not as it was approved.
	Pending []Pending
	// Since is when it came into the state.
	Since time.Time
	// Restarts is how often it was started or dialled again, RestartedAt the last times of that, the newest
	// last.
	Restarts    int
	RestartedAt []time.Time
	// LastError is why it last went away or did not come up, at LastErrorAt; it stays while connected. ""
	// where it never did.
	LastError   string
	LastErrorAt time.Time
	// RetryAt is when it is tried again; zero unless it is retrying.
	RetryAt time.Time
	// Stderr are the last lines of its standard error.
	Stderr []string
	// PID is its process, or 0.
	PID int
	// Protocol is the revision of MCP that is spoken, or "". Implementation is what it calls itself.
	Protocol, Implementation string
	// Sandbox is how its process is confined, or the last one was.
	Sandbox SandboxSummary
}

// Status returns the state of every server in the order of the configuration.
func (h *Host) Status() []ServerStatus {
	servers := h.all()
	out := make([]ServerStatus, len(servers))
	for i, s := range servers {
		out[i] = s.status()
	}
	return out
}

func (s *server) status() ServerStatus {
	pending, findings := s.reviewer.Pending(), s.reviewer.Findings()
	st := s.snapshot(findings)
	st.Pending = pending
	for i, line := range st.Stderr {
		st.Stderr[i] = s.host.redactor.Hide(line)
	}
	st.Sandbox = st.Sandbox.Hide(s.host.redactor.Hide)
	return st
}

func (s *server) snapshot(findings []string) ServerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := ServerStatus{
		Name: s.name, State: s.state, Transport: s.cfg().Transport, Error: s.reason, Since: s.since,
		Restarts: s.restarts, RestartedAt: slices.Clone(s.restartedAt),
		LastError: s.lastError, LastErrorAt: s.lastErrorAt, Stderr: slices.Clone(s.stderr), Sandbox: s.sandbox,
		Notes: slices.Concat(s.catalog.Notes, findings, s.shadows),
	}
	if st.Sandbox.Refused = slices.Clone(s.refused); len(s.refused) > 0 {
		st.Notes = append(st.Notes, "its process wanted to reach "+strings.Join(s.refused, ", ")+", which sandbox.net does not name")
	}
	st.Notes = st.Notes[:min(len(st.Notes), maxStatusNotes)]
	if err := s.host.pins().Detached(); err != nil {
		st.Notes = append(st.Notes, "approvals are kept until the end of this process only: "+err.Error())
	}
	if path := s.host.cfg().LockFile(); path != "" && slices.ContainsFunc(s.sandbox.Write, func(dir string) bool { return within(dir, path) }) {
		st.Notes = append(st.Notes, "its process may write the lock file, and so approve itself: keep the configuration out of what servers may write")
	}
	if s.state == StateRetrying {
		st.RetryAt = s.retryAt
	}
	for _, t := range s.catalog.Tools {
		if s.offering() && s.cfg().Offers(t.Name) && !t.Held {
			st.Tools++
		}
	}
	if s.offering() {
		s.countShelf(&st)
	}
	if s.link == nil {
		return st
	}
	if s.link.process != nil {
		st.PID, st.Stderr = s.link.process.PID(), s.link.process.Stderr()
	}
	if init := s.link.session.InitializeResult(); init != nil {
		st.Protocol = init.ProtocolVersion
		if init.ServerInfo != nil {
			st.Implementation = catalog.Cut(init.ServerInfo.Name+" "+init.ServerInfo.Version, 200)
		}
	}
	return st
}

// within reports whether path lies in a folder.
func within(dir, path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
