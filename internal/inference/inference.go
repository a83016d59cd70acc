// Package inference answers a [chat.Request] with a local model: it renders the prompt, runs the engine,
// and reads reasoning, content and tool calls out of what the model writes.
package inference

import (
	"context"
	"errors"
	"iter"
	"log/slog"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/prompt"
	"github.com/toolserve/toolserve/toolcall"
)

// generator is the engine.
type generator interface {
	Generate(ctx context.Context, req engine.Request) iter.Seq2[engine.Token, error]
	Tokenize(text string, special bool) ([]int32, error)
	ContextSize() int
}

// renderer is the chat template.
type renderer interface {
	Render(req *chat.Request) (prompt.Prompt, error)
}

// Options configure a [Model]. Engine and Template are required.
type Options struct {
	Engine   generator
	Template renderer
	// Family is the format of the model's tool calls and reasoning: Hermes if nil.
	Family *toolcall.Family
	// DefaultToolChoice is what a request means that has tools and no tool_choice: chat.ToolAuto if empty.
	// chat.ToolRequired then forces one call.
	DefaultToolChoice chat.ToolChoiceMode
	// MaxTokens is the most tokens of an answer to a request that sets none; 0 is up to the end of the
	// context.
	MaxTokens int
	// AllowUnknownTools hands on calls of tools that the request does not have; otherwise they are content.
	AllowUnknownTools bool
	// ReasoningAsContent hands the text of reasoning on as content.
	ReasoningAsContent bool
	// NewID makes the ids of calls; nil makes random ones.
	NewID func() string
	// Logger is told of each generation at level debug; nil is silent.
	Logger *slog.Logger
}

// Model answers requests. It is safe for concurrent use.
type Model struct {
	opts   Options
	hermes *toolcall.Family // for prompts whose template knows no tools
	log    *slog.Logger
}

// New returns a Model.
func New(opts Options) (*Model, error) {
	if opts.Engine == nil || opts.Template == nil {
		return nil, errors.New("inference: Options needs Engine and Template")
	}
	hermes, ok := toolcall.Lookup("hermes")
	if !ok {
		return nil, errors.New("inference: package toolcall has no family hermes")
	}
	if opts.Family == nil {
		opts.Family = hermes
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	switch opts.DefaultToolChoice {
	case "", chat.ToolAuto, chat.ToolNone, chat.ToolRequired:
	default:
		return nil, errors.New("inference: DefaultToolChoice must be auto, none or required, not " + string(opts.DefaultToolChoice))
	}
	return &Model{opts: opts, hermes: hermes, log: opts.Logger}, nil
}

// Reads reports whether messages may have parts of a kind. The engine decodes the tokens of a text and nothing
// else, also where the chat template has places for more.
func (*Model) Reads(kind chat.PartType) bool { return kind == chat.PartText }

// Generate answers a request. The last event is a Finish, unless an error came before it: a [*chat.Error],
// or ctx's error. Leaving the range, or ending ctx, ends the generation.
//
// Stop texts are looked for in the content only: in reasoning or in a call's arguments they are data. None
// goes across a call or a change between reasoning and content.
//
// The finish reason is length where a call broke off, tool_calls where there is any call otherwise, then
// length where the limit on tokens was reached, else stop.
func (m *Model) Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		p, err := m.plan(req)
		if err != nil {
			yield(chat.Event{}, translate(err))
			return
		}
		r := newRun(m, p, yield)
		err = r.generate(ctx, m.opts.Engine)
		m.log.DebugContext(ctx, "generation", "prompt", r.usage.PromptTokens, "cached", r.usage.CachedTokens,
			"completion", r.usage.CompletionTokens, "calls", p.parser.Calls(), "left", r.left, "error", err)
		if err != nil && !r.left {
			yield(chat.Event{}, translate(err))
		}
	}
}
