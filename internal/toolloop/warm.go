package toolloop

import (
	"context"

	"github.com/toolserve/toolserve/chat"
)

// Warm lets the model read the tools that AutoTools offers, so that it still has them in its cache when the
// first request comes: what prompts begin with is the same in all of them, but for those with a system
// message of their own. The first request that comes meanwhile ends it. Without AutoTools, and without
// tools, it does nothing. It returns how many tokens were read.
func (l *Loop) Warm(ctx context.Context) (tokens int, err error) {
	req := chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: chat.Text("Hello")}}, MaxTokens: 1}
	if !l.auto(&req, Caller{}) {
		return 0, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.warming.Store(&cancel)
	defer l.warming.Store(nil)
	r := &run{loop: l}
	if err := r.prepare(ctx, &req, true); err != nil || len(r.req.Tools) == 0 {
		return 0, err
	}
	for event, err := range l.opts.Model.Generate(ctx, &r.req) {
		if err != nil {
			return 0, err
		}
		if event.Kind == chat.Finish {
			tokens = event.Usage.PromptTokens
		}
	}
	return tokens, nil
}

// cool ends what Warm does: a request has come, and should not wait for it.
func (l *Loop) cool() {
	if cancel := l.warming.Load(); cancel != nil {
		(*cancel)()
	}
}
