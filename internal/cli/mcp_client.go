package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/cli/repl"
	"github.com/toolserve/toolserve/internal/client"
)

// remoteHelp documents the exit statuses that the commands against a running server share.
const remoteHelp = "Exit status: 0 success, 1 the tool failed or the call was refused, 2 bad usage, 3 no server."

// MCPStatusCmd is `toolserve mcp status`.
type MCPStatusCmd struct {
	Remote
	JSON bool `help:"Print the server's answer as JSON."`
}

// Help is the long description.
func (*MCPStatusCmd) Help() string { return remoteHelp }

// Run prints the state of each MCP server.
func (c *MCPStatusCmd) Run(ctx context.Context, streams IO) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	status, err := server.MCPStatus(ctx)
	if err != nil {
		return remoteError(err)
	}
	if c.JSON {
		return printJSON(streams.Out, status.Raw)
	}
	if status.Config.Error != "" {
		fmt.Fprintf(streams.Err, "the changed configuration is not in force: %s\n", shortened(status.Config.Error, 1000))
	}
	if len(status.Servers) == 0 {
		return printEmpty(streams, "no MCP servers", status.Reason)
	}
	rows := [][]string{{"SERVER", "STATE", "TRANSPORT", "TOOLS", "RESOURCES", "PROMPTS", "RESTARTS", "SANDBOX", "ERROR"}}
	for _, s := range status.Servers {
		rows = append(rows, []string{
			s.Name, s.State, s.Transport, strconv.Itoa(s.ToolsCount), strconv.Itoa(s.Resources), strconv.Itoa(s.Prompts), strconv.Itoa(s.Restarts), sandboxWord(s.Sandbox), s.Error,
		})
	}
	if err := printTable(streams.Out, rows); err != nil {
		return err
	}
	printNotes(streams.Out, status.Servers)
	return nil
}

// sandboxWord is the level of a sandbox that the server describes by a word or by an object.
func sandboxWord(raw json.RawMessage) string {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		return word
	}
	var object struct {
		Level string `json:"level"`
	}
	if json.Unmarshal(raw, &object) == nil {
		return object.Level
	}
	return ""
}

// MCPToolsCmd is `toolserve mcp tools`.
type MCPToolsCmd struct {
	Remote
	Server string `help:"Only the tools of this MCP server." placeholder:"NAME"`
	JSON   bool   `help:"Print the server's answer as JSON."`
}

// Help is the long description.
func (*MCPToolsCmd) Help() string { return remoteHelp }

// Run prints the tools.
func (c *MCPToolsCmd) Run(ctx context.Context, streams IO) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	list, err := server.MCPTools(ctx)
	if err != nil {
		return remoteError(err)
	}
	if c.JSON && c.Server == "" {
		return printJSON(streams.Out, list.Raw)
	}
	tools := slices.DeleteFunc(list.Tools, func(t client.Tool) bool { return c.Server != "" && t.Server != c.Server })
	if c.JSON {
		return printSelected(streams.Out, tools)
	}
	if len(tools) == 0 {
		reason := list.Reason
		if reason == "" && c.Server != "" {
			reason = fmt.Sprintf("the server %q offers none; `toolserve mcp status` shows its state", c.Server)
		}
		return printEmpty(streams, "no tools", reason)
	}
	for _, missing := range list.Unavailable {
		fmt.Fprintln(streams.Err, "no tools of "+shortened(missing.Describe(), 1000))
	}
	rows := [][]string{{"NAME", "ARGUMENTS", "DESCRIPTION"}}
	for _, t := range tools {
		rows = append(rows, []string{t.Name, strings.Join(t.ParameterNames(), ", "), shortened(t.Description, 80)})
	}
	return printTable(streams.Out, rows)
}

// printSelected prints some tools in the form of the server's list.
func printSelected(out io.Writer, tools []client.Tool) error {
	items := make([]json.RawMessage, len(tools))
	for i, t := range tools {
		items[i] = t.Raw
	}
	data, err := json.Marshal(map[string]any{"tools": items, "count": len(items)})
	if err != nil {
		return err
	}
	return printJSON(out, data)
}

// MCPCallCmd is `toolserve mcp call`.
type MCPCallCmd struct {
	Remote
	JSON bool     `help:"Print the server's answer as JSON."`
	Args []string `arg:"" name:"call" help:"[SERVER] TOOL [ARGUMENTS]: ARGUMENTS is a JSON object, or - to read it from standard input. TOOL may be server__tool."`
}

// Help is the long description.
func (*MCPCallCmd) Help() string {
	return "Example: toolserve mcp call filesystem list_directory '{\"path\":\"/tmp\"}'. On a terminal it shows the " +
		"tool's progress, and asks what the MCP server wants to know; elsewhere such questions are declined. " + remoteHelp
}

// Run executes the call and prints what the tool returned.
func (c *MCPCallCmd) Run(ctx context.Context, streams IO) error {
	call, err := parseCall(c.Args, streams.In)
	if err != nil {
		return &ExitError{Code: usageStatus, Err: err}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	watch, done := watcher(ctx, streams, c.Args[len(c.Args)-1] == "-")
	result, err := server.MCPWatch(ctx, call, watch)
	done()
	var refused *client.Error
	switch {
	case errors.As(err, &refused) && c.JSON && refused.Body != nil:
		return errors.Join(printJSON(streams.Out, refused.Body), &ExitError{Code: 1})
	case err != nil:
		return callError(err)
	}
	if c.JSON {
		err = printJSON(streams.Out, result.Raw)
	} else {
		_, err = fmt.Fprintln(streams.Out, repl.Clean(repl.ResultText(result)))
	}
	if err == nil && result.IsError {
		return &ExitError{Code: 1}
	}
	return err
}

// callError gives the failure of a call its exit status: arguments that the server could not read are
// bad usage.
func callError(err error) error {
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		return &ExitError{Code: usageStatus, Err: err}
	}
	return remoteError(err)
}

// maxArguments bounds the arguments that are read from standard input.
const maxArguments = 16 << 20

// parseCall reads [SERVER] TOOL [ARGUMENTS]. The arguments are what begins with { or is -.
func parseCall(args []string, in io.Reader) (client.Call, error) {
	var call client.Call
	if last := args[len(args)-1]; last == "-" || strings.HasPrefix(strings.TrimSpace(last), "{") {
		text := []byte(last)
		if last == "-" {
			var err error
			if text, err = io.ReadAll(io.LimitReader(in, maxArguments)); err != nil {
				return call, fmt.Errorf("read the arguments: %w", err)
			}
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(text, &object); err != nil {
			return call, fmt.Errorf("the arguments are not a JSON object: %w", err)
		}
		call.Arguments, args = text, args[:len(args)-1]
	}
	switch len(args) {
	case 1:
		call.Tool = args[0]
	case 2:
		call.Server, call.Tool = args[0], args[1]
	default:
		return call, errors.New("give [SERVER] TOOL [ARGUMENTS], where ARGUMENTS is a JSON object such as '{\"path\":\"/tmp\"}'")
	}
	return call, nil
}

// printJSON prints an answer of the server indented.
func printJSON(out io.Writer, data json.RawMessage) error {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, data, "", "  "); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	pretty.WriteByte('\n')
	_, err := pretty.WriteTo(out)
	return err
}

// printEmpty says that a list is empty and why.
func printEmpty(streams IO, what, reason string) error {
	if reason != "" {
		what += ": " + shortened(reason, 1000)
	}
	_, err := fmt.Fprintln(streams.Err, what)
	return err
}

// printTable prints rows in columns, the first one as the head. The cells come from servers that are
// not trusted: they are cleaned and kept on one line.
func printTable(out io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			limit := 200
			if i == len(row)-1 { // what stands there says what is wrong, and the mend at its end
				limit = 1000
			}
			row[i] = shortened(cell, limit)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// shortened is a text on one line of at most limit characters.
func shortened(text string, limit int) string { return repl.Line(text, limit) }
