// Package parsecase reads one output of a model, described as JSON, and answers in JSON what toolcall
// reads in it: what `toolserve parse` prints.
package parsecase

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/toolcall"
)

// Case is one output to read.
type Case struct {
	// Format is the name or alias of a family. With "auto" or nothing the family is found by Template,
	// the text of a chat template, or, where that is missing or unknown, in the output itself.
	Format   string `json:"format"`
	Template string `json:"template"`
	// Tools is a list of tools as in a chat completions request. Missing or null, calls of any name are
	// read; an empty list reads none.
	Tools json.RawMessage `json:"tools"`
	// Chunks are the pieces of the output, or Text is the whole of it.
	Chunks []Chunk `json:"chunks"`
	Text   *string `json:"text"`
	// ReasoningOpen says that the prompt already opened the reasoning block.
	ReasoningOpen bool `json:"reasoning_open"`
	// SingleCall is parallel_tool_calls:false.
	SingleCall bool `json:"single_call"`
}

// Chunk is a piece of output: a JSON string, or {"special": "<token>"} for one special token.
type Chunk struct {
	Text    string
	Special bool
}

// UnmarshalJSON reads either form.
func (c *Chunk) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &c.Text)
	}
	var token struct {
		Special *string `json:"special"`
	}
	if err := json.Unmarshal(data, &token); err != nil || token.Special == nil {
		return errors.New(`a chunk is a string or {"special": "<token>"}`)
	}
	c.Text, c.Special = *token.Special, true
	return nil
}

// Result is what was read.
type Result struct {
	Reasoning string `json:"reasoning"`
	Content   string `json:"content"`
	ToolCalls []Call `json:"tool_calls"`
	// Deltas are the OpenAI delta objects in the order in which a stream carries them.
	Deltas   []Delta  `json:"deltas"`
	Warnings []string `json:"warnings,omitempty"`
}

// Call is one complete call; Arguments is the JSON text of one object.
type Call struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Delta is the delta object of a chat completion chunk.
type Delta struct {
	Content   string      `json:"content,omitempty"`
	Reasoning string      `json:"reasoning_content,omitempty"`
	ToolCalls []CallDelta `json:"tool_calls,omitempty"`
}

// CallDelta is a piece of a call: the first carries ID, Type and the name, all carry arguments.
type CallDelta struct {
	Index    int           `json:"index"`
	ID       string        `json:"id,omitempty"`
	Type     string        `json:"type,omitempty"`
	Function FunctionDelta `json:"function"`
}

// FunctionDelta is the function of a CallDelta.
type FunctionDelta struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// Line answers one case, given as JSON, with one line of JSON without the newline: a Result, or
// {"error": "..."}.
func Line(line []byte) []byte {
	var c Case
	err := json.Unmarshal(line, &c)
	if err != nil {
		err = fmt.Errorf("the case is not readable: %w", err)
	}
	var r Result
	if err == nil {
		r, err = Parse(c)
	}
	if err != nil {
		return encode(struct {
			Error string `json:"error"`
		}{err.Error()})
	}
	return encode(r)
}

func encode(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{"error":"the result cannot be written as JSON"}`)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Parse reads one case.
func Parse(c Case) (Result, error) {
	family, err := c.family()
	if err != nil {
		return Result{}, err
	}
	opts := toolcall.Options{ReasoningOpen: c.ReasoningOpen, SingleCall: c.SingleCall}
	if len(c.Tools) == 0 || string(c.Tools) == "null" {
		opts.AllowUnknownTools = true
	} else if opts.Tools, err = decodeTools(c.Tools); err != nil {
		return Result{}, err
	}
	opts.NoTools = !opts.AllowUnknownTools && len(opts.Tools) == 0
	p := family.NewParser(opts)
	r := collector{result: Result{ToolCalls: []Call{}, Deltas: []Delta{}}}
	if c.Text != nil {
		r.add(p.Write(*c.Text))
	}
	for _, chunk := range c.Chunks {
		if chunk.Special {
			r.add(p.WriteSpecial(chunk.Text))
		} else {
			r.add(p.Write(chunk.Text))
		}
	}
	r.add(p.Close())
	return r.finish(), nil
}

func (c Case) family() (*toolcall.Family, error) {
	if c.Format == "" || c.Format == "auto" {
		if f, ok := toolcall.Detect(c.Template); ok && c.Template != "" {
			return f, nil
		}
		c.Format = "auto"
	}
	f, ok := toolcall.Lookup(c.Format)
	if !ok {
		return nil, fmt.Errorf("unknown format %q: use \"auto\" or one of the names in docs/tool-calls.md", c.Format)
	}
	return f, nil
}

// decodeTools reads OpenAI tools; the members of "function" may also stand beside "type".
func decodeTools(data json.RawMessage) ([]chat.Tool, error) {
	type function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	}
	var list []struct {
		function
		Function *function `json:"function"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("tools is no list of tools: %w", err)
	}
	tools := make([]chat.Tool, 0, len(list))
	for i, t := range list {
		f := t.function
		if t.Function != nil {
			f = *t.Function
		}
		if f.Name == "" {
			return nil, fmt.Errorf("tool %d has no name", i)
		}
		tools = append(tools, chat.Tool{Name: f.Name, Description: f.Description, Parameters: f.Parameters})
	}
	return tools, nil
}

// collector puts the events of an output together.
type collector struct {
	result             Result
	reasoning, content strings.Builder
	args               []*strings.Builder
}

func (c *collector) add(events []chat.Event) {
	r := &c.result
	for _, e := range events {
		switch e.Kind {
		case chat.ReasoningDelta:
			c.reasoning.WriteString(e.Text)
			r.Deltas = append(r.Deltas, Delta{Reasoning: e.Text})
		case chat.ContentDelta:
			c.content.WriteString(e.Text)
			r.Deltas = append(r.Deltas, Delta{Content: e.Text})
		case chat.CallStart:
			c.args = append(c.args, &strings.Builder{})
			r.ToolCalls = append(r.ToolCalls, Call{ID: e.ID, Name: e.Name})
			r.Deltas = append(r.Deltas, Delta{ToolCalls: []CallDelta{{Index: e.Index, ID: e.ID, Type: "function",
				Function: FunctionDelta{Name: e.Name}}}})
		case chat.CallDelta:
			c.args[e.Index].WriteString(e.Text)
			r.Deltas = append(r.Deltas, Delta{ToolCalls: []CallDelta{{Index: e.Index,
				Function: FunctionDelta{Arguments: e.Text}}}})
		case chat.Warning:
			r.Warnings = append(r.Warnings, e.Text)
		}
	}
}

func (c *collector) finish() Result {
	c.result.Reasoning, c.result.Content = c.reasoning.String(), c.content.String()
	for i, args := range c.args {
		c.result.ToolCalls[i].Arguments = args.String()
	}
	return c.result
}
