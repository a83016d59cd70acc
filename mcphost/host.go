// Package mcphost runs the MCP servers of a configuration and offers their tools as one list. It
// starts or dials them in the background, keeps each one up, and executes calls: every call, on
// whatever path it came, is resolved, checked against the tool's schema, judged by the policy and
// written to the audit log.
//
// One bad server never stops the others: it is listed with its reason.
package mcphost

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/internal/sandbox/orphan"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/screen"
)

// Options say how a host works. The zero value takes everything from the configuration.
type Options struct {
	// Launch judges what is started or dialled; nil is the configuration's rules.
	Launch *policy.LaunchRules
	// Gate judges each call; nil is a gate of the configuration's rules.
	Gate *policy.Gate
	// Audit records each call; nil is a log as the configuration wants it, which the host closes.
	Audit *audit.Log
	// Transport, when set, returns how to reach a server, or nil for the way its entry says. The
	// launch rules do not judge a server that it returns something for.
	Transport func(ServerConfig) mcp.Transport
	// Sampler answers the servers that may ask the model; nil refuses them all.
	Sampler Sampler
	// Elicitation says that there are callers whose users can be asked: see [Call.Elicit].
	Elicitation bool
	// MaxResult bounds the content of one result in bytes; 0 means 4 MiB. What is more is cut, with a mark.
	MaxResult int
	// RetryMin and RetryMax bound the wait before a server is tried again; 0 means 250 ms and 1 min.
	RetryMin, RetryMax time.Duration
	// StopWait is how long each step of ending a process may take; 0 means 2 s.
	StopWait time.Duration
	// RunDir is a folder, made where it is missing, for records of the processes that run: what a killed
	// program left behind is ended by the next one. "" keeps none. The processes end with a killed program
	// in any case, as long as there is a shell.
	RunDir string
	// Private are files and folders of the program that no server may read, whatever folder it is granted. Those
	// of the configuration, the approvals, the audit log and the logins are it in any case.
	Private []string
	// HealthEvery is how often a remote server is asked whether it is there; 0 means 30 s.
	HealthEvery time.Duration
	// FreshMin is the least time after which a list of tools is read again that says for how long it is good;
	// 0 means 30 s.
	FreshMin time.Duration
	// DiscoverWait is how long a server may be silent to the opening of the newest protocol revision
	// before the older opening is tried; 0 means 15 s.
	DiscoverWait time.Duration
	// Tokens keeps the logins to remote servers; nil keeps them in memory.
	Tokens *Tokens
	// Authorizer asks a person to log in to a remote server that wants it; nil means that nobody can be
	// asked: such a server is held until there is a login in Tokens.
	Authorizer Authorizer
	// Version is what the servers are told of this program; "" is the version of the build.
	Version string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger is told what happens; nil is silent.
	Logger *slog.Logger
}

func (o *Options) version() string {
	if o.Version != "" {
		return o.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}

// Host runs the servers of one configuration. It is safe for concurrent use.
type Host struct {
	opts     Options
	instance string // a random name
	logger   *slog.Logger
	audit    *audit.Log
	ownAudit bool
	redactor *audit.Redactor
	tokens   *Tokens

	setup     atomic.Pointer[setup]
	config    atomic.Pointer[ConfigStatus]
	reloading sync.Mutex // orders the changes of setup

	index   atomic.Pointer[catalog.Index]
	indexMu sync.Mutex // orders the building of indexes
	changes changes

	mu      sync.Mutex
	ctx     context.Context // of the servers; nil until started
	orphans *orphan.Guard   // set before ctx
	cancel  context.CancelFunc
	closed  bool
	running sync.WaitGroup
	calls   sync.WaitGroup
}

// New returns a host that has started nothing yet. It fails when a rule of the configuration cannot
// be used, or the audit log cannot be opened.
func New(cfg *Config, opts Options) (*Host, error) {
	h := &Host{opts: opts, instance: rand.Text(), logger: opts.Logger, audit: opts.Audit}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	auditOptions := cfg.AuditOptions()
	h.redactor = auditOptions.Redactor
	h.logger = slog.New(audit.Handler(h.logger.Handler(), h.redactor.Hide))
	if h.tokens = opts.Tokens; h.tokens == nil {
		h.tokens = tokens.NewMemory()
	}
	h.index.Store(catalog.NewIndex(nil))
	in, err := newSetup(cfg, &opts, nil)
	if err != nil {
		return nil, err
	}
	if h.audit == nil {
		auditOptions.Logger = h.logger
		if h.audit, err = audit.Open(auditOptions); err != nil {
			return nil, fmt.Errorf("open the audit log: %w", err)
		}
		h.ownAudit = true
	}
	h.setup.Store(in)
	h.config.Store(&ConfigStatus{Path: cfg.Path, LoadedAt: h.now()})
	for _, s := range cfg.Servers {
		in.add(newServer(h, in, s))
	}
	return h, nil
}

func (h *Host) now() time.Time {
	if h.opts.Now != nil {
		return h.opts.Now()
	}
	return time.Now()
}

func (h *Host) ladder() sandbox.Ladder {
	return sandbox.Ladder{CloseWait: h.opts.StopWait, TermWait: h.opts.StopWait}
}

// private are the files that no server's process may read, beside those of the configuration.
func (h *Host) private() []string {
	files := append([]string{h.opts.RunDir}, h.opts.Private...)
	return append(files, h.tokens.Files()...)
}

// Start begins to connect the servers and returns at once. They run until Close or until ctx ends.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.New("the MCP host is closed")
	}
	if h.cancel != nil {
		return errors.New("the MCP host was started before")
	}
	h.orphans = orphan.New(orphan.Options{Dir: h.opts.RunDir, Logger: h.logger})
	h.ctx, h.cancel = context.WithCancel(ctx)
	for _, s := range h.all() {
		h.launchServer(s, nil)
	}
	return nil
}

// launchServer begins to run a server, where there is something to run, once another one has ended. h.mu is
// held.
func (h *Host) launchServer(s, after *server) {
	ctx, cancel := context.WithCancelCause(h.ctx)
	s.cancel = cancel
	h.running.Go(func() {
		defer close(s.ended)
		if after != nil {
			<-after.ended
		}
		if s.runs {
			s.run(ctx)
		}
	})
}

// WaitReady waits until every server was tried once, whatever came of it, or until ctx ends.
func (h *Host) WaitReady(ctx context.Context) error {
	for _, s := range h.all() {
		select {
		case <-s.settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close ends all servers and waits until their processes are gone and calls have returned. Calls that
// are under way end with an [Error].
func (h *Host) Close() error {
	h.mu.Lock()
	first := !h.closed
	h.closed = true
	cancel := h.cancel
	h.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	h.running.Wait()
	h.calls.Wait()
	if !first {
		return nil
	}
	err := h.orphans.Close()
	if h.ownAudit {
		err = errors.Join(err, h.audit.Close())
	}
	return err
}

// Audit returns the log that the host writes to.
func (h *Host) Audit() *audit.Log { return h.audit }

// MaxToolCalls returns the bound of the configuration on the rounds of a loop that calls tools.
func (h *Host) MaxToolCalls() int {
	if h.cfg().MaxToolCalls > 0 {
		return h.cfg().MaxToolCalls
	}
	return DefaultMaxToolCalls
}

func (h *Host) record(r audit.Record) {
	if err := h.audit.Append(r); err != nil {
		h.logger.Error("the audit log could not be written", "error", err)
	}
}

// reindex names the tools of all servers anew.
func (h *Host) reindex() {
	defer h.changes.add(Versions{Tools: 1})
	h.indexMu.Lock()
	defer h.indexMu.Unlock()
	var tools []*catalog.Tool
	for _, s := range h.all() {
		s.mu.Lock()
		c := s.catalog
		s.mu.Unlock()
		for _, t := range c.Tools {
			if s.cfg().Offers(t.Name) {
				tools = append(tools, t)
			}
		}
	}
	h.index.Store(catalog.NewIndex(tools))
	var notes map[string][]string
	if h.cfg().Security.Screen != screen.Off {
		notes = catalog.Shadows(tools)
	}
	for _, s := range h.all() {
		s.mu.Lock()
		s.shadows = notes[s.name]
		s.mu.Unlock()
	}
}

// Tools returns the tools of the connected servers, in the order of the configuration and of each
// server's list.
func (h *Host) Tools() []Tool {
	up := make(map[string]bool)
	for _, s := range h.all() {
		s.mu.Lock()
		up[s.name] = s.offering()
		s.mu.Unlock()
	}
	ix := h.index.Load()
	tools := make([]Tool, 0, len(ix.Tools))
	for _, t := range ix.Tools {
		if up[t.Server] && !t.Held {
			tools = append(tools, h.public(t))
		}
	}
	return tools
}

// Tool is a tool as it is offered.
type Tool struct {
	// Server is the server's name in the configuration, Name the tool's own name there.
	Server, Name string
	// FullName is legal for every API and unique: server__tool in most cases.
	FullName string
	Title    string
	// Description is the server's text, cut at 16 KiB.
	Description string
	// Parameters is the JSON Schema of the arguments, byte for byte as the server sent it.
	Parameters json.RawMessage
	// Output is the JSON Schema of the structured result, or nil.
	Output json.RawMessage
	// Annotations is what the server claims of the tool, as JSON, or nil. It is not to be trusted.
	Annotations json.RawMessage
	// Icons and Meta are the server's too, for people and for programs ("_meta"), or nil.
	Icons, Meta json.RawMessage
	// HighRisk says that the policy warns of the tool, asks before it, or refuses it for its name.
	HighRisk bool
	// AutoApproved says that autoApprove of the server's entry names the tool.
	AutoApproved bool
	// Problem says what is wrong with the definition, or "". The arguments of a tool whose schema
	// cannot be used are not checked against it, and texts not against a pattern that it names.
	Problem string
}

func (h *Host) public(t *catalog.Tool) Tool {
	judged := h.gate().Preview(policy.Call{Server: t.Server, Tool: t.Name, Profile: t.Profile})
	risky := judged.Code == policy.CodeHighRisk || judged.Code == policy.CodeApproval || len(judged.Warnings) > 0
	return Tool{
		HighRisk: risky, AutoApproved: judged.AutoApproved,
		Server: t.Server, Name: t.Name, FullName: t.Full, Title: t.Title, Description: t.Description,
		Parameters: t.Parameters, Output: t.Output, Annotations: t.Annotations, Icons: t.Icons, Meta: t.Meta, Problem: t.Problem,
	}
}
