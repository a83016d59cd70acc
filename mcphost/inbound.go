package mcphost

//lint:file-ignore SA1019 servers of the older revisions know roots, sampling and logging, and nothing in their place

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/mcphost/internal/inbound"
)

// What servers ask of their client is answered by the package inbound; its types have their names here too.
type (
	// Sampler generates an answer of the served model for a server.
	Sampler = inbound.Sampler
	// SampleRequest is a conversation that a server wants the next turn of.
	SampleRequest = inbound.SampleRequest
	// SampleResult is that turn.
	SampleResult = inbound.SampleResult
	// Elicitation is what a server asks a person: a form to fill in, or an address to open.
	Elicitation = inbound.Elicitation
	// ElicitationAnswer is what the person answered.
	ElicitationAnswer = inbound.ElicitationAnswer
	// LogMessage is a line that a server logs.
	LogMessage = inbound.LogMessage
)

// The modes of an elicitation, and the actions of an answer.
const (
	ModeForm = inbound.ModeForm
	ModeURL  = inbound.ModeURL

	ElicitationAccept  = inbound.Accept
	ElicitationDecline = inbound.Decline
	ElicitationCancel  = inbound.Cancel
)

// newInbound returns what answers the requests of a server, as its entry allows.
func newInbound(s *server, cfg *ServerConfig) *inbound.Handlers {
	asks := s.host.opts.Elicitation
	opts := inbound.Options{
		Server: s.name, Forms: asks && !cfg.Elicitation.NoForms, URLs: asks && !cfg.Elicitation.NoURLs,
		AskTimeout: cfg.Elicitation.Timeout, Record: s.host.record, Hide: s.host.redactor.Hide,
		Logger: s.logger, LogLevel: cfg.LogLevel, Now: s.host.opts.Now,
		Sampling: inbound.SamplingLimits{
			MaxTokens: cfg.Sampling.MaxTokens, MaxRequests: cfg.Sampling.MaxRequests, Timeout: cfg.Sampling.Timeout,
		},
	}
	if !cfg.NoRoots {
		opts.Roots = s.roots
	}
	if cfg.Sampling.Enabled {
		opts.Sampler, opts.CallerSamples = s.host.opts.Sampler, asks
	}
	return inbound.New(opts)
}

// roots are the folders that the server is told of: those of its entry, else what its sandbox grants it. A
// remote server learns nothing of this machine's folders but what its entry says.
func (s *server) roots() []inbound.Root {
	paths := s.cfg().Roots
	if len(paths) == 0 {
		s.mu.Lock()
		paths = append(paths, s.sandbox.Write...)
		paths = append(paths, s.sandbox.Read...)
		s.mu.Unlock()
	}
	var roots []inbound.Root
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() && filepath.IsAbs(path) {
			roots = append(roots, inbound.Root{Path: path, Name: filepath.Base(path)})
		}
	}
	return roots
}

// rootsChanged tells the server to ask for its roots again, where a change of the configuration left it
// running with others.
func (s *server) rootsChanged(before *Config) {
	i := slices.IndexFunc(before.Servers, func(c ServerConfig) bool { return c.Name == s.name })
	l, down := s.current()
	if i < 0 || down != nil || slices.Equal(before.Servers[i].Roots, s.cfg().Roots) {
		return
	}
	if init := l.session.InitializeResult(); init == nil || init.ProtocolVersion >= firstStateless {
		return // which asks each time
	}
	// The library tells the server when a root is added; what the roots are, the server hears from us.
	go s.client.AddRoots(&mcp.Root{URI: "file:///"})
}

// setLogLevel tells a server of the initialize era which log lines are wanted. One that cannot is left
// alone: its lines are sorted here as well.
func (s *server) setLogLevel(ctx context.Context, l *link) {
	level, init := s.cfg().LogLevel, l.session.InitializeResult()
	if level == "" || init == nil || init.ProtocolVersion >= firstStateless {
		return
	}
	if init.Capabilities == nil || init.Capabilities.Logging == nil {
		return
	}
	if level == "off" {
		level = "emergency"
	}
	if err := l.session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: mcp.LoggingLevel(level)}); err != nil {
		s.logger.Warn("the server does not take the level of its log", "level", level, "error", s.host.redactor.Hide(err.Error()))
	}
}

// hearLogs has a server of the initialize era that was told no level send its log, for a caller who listens.
func (s *server) hearLogs(ctx context.Context, l *link, listens bool) {
	init := l.session.InitializeResult()
	if !listens || s.cfg().LogLevel != "" || init == nil || init.ProtocolVersion >= firstStateless ||
		init.Capabilities == nil || init.Capabilities.Logging == nil || l.heard.Swap(true) {
		return
	}
	if err := l.session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: "info"}); err != nil {
		s.logger.Debug("the server does not take the level of its log", "error", s.host.redactor.Hide(err.Error()))
	}
}

// logLevel is the least level of log lines that a call asks for, where the revision has each request say so:
// that of the entry, or what a caller who listens can use.
func (s *server) logLevel(listens bool) string {
	switch level := s.cfg().LogLevel; {
	case level == "off" && !listens:
		return ""
	case level != "" && level != "off":
		return level
	case listens:
		return "info"
	}
	return ""
}

// firstStateless is the first revision without a session: each request says what it wants.
const firstStateless = "2026-07-28"
