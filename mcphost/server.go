package mcphost

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/mcphost/internal/approvals"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/library"
	"github.com/toolserve/toolserve/mcphost/internal/turns"
)

// State is what a server is doing.
type State string

// The states of a server.
const (
	StateDisabled   State = "disabled"   // the configuration turned it off
	StateConnecting State = "connecting" // it is being started or dialled for the first time
	StateConnected  State = "connected"  // its tools can be called
	StateRetrying   State = "retrying"   // it went away or did not come up, and is tried again
	StateFailed     State = "failed"     // it cannot be used, and trying again would not help
	StateHeld       State = "held"       // it waits for a person's approval
	StateIdle       State = "idle"       // it is started by the next call
)

const (
	// refreshPause is the least time between two readings of a list of tools that keeps changing.
	refreshPause = 250 * time.Millisecond
	// steady is how long a connection must have lasted for the next failure to count as the first.
	steady = time.Minute
	// maxRestartTimes is how many of the last restarts are remembered.
	maxRestartTimes = 10
)

// server supervises one entry of the configuration.
type server struct {
	name   string
	config atomic.Pointer[ServerConfig] // see cfg
	host   *Host
	client *mcp.Client
	// asks answers what the server asks.
	asks   *inbound.Handlers
	logger *slog.Logger
	// changed holds a token when the server said that its tools changed. The protocol library sends,
	// run receives; it is never closed.
	changed chan struct{}
	// news holds back calls until the list that the server said has changed is read.
	news catalog.News
	// broken holds a token when a call found the connection dead. Calls send, run receives.
	broken chan struct{}
	// turns bounds the calls under way.
	turns turns.Turns
	// approved holds a token when a held server was approved. Approve sends, run receives.
	approved chan struct{}
	// wake holds a token when a server that rests is wanted. Calls send, run receives.
	wake chan struct{}
	// lastUsed is when it was, in nanoseconds of the Unix time.
	lastUsed atomic.Int64
	// reviewer compares it with what was approved. It calls take, and is not called with mu held.
	reviewer *approvals.Reviewer
	// settled is closed after the first attempt to connect, whatever came of it.
	settled    chan struct{}
	settleOnce sync.Once
	// runs is false where there is nothing to start. ended is closed when the server runs no more, cancel
	// ends it; cancel is nil until it was launched and guarded by the host's mu.
	runs   bool
	ended  chan struct{}
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	state    State
	moved    chan struct{} // closed and replaced when state changes
	listed   bool          // catalog is what it offers, as far as is known
	reason   string
	since    time.Time
	retryAt  time.Time
	restarts int
	// restartedAt are the last times that it was started again; lastError is why, also once it is back.
	restartedAt []time.Time
	lastError   string
	lastErrorAt time.Time
	link        *link            // not nil while connected
	catalog     *catalog.Catalog // the last one, also while not connected
	stderr      []string         // of the last process that ended
	sandbox     SandboxSummary   // of the last process that was started
	refused     []string         // the hosts that it wanted to reach and may not
	shadows     []string         // what its tools have to do with those of other servers
	shelf       *library.Shelf   // what it offers besides tools
}

func newServer(h *Host, in *setup, cfg ServerConfig) *server {
	s := &server{
		name: cfg.Name, host: h,
		logger:   h.logger.With("server", cfg.Name),
		changed:  make(chan struct{}, 1),
		broken:   make(chan struct{}, 1),
		approved: make(chan struct{}, 1),
		wake:     make(chan struct{}, 1),
		moved:    make(chan struct{}),
		settled:  make(chan struct{}),
		ended:    make(chan struct{}),
		state:    StateConnecting,
		since:    h.now(),
		catalog:  &catalog.Catalog{},
		sandbox:  SandboxSummary{Level: "none"},
		shelf:    library.NewShelf(cfg.Name),
	}
	s.config.Store(&cfg)
	s.reviewer = newReviewer(s)
	if cfg.Transport == TransportStdio {
		s.sandbox = SandboxSummary{Level: sandbox.LevelProcessGroup, Setting: cfg.SandboxSetting(in.cfg.Security.Sandbox)}
	}
	switch {
	case cfg.Disabled:
		s.state = StateDisabled
	case cfg.Problem != nil:
		s.state, s.reason = StateFailed, cfg.Problem.Error()
	}
	if s.runs = s.state == StateConnecting; !s.runs {
		s.settle()
	}
	s.asks = newInbound(s, &cfg)
	options := &mcp.ClientOptions{
		Capabilities:           s.asks.Capabilities(),
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { notify(s.changed) },
	}
	s.client = mcp.NewClient(&mcp.Implementation{Name: "toolserve", Version: h.opts.version()}, s.followLists(options))
	return s
}

// cfg is the entry in force. It is not to be changed.
func (s *server) cfg() *ServerConfig { return s.config.Load() }

// notify puts a token into a channel of one, where there is none yet.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *server) settle() { s.settleOnce.Do(func() { close(s.settled) }) }

func (s *server) connectTimeout() time.Duration {
	if s.cfg().ConnectTimeout > 0 {
		return s.cfg().ConnectTimeout
	}
	return DefaultConnectTimeout
}

func (s *server) keepStderr(p *sandbox.Process) {
	lines := p.Stderr()
	s.mu.Lock()
	s.stderr = lines
	s.mu.Unlock()
}

func (s *server) set(state State, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setLocked(state, reason)
}

// setLocked is set where s.mu is held.
func (s *server) setLocked(state State, reason string) {
	if s.state != state {
		s.since = s.host.now()
	}
	s.state, s.reason = state, reason
	close(s.moved)
	s.moved = make(chan struct{})
}

func (s *server) connected(l *link) {
	select {
	case <-s.broken: // said of the connection before
	default:
	}
	s.shelve(l)
	s.mu.Lock()
	s.link = l
	c := s.catalog
	s.listed = true
	select {
	case <-s.wake: // whoever wanted it has it
	default:
	}
	s.setLocked(StateConnected, "")
	s.mu.Unlock()
	s.host.changes.add(allLists())
	s.settle()
	s.logger.Info("MCP server connected", "tools", len(c.Tools))
	s.host.record(audit.Record{Kind: audit.KindServer, Server: s.name, Success: true, Note: "connected"})
	for _, note := range c.Notes {
		s.logger.Warn("tools of an MCP server", "note", note)
	}
}

func (s *server) fail(err error) {
	reason := s.host.redactor.Hide(err.Error())
	s.set(StateFailed, reason)
	s.logger.Error("MCP server failed", "error", reason)
}

func (s *server) retry(err error, delay time.Duration) {
	reason := s.host.redactor.Hide(err.Error())
	s.set(StateRetrying, reason)
	now := s.host.now()
	s.mu.Lock()
	s.restarts++
	s.retryAt = now.Add(delay)
	s.restartedAt = append(s.restartedAt[max(len(s.restartedAt)-maxRestartTimes+1, 0):], s.retryAt)
	s.lastError, s.lastErrorAt = reason, now
	s.mu.Unlock()
	s.logger.Warn("MCP server is tried again", "error", reason, "in", delay.Round(time.Millisecond))
	s.host.record(audit.Record{Kind: audit.KindServer, Server: s.name, Error: reason, Note: "disconnected"})
}

// current returns the connection, or why there is none.
func (s *server) current() (*link, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		return s.link, nil
	}
	e := errorf(NotConnected, s.name, "", "Server '%s' is not connected (%s)", s.name, s.state)
	if s.state == StateHeld {
		e.Kind = NeedsApproval
	}
	if s.reason != "" {
		e.Message += ": " + s.reason
	}
	if s.offering() { // it ended in the moment that it was wanted
		e.RetryAfter = time.Second
	}
	switch s.state {
	case StateConnecting:
		e.RetryAfter = time.Second
	case StateRetrying:
		e.RetryAfter = max(s.retryAt.Sub(s.host.now()), time.Second)
	}
	return nil, e
}
