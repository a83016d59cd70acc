package prompt

import (
	"strings"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/jinja"
)

// baseVariables are the variables that do not depend on the request.
func (t *Template) baseVariables() *jinja.Dict {
	vars := jinja.NewDict(16)
	vars.Set("bos_token", jinja.String(t.opts.BOS))
	vars.Set("eos_token", jinja.String(t.opts.EOS))
	vars.Set("unk_token", jinja.String(""))
	vars.Set("pad_token", jinja.String(""))
	vars.Set("documents", jinja.None{})
	if t.shape.tools == toolsText { // a template of that family wants the date as well
		vars.Set("datetime", jinja.String(t.opts.Now().Format("2006-01-02 15:04:05")))
	}
	return vars
}

// extraVariables are the request's settings; chat_template_kwargs wins over the others.
func (t *Template) extraVariables(req *chat.Request) (*jinja.Dict, error) {
	vars := jinja.NewDict(4)
	if req.EnableThinking != nil {
		for _, name := range thinkingNames {
			if strings.Contains(t.source, name) {
				vars.Set(name, jinja.Bool(*req.EnableThinking))
				break
			}
		}
	}
	if req.ReasoningEffort != "" {
		vars.Set("reasoning_effort", jinja.String(req.ReasoningEffort))
	}
	if len(req.TemplateArgs) == 0 {
		return vars, nil
	}
	args, err := decodeObject(req.TemplateArgs, "chat_template_kwargs")
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{"messages", "tools", "add_generation_prompt"} {
		if _, ok := args.Lookup(name); ok {
			return nil, badRequest("chat_template_kwargs", "%q is set by the request itself", name)
		}
	}
	vars.Merge(args)
	return vars, nil
}

// thinkingNames are the variables by which templates switch reasoning, the first that one mentions
// counts.
var thinkingNames = [...]string{"enable_thinking", "thinking"}

// RenderVars renders a template of the raw language with the variables of a JSON object. The zero time
// means the current one.
func RenderVars(template string, varsJSON []byte, now time.Time) (string, error) {
	compiled, err := jinja.Compile("template", template)
	if err != nil {
		return "", err
	}
	vars := jinja.NewDict(0)
	if len(varsJSON) > 0 {
		if vars, err = decodeObject(varsJSON, "vars"); err != nil {
			return "", err
		}
	}
	turns := 0
	if messages, ok := vars.Lookup("messages"); ok {
		if list, ok := messages.(*jinja.List); ok {
			turns = len(list.Items)
		}
	}
	return compiled.Render(vars, limits(clock(now), len(varsJSON), turns))
}

// RenderRequest renders a request as a server of this template would, with empty texts for the model's
// begin and end tokens unless the request's template arguments set them. The zero time means the
// current one.
func RenderRequest(template string, req *chat.Request, now time.Time) (string, error) {
	t, err := New(template, Options{Name: "template", Now: clock(now)})
	if err != nil {
		return "", err
	}
	p, err := t.Render(req)
	return p.Text, err
}

func clock(now time.Time) func() time.Time {
	if now.IsZero() {
		return time.Now
	}
	return func() time.Time { return now }
}
