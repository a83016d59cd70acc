// Package cli is the command line: one file per subcommand. A command parses its flags, calls the
// package that does the work and prints what came back.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// IO is what a command reads and writes, so that tests run commands in process.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Env looks up an environment variable; unset is "".
	Env func(name string) string
}

// ExitError ends a command with an exit status other than 1. A nil Err prints nothing.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// commands is the tree of subcommands. Kong reads names, flags and help from the struct tags.
type commands struct {
	Serve  ServeCmd  `cmd:"" help:"Serve a model with the tools of an mcp.json."`
	Chat   ChatCmd   `cmd:"" help:"Chat with a running server and its MCP tools."`
	MCP    mcpGroup  `cmd:"" name:"mcp" help:"Look at MCP servers, tools and the audit log; judge an mcp.json."`
	Keys   keysGroup `cmd:"" help:"Make API keys for serve --api-keys-file."`
	Pull   PullCmd   `cmd:"" help:"Fetch a model into the cache."`
	Models models    `cmd:"" help:"List the models in the cache, or show one."`
	Engine engines   `cmd:"" help:"Fetch the llama.cpp libraries, or show which are used."`
	Parse  ParseCmd  `cmd:"" help:"Turn raw model output into JSON."`
	Render RenderCmd `cmd:"" help:"Render a chat template."`
	Bench  BenchCmd  `cmd:"" help:"Measure servers side by side."`
	Doctor DoctorCmd `cmd:"" help:"Say what works on this machine, and what to do about what does not."`

	Version VersionCmd `cmd:"" help:"Print the version."`
}

type mcpGroup struct {
	Status    MCPStatusCmd    `cmd:"" help:"Show the MCP servers of a running server."`
	Tools     MCPToolsCmd     `cmd:"" help:"List the tools of a running server."`
	Call      MCPCallCmd      `cmd:"" help:"Call a tool through a running server."`
	Resources MCPResourcesCmd `cmd:"" help:"List the resources of the MCP servers of a running server."`
	Read      MCPReadCmd      `cmd:"" help:"Read a resource through a running server."`
	Prompts   MCPPromptsCmd   `cmd:"" help:"List the prompts of the MCP servers of a running server."`
	Prompt    MCPPromptCmd    `cmd:"" help:"Get a prompt through a running server, or complete its arguments."`
	Audit     MCPAuditCmd     `cmd:"" help:"Show the audit log of a running server."`
	Approve   MCPApproveCmd   `cmd:"" help:"Show what changed of servers and tools since it was approved, and approve it."`
	Add       MCPAddCmd       `cmd:"" help:"Print the entry of an MCP server to paste into an mcp.json."`
	Remove    MCPRemoveCmd    `cmd:"" help:"Print the change that takes a server out of an mcp.json."`
	Check     MCPCheckCmd     `cmd:"" help:"Judge an mcp.json without starting anything."`
	Login     MCPLoginCmd     `cmd:"" help:"Log in to a remote MCP server."`
	Logout    MCPLogoutCmd    `cmd:"" help:"Forget the login to a remote MCP server."`
}

type keysGroup struct {
	New KeysNewCmd `cmd:"" help:"Print a new key, and the entry for the keys file."`
}

type models struct {
	List ModelsListCmd `cmd:"" default:"1" help:"List the models in the cache."`
	Show ModelsShowCmd `cmd:"" help:"Show what a model's file says about itself."`
}

type engines struct {
	Status  EngineStatusCmd  `cmd:"" default:"1" help:"Show which llama.cpp libraries serve would load."`
	Install EngineInstallCmd `cmd:"" help:"Fetch the llama.cpp libraries."`
}

// usageStatus is the exit status of a command line that cannot be read.
const usageStatus = 2

// Run reads args, runs the command that they name and returns the exit status: 0 for success, 1 for
// failure, 2 for a command line that cannot be read, else what the command documents.
func Run(ctx context.Context, args []string, streams IO) (status int) {
	exited := -1
	var root commands
	parser, err := kong.New(&root,
		kong.Name("toolserve"),
		kong.Description("Serves a language model through the OpenAI API with the tools of MCP servers attached."),
		kong.UsageOnError(),
		kong.Writers(streams.Out, streams.Err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams),
	)
	if err != nil {
		fmt.Fprintln(streams.Err, "toolserve:", err)
		return usageStatus
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help printed and asked to leave
		return exited
	}
	if err != nil {
		fmt.Fprintf(streams.Err, "toolserve: %v (toolserve --help lists the commands and flags)\n", err)
		return usageStatus
	}
	return exitStatus(command.Run(), streams.Err)
}

func exitStatus(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	var exit *ExitError
	code := 1
	if errors.As(err, &exit) {
		code = exit.Code
		if exit.Err == nil {
			return code
		}
	}
	fmt.Fprintln(stderr, "toolserve:", err)
	return code
}
