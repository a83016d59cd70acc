package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/cli/repl"
	"github.com/toolserve/toolserve/internal/client"
	"github.com/toolserve/toolserve/mcphost"
)

// MCPApproveCmd is `toolserve mcp approve`.
type MCPApproveCmd struct {
	Remote
	Server string `arg:"" optional:"" help:"The MCP server. Without it, everything that waits is shown and nothing is approved."`
	Tool   string `arg:"" optional:"" help:"The tool, by its own name. Without it: the one thing of the server that waits."`
	All    bool   `help:"Approve everything of the server that waits; without SERVER, of all servers."`
	Digest string `help:"Approve only what this digest names, as it was shown before." placeholder:"sha256:…"`
	Yes    bool   `short:"y" help:"Do not ask."`
	Config string `type:"path" placeholder:"FILE" help:"Work on the lock file of this mcp.json, without a running server."`
}

// Help is the long description.
func (*MCPApproveCmd) Help() string {
	return "Shows the difference to what was approved and asks. Only what was shown is approved: what changes in between waits again. " +
		"Exit status: 0 approved, or nothing to do without SERVER, 1 not approved, 2 bad usage, 3 no server."
}

// approvals is where approvals are given: a running server, or a lock file.
type approvals interface {
	pending(ctx context.Context) ([]client.Pending, error)
	approve(ctx context.Context, p client.Pending) error
}

// Run shows what waits and approves what was asked for.
func (c *MCPApproveCmd) Run(ctx context.Context, streams IO) error {
	source, done, err := c.open(streams)
	if err != nil {
		return err
	}
	defer done()
	pending, err := source.pending(ctx)
	if err != nil {
		return err
	}
	chosen, err := c.choose(pending)
	if err != nil {
		return err
	}
	for _, p := range chosen {
		printPending(streams.Out, p)
	}
	if c.Server == "" && !c.All {
		if len(chosen) == 0 {
			return printEmpty(streams, "nothing waits for approval", "")
		}
		_, err := fmt.Fprintln(streams.Err, "nothing was approved: name the SERVER and, where several things of it wait, the TOOL or --all")
		return err
	}
	if !c.Yes && !agreed(streams, len(chosen)) {
		return &ExitError{Code: 1, Err: errors.New("nothing was approved")}
	}
	for _, p := range chosen {
		if err := source.approve(ctx, p); err != nil {
			return fmt.Errorf("approve %s: %w", subject(p), err)
		}
		fmt.Fprintf(streams.Out, "approved %s\n", subject(p))
	}
	return nil
}

// choose returns what is to be shown and, where a server is named or --all given, approved.
func (c *MCPApproveCmd) choose(pending []client.Pending) ([]client.Pending, error) {
	chosen := slices.DeleteFunc(pending, func(p client.Pending) bool {
		return c.Server != "" && p.Server != c.Server || c.Tool != "" && p.Tool != c.Tool || c.Digest != "" && p.Digest != c.Digest
	})
	switch {
	case c.Server == "" && !c.All:
		return chosen, nil
	case len(chosen) == 0 && c.Server == "":
		return nil, &ExitError{Code: 1, Err: errors.New("nothing waits for approval")}
	case len(chosen) == 0:
		return nil, &ExitError{Code: 1, Err: fmt.Errorf("nothing like that waits of %s; `toolserve mcp approve` shows what does", strings.TrimSpace(c.Server+" "+c.Tool))}
	case len(chosen) > 1 && !c.All:
		var names []string
		for _, p := range chosen {
			names = append(names, subject(p))
		}
		return nil, &ExitError{Code: usageStatus, Err: fmt.Errorf("%d things wait (%s): name the TOOL, or give --all or --digest", len(chosen), shortened(strings.Join(names, ", "), 500))}
	}
	return chosen, nil
}

// agreed asks on standard error and reads one line.
func agreed(streams IO, n int) bool {
	what := "this"
	if n > 1 {
		what = fmt.Sprintf("these %d", n)
	}
	fmt.Fprintf(streams.Err, "Approve %s? [y/N] ", what)
	line, err := bufio.NewReader(io.LimitReader(streams.In, 100)).ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(streams.Err, "(no answer; --yes approves without asking)")
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

func subject(p client.Pending) string {
	if p.Kind == "tool" {
		return shortened(p.Server+": tool "+p.Tool, 300)
	}
	return shortened(p.Server+": "+p.Kind, 300)
}

// printPending shows one thing that waits, as a difference. Everything in it comes from servers that are
// not trusted.
func printPending(out io.Writer, p client.Pending) {
	state := "held"
	if !p.Held {
		state = "reported"
	}
	fmt.Fprintf(out, "%s (%s): %s\n", subject(p), state, shortened(p.Reason, 500))
	fmt.Fprintf(out, "  digest %s\n", shortened(p.Digest, 100))
	for _, change := range p.Diff {
		path := shortened(change.Path, 500)
		if path == "" {
			path = "(all of it)"
		}
		fmt.Fprintf(out, "  %s\n", path)
		printSide(out, "-", change.Old)
		printSide(out, "+", change.New)
	}
	if !p.Complete {
		fmt.Fprintln(out, "  (there is more than can be shown: what was approved or what waits is too large)")
	}
	for _, finding := range p.Findings {
		fmt.Fprintf(out, "  finding: %s\n", shortened(finding, 500))
	}
}

func printSide(out io.Writer, sign string, text *string) {
	if text == nil {
		return
	}
	for line := range strings.Lines(repl.Clean(*text)) {
		fmt.Fprintf(out, "    %s %s\n", sign, strings.TrimRight(line, "\r\n"))
	}
}

// printNotes prints what is to be said of the servers beside their state.
func printNotes(out io.Writer, servers []client.ServerStatus) {
	for _, s := range servers {
		for _, p := range s.Pending {
			state := "held"
			if !p.Held {
				state = "changed"
			}
			fmt.Fprintf(out, "%s: %s: %s (%s)\n", state, subject(p), shortened(p.Reason, 300), shortened(p.Mend, 300))
		}
		for _, note := range s.Notes {
			fmt.Fprintf(out, "note: %s: %s\n", shortened(s.Name, 200), shortened(note, 500))
		}
		if n := len(s.RestartedAt); n > 0 {
			why := ""
			if s.LastError != s.Error {
				why = ": " + shortened(s.LastError, 1000)
			}
			fmt.Fprintf(out, "restarted: %s: %d times, last at %s%s\n", shortened(s.Name, 200), s.Restarts,
				s.RestartedAt[n-1].Local().Format(time.DateTime), why)
		}
		if s.Error == "" {
			continue
		}
		for _, line := range s.Stderr[max(len(s.Stderr)-maxStderrShown, 0):] {
			fmt.Fprintf(out, "stderr: %s: %s\n", shortened(s.Name, 200), shortened(line, 300))
		}
	}
}

// maxStderrShown is how many of the last lines of standard error are shown of a server that does not work.
const maxStderrShown = 5

func (c *MCPApproveCmd) open(streams IO) (approvals, func(), error) {
	if c.Config == "" {
		server, err := c.client()
		if err != nil {
			return nil, nil, err
		}
		return remoteApprovals{server}, server.Close, nil
	}
	cfg, _, err := mcphost.LoadConfig(c.Config, mcphost.ParseOptions{LookupEnv: lookup(streams.Env)})
	if err != nil {
		return nil, nil, err
	}
	file, err := mcphost.OpenApprovals(cfg)
	return fileApprovals{file}, func() {}, err
}

type remoteApprovals struct{ server *client.Client }

func (r remoteApprovals) pending(ctx context.Context) ([]client.Pending, error) {
	status, err := r.server.MCPStatus(ctx)
	if err != nil {
		return nil, remoteError(err)
	}
	var out []client.Pending
	for _, s := range status.Servers {
		out = append(out, s.Pending...)
	}
	return out, nil
}

func (r remoteApprovals) approve(ctx context.Context, p client.Pending) error {
	if err := r.server.MCPApprove(ctx, p.Server, p.Digest); err != nil {
		return remoteError(err)
	}
	return nil
}

type fileApprovals struct{ file *mcphost.Approvals }

func (f fileApprovals) pending(context.Context) ([]client.Pending, error) {
	pending, err := f.file.Pending()
	if err != nil {
		return nil, err
	}
	// One form for both sources: what the server would send.
	data, err := json.Marshal(pending)
	if err != nil {
		return nil, err
	}
	var out []client.Pending
	err = json.Unmarshal(data, &out)
	return out, err
}

func (f fileApprovals) approve(_ context.Context, p client.Pending) error {
	_, err := f.file.Approve(mcphost.Approval{Server: p.Server, Tool: p.Tool, Digest: p.Digest})
	return err
}
