package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/cli/repl"
	"github.com/toolserve/toolserve/internal/client"
)

// MCPResourcesCmd is `toolserve mcp resources`.
type MCPResourcesCmd struct {
	Remote
	Server    string `help:"Only those of this MCP server." placeholder:"NAME"`
	Templates bool   `help:"List the templates: URIs with {variables} that the reader fills in."`
	JSON      bool   `help:"Print the server's answer as JSON."`
}

// Help is the long description.
func (*MCPResourcesCmd) Help() string { return remoteHelp }

// Run prints the resources.
func (c *MCPResourcesCmd) Run(ctx context.Context, streams IO) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	list, err := server.MCPResources(ctx, c.Server, c.Templates)
	if err != nil {
		return remoteError(err)
	}
	if c.JSON {
		return printJSON(streams.Out, list.Raw)
	}
	what, items := "resources", list.Resources
	if c.Templates {
		what, items = "resource templates", list.Templates
	}
	if len(items) == 0 {
		return printEmpty(streams, "no "+what, list.Reason)
	}
	printMissing(streams, what, list.Servers)
	rows := [][]string{{"SERVER", "URI", "TYPE", "SIZE", "NAME", "DESCRIPTION"}}
	for _, r := range items {
		size := ""
		if r.Size != nil {
			size = strconv.FormatInt(*r.Size, 10)
		}
		rows = append(rows, []string{r.Server, r.URI + r.URITemplate, r.MIMEType, size, r.Name, shortened(r.Description, 60)})
	}
	return printTable(streams.Out, rows)
}

// printMissing says which servers' lists are not whole, and why.
func printMissing(streams IO, what string, servers []client.ListServer) {
	for _, s := range servers {
		switch {
		case s.Error != "":
			fmt.Fprintf(streams.Err, "%s of %s: %s\n", what, shortened(s.Server, 60), shortened(s.Error, 1000))
		case s.Hidden > 0:
			fmt.Fprintf(streams.Err, "%s of %s: the rules for reading leave out %d\n", what, shortened(s.Server, 60), s.Hidden)
		}
		for _, note := range s.Notes {
			fmt.Fprintf(streams.Err, "%s of %s: %s\n", what, shortened(s.Server, 60), shortened(note, 1000))
		}
	}
}

// MCPReadCmd is `toolserve mcp read`.
type MCPReadCmd struct {
	Remote
	Output string   `short:"o" type:"path" help:"Write the contents to this file, as they are; - is standard output." placeholder:"FILE"`
	JSON   bool     `help:"Print the server's answer as JSON."`
	Args   []string `arg:"" name:"resource" help:"[SERVER] URI: the server may be left out where only one has the URI."`
}

// Help is the long description.
func (*MCPReadCmd) Help() string {
	return "Example: toolserve mcp read demo://resource/static/document/features.md. " + remoteHelp
}

// Run reads the resource and prints it.
func (c *MCPReadCmd) Run(ctx context.Context, streams IO) error {
	if len(c.Args) > 2 {
		return &ExitError{Code: usageStatus, Err: errors.New("give [SERVER] URI")}
	}
	name, uri := "", c.Args[len(c.Args)-1]
	if len(c.Args) == 2 {
		name = c.Args[0]
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	watch, done := watcher(ctx, streams, false)
	contents, err := server.MCPRead(ctx, name, uri, watch)
	done()
	if err != nil {
		return readError(err, c.JSON, streams)
	}
	for _, w := range contents.Warnings {
		fmt.Fprintln(streams.Err, "warning: "+shortened(w, 1000))
	}
	if contents.Truncated {
		fmt.Fprintln(streams.Err, "warning: the resource is too large, and not whole")
	}
	switch {
	case c.JSON:
		return printJSON(streams.Out, contents.Raw)
	case c.Output == "-":
		return writeContents(streams.Out, contents)
	case c.Output != "":
		return saveContents(c.Output, contents)
	}
	return showContents(streams.Out, contents)
}

// readError gives a failed read its exit status and, as JSON, its answer.
func readError(err error, asJSON bool, streams IO) error {
	var refused *client.Error
	if asJSON && errors.As(err, &refused) && refused.Body != nil {
		return errors.Join(printJSON(streams.Out, refused.Body), &ExitError{Code: 1})
	}
	return callError(err)
}

// showContents prints what a terminal can show.
func showContents(out io.Writer, contents *client.ResourceContents) error {
	for i, c := range contents.Contents {
		if len(contents.Contents) > 1 {
			if i > 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "--- %s\n", shortened(c.URI, 500))
		}
		text := fmt.Sprintf("[%s, %d bytes; --output FILE saves it]", c.MIMEType, base64Size(c.Blob))
		if c.Text != nil {
			text = *c.Text
		}
		if _, err := fmt.Fprintln(out, repl.Clean(text)); err != nil {
			return err
		}
	}
	return nil
}

// base64Size is how many bytes a text in base64 stands for.
func base64Size(text string) int {
	return base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(text, "=")))
}

// writeContents writes the bytes of all contents.
func writeContents(out io.Writer, contents *client.ResourceContents) error {
	for _, c := range contents.Contents {
		data := []byte(nil)
		if c.Text != nil {
			data = []byte(*c.Text)
		} else {
			var err error
			if data, err = base64.StdEncoding.DecodeString(c.Blob); err != nil {
				return fmt.Errorf("the content of %s is not base64: %w", shortened(c.URI, 200), err)
			}
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	return nil
}

func saveContents(path string, contents *client.ResourceContents) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(writeContents(f, contents), f.Close())
}

// MCPPromptsCmd is `toolserve mcp prompts`.
type MCPPromptsCmd struct {
	Remote
	Server string `help:"Only those of this MCP server." placeholder:"NAME"`
	JSON   bool   `help:"Print the server's answer as JSON."`
}

// Help is the long description.
func (*MCPPromptsCmd) Help() string { return remoteHelp }

// Run prints the prompts.
func (c *MCPPromptsCmd) Run(ctx context.Context, streams IO) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	list, err := server.MCPPrompts(ctx, c.Server)
	if err != nil {
		return remoteError(err)
	}
	if c.JSON {
		return printJSON(streams.Out, list.Raw)
	}
	if len(list.Prompts) == 0 {
		return printEmpty(streams, "no prompts", list.Reason)
	}
	printMissing(streams, "prompts", list.Servers)
	rows := [][]string{{"NAME", "ARGUMENTS", "DESCRIPTION"}}
	for _, p := range list.Prompts {
		var arguments []string
		for _, a := range p.Arguments {
			if !a.Required {
				a.Name += "?"
			}
			arguments = append(arguments, a.Name)
		}
		rows = append(rows, []string{p.Name, strings.Join(arguments, ", "), shortened(p.Description, 80)})
	}
	return printTable(streams.Out, rows)
}

// MCPPromptCmd is `toolserve mcp prompt`.
type MCPPromptCmd struct {
	Remote
	Complete string   `help:"Print what the argument may be that begins so; the other arguments may narrow it down." placeholder:"ARG=BEGINNING"`
	JSON     bool     `help:"Print the server's answer as JSON."`
	Args     []string `arg:"" name:"prompt" help:"[SERVER] NAME [ARG=VALUE ...]: NAME may be server__prompt."`
}

// Help is the long description.
func (*MCPPromptCmd) Help() string {
	return "Examples: toolserve mcp prompt everything args-prompt city=Oslo; toolserve mcp prompt review --complete language=py. " + remoteHelp
}

// Run prints the prompt's messages, or what an argument may be.
func (c *MCPPromptCmd) Run(ctx context.Context, streams IO) error {
	call, err := parsePrompt(c.Args)
	if err != nil {
		return &ExitError{Code: usageStatus, Err: err}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	if c.Complete != "" {
		return c.complete(ctx, server, call, streams)
	}
	watch, done := watcher(ctx, streams, false)
	got, err := server.MCPPrompt(ctx, call, watch)
	done()
	if err != nil {
		return readError(err, c.JSON, streams)
	}
	for _, w := range got.Warnings {
		fmt.Fprintln(streams.Err, "warning: "+shortened(w, 1000))
	}
	if c.JSON {
		return printJSON(streams.Out, got.Raw)
	}
	for _, m := range got.Messages {
		if _, err := fmt.Fprintf(streams.Out, "%s: %s\n", shortened(m.Role, 20), repl.Clean(contentText(m.Content))); err != nil {
			return err
		}
	}
	return nil
}

func (c *MCPPromptCmd) complete(ctx context.Context, server *client.Client, call client.PromptCall, streams IO) error {
	argument, value, _ := strings.Cut(c.Complete, "=")
	got, err := server.MCPComplete(ctx, call, argument, value)
	switch {
	case err != nil:
		return readError(err, c.JSON, streams)
	case c.JSON:
		return printJSON(streams.Out, got.Raw)
	case len(got.Values) == 0:
		return printEmpty(streams, "no values", got.Reason)
	}
	for _, v := range got.Values {
		if _, err := fmt.Fprintln(streams.Out, shortened(v, 1000)); err != nil {
			return err
		}
	}
	if got.HasMore {
		fmt.Fprintln(streams.Err, "and more")
	}
	return nil
}

// parsePrompt reads [SERVER] NAME [ARG=VALUE ...].
func parsePrompt(args []string) (client.PromptCall, error) {
	call := client.PromptCall{Arguments: map[string]string{}}
	var names []string
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			names = append(names, arg)
			continue
		}
		if _, twice := call.Arguments[name]; twice {
			return call, fmt.Errorf("the argument %q is given twice", name)
		}
		call.Arguments[name] = value
	}
	switch len(names) {
	case 1:
		call.Name = names[0]
	case 2:
		call.Server, call.Name = names[0], names[1]
	default:
		return call, errors.New("give [SERVER] NAME [ARG=VALUE ...]")
	}
	return call, nil
}

// contentText shows a content object of MCP in words.
func contentText(raw json.RawMessage) string {
	var c struct {
		Type, Text, Data, MIMEType, URI string
		Resource                        struct {
			URI, Text, Blob, MIMEType string
		}
	}
	if json.Unmarshal(raw, &c) != nil {
		return "[unreadable content]"
	}
	switch {
	case c.Type == "text":
		return c.Text
	case c.Type == "resource" && c.Resource.Blob == "":
		return "[resource " + c.Resource.URI + "]\n" + c.Resource.Text
	case c.Type == "resource":
		return fmt.Sprintf("[resource %s, %s, %d bytes]", c.Resource.URI, c.Resource.MIMEType, base64Size(c.Resource.Blob))
	case c.Data != "":
		return fmt.Sprintf("[%s, %s, %d bytes]", c.Type, c.MIMEType, base64Size(c.Data))
	}
	return strings.TrimSpace("[" + c.Type + " " + c.URI + "]")
}
