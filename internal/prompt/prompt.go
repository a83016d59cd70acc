// Package prompt turns a [chat.Request] into the text that a model reads, with the model's own chat
// template.
package prompt

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/toolserve/toolserve/chat"
)

// Options configure a [Template]. The zero value works.
type Options struct {
	// Name appears in errors; empty means "chat template".
	Name string
	// BOS and EOS are the texts of the model's begin and end tokens, bos_token and eos_token in the
	// template.
	BOS, EOS string
	// Now is the clock of strftime_now; nil is time.Now.
	Now func() time.Time
	// Logger hears what probing found out; nil is silent.
	Logger *slog.Logger
}

// Template is a compiled chat template. It is safe for concurrent use.
type Template struct {
	source string
	opts   Options
	caps   Caps
}

// Prompt is a rendered request.
type Prompt struct {
	Text string
	// ReasoningOpen says that Text ends inside an opened reasoning block.
	ReasoningOpen bool
	// ToolsInPrompt says that the request's tools are in Text.
	ToolsInPrompt bool
	// HermesTools says that the tools were described by toolserve in Hermes form, because the template
	// knows none: the output is then to be read as that family's.
	HermesTools bool
}

// Caps says what a template can do, as found by rendering probes.
type Caps struct {
	Tools          bool
	ToolCalls      bool
	ToolRole       bool
	System         bool
	Developer      bool
	ParallelCalls  bool
	Parts          bool
	OpensReasoning bool
	PrefixStable   bool
}

// RequestError is a request that the template refuses: the client's fault.
type RequestError struct {
	// Param is the request's field, such as "messages".
	Param   string
	Message string
}

func (e *RequestError) Error() string { return fmt.Sprintf("%s: %s", e.Param, e.Message) }

// New compiles a chat template and probes what it can do.
func New(source string, opts Options) (*Template, error) {
	return &Template{source: source, opts: opts}, nil
}

// Caps returns what the template can do.
func (t *Template) Caps() Caps { return t.caps }

// Source returns the template's text.
func (t *Template) Source() string { return t.source }

// Render renders the request.
func (t *Template) Render(req *chat.Request) (Prompt, error) {
	var b strings.Builder
	for _, m := range req.Messages {
		fmt.Fprintf(&b, "<|im_start|>%s\n%s<|im_end|>\n", m.Role, m.Text())
	}
	b.WriteString("<|im_start|>assistant\n")
	return Prompt{Text: b.String()}, nil
}
