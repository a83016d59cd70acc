package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/toolserve/toolserve/internal/openai"
	"github.com/toolserve/toolserve/internal/prompt"
)

// RenderCmd renders a chat template: with variables as they are, or with a chat request as the server would.
type RenderCmd struct {
	Template string `type:"path" placeholder:"FILE" help:"The chat template."`
	Vars     bool   `help:"Standard input is a JSON object of variables for the raw template language, not a chat request."`
	Now      string `placeholder:"TIME" help:"Clock of strftime_now, such as 2026-01-05T09:07:03. The current time by default."`
	JSONL    bool   `name:"jsonl" help:"Read a case a line instead: {\"template\", \"vars\" or \"request\", \"now\"}."`
}

// Help is the long description.
func (*RenderCmd) Help() string {
	return "Reads a chat completions body on standard input and prints the prompt that the template makes of it. " +
		"With --jsonl each line of input is answered by a line, {\"text\"} or {\"error\"}."
}

// Run renders the prompt, or the cases.
func (c *RenderCmd) Run(streams IO) error {
	if c.JSONL {
		return eachLine(streams.In, streams.Out, renderLine)
	}
	if c.Template == "" {
		return &ExitError{Code: usageStatus, Err: errors.New("--template names the chat template to render")}
	}
	template, err := os.ReadFile(c.Template)
	if err != nil {
		return fmt.Errorf("--template: %w", err)
	}
	input, err := readAll(streams.In)
	if err != nil {
		return err
	}
	one := renderCase{Template: string(template), Now: c.Now}
	if c.Vars {
		one.Vars = input
	} else {
		one.Request = input
	}
	text, err := one.render()
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(streams.Out, text)
	return err
}

// renderCase is one line of `toolserve render --jsonl`.
type renderCase struct {
	Template string `json:"template"`
	// Vars are the variables of the raw template language; Request is a chat completions body.
	Vars    json.RawMessage `json:"vars"`
	Request json.RawMessage `json:"request"`
	// Now is the clock of strftime_now.
	Now string `json:"now"`
	// BOS and EOS are the model's begin and end tokens, for a request.
	BOS string `json:"bos_token"`
	EOS string `json:"eos_token"`
}

type renderResult struct {
	Text string `json:"text"`
}

func renderLine(line []byte) any {
	var c renderCase
	if err := json.Unmarshal(line, &c); err != nil {
		return lineError{fmt.Sprintf("the line is not a case: %v", err)}
	}
	text, err := c.render()
	if err != nil {
		return lineError{err.Error()}
	}
	return renderResult{text}
}

func (c renderCase) render() (string, error) {
	now, err := parseClock(c.Now)
	if err != nil {
		return "", err
	}
	switch {
	case c.Vars != nil && c.Request != nil:
		return "", errors.New("the case has both vars and a request; give one of them")
	case c.Request == nil:
		return prompt.RenderVars(c.Template, c.Vars, now)
	}
	req, err := openai.DecodeRequest(c.Request)
	if err != nil {
		return "", err
	}
	opts := prompt.Options{Name: "template", BOS: c.BOS, EOS: c.EOS}
	if !now.IsZero() {
		opts.Now = func() time.Time { return now }
	}
	template, err := prompt.New(c.Template, opts)
	if err != nil {
		return "", err
	}
	rendered, err := template.Render(req)
	return rendered.Text, err
}

// parseClock reads a time with or without zone; without one it is taken as it stands.
func parseClock(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("now: %q is no time; write it like 2026-01-05T09:07:03", text)
}
