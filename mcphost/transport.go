package mcphost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/confine"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/oauth"
	"github.com/toolserve/toolserve/mcphost/internal/reach"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
)

// link is one connection to a server: what carries the session and what ends with it.
type link struct {
	session *mcp.ClientSession
	// requests carries our calls past the session.
	requests *wire.Requests
	process  *sandbox.Process // nil for a remote server
	noise    *wire.NoiseLog   // nil for a remote server
	heard    atomic.Bool      // the server was told to send its log
	// cancel ends every request that is under way on this link.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// gone is closed when the session has ended.
	gone chan struct{}
	// auth gives requests to a remote server their credentials, or is nil; authState is its State before.
	auth      *oauth.Client
	authState string
	// attempt knows how the requests went by which a remote server was to be connected.
	attempt reach.Attempt
}

// instructions is what the server tells models about itself, or "".
func (l *link) instructions() string {
	if init := l.session.InitializeResult(); init != nil {
		return init.Instructions
	}
	return ""
}

// hasTasks reports whether the server declared that it may answer a call with a task.
func (l *link) hasTasks() bool {
	init := l.session.InitializeResult()
	if init == nil || init.Capabilities == nil {
		return false
	}
	_, has := init.Capabilities.Extensions[inbound.TasksExtension]
	return has
}

// permanentError is a reason for which trying again is of no use.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// connect starts or dials the server and shakes hands, within the server's connect timeout.
// A custom transport takes the place of what the entry says.
func (s *server) connect(ctx context.Context, custom mcp.Transport) (*link, error) {
	linkCtx, cancel := context.WithCancelCause(ctx)
	l := &link{ctx: linkCtx, cancel: cancel, gone: make(chan struct{})}
	var err error
	switch {
	case custom != nil:
		l.requests = &wire.Requests{}
		err = s.handshake(l, wire.Tap{Transport: custom, Requests: l.requests, Peer: s.asks, OnNotice: s.heard})
	case s.cfg().Transport == TransportStdio:
		err = s.connectStdio(l)
	default:
		if err = s.connectRemote(l); err != nil {
			err = l.attempt.Explain(err, s.reachEntry())
		}
		l.attempt.Done()
	}
	if err != nil {
		cancel(err)
		return nil, l.loginProblem(err)
	}
	if !l.hasTasks() {
		l.requests.DeclareNoExtensions()
	}
	go func() {
		defer close(l.gone)
		l.session.Wait()
	}()
	return l, nil
}

// handshake opens the session. The connection lives on under the link's context; the time it may take
// to open is bounded apart from that.
func (s *server) handshake(l *link, transport mcp.Transport) error {
	timeout := s.connectTimeout()
	timer := time.AfterFunc(timeout, func() {
		l.cancel(fmt.Errorf("no answer to the handshake within %s; connect_timeout of its entry allows more", timeout))
	})
	session, err := s.client.Connect(l.ctx, transport, nil)
	if !timer.Stop() && err == nil {
		session.Close()
		err = l.ctx.Err()
	}
	if cause := context.Cause(l.ctx); err != nil && cause != nil {
		err = cause
	}
	l.session = session
	return err
}

func (s *server) connectStdio(l *link) error {
	cfg := s.cfg()
	spec := sandbox.Spec{
		Path: cfg.Command, Args: cfg.Args, Dir: cfg.Dir,
		Env: confine.Environ(cfg),
	}
	var summary SandboxSummary
	spec.Confine, summary = confine.Of(s.host.cfg(), cfg, spec.Env, s.host.private()...)
	s.watchHosts(spec.Confine)
	logger := s.logger
	process, err := sandbox.Start(spec, sandbox.Options{Guard: s.host.orphans, OnStderr: func(line string) {
		logger.Debug("stderr of an MCP server", "line", s.host.redactor.Hide(line))
	}})
	if err != nil {
		return startError(cfg.Command, err)
	}
	summary.InForce(process.Report())
	s.confined(summary)
	l.process, l.noise = process, &wire.NoiseLog{Logger: logger}
	// A server that neither answers nor ends would keep the library waiting for its output to close.
	stop := context.AfterFunc(l.ctx, func() { process.Stop(s.host.ladder()) })
	err = s.handshakeStdio(l)
	if err == nil && stop() {
		process.Settle()
		return nil
	}
	if err == nil {
		err = context.Cause(l.ctx)
	}
	return s.explainStart(l, reach.Spoken(err))
}

// watchHosts notes which hosts the server's process wants to reach and may not.
func (s *server) watchHosts(c *sandbox.Confinement) {
	s.mu.Lock()
	s.refused = nil
	s.mu.Unlock()
	if c == nil || c.Network.Hosts == nil {
		return
	}
	c.Network.Hosts.OnRefused = func(target, reason string) {
		s.mu.Lock()
		s.refused = append(s.refused, s.host.redactor.Hide(target)) // a host may be named after a secret
		s.mu.Unlock()
		text := s.host.redactor.Hide(target + ": " + reason)
		s.logger.Warn("sandbox of an MCP server: a connection was refused; name the host in sandbox.net if it is meant", "host", text)
		s.host.record(audit.Record{Kind: audit.KindServer, Server: s.name, Error: "connection refused: " + text, Note: "sandbox"})
	}
}

// handshakeStdio opens the session with a process. One that was slow to start, as npx and uvx are when they
// have to download first, may turn out to speak the newest revision when it was already spoken to in an older
// one: then the handshake is made once more.
func (s *server) handshakeStdio(l *link) error {
	var late atomic.Bool
	transport := wire.Stdio{
		Peer: s.asks, In: l.process.Stdin(), Out: l.process.Stdout(), DiscoverWait: cmp.Or(s.host.opts.DiscoverWait, 15*time.Second),
		OnNotice: s.heard, OnNoise: l.noise.Add, OnClose: l.process.CloseInput, OnLate: func() { late.Store(true) },
	}
	open := func(transport wire.Stdio) error {
		l.requests = &wire.Requests{}
		transport.Requests = l.requests
		return s.handshake(l, &transport)
	}
	err := open(transport)
	if err == nil || !late.Load() || l.ctx.Err() != nil {
		return err
	}
	s.logger.Debug("the server speaks a newer revision than it was taken for", "error", err)
	transport.DiscoverWait, transport.OnLate = 0, nil
	if err := l.process.Stdout().SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return open(transport)
}

// confined notes how the server's process is confined, and says so once for each outcome.
func (s *server) confined(summary SandboxSummary) {
	s.mu.Lock()
	known := s.sandbox.Level == summary.Level && slices.Equal(s.sandbox.Missing, summary.Missing)
	s.sandbox = summary
	s.mu.Unlock()
	hidden := summary.Hide(s.host.redactor.Hide)
	s.logger.Debug("sandbox of an MCP server", "level", summary.Level, "net", summary.Net, "read", hidden.Read, "write", hidden.Write)
	if known {
		return
	}
	s.logger.Info("sandbox of an MCP server", "level", summary.Level, "setting", summary.Setting, "net", summary.Net, "namespaces", summary.Namespaces)
	for _, missing := range hidden.Missing {
		s.logger.Warn("sandbox of an MCP server: not enforced", "what", missing)
	}
	for _, note := range hidden.Notes {
		s.logger.Info("sandbox of an MCP server", "note", note)
	}
}

// startError says why a program could not be started and what to do about it.
func startError(command string, err error) error {
	var unavailable *sandbox.UnavailableError
	var at *os.PathError
	switch {
	case errors.As(err, &unavailable):
		return permanentError{err}
	case errors.As(err, &at) && at.Op == "chdir":
		return permanentError{fmt.Errorf("the working directory '%s' cannot be entered: %w; create it, or set another cwd", at.Path, at.Err)}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		mend := "install it, or give its full path"
		switch command {
		case "npx", "npm", "node":
			mend = "install Node.js (https://nodejs.org), which brings it"
		case "uvx", "uv":
			mend = "install uv (https://docs.astral.sh/uv), which brings it"
		}
		return permanentError{errors.New("Command '" + command + "' not found in PATH: " + mend)}
	case errors.Is(err, os.ErrPermission):
		return permanentError{fmt.Errorf("the command '%s' may not be executed: %w", command, err)}
	}
	return fmt.Errorf("cannot start '%s': %w", command, err)
}

// explainStart ends the process and adds to a failed handshake what is known of why.
func (s *server) explainStart(l *link, err error) error {
	// What ends after we gave up, ends because of it.
	exited := l.ctx.Err() == nil && waitFor(l.process.Exited(), 200*time.Millisecond)
	text := l.process.ExitText()
	l.process.Stop(s.host.ladder())
	s.keepStderr(l.process)
	if spoken := (*reach.Error)(nil); exited && !errors.As(err, &spoken) { // else it was ended for what it said
		err = fmt.Errorf("the process ended during the handshake (%s)", text)
	}
	if line := l.noise.First(); line != "" {
		err = fmt.Errorf("%w; its output is not MCP: %q", err, catalog.Cut(line, 300))
	}
	if refused := l.process.Refused(); len(refused) > 0 {
		err = fmt.Errorf("%w; it wanted to reach %s, which sandbox.net does not name", err, strings.Join(refused[:min(len(refused), 3)], ", "))
	}
	return withStderr(err, l.process)
}

// withStderr adds the last line of standard error to an error.
func withStderr(err error, process *sandbox.Process) error {
	lines := process.Stderr()
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] != "" {
			return fmt.Errorf("%w; it last said: %s", err, catalog.Cut(lines[i], 300))
		}
	}
	return err
}

func waitFor(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// connectRemote dials a server over HTTP. Without a type it tries Streamable HTTP and then SSE.
func (s *server) connectRemote(l *link) error {
	cfg := s.cfg()
	rules := s.host.launch()
	if cfg.SkipSecurityValidation {
		rules = nil
	}
	client := wire.NewHTTPClient(cfg.URL, cfg.Headers, rules, s.asks)
	endpoint, socket := wire.Endpoint(cfg.URL)
	if socket == "" {
		if err := s.authorize(l, rules); err != nil {
			return err
		}
	}
	l.sign(client)
	// On the older transport all comes on one stream, and the answers go elsewhere: its tap answers.
	older := wire.NewHTTPClient(cfg.URL, cfg.Headers, rules, nil)
	l.sign(older)
	sse := wire.Tap{Requests: &wire.Requests{}, Peer: s.asks, OnNotice: s.heard, Transport: &mcp.SSEClientTransport{
		Endpoint: endpoint, HTTPClient: older, MaxEventSize: wire.MaxLine,
	}}
	if cfg.Transport == TransportSSE {
		l.requests = sse.Requests
		return s.handshake(l, sse)
	}
	err := s.connectStreamable(l, client, endpoint)
	if err == nil || l.ctx.Err() != nil || cfg.Transport == TransportHTTP || l.attempt.Unreachable() || l.auth != nil && l.auth.Failed() != nil {
		return err
	}
	l.requests = sse.Requests
	if sseErr := s.handshake(l, sse); sseErr != nil {
		return fmt.Errorf("%w (and as SSE: %v)", err, sseErr)
	}
	return nil
}

// connectStreamable opens a session over Streamable HTTP. The protocol library and our own requests use
// one client.
func (s *server) connectStreamable(l *link, client *http.Client, endpoint string) error {
	requests, library := &wire.Requests{}, *client
	library.Transport = requests.Library(client.Transport)
	err := s.handshake(l, &mcp.StreamableClientTransport{
		Endpoint: endpoint, HTTPClient: &library, MaxRetries: 2, MaxEventSize: wire.MaxLine,
	})
	if err != nil {
		return err
	}
	l.requests = requests
	requests.BindHTTP(wire.HTTP{
		Client: client, Endpoint: endpoint, Session: l.session.ID(), Version: l.session.InitializeResult().ProtocolVersion,
		Peer: s.asks, OnNotice: s.noticed,
	})
	return nil
}

const toolsChanged = "notifications/tools/list_changed"

// heard notes a notification that the protocol library will pass on, as soon as it is read.
func (s *server) heard(method string) {
	if method == toolsChanged {
		s.news.Say()
	}
}

// noticed takes a notification that came on the response of a call.
func (s *server) noticed(method string) {
	switch s.heard(method); method {
	case toolsChanged:
		notify(s.changed)
	case "notifications/prompts/list_changed":
		s.shelf.PromptsChanged()
	case "notifications/resources/list_changed":
		s.shelf.ResourcesChanged()
	}
}
