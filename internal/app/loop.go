package app

import (
	"context"

	"github.com/toolserve/toolserve/internal/inference"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/internal/server/apikey"
	"github.com/toolserve/toolserve/internal/toolloop"
)

// toolLoop puts the loop that runs tools in front of the model.
func (a *App) toolLoop(model *inference.Model) *toolloop.Loop {
	opts := toolloop.Options{
		Model: model, Caller: loopCaller, Logger: a.log,
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
	return toolloop.New(opts)
}

// loopCaller is who sent the request of a context.
func loopCaller(ctx context.Context) toolloop.Caller {
	c := server.CallerOf(ctx)
	return toolloop.Caller{Actor: c.Actor, Request: c.Request, NoTools: !c.May(apikey.Tools)}
}
