package app

import (
	"context"
	"time"

	"github.com/toolserve/toolserve/internal/inference"
	"github.com/toolserve/toolserve/internal/mcpapi"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/internal/server/apikey"
	"github.com/toolserve/toolserve/internal/toolloop"
)

// toolLoop puts the loop that runs tools in front of the model. What their servers ask of users goes through
// the handler that takes the answers.
func (a *App) toolLoop(model *inference.Model, questions *mcpapi.Handler) *toolloop.Loop {
	opts := toolloop.Options{
		Model: model, Reads: model.Reads, Questions: questions, Caller: loopCaller, Logger: a.log,
		MaxTokens: a.cfg.Generation.MaxTokens,
		MaxRounds: a.cfg.Tools.MaxRounds, AutoTools: a.cfg.Tools.AutoTools,
		Search: toolloop.SearchMode(a.cfg.Tools.ToolSearch), ContextSize: a.model.engine.ContextSize(),
		Tokens: func(text string) (int, error) {
			ids, err := a.model.engine.Tokenize(text, false)
			return len(ids), err
		},
	}
	if a.host != nil { // not a typed nil in an interface
		opts.Host = a.host
		if a.cfg.Tools.AllowServerURL {
			opts.Guest = a.host.Guest
		}
	}
	loop := toolloop.New(opts)
	if a.cfg.Tools.AutoTools {
		a.warm(loop)
	}
	return loop
}

// warm lets the model read the tools once every MCP server was tried, in a goroutine that ends when the
// first request comes or the app is closed.
func (a *App) warm(loop *toolloop.Loop) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}) // closed by the goroutine
	a.onClose(func() error {
		cancel()
		<-done
		return nil
	})
	go func() {
		defer close(done)
		if a.host.WaitReady(ctx) != nil {
			return
		}
		began := time.Now()
		if n, err := loop.Warm(ctx); err != nil {
			a.log.Debug("the tools were not read in advance", "reason", err)
		} else if n > 0 {
			a.log.Info("the tools were read in advance", "tokens", n, "took", time.Since(began).Round(time.Millisecond))
		}
	}()
}

// loopCaller is who sent the request of a context.
func loopCaller(ctx context.Context) toolloop.Caller {
	c := server.CallerOf(ctx)
	return toolloop.Caller{Actor: c.Actor, Request: c.Request, NoTools: !c.May(apikey.Tools)}
}
