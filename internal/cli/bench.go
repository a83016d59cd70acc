package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/toolserve/toolserve/internal/bench"
)

// BenchCmd is `toolserve bench`.
type BenchCmd struct {
	URL          []string      `default:"http://127.0.0.1:8000" help:"Address of a running server. Give it again for each server to compare with the first." placeholder:"URL"`
	Name         []string      `help:"Name of a server in the report, in the order of --url." placeholder:"NAME"`
	APIKey       string        `name:"api-key" env:"TOOLSERVE_API_KEY" help:"Key that all servers get." placeholder:"KEY"`
	Model        string        `help:"Name of the model in the requests; by default the first that the server lists." placeholder:"NAME"`
	Concurrency  []int         `default:"1" help:"How many requests run at once; each number is measured by itself." placeholder:"N,..."`
	PromptTokens int           `default:"512" help:"About how long the prompts are whose reading is measured."`
	MaxTokens    int           `default:"128" help:"Longest answer."`
	Rounds       int           `default:"5" help:"How often each measurement is repeated; the servers take turns."`
	Tools        string        `default:"none" enum:"none,required" help:"required measures forced tool calls instead of text."`
	Schema       bool          `help:"Measure answers that a JSON schema forces, instead of text."`
	Seed         uint64        `default:"0" help:"Chooses the words of the prompts; 0 takes other ones each time, which no server has cached."`
	Timeout      time.Duration `default:"15m" help:"Longest time that the measurement may take."`
	JSON         bool          `help:"Print the report as JSON, with the figures of each round."`
}

// Help is the long description.
func (*BenchCmd) Help() string {
	return "Measures how fast OpenAI-compatible servers read prompts and write answers, side by side: the servers take turns " +
		"in each round, get the same requests at temperature 0, and count tokens by their own usage. Run it on an idle machine. " +
		"Example: toolserve bench --url http://127.0.0.1:8000 --name toolserve --url http://127.0.0.1:9090 --name other --concurrency 1,8. " +
		"Exit status: 0 measured, 1 a request failed, 2 bad usage, 3 no server."
}

func (c *BenchCmd) options() bench.Options {
	opts := bench.Options{
		Model: c.Model, Concurrency: c.Concurrency, PromptTokens: c.PromptTokens, MaxTokens: c.MaxTokens, Rounds: c.Rounds,
		Work: c.work(), Seed: c.Seed,
	}
	for i, url := range c.URL {
		server := bench.Server{URL: url, APIKey: c.APIKey}
		if i < len(c.Name) {
			server.Name = c.Name[i]
		}
		opts.Servers = append(opts.Servers, server)
	}
	return opts
}

func (c *BenchCmd) work() bench.Work {
	switch {
	case c.Tools == "required":
		return bench.Calls
	case c.Schema:
		return bench.Objects
	}
	return bench.Text
}

// Validate checks the flags.
func (c *BenchCmd) Validate() error {
	switch {
	case len(c.Name) > len(c.URL):
		return fmt.Errorf("there are %d --name for %d --url", len(c.Name), len(c.URL))
	case min(c.PromptTokens, c.MaxTokens, c.Rounds) < 1:
		return errors.New("--prompt-tokens, --max-tokens and --rounds must be at least 1")
	case c.Schema && c.Tools != "none":
		return errors.New("give --tools or --schema, not both")
	case c.Timeout <= 0:
		return errors.New("--timeout must be more than 0")
	}
	return c.options().Check()
}

// Run measures and prints the report.
func (c *BenchCmd) Run(ctx context.Context, streams IO) error {
	opts := c.options()
	if opts.Seed == 0 {
		opts.Seed = uint64(time.Now().UnixNano())
	}
	opts.Progress = func(step string) { fmt.Fprintln(streams.Err, "bench:", step) }
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("not done after %v; give a longer --timeout or fewer --rounds", c.Timeout))
	defer cancel()
	report, err := bench.Run(ctx, opts)
	if report == nil {
		return remoteError(err)
	}
	if printErr := c.print(streams, report); printErr != nil {
		return printErr
	}
	return cmp.Or(err, failed(report))
}

func (c *BenchCmd) print(streams IO, report *bench.Report) error {
	if !c.JSON {
		return report.WriteText(streams.Out)
	}
	data, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	return printJSON(streams.Out, data)
}

// failed is the exit status of a measurement in which requests failed, which the report tells.
func failed(report *bench.Report) error {
	if report.Errors() == 0 {
		return nil
	}
	return &ExitError{Code: 1}
}
