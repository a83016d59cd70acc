// Package openai serves the OpenAI API, chat completions and the older text completions: it decodes requests into [chat.Request], hands
// them to a generator, and encodes the events that come back, whole or as a stream.
//
// Decoding is strict about what it reads (types, ranges, duplicate keys) and silent about fields that it
// does not know: clients send many. Every refusal is an OpenAI error object that names the field.
package openai

import (
	"context"
	"crypto/rand"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/insert"
)

// generator is what answers requests. Errors are [*chat.Error], a context's error, or an internal failure.
type generator interface {
	Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error]
}

// Model is what the API tells of the served model.
type Model struct {
	// ID is the name that answers carry. Aliases are further names that requests may use; "default" always
	// is one.
	ID      string
	Aliases []string
	// Created is when the model was made or loaded.
	Created time.Time
	// OwnedBy is "toolserve" if empty.
	OwnedBy string
	// ContextLength is the tokens of prompt and output together; 0 leaves it out.
	ContextLength int
}

// Options configure a [Handler]. Generator is required.
type Options struct {
	Generator generator
	Model     Model
	// OwnTools says that the generator may have tools for a request that names none, so that such a request
	// may have a tool_choice.
	OwnTools bool
	// Contexts fetches prompts and resources that requests name; nil means that there are no MCP servers.
	Contexts insert.Source
	// Fingerprint is system_fingerprint: it changes when the same request may be answered otherwise, so it
	// should name model and engine. Empty leaves it out.
	Fingerprint string
	// KeepAlive is how long an answer may be silent: then a stream sends a comment, and a whole answer white
	// space. 3 s if 0, since popular clients give up after 5.
	KeepAlive time.Duration
	// Logger takes what clients cannot mend; nil is silent.
	Logger *slog.Logger
	// Now and NewID are for tests: the clock, and the random part of ids.
	Now   func() time.Time
	NewID func() string
}

// Handler serves the routes of the API. It is safe for concurrent use.
type Handler struct {
	opts Options
	log  *slog.Logger
}

// NewHandler returns a Handler.
func NewHandler(opts Options) *Handler {
	if opts.KeepAlive <= 0 {
		opts.KeepAlive = 3 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.NewID == nil {
		opts.NewID = rand.Text
	}
	if opts.Model.OwnedBy == "" {
		opts.Model.OwnedBy = "toolserve"
	}
	return &Handler{opts: opts, log: opts.Logger}
}

// registrar is a mux: *http.ServeMux, or a server's own route table.
type registrar interface {
	Handle(pattern string, handler http.Handler)
}

// Register adds the API's routes.
func (h *Handler) Register(mux registrar) {
	mux.Handle("POST /v1/chat/completions", http.HandlerFunc(h.ChatCompletions))
	mux.Handle("POST /v1/completions", http.HandlerFunc(h.Completions))
	mux.Handle("GET /v1/models", http.HandlerFunc(h.ListModels))
	mux.Handle("GET /v1/models/{id...}", http.HandlerFunc(h.GetModel))
}

// serves reports whether a request may use the name. No name is the served model too.
func (h *Handler) serves(name string) bool {
	return name == "" || name == "default" || name == h.opts.Model.ID || slices.Contains(h.opts.Model.Aliases, name)
}

// unknownModel is the error for a name that is not served.
func (h *Handler) unknownModel(name string) *apiError {
	names := append([]string{h.opts.Model.ID}, h.opts.Model.Aliases...)
	names = append(names, "default")
	slices.Sort(names)
	return &apiError{
		status: http.StatusNotFound, kind: typeInvalid, code: "model_not_found", param: "model",
		message: "the model " + quote(name) + " is not served here; use one of: " +
			strings.Join(slices.Compact(names), ", "),
	}
}
