package mcphost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
)

const (
	// refreshPause is the least time between two readings of a list of tools that keeps changing.
	refreshPause = 250 * time.Millisecond
	// steady is how long a connection must have lasted for the next failure to count as the first.
	steady = time.Minute
	// maxRestartTimes is how many of the last restarts are remembered.
	maxRestartTimes = 10
	// parallelCalls bounds the calls that one server has at a time; more wait.
	parallelCalls = 64
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
	// broken holds a token when a call found the connection dead. Calls send, run receives.
	broken chan struct{}
	// slots holds a token for each call under way.
	slots chan struct{}
	// approved holds a token when a held server was approved. Approve sends, run receives.
	approved chan struct{}
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
	shadows     []string         // what its tools have to do with those of other servers
	shelf       *library.Shelf   // what it offers besides tools
}

func newServer(h *Host, in *setup, cfg ServerConfig) *server {
	s := &server{
		name: cfg.Name, host: h,
		logger:   h.logger.With("server", cfg.Name),
		changed:  make(chan struct{}, 1),
		broken:   make(chan struct{}, 1),
		slots:    make(chan struct{}, parallelCalls),
		approved: make(chan struct{}, 1),
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
	if cfg.Transport != TransportStdio {
		options.KeepAlive, options.KeepAliveFailureThreshold = 30*time.Second, 3
	}
	s.client = mcp.NewClient(&mcp.Implementation{Name: "toolserve", Version: h.opts.version()}, s.followLists(options))
	s.client.AddSendingMiddleware(library.KeepOut)
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

// run keeps the server connected until ctx ends or trying again is of no use.
func (s *server) run(ctx context.Context) {
	defer s.settle()
	for failures := 0; ; failures++ {
		up, err := s.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if isHeld(err) {
			s.hold(err, ctx.Done())
			continue
		}
		if permanent := (permanentError{}); errors.As(err, &permanent) {
			s.fail(err)
			return
		}
		if up >= steady {
			failures = 0
		}
		delay := s.host.opts.backoff(failures)
		s.retry(err, delay)
		s.settle()
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// backoff is the wait before attempt n+1: doubling from a quarter of a second to a minute, with a
// quarter of it left to chance so that servers that fell together do not rise together.
func (o *Options) backoff(n int) time.Duration {
	least, most := o.RetryMin, o.RetryMax
	if least <= 0 {
		least = 250 * time.Millisecond
	}
	if most <= 0 {
		most = time.Minute
	}
	d := min(least<<min(n, 16), most)
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// once takes the server up and waits for its end. It returns how long it was up and why it ended.
func (s *server) once(ctx context.Context) (up time.Duration, err error) {
	var custom mcp.Transport
	if s.host.opts.Transport != nil {
		custom = s.host.opts.Transport(*s.cfg())
	}
	if custom == nil {
		if err := s.allowed(); err != nil {
			return 0, err
		}
	}
	if err := s.reviewer.Launch(s.trusted()); err != nil {
		return 0, err
	}
	l, err := s.connect(ctx, custom)
	if err != nil {
		return 0, err
	}
	listCtx, cancel := context.WithTimeout(l.ctx, s.connectTimeout())
	c, err := catalog.Read(listCtx, s.name, l.session)
	cancel()
	if err != nil {
		err = fmt.Errorf("cannot list its tools: %w", s.explainEnd(l, err))
		s.teardown(l, err)
		return 0, err
	}
	if err := s.reviewer.Review(s.trusted(), c, l.instructions()); err != nil {
		s.teardown(l, err)
		return 0, err
	}
	since := s.host.now()
	s.setLogLevel(l.ctx, l)
	s.connected(l)
	err = s.watch(ctx, l)
	s.mu.Lock()
	s.link = nil
	s.mu.Unlock()
	s.host.changes.add(everything())
	s.shelf.Detach()
	s.teardown(l, err)
	return s.host.now().Sub(since), err
}

// allowed asks the launch rules. It runs before every start, since files and rules may have changed.
func (s *server) allowed() error {
	verdict := s.host.launch().CheckServer(s.cfg().Spec())
	for _, warning := range verdict.Warnings {
		s.logger.Warn("launch rules", "warning", warning)
	}
	if !verdict.Allowed {
		s.host.record(audit.Record{
			Kind: audit.KindServer, Server: s.name, Decision: "deny",
			Code: string(verdict.Code), Reason: verdict.Reason, Error: verdict.Reason,
		})
		return permanentError{errors.New(verdict.Reason)}
	}
	return nil
}

// watch returns when the connection has ended, with the reason, reading the tools anew when they change.
func (s *server) watch(ctx context.Context, l *link) error {
	var exited <-chan struct{}
	if l.process != nil {
		exited = l.process.Exited()
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-exited:
			return s.explainEnd(l, errors.New("the connection was closed"))
		case <-l.gone:
			return s.explainEnd(l, errors.New("the connection was closed"))
		case <-s.broken:
			return s.explainEnd(l, errors.New("the connection failed"))
		case <-s.shelf.Woken():
			s.shelf.Refresh()
		case <-s.changed:
			s.refresh(l)
			waitFor(l.ctx.Done(), refreshPause)
		}
	}
}

// refresh reads the list of tools anew; when that fails the old one stays.
func (s *server) refresh(l *link) {
	ctx, cancel := context.WithTimeout(l.ctx, s.connectTimeout())
	defer cancel()
	c, err := catalog.Read(ctx, s.name, l.session)
	if err != nil {
		s.logger.Warn("cannot list the tools again", "error", err)
		return
	}
	if c.Indirect {
		return // the library's cache is older than what is there already
	}
	if err := s.reviewer.Review(s.trusted(), c, l.instructions()); err != nil {
		s.logger.Warn("the changed tools are not taken up", "error", err)
		return
	}
	s.logger.Info("the tools changed", "tools", len(c.Tools))
}

// explainEnd says why a connection ended: how its process ended, where it has one.
func (s *server) explainEnd(l *link, err error) error {
	if l.process == nil || !waitFor(l.process.Exited(), 300*time.Millisecond) {
		return err
	}
	return withStderr(fmt.Errorf("the process ended (%s)", l.process.ExitText()), l.process)
}

// teardown ends a connection and everything that belongs to it.
func (s *server) teardown(l *link, reason error) {
	l.cancel(reason)
	if l.process != nil {
		l.process.Stop(s.host.ladder())
		s.keepStderr(l.process)
	}
	l.session.Close()
	<-l.gone
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
	if s.state != state {
		s.since = s.host.now()
	}
	s.state, s.reason = state, reason
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
	s.state, s.reason, s.since = StateConnected, "", s.host.now()
	s.mu.Unlock()
	s.host.changes.add(everything())
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
	switch s.state {
	case StateConnecting:
		e.RetryAfter = time.Second
	case StateRetrying:
		e.RetryAfter = max(s.retryAt.Sub(s.host.now()), time.Second)
	}
	return nil, e
}
