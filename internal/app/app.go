// Package app is the one place where the concrete parts of the server meet. [Start] builds them in
// order, [App.Serve] runs them, and what was built is closed in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/config"
	"github.com/toolserve/toolserve/internal/inference"
	"github.com/toolserve/toolserve/internal/mcpapi"
	"github.com/toolserve/toolserve/internal/modelstore"
	"github.com/toolserve/toolserve/internal/openai"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/internal/server/apikey"
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
	cfg     config.Serve
	opts    Options
	log     *slog.Logger // hides what secrets knows
	secrets secrets
	server  *server.Server
	host    *mcphost.Host // nil without an mcp.json
	model   *model
	sampler sampler
	// redactor hides the secrets of the mcp.json in the log; nil without one. mcpFiles are the files that
	// the configuration in force was read from, reloading orders its changes.
	redactor  *audit.Redactor
	mcpFiles  atomic.Pointer[[]string]
	reloading sync.Mutex
	// endStreams ends the streams that would go on for ever, so that the server can drain.
	endStreams func()
	// closers end what was built, last first.
	closers []func() error
}

// Start takes the port, begins to start the MCP servers, and loads the model. The port comes first, so
// that one that is taken is told at once; clients that connect while the model loads wait. When Start
// fails it closes what it built.
func Start(ctx context.Context, cfg config.Serve, opts Options) (_ *App, err error) {
	a := &App{cfg: cfg, opts: opts.withDefaults(), endStreams: func() {}}
	a.log = slog.New(a.secrets.handler(a.opts.Logger.Handler()))
	a.secrets.use(audit.NewRedactor(audit.RedactorOptions{Secrets: []string{cfg.Network.APIKey}}))
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.server, err = a.newServer(); err != nil {
		return nil, err
	}
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

// URL is the address of the API.
func (a *App) URL() string {
	scheme := "http"
	if a.cfg.Network.TLSCert != "" {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%v/v1", scheme, a.server.Addr())
}

// ModelName is the served model's name in the API.
func (a *App) ModelName() string { return a.model.name }

// Serve answers requests until ctx ends, and lets running ones finish for a while.
func (a *App) Serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, a.endStreams)()
	return a.server.Serve(ctx)
}

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
	a.sampler.use(a.model.name, generator.Generate)
	handler := a.mcpHandler()
	options := openai.Options{
		Generator:   a.toolLoop(generator, handler),
		OwnTools:    a.cfg.Tools.AutoTools,
		Model:       openai.Model{ID: a.model.name, Aliases: a.model.aliases, Created: time.Now(), ContextLength: a.model.engine.ContextSize()},
		Fingerprint: a.model.fingerprint,
		Logger:      a.log,
	}
	if a.host != nil { // not a typed nil in an interface
		options.Contexts = contexts{a.host, generator.Reads}
	}
	openai.NewHandler(options).Register(a.server.Scoped(apikey.Chat))
	for _, route := range handler.Routes() {
		a.server.Handle(mcpScope(route.Pattern), route.Pattern, route.Handler)
	}
	a.offerMCP()
	return nil
}

// mcpHandler serves /v1/mcp; without an mcp.json it says that MCP is off.
func (a *App) mcpHandler() *mcpapi.Handler {
	opts := mcpapi.Options{Actor: server.Actor, Logger: a.log}
	if a.host != nil {
		opts.Host, opts.Lists, opts.Reads, opts.Audit = a.host, a.host, a.host, a.host.Audit()
		opts.Config = a.host.ConfigStatus
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
