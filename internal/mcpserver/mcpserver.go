// Package mcpserver offers the MCP servers of a host as MCP servers of its own over Streamable HTTP: /mcp
// is all of them as one, /mcp/{server} one under its own names. It speaks the sessions of the revisions
// 2025-03-26 to 2025-11-25 and the single requests of 2026-07-28. It decides nothing: every call and every
// read goes through the host, and what servers sent is handed on byte for byte.
//
// What clients send is hostile until checked: bodies, sessions, streams and calls under way are bounded
// for each key, and a session is open to no other key than the one that opened it.
package mcpserver

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/listing"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/replay"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/streams"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/tasks"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
)

// The revisions that are spoken, newest first. The first is without sessions.
const (
	revisionStateless = "2026-07-28"
	revision202511    = "2025-11-25"
	revision202506    = "2025-06-18"
	revision202503    = "2025-03-26"
)

func revisions() []string {
	return []string{revisionStateless, revision202511, revision202506, revision202503}
}

// Tools is what the handler needs of a host to offer tools.
type Tools interface {
	Tools() []mcphost.Tool
	Resolve(server, name string) (mcphost.Tool, error)
	Decide(call mcphost.Call) (policy.Decision, error)
	Execute(ctx context.Context, call mcphost.Call) (mcphost.Result, error)
}

// Catalogue is what the handler needs of a host to know what there is and when it changes.
type Catalogue interface {
	Names() []string
	Versions() mcphost.Versions
	OnChange(f func()) (stop func())
	Instances() []string
}

// Options are what a Handler works with. The zero value answers as a server without MCP does.
type Options struct {
	// Tools runs the tools and Catalogue says what there is; nil means that MCP is off. [mcphost.Host] is
	// both.
	Tools     Tools
	Catalogue Catalogue
	// Library lists resources and prompts and Reader reads them; nil offers none. [mcphost.Host] is both.
	Library Library
	Reader  Reader
	// Instructions is what a server tells models about itself; nil tells nothing. [mcphost.Host] has it.
	Instructions func(server string) string
	// Actor names whose key a request came with; nil names nobody.
	Actor func(*http.Request) string
	// Version is the version of this program, for clients; "" is that of the build.
	Version string
	// MaxBody bounds the body of a request in bytes; 0 means 4 MiB.
	MaxBody int64
	// MaxSessions bounds the sessions of one key, and its open streams apart from them; 0 means 100. All
	// keys together have ten times as many.
	MaxSessions int
	// Idle is how long a session without a request or an open stream lives; 0 means 30 minutes.
	Idle time.Duration
	// AskTimeout is how long the client has to answer what a tool asks its user; 0 means 5 minutes.
	AskTimeout time.Duration
	// ResumeWait is how long what a session's client missed is kept, and how long a call goes on, after a
	// connection broke; 0 means 30 s.
	ResumeWait time.Duration
	// Quiet is how long an answer may be silent before it becomes a stream that says now and then that it
	// is alive; 0 means 10 s.
	Quiet time.Duration
	// Now is the clock of sessions; nil is time.Now.
	Now func() time.Time
	// Logger is told what happens; nil is silent.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Actor == nil {
		o.Actor = func(*http.Request) string { return "" }
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 4 << 20
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = 100
	}
	if o.Idle <= 0 {
		o.Idle = 30 * time.Minute
	}
	if o.AskTimeout <= 0 {
		o.AskTimeout = 5 * time.Minute
	}
	if o.ResumeWait <= 0 {
		o.ResumeWait = 30 * time.Second
	}
	if o.Quiet <= 0 {
		o.Quiet = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "devel"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
			o.Version = info.Main.Version
		}
	}
	return o
}

// Handler answers the routes of /mcp. It is safe for concurrent use.
type Handler struct {
	opts     Options
	lists    *listing.Lists
	sessions sessions
	streams  *streams.Set
	budget   *replay.Budget
	parked   parked
	tasks    *tasks.Store
	process  string // a name of this process, random
	identity string // the member of "_meta" that says who answers

	// ctx ends with Close, and with it the streams and what runs without a request.
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	// changed holds a token when what is offered changed. The host sends, watch receives.
	changed chan struct{}
	unwatch func()
}

// New returns a handler. It must be closed.
func New(opts Options) *Handler {
	h := &Handler{opts: opts.withDefaults(), changed: make(chan struct{}, 1)}
	h.process, h.identity = rand.Text(), `"io.modelcontextprotocol/serverInfo":`+string(rpc.Encode(h.info()))
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.sessions = sessions{perKey: h.opts.MaxSessions, idle: h.opts.Idle, now: h.opts.Now}
	h.streams, h.budget = streams.NewSet(h.opts.MaxSessions), replay.NewBudget(maxKept)
	h.parked = parked{perKey: maxParked}
	h.tasks = tasks.New(tasks.Options{Now: h.opts.Now})
	h.unwatch = func() {}
	if h.off() {
		return h
	}
	h.lists = listing.New(h.opts.Tools.Tools, h.opts.Catalogue.Versions)
	h.unwatch = h.opts.Catalogue.OnChange(func() {
		select {
		case h.changed <- struct{}{}:
		default:
		}
	})
	h.running.Go(h.watch)
	return h
}

// EndStreams ends the open streams, the calls that wait for an answer that comes with another request, and the
// tasks.
// Other requests go on; streams that come later end at once.
func (h *Handler) EndStreams() {
	h.cancel()
	h.parked.end()
	h.tasks.End()
}

// Close ends what EndStreams does and waits for the calls under way.
func (h *Handler) Close() error {
	h.unwatch()
	h.EndStreams()
	h.running.Wait()
	return nil
}

// reads reports whether there is more than tools.
func (h *Handler) reads() bool { return h.opts.Library != nil && h.opts.Reader != nil }

func (h *Handler) off() bool { return h.opts.Tools == nil || h.opts.Catalogue == nil }

// Route is a pattern of [http.ServeMux] and what answers it.
type Route struct {
	Pattern string
	Handler http.Handler
}

// Routes returns all routes.
func (h *Handler) Routes() []Route {
	var routes []Route
	for _, path := range []string{"/mcp", "/mcp/{server}"} {
		routes = append(routes,
			Route{"POST " + path, http.HandlerFunc(h.post)},
			Route{"GET " + path, http.HandlerFunc(h.get)},
			Route{"DELETE " + path, http.HandlerFunc(h.delete)})
	}
	return routes
}

// view is one endpoint: a server's, or all servers' together.
type view struct {
	server string // "" for all
}

// watch tells clients of changes until the handler is closed.
func (h *Handler) watch() {
	known := h.opts.Catalogue.Versions()
	sweep := time.NewTicker(min(h.opts.Idle/2, time.Minute))
	defer sweep.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-sweep.C:
			h.sessions.sweep()
			continue
		case <-h.changed:
		}
		// A server that comes brings several changes; one notice is enough.
		settle := time.NewTimer(25 * time.Millisecond)
		select {
		case <-h.ctx.Done():
			settle.Stop()
			return
		case <-settle.C:
		}
		now := h.opts.Catalogue.Versions()
		for _, c := range streams.Changes(known, now) {
			h.streams.Changed(c)
		}
		known = now
	}
}
