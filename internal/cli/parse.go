package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/toolserve/toolserve/toolcall/parsecase"
)

// ParseCmd turns raw model output into JSON: the reasoning, the content and the tool calls in it.
type ParseCmd struct {
	Format        string `default:"auto" help:"Name of the format, as in docs/tool-calls.md. auto finds it in the output, or by --template."`
	Template      string `type:"path" placeholder:"FILE" help:"The model's chat template, to find the format by."`
	Tools         string `type:"path" placeholder:"FILE" help:"JSON list of OpenAI tools. Without it calls of any name are read."`
	ReasoningOpen bool   `help:"The prompt already opened the reasoning block."`
	JSONL         bool   `name:"jsonl" help:"Read a case a line instead: {\"format\", \"tools\", \"chunks\" or \"text\", \"reasoning_open\", \"template\"}."`
}

// Help is the long description.
func (*ParseCmd) Help() string {
	return "Reads one output of a model on standard input and prints {\"reasoning\", \"content\", \"tool_calls\", \"deltas\"}. " +
		"With --jsonl each line of input is answered by a line, which is {\"error\"} for a case that cannot be read."
}

// Run reads the output, or the cases.
func (c *ParseCmd) Run(streams IO) error {
	if c.JSONL {
		return eachLine(streams.In, streams.Out, func(line []byte) any { return json.RawMessage(parsecase.Line(line)) })
	}
	text, err := readAll(streams.In)
	if err != nil {
		return err
	}
	output := string(text)
	one := parsecase.Case{Format: c.Format, Text: &output, ReasoningOpen: c.ReasoningOpen}
	if one.Tools, err = readOptional(c.Tools); err != nil {
		return fmt.Errorf("--tools: %w", err)
	}
	template, err := readOptional(c.Template)
	if err != nil {
		return fmt.Errorf("--template: %w", err)
	}
	one.Template = string(template)
	result, err := parsecase.Parse(one)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(streams.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(result)
}

// readOptional reads a file; no path is no content.
func readOptional(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	return bytes.TrimSpace(data), err
}
