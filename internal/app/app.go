// Package app is the one place where the concrete parts of the server meet. [Start] builds them in
// order, [App.Serve] runs them, and what was built is closed in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/config"
	"github.com/toolserve/toolserve/internal/inference"
	"github.com/toolserve/toolserve/internal/mcpapi"
	"github.com/toolserve/toolserve/internal/modelstore"
	"github.com/toolserve/toolserve/internal/openai"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/mcphost"
)

// Options are what the command line hands over besides the configuration.
type Options struct {
	// Logger takes the server's log; nil is silent.
	Logger *slog.Logger
	// Progress is told of what is fetched; nil is silent. Fetched is called when nothing more is.
	Progress func(modelstore.Progress)
	Fetched  func()
	// Getenv reads the environment: of the model store, and of variables in the mcp.json. Nil is empty.
	Getenv func(string) string
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fetched == nil {
		o.Fetched = func() {}
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	return o
}

// App is a server that is ready to serve.
type App struct {
	cfg    config.Serve
	opts   Options
	log    *slog.Logger
	server *server.Server
	host   *mcphost.Host // nil without an mcp.json
	model  *model
	// closers end what was built, last first.
	closers []func() error
}

// Start takes the port, begins to start the MCP servers, and loads the model. The port comes first, so
// that one that is taken is told at once; clients that connect while the model loads wait. When Start
// fails it closes what it built.
func Start(ctx context.Context, cfg config.Serve, opts Options) (_ *App, err error) {
	a := &App{cfg: cfg, opts: opts.withDefaults()}
	a.log = a.opts.Logger
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	a.warnExposed()
	a.server = server.New(a.serverOptions())
	if err := a.server.Listen(); err != nil {
		return nil, err
	}
	if err := a.startHost(ctx); err != nil {
		return nil, err
	}
	if a.model, err = a.loadModel(ctx); err != nil {
		return nil, err
	}
	return a, a.routes()
}

// Addr is the address that the server listens on.
func (a *App) Addr() net.Addr { return a.server.Addr() }

// ModelName is the served model's name in the API.
func (a *App) ModelName() string { return a.model.name }

// Serve answers requests until ctx ends, and lets running ones finish for a while.
func (a *App) Serve(ctx context.Context) error { return a.server.Serve(ctx) }

// Close ends the engine and the MCP servers. It is idempotent.
func (a *App) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

// warnExposed says so when anyone who reaches the machine may use the model and its tools.
func (a *App) warnExposed() {
	if n := a.cfg.Network; !n.Loopback() && n.APIKey == "" {
		a.log.Warn("anyone who reaches this address may use the model and run its tools; set --api-key", "host", n.Host)
	}
}

func (a *App) serverOptions() server.Options {
	n := a.cfg.Network
	var keys []string
	if n.APIKey != "" {
		keys = []string{n.APIKey}
	}
	return server.Options{
		Host: n.Host, Port: n.Port, APIKeys: keys, RateLimit: n.RateLimit, Timeout: time.Duration(n.Timeout),
		Health: a.health, Logger: a.log,
	}
}

// routes adds every route of the API.
func (a *App) routes() error {
	gen := a.cfg.Generation
	generator, err := inference.New(inference.Options{
		Engine: a.model.engine, Template: a.model.templates, Family: a.model.family,
		DefaultToolChoice:  chat.ToolChoiceMode(gen.ToolChoice()),
		MaxTokens:          gen.MaxTokens,
		AllowUnknownTools:  gen.AllowUnknownTools,
		ReasoningAsContent: gen.ReasoningParser == noReasoning,
		Logger:             a.log,
	})
	if err != nil {
		return fmt.Errorf("model %s: %w", a.model.name, err)
	}
	openai.NewHandler(openai.Options{
		Generator:   generator,
		Model:       openai.Model{ID: a.model.name, Aliases: a.model.aliases, Created: time.Now(), ContextLength: a.model.engine.ContextSize()},
		Fingerprint: a.model.fingerprint,
		Logger:      a.log,
	}).Register(a.server)
	for _, route := range a.mcpHandler().Routes() {
		a.server.Handle(route.Pattern, route.Handler)
	}
	return nil
}

// mcpHandler serves /v1/mcp; without an mcp.json it says that MCP is off.
func (a *App) mcpHandler() *mcpapi.Handler {
	opts := mcpapi.Options{Logger: a.log}
	if a.host != nil {
		opts.Host, opts.Audit = a.host, a.host.Audit()
	}
	return mcpapi.NewHandler(opts)
}

// health is the answer of GET /health.
func (a *App) health() server.Health {
	h := server.Health{Status: "ok", Model: a.model.name}
	if err := a.model.engine.Err(); err != nil {
		h.Status, h.Error = "failed", err.Error()
	}
	if a.host != nil {
		h.MCP = summary(a.host)
	}
	return h
}
