// Package toolloop answers requests whose tools are run here: it stands in front of a model, gives it the
// tools of MCP servers, runs what the model calls through the host, and goes on until the model answers
// or the client is needed, because a call wants its consent or is of one of its own functions.
//
// It keeps nothing between two requests. What the client needs to send back to go on with a run that
// stopped is in the ids of its tool calls: see carry.go.
package toolloop

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"iter"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/agent"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
)

// generator is the model.
type generator interface {
	Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error]
}

// catalogue is the part of an [mcphost.Host] that knows what is offered.
type catalogue interface {
	Tools() []mcphost.Tool
	Status() []mcphost.ServerStatus
	MaxToolCalls() int
}

// executor is the part of an [mcphost.Host] that judges and runs calls.
type executor interface {
	Decide(call mcphost.Call) (policy.Decision, error)
	Execute(ctx context.Context, call mcphost.Call) (mcphost.Result, error)
	Refuse(call mcphost.Call, reason string)
}

// host is an [mcphost.Host].
type host interface {
	catalogue
	executor
}

// Caller is who sent a request.
type Caller struct {
	// Actor names whose key it came with, and Request which request it is. They go into the audit log, and
	// an approval holds for the actor that was asked.
	Actor, Request string
	// NoTools says that the caller may use the model, but not run tools.
	NoTools bool
}

// Questioner asks the user of a request's client.
type Questioner interface {
	// Ask calls show with the id by which the actor's client can answer, and waits for the answer or for the
	// end of ctx. An error of show is its own.
	Ask(ctx context.Context, actor string, ask mcphost.Elicitation, show func(id string) error) (mcphost.ElicitationAnswer, error)
}

// Options configure a [Loop]. Model is required.
type Options struct {
	Model generator
	// Host runs the servers; nil means that MCP is off.
	Host host
	// Guest returns a host for a server that a request brings along, not yet started: see
	// [mcphost.Host.Guest]. Nil refuses such requests.
	Guest func(mcphost.ServerConfig) (*mcphost.Host, error)
	// Reads reports whether the model reads parts of a kind; nil is text alone. What it does not read of a
	// tool's result is described to it.
	Reads func(chat.PartType) bool
	// Questions puts what servers ask of a user to the clients that answer it; nil refuses that.
	Questions Questioner
	// Caller tells who sent the request of a context; nil is somebody without a name who may do everything.
	Caller func(context.Context) Caller
	// MaxRounds bounds the turns of the model in which it calls tools; 0 takes the host's setting.
	MaxRounds int
	// MaxTokens is the most tokens of all turns of an answer to a request that sets none; 0 leaves it to the
	// model.
	MaxTokens int
	// AutoTools offers the host's tools to requests that name no tools.
	AutoTools bool
	// Search says when tools are kept out of the prompt until the model searches for them.
	Search SearchMode
	// ContextSize is the model's, in tokens, and Tokens counts those of a text. Without a size no tools are
	// too many; without Tokens their number is guessed.
	ContextSize int
	Tokens      func(text string) (int, error)
	// Key authenticates approval requests; nil makes a random one, so that they end with the process.
	Key []byte
	// NewID makes the random part of ids; nil is [rand.Text].
	NewID func() string
	// Logger is told of each run at level debug; nil is silent.
	Logger *slog.Logger
}

// Loop answers requests. It is safe for concurrent use.
type Loop struct {
	opts Options
	log  *slog.Logger
	seal sealer
	// warming ends the reading of Warm; nil where there is none.
	warming atomic.Pointer[context.CancelFunc]
}

// New returns a Loop.
func New(opts Options) *Loop {
	if opts.Key == nil {
		opts.Key = make([]byte, 32)
		_, _ = rand.Read(opts.Key) // it does not fail
	}
	if opts.NewID == nil {
		opts.NewID = rand.Text
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Reads == nil {
		opts.Reads = func(kind chat.PartType) bool { return kind == chat.PartText }
	}
	if opts.Caller == nil {
		opts.Caller = func(context.Context) Caller { return Caller{} }
	}
	return &Loop{opts: opts, log: opts.Logger, seal: sealer{key: opts.Key, newID: opts.NewID}}
}

// Generate answers a request. The events are those of all turns of the model, with one Finish at the end
// whose Usage is their sum. Of the calls, only those are handed on that the client has to answer; what is
// run here comes as items. Errors are [*chat.Error], or the model's own.
func (l *Loop) Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	l.cool()
	caller := l.opts.Caller(ctx)
	auto := l.auto(req, caller)
	if !auto && !concerns(req) {
		return l.opts.Model.Generate(ctx, req)
	}
	return func(yield func(chat.Event, error) bool) {
		r := &run{loop: l, caller: caller, yield: yield}
		defer r.dismiss()
		if err := r.prepare(ctx, req, auto); err != nil {
			yield(chat.Event{}, err)
			return
		}
		r.answer(ctx)
	}
}

// auto reports whether the host's tools are offered to a request that names none. One that must not call,
// or that takes a form in which tools cannot be called, is left alone.
func (l *Loop) auto(req *chat.Request, caller Caller) bool {
	return l.opts.AutoTools && l.opts.Host != nil && !caller.NoTools && req.Prompt == "" &&
		len(req.Tools)+len(req.ToolServers) == 0 && req.ToolChoice.Mode != chat.ToolNone &&
		!req.ResponseFormat.JSON && !req.ContinueFinalMessage
}

// concerns reports whether a request has anything for this package to do.
func concerns(req *chat.Request) bool {
	return len(req.ToolServers) > 0 || req.ToolChoice.Mode == chat.ToolRequired && len(req.Tools) == 0 ||
		slices.ContainsFunc(req.Tools, func(t chat.Tool) bool { return t.Defer }) ||
		slices.ContainsFunc(req.Messages, func(m chat.Message) bool {
			return len(m.Items) > 0 || slices.ContainsFunc(m.ToolCalls, func(c chat.ToolCall) bool { return isCarrier(c.ID) })
		})
}

// prepare makes the run ready: the tools, and the conversation as the model has to see it.
func (r *run) prepare(ctx context.Context, req *chat.Request, auto bool) error {
	if len(req.ToolServers) > 0 && req.ContinueFinalMessage {
		return invalid("continue_final_message", "unsupported_value", "continue_final_message cannot be combined with tools of type \"mcp\"")
	}
	r.req = *req
	r.req.ToolServers = nil
	all, err := r.collectTools(ctx, req, auto)
	if err != nil {
		return err
	}
	if err := r.chooseTool(req, all); err != nil {
		return err
	}
	r.settleTools(all, r.req.ToolChoice.Name)
	r.listed = map[string]bool{}
	for _, m := range req.Messages {
		for _, it := range m.Items {
			r.listed[it.Server] = r.listed[it.Server] || it.Type == chat.ItemTools
		}
	}
	history, err := r.unfold(req.Messages)
	if err != nil {
		return err
	}
	r.req.Messages = history
	r.recall()
	return nil
}

// answer runs the loop and hands its events on.
func (r *run) answer(ctx context.Context) {
	rounds := r.loop.opts.MaxRounds
	if rounds <= 0 && r.loop.opts.Host != nil {
		rounds = r.loop.opts.Host.MaxToolCalls()
	}
	options := agent.Options{
		Model: &turns{model: r.loop.opts.Model, limit: cmp.Or(r.req.MaxTokens, r.loop.opts.MaxTokens), first: r.only},
		Tools: r, Gate: r, MaxRounds: rounds, MaxTotalCalls: r.req.MaxToolCalls,
	}
	if options.MaxRounds > 0 && r.rounds >= options.MaxRounds { // the run has used them up before it stopped
		r.req.ToolChoice = chat.ToolChoice{Mode: chat.ToolNone}
	} else if options.MaxRounds > 0 {
		options.MaxRounds -= r.rounds
	}
	if !r.listTools() {
		return
	}
	for event, err := range agent.New(options).Run(ctx, &r.req) {
		if err != nil {
			r.yield(chat.Event{}, err)
			return
		}
		if !r.event(&event) {
			return
		}
	}
}

// turns is a model whose turns belong to one run.
type turns struct {
	model generator
	limit int // most tokens of all turns together; 0 is no limit
	used  int
	first []chat.Tool // what the first turn may call, unless nil
}

// Generate asks for a turn within what is left.
func (t *turns) Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		turn := *req
		if t.limit > 0 {
			if turn.MaxTokens = t.limit - t.used; turn.MaxTokens <= 0 {
				yield(chat.Event{Kind: chat.Finish, Reason: chat.FinishLength}, nil)
				return
			}
		}
		if t.first != nil {
			turn.Tools, t.first = t.first, nil
		}
		for event, err := range t.model.Generate(ctx, &turn) {
			if event.Kind == chat.Finish {
				t.used += event.Usage.CompletionTokens
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

// mcphostTool is a function of this package in the form of a server's tool.
func mcphostTool(name, description string, parameters json.RawMessage) mcphost.Tool {
	return mcphost.Tool{FullName: name, Description: description, Parameters: parameters}
}

// functionJSON is a tool as OpenAI's function object, in the form that GET /v1/mcp/tools shows, so that the
// model's prompt is the same on both ways.
func functionJSON(t *mcphost.Tool) json.RawMessage {
	data, err := json.Marshal(struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	}{t.FullName, t.Description, t.Parameters})
	if err != nil {
		return nil // the parameters are no JSON, which no server gets through with; the fields say the rest
	}
	return data
}
