// Package prompt turns a [chat.Request] into the text that a model reads, with the model's own chat
// template.
//
// Templates differ in what they can say: some know no system turn, some want arguments as text, some
// want one call a turn. [New] finds that out by rendering small probes, and [Template.Render] brings
// each request into the form that the template takes. A template that knows no tools still gets them,
// described in the system turn in Hermes form.
package prompt

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/jinja"
)

// Options configure a [Template]. The zero value works.
type Options struct {
	// Name appears in errors; empty means "chat template".
	Name string
	// BOS and EOS are the texts of the model's begin and end tokens, bos_token and eos_token in the
	// template.
	BOS, EOS string
	// Control are the spellings of the model's control tokens. Where a request spells one it stays text:
	// see [Prompt.Seams].
	Control []string
	// Now is the clock of strftime_now; nil is time.Now.
	Now func() time.Time
	// Logger hears what probing found out; nil is silent.
	Logger *slog.Logger
}

// Template is a compiled chat template. It is safe for concurrent use.
type Template struct {
	source   string
	opts     Options
	compiled *jinja.Template
	caps     Caps
	// shape is how requests are brought into the form that the template takes.
	shape  shape
	seamer *seamer
}

// Prompt is a rendered request.
type Prompt struct {
	// Text is the prompt. It begins with the text of the BOS token where the template writes one.
	Text string
	// Seams are offsets in Text, each inside a control token that the client spelled. Who tokenises the
	// pieces between them apart keeps such a spelling from becoming the token.
	Seams []int
	// ReasoningOpen says that Text ends inside an opened reasoning block.
	ReasoningOpen bool
	// ToolsInPrompt says that the request's tools are in Text.
	ToolsInPrompt bool
	// HermesTools says that toolserve described the tools in Hermes form, because the template knows
	// none: the output is then to be read as that family's.
	HermesTools bool
}

// RequestError is a request that the template refuses: the client's fault.
type RequestError struct {
	// Param is the request's field, such as "messages[2].content".
	Param   string
	Message string
	// Err is the template's error where one is the cause.
	Err error
}

func (e *RequestError) Error() string { return e.Param + ": " + e.Message }

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

func badRequest(param, format string, args ...any) error {
	return &RequestError{Param: param, Message: fmt.Sprintf(format, args...)}
}

// New compiles a chat template and probes what it can do. An empty source is [DefaultTemplate]. The
// error wraps a [*jinja.Error].
func New(source string, opts Options) (*Template, error) {
	if source == "" {
		source = DefaultTemplate
	}
	if opts.Name == "" {
		opts.Name = "chat template"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	compiled, err := jinja.CompileWith(opts.Name, source, jinja.CompileOptions{Lenient: true})
	if err != nil {
		return nil, fmt.Errorf("the chat template cannot be read: %w", err)
	}
	t := &Template{source: source, opts: opts, compiled: compiled, seamer: newSeamer(opts.Control)}
	t.probe()
	opts.Logger.Debug("probed the chat template", "name", opts.Name, "caps", t.caps)
	return t, nil
}

// Caps returns what the template can do.
func (t *Template) Caps() Caps { return t.caps }

// Source returns the template's text.
func (t *Template) Source() string { return t.source }

// Render makes the prompt of a request. A request that the template refuses is a [*RequestError].
func (t *Template) Render(req *chat.Request) (Prompt, error) {
	if len(req.Messages) == 0 {
		return Prompt{}, badRequest("messages", "there is no message")
	}
	c, err := t.conversation(req)
	if err != nil {
		return Prompt{}, err
	}
	text, err := t.renderRepaired(c)
	if err != nil {
		return Prompt{}, requestError(err)
	}
	text, seams := t.seamer.cutSeams(text)
	if req.ContinueFinalMessage {
		if text, err = cutAfterFinal(text, req.Messages); err != nil {
			return Prompt{}, err
		}
		seams = slices.DeleteFunc(seams, func(at int) bool { return at > len(text) })
	}
	return Prompt{
		Text:          text,
		Seams:         seams,
		ReasoningOpen: c.generate && endsInReasoning(text),
		ToolsInPrompt: len(c.tools) > 0 || c.hermes,
		HermesTools:   c.hermes,
	}, nil
}

// renderRepaired renders, and where the template refuses, tries again with what it may have missed:
// first the optional keys of tools, then turns that alternate.
func (t *Template) renderRepaired(c *conversation) (string, error) {
	text, err := t.renderOnce(c)
	if err == nil || atLimit(err) { // no second try of what takes too much
		return text, err
	}
	if c.fillTools() {
		if text, again := t.renderOnce(c); again == nil {
			return text, nil
		}
	}
	if c.mergeTurns() {
		if text, again := t.renderOnce(c); again == nil {
			return text, nil
		}
	}
	return "", err // the first error is about the request as it was sent
}

// atLimit reports whether a render was stopped at a limit.
func atLimit(err error) bool {
	var e *jinja.Error
	return errors.As(err, &e) && e.Kind == jinja.Limit
}

func (t *Template) renderOnce(c *conversation) (string, error) {
	vars, size, err := c.variables()
	if err != nil {
		return "", err
	}
	t.seamer.mark(vars, c.base)
	return t.compiled.Render(vars, limits(t.opts.Now, size, len(c.messages)))
}

// limits scales the limits of a render with the request: a long conversation may cost more.
func limits(now func() time.Time, size, messages int) jinja.RenderOptions {
	return jinja.RenderOptions{
		Now:       now,
		MaxOutput: jinja.DefaultMaxOutput + 4*size,
		MaxMemory: jinja.DefaultMaxMemory + 16*size,
		MaxSteps:  jinja.DefaultMaxSteps + 10_000*messages + 4*size,
	}
}

// requestError blames the request for an error of the template, which did render its probes.
func requestError(err error) error {
	var e *jinja.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case jinja.Internal:
		return err
	case jinja.Raised:
		return &RequestError{Param: "messages", Message: "the model's chat template refuses the request: " + e.Message, Err: err}
	case jinja.Limit:
		return &RequestError{Param: "messages", Message: "the model's chat template takes too much for this request: " + e.Message, Err: err}
	}
	return &RequestError{Param: "messages", Message: "the model's chat template cannot show this request: " + err.Error(), Err: err}
}
