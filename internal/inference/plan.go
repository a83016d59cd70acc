package inference

import (
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/prompt"
	"github.com/toolserve/toolserve/toolcall"
)

// plan is a request made ready: what the engine is asked, and how its output is read.
type plan struct {
	engine engine.Request
	parser parser
	stop   []string
	single bool // the answer ends with its first call
	// thinking: the prompt ends inside the reasoning.
	thinking bool
}

// plan checks a request and prepares it. req is not changed.
func (m *Model) plan(req *chat.Request) (*plan, error) {
	r := *req // what the template sees
	if err := m.settle(&r); err != nil {
		return nil, err
	}
	rendered, err := m.render(&r)
	if err != nil {
		return nil, fmt.Errorf("render the chat template: %w", err)
	}
	ids, err := m.tokenise(&r, rendered)
	if err != nil {
		return nil, err
	}
	family := m.opts.Family
	if rendered.HermesTools {
		family = m.hermes
	}
	grammar, err := grammarFor(&r, family, rendered)
	if err != nil {
		return nil, err
	}
	p := &plan{stop: r.Stop, single: r.SingleToolCall && len(r.Tools) > 0}
	p.engine = m.engineRequest(&r, ids, grammar)
	if r.ResponseFormat.JSON || r.Prompt != "" {
		p.parser = &verbatim{}
		return p, nil
	}
	p.thinking = rendered.ReasoningOpen
	p.parser = family.NewParser(toolcall.Options{
		Tools:             r.Tools,
		ReasoningOpen:     rendered.ReasoningOpen,
		AllowUnknownTools: m.opts.AllowUnknownTools,
		SingleCall:        p.single,
		NewID:             m.opts.NewID,
		NoTools:           len(r.Tools) == 0,
	})
	return p, nil
}

// settle checks a request and decides what it leaves open.
func (m *Model) settle(r *chat.Request) error {
	if err := m.readable(r.Messages); err != nil {
		return err
	}
	if off := false; r.ResponseFormat.JSON && r.EnableThinking == nil {
		r.EnableThinking = &off // the output is JSON from its first token
	}
	return m.settleTools(r)
}

// render returns the prompt: a text of the client's own, or what the template makes of the messages.
func (m *Model) render(r *chat.Request) (prompt.Prompt, error) {
	if r.Prompt != "" {
		return prompt.Prompt{Text: r.Prompt}, nil
	}
	return m.opts.Template.Render(r)
}

// tokenise returns the prompt's tokens, of which there is at least one and at most what leaves room for one
// more. The pieces between the prompt's seams are tokenised apart: what a client spells stays text.
func (m *Model) tokenise(r *chat.Request, rendered prompt.Prompt) ([]int32, error) {
	var ids []int32
	from := 0
	for i := range len(rendered.Seams) + 1 {
		to := len(rendered.Text)
		if i < len(rendered.Seams) {
			to = rendered.Seams[i]
		}
		piece, err := m.opts.Engine.Tokenize(rendered.Text[from:to], true)
		if err != nil {
			return nil, fmt.Errorf("tokenise the prompt: %w", err)
		}
		ids, from = append(ids, piece...), to
	}
	param := "messages"
	if r.Prompt != "" {
		param = "prompt"
	}
	if limit := m.opts.Engine.ContextSize(); len(ids) >= limit {
		err := &engine.ContextError{Prompt: len(ids), Limit: limit}
		return nil, invalid(param, "context_length_exceeded", "%v", err)
	}
	if len(ids) == 0 {
		return nil, invalid(param, "empty_prompt", "nothing is left of %s for the model to go on with; send a text", param)
	}
	return ids, nil
}

// readable refuses parts that the model does not read.
func (m *Model) readable(messages []chat.Message) error {
	for i, message := range messages {
		for j, part := range message.Content {
			if !m.Reads(part.Type) {
				return invalid(fmt.Sprintf("messages[%d].content[%d]", i, j), "unsupported_content",
					"messages[%d].content[%d] is of type %s; the served model reads text only: send the part's content as text, or leave it out", i, j, part.Type)
			}
		}
	}
	return nil
}

// settleTools decides on the tool choice. Without a choice to make, the tools are hidden from the template
// and nothing in the output is a call.
func (m *Model) settleTools(r *chat.Request) error {
	choice := &r.ToolChoice
	if choice.Mode == "" {
		choice.Mode = m.opts.DefaultToolChoice
		// Nobody asked for a call, so one is enough: small models that must call do not stop calling.
		r.SingleToolCall = r.SingleToolCall || choice.Mode == chat.ToolRequired
	}
	if choice.Mode == "" {
		choice.Mode = chat.ToolAuto
	}
	if len(r.Tools) == 0 {
		if r.ToolChoice.Mode == chat.ToolNamed {
			return invalid("tool_choice", "invalid_value", "tool_choice names the tool %q, but the request has no tools", choice.Name)
		}
		choice.Mode = chat.ToolNone
	}
	switch choice.Mode {
	case chat.ToolNone:
		r.Tools = nil
	case chat.ToolNamed:
		r.SingleToolCall = true
		if !slices.ContainsFunc(r.Tools, func(t chat.Tool) bool { return t.Name == choice.Name }) {
			return invalid("tool_choice", "unknown_tool", "tool_choice names the tool %q, which is none of the request's tools", choice.Name)
		}
	}
	if r.ResponseFormat.JSON && len(r.Tools) > 0 {
		return invalid("response_format", "unsupported_value",
			"response_format asks for JSON, which cannot be combined with tools that may be called: send tool_choice \"none\", or no tools")
	}
	return nil
}

// grammarFor returns what the output is held to, nil for nothing.
func grammarFor(r *chat.Request, family *toolcall.Family, rendered prompt.Prompt) (*constrain.Grammar, error) {
	switch {
	case r.ToolChoice.Mode == chat.ToolRequired || r.ToolChoice.Mode == chat.ToolNamed:
		grammar, err := family.Grammar(toolcall.GrammarOptions{
			Tools: r.Tools, Choice: r.ToolChoice, Single: r.SingleToolCall, ReasoningOpen: rendered.ReasoningOpen,
		})
		if err != nil {
			return nil, invalid("tools", "invalid_schema", "tool_choice %q cannot be enforced for these tools: %v", r.ToolChoice.Mode, err)
		}
		return grammar, nil
	case r.ResponseFormat.JSON:
		grammar, err := constrain.JSONGrammar(r.ResponseFormat.Schema)
		if err != nil {
			return nil, invalid("response_format", "invalid_schema", "response_format cannot be enforced: %v", err)
		}
		return grammar, nil
	}
	return nil, nil
}

func (m *Model) engineRequest(r *chat.Request, ids []int32, grammar *constrain.Grammar) engine.Request {
	e := engine.Request{
		Prompt:    ids,
		MaxTokens: r.MaxTokens,
		Sampling: engine.Sampling{
			Temperature:       r.Sampling.Temperature,
			TopK:              r.Sampling.TopK,
			TopP:              r.Sampling.TopP,
			MinP:              r.Sampling.MinP,
			Seed:              r.Sampling.Seed,
			FrequencyPenalty:  r.Sampling.FrequencyPenalty,
			PresencePenalty:   r.Sampling.PresencePenalty,
			RepetitionPenalty: r.Sampling.RepetitionPenalty,
			LogitBias:         r.Sampling.LogitBias,
		},
		Logprobs:    r.Logprobs,
		TopLogprobs: r.TopLogprobs,
	}
	if e.MaxTokens == 0 {
		e.MaxTokens = m.opts.MaxTokens
	}
	if grammar != nil { // not a typed nil in an interface
		e.Grammar = grammar
	}
	return e
}
