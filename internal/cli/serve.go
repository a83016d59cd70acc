package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/toolserve/toolserve/internal/app"
	"github.com/toolserve/toolserve/internal/config"
)

// ServeCmd serves a model with the tools of an mcp.json.
type ServeCmd struct {
	config.Serve `embed:""`
}

// Run serves until the context ends.
func (c *ServeCmd) Run(ctx context.Context, streams IO) error {
	logger, err := newLogger(streams.Err, c.Log)
	if err != nil {
		return err
	}
	report, fetched := fetchProgress(streams.Err, false)
	a, err := app.Start(ctx, c.Serve, app.Options{Logger: logger, Progress: report, Fetched: fetched, Getenv: streams.Env})
	if err != nil {
		if ctx.Err() != nil { // interrupted while it was starting
			return &ExitError{Code: 130}
		}
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onHangup(a.ReloadMCP, cancel)()
	fmt.Fprintf(streams.Err, "serving %s on %s\n", a.ModelName(), a.URL())
	return errors.Join(a.Serve(ctx), a.Close())
}

// newLogger makes the logger that the flags ask for.
func newLogger(out io.Writer, cfg config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, opts)), nil
	}
	return slog.New(slog.NewTextHandler(out, opts)), nil
}
