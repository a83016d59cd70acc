package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/toolserve/toolserve/internal/cli/repl"
	"github.com/toolserve/toolserve/internal/client"
	"github.com/toolserve/toolserve/policy"
)

// The exit statuses of a command whose server does not answer, and of a chat that a Ctrl-C ended, as
// shells count it.
const (
	unreachableStatus = 3
	interruptedStatus = 130
)

// Remote names the running server that a command speaks to.
type Remote struct {
	URL    string `default:"http://127.0.0.1:8000" env:"TOOLSERVE_URL" help:"Address of the running toolserve." placeholder:"URL"`
	APIKey string `name:"api-key" env:"TOOLSERVE_API_KEY" help:"The server's API key." placeholder:"KEY"`
}

// client returns a client of the server. A bad address is a usage error.
func (r Remote) client() (*client.Client, error) {
	c, err := client.New(client.Options{URL: r.URL, APIKey: r.APIKey})
	if err != nil {
		return nil, &ExitError{Code: usageStatus, Err: err}
	}
	return c, nil
}

// remoteError gives the failure of a request its exit status.
func remoteError(err error) error {
	var gone *client.UnreachableError
	if errors.As(err, &gone) {
		return &ExitError{Code: unreachableStatus, Err: err}
	}
	return err
}

// ChatCmd is `toolserve chat`.
type ChatCmd struct {
	Remote
	Model     string `default:"default" help:"Name of the model; default is the one that is served."`
	System    string `help:"System prompt." placeholder:"TEXT"`
	NoTools   bool   `help:"Leave the server's MCP tools alone."`
	Yes       bool   `short:"y" help:"Run high-risk tools without asking."`
	MaxRounds int    `default:"10" help:"Rounds of tool calls for one message."`
	MaxResult int    `name:"max-result-bytes" default:"16384" help:"Bytes of a tool's result that the model reads."`
	Message   string `arg:"" optional:"" help:"Send this message, print the answer and leave."`
}

// Help is the long description.
func (*ChatCmd) Help() string {
	return "Without MESSAGE it reads messages line by line, from the terminal or from a pipe. In a pipe the answers go to " +
		"standard output and everything else to standard error, and a high-risk tool runs only with --yes. " +
		"Exit status: 0 answered, 1 a turn failed, 2 bad usage, 3 no server."
}

// Validate checks the flags.
func (c *ChatCmd) Validate() error {
	switch {
	case c.MaxRounds < 1:
		return errors.New("--max-rounds must be at least 1; --no-tools turns the tools off")
	case c.MaxResult < 1:
		return errors.New("--max-result-bytes must be at least 1")
	}
	return nil
}

// Run holds the conversation.
func (c *ChatCmd) Run(ctx context.Context, streams IO) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	models, err := server.Models(ctx) // a wrong address or key is told before anything is typed
	if err != nil {
		return remoteError(err)
	}
	title := c.Model
	if title == "default" && len(models) > 0 {
		title = models[0].ID
	}
	// The signals are the chat's own: Ctrl-C stops an answer before it ends the program.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	interrupts := make(chan os.Signal, 1) // the runtime sends; not closed
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	return c.talk(ctx, streams, repl.Options{
		Client: server, Interrupts: interrupts, Model: c.Model, Title: title, System: c.System,
		NoTools: c.NoTools, Yes: c.Yes, MaxRounds: c.MaxRounds, MaxResultBytes: c.MaxResult,
	})
}

// highRisk returns the policy's judgement of tool names. The server may have no rule for them: what a
// person is asked about does not depend on that.
func highRisk() (func(name string) bool, error) {
	gate, err := policy.NewGate(policy.ToolRules{HighRisk: policy.RiskAsk})
	if err != nil {
		return nil, err
	}
	return func(name string) bool { return gate.Preview(policy.Call{Tool: name}).Action != policy.Allow }, nil
}

// talk connects the session to the streams and runs it.
func (c *ChatCmd) talk(ctx context.Context, streams IO, opts repl.Options) error {
	risky, err := highRisk()
	if err != nil {
		return err
	}
	opts.HighRisk = risky
	opts.Input, opts.Interactive = repl.OpenInput(ctx, streams.In, streams.Out, streams.Err)
	opts.Out, opts.Notes = streams.Out, streams.Err
	if repl.IsTerminal(streams.Out) {
		opts.Notes, opts.Reasoning, opts.Colour = streams.Out, true, repl.ColourWanted(streams.Env)
	}
	session := repl.New(opts)
	if c.Message != "" {
		err = session.Once(ctx, c.Message)
	} else {
		err = session.Run(ctx)
	}
	switch {
	case errors.Is(err, repl.ErrFailed): // it was shown when it failed
		return &ExitError{Code: 1}
	case errors.Is(err, repl.ErrInterrupted):
		return &ExitError{Code: interruptedStatus}
	}
	return remoteError(err)
}
