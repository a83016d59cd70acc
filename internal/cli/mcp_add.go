package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/mcpcheck"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
	"github.com/toolserve/toolserve/policy"
)

// maxConfig bounds an mcp.json that is read to be compared with, in bytes.
const maxConfig = 4 << 20

// MCPAddCmd prints the entry of an MCP server to paste.
type MCPAddCmd struct {
	Name      string            `arg:"" help:"The server's name."`
	Command   []string          `arg:"" optional:"" help:"The program and its arguments, after --."`
	URL       string            `placeholder:"URL" help:"Address of a server that is reached over HTTP, instead of a program."`
	Transport string            `enum:",http,sse" default:"" help:"http or sse; with --url and without it, both are tried."`
	Env       map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"Variable of the program; may be given more than once."`
	Header    []string          `placeholder:"NAME=VALUE" sep:"none" help:"Header of the requests, also as NAME: VALUE; may be given more than once."`
	Cwd       string            `placeholder:"DIR" help:"Working directory of the program."`
	Lazy      bool              `help:"Start the server with its first call."`
	Config    string            `type:"existingfile" placeholder:"FILE" help:"Print the change to make in this mcp.json, whose rules the entry is judged by."`
}

// Help is the long description.
func (*MCPAddCmd) Help() string {
	return "Example: toolserve mcp add files -- npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /tmp. " +
		"Nothing is written or started: the entry, or with --config the difference, is printed. " +
		"Exit status: 0 the server may start, 1 it is refused, 2 bad usage."
}

// Run prints the entry.
func (c *MCPAddCmd) Run(streams IO) error {
	headers, err := c.headers()
	if err != nil {
		return &ExitError{Code: usageStatus, Err: err}
	}
	entry, err := c.entry(headers)
	if err != nil {
		return &ExitError{Code: usageStatus, Err: err}
	}
	for _, values := range []map[string]string{c.Env, headers} {
		for name, value := range values {
			if audit.SecretName(name) && !strings.Contains(value, "${") {
				fmt.Fprintf(streams.Err, "warning: the value of %s would stand in the file; write ${%s} and set it in the environment\n", name, strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
			}
		}
	}
	before, err := readConfig(c.Config)
	if err != nil {
		return err
	}
	after, err := mcpjson.AddEntry(before, c.Name, entry)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Config, err)
	}
	if err := c.judge(after, streams); err != nil {
		return err
	}
	if c.Config == "" {
		_, err = streams.Out.Write(after)
		return err
	}
	return printDiff(streams.Out, c.Config, before, after)
}

// headers reads NAME=VALUE and, as curl writes them, NAME: VALUE.
func (c *MCPAddCmd) headers() (map[string]string, error) {
	headers := map[string]string{}
	for _, text := range c.Header {
		at := strings.IndexAny(text, "=:")
		if at <= 0 {
			return nil, fmt.Errorf("--header %q: give NAME=VALUE", text)
		}
		value := text[at+1:]
		if text[at] == ':' {
			value = strings.TrimLeft(value, " ")
		}
		headers[text[:at]] = value
	}
	return headers, nil
}

// entry is what the command line says, as JSON.
func (c *MCPAddCmd) entry(headers map[string]string) (json.RawMessage, error) {
	entry := struct {
		Type    string            `json:"type,omitempty"`
		Command string            `json:"command,omitempty"`
		Args    []string          `json:"args,omitempty"`
		URL     string            `json:"url,omitempty"`
		Headers map[string]string `json:"headers,omitempty"`
		Env     map[string]string `json:"env,omitempty"`
		Cwd     string            `json:"cwd,omitempty"`
		Start   string            `json:"start,omitempty"`
	}{Type: c.Transport, URL: c.URL, Headers: headers, Env: c.Env, Cwd: c.Cwd}
	switch {
	case (c.URL == "") == (len(c.Command) == 0):
		return nil, errors.New("give a program after --, or --url URL, and not both")
	case c.URL == "" && (c.Transport != "" || len(c.Header) > 0):
		return nil, errors.New("--transport and --header are for --url")
	case c.URL != "" && (len(c.Env) > 0 || c.Cwd != ""):
		return nil, errors.New("--env and --cwd are for a program")
	case len(c.Command) > 0:
		entry.Command, entry.Args = c.Command[0], c.Command[1:]
	}
	if c.Lazy {
		entry.Start = "lazy"
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	err := enc.Encode(entry)
	return text.Bytes(), err
}

// judge says what the launch policy says of the entry, in the configuration that it is to stand in.
func (c *MCPAddCmd) judge(text []byte, streams IO) error {
	unset := map[string]bool{}
	cfg, warnings, err := mcphost.ParseConfig(text, mcphost.ParseOptions{Path: c.Config, LookupEnv: c.lookup(streams.Env, unset)})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(unset)) {
		fmt.Fprintf(streams.Err, "warning: the variable %s is not set here; where it is not set for toolserve serve either, this server does not start\n", name)
	}
	cfg.Security.Launch.Machine = policy.LocalMachine()
	report, err := mcpcheck.Check(cfg, mcpcheck.Options{Warnings: warnings})
	if err != nil {
		return err
	}
	for _, s := range report.Servers {
		if s.Name != c.Name {
			continue
		}
		for _, w := range s.Warnings {
			fmt.Fprintf(streams.Err, "warning: %s\n", w)
		}
		if !s.Allowed {
			return &ExitError{Code: 1, Err: errors.New(s.Reason)}
		}
	}
	return nil
}

// lookup finds variables. One that only --env and --header of the command line name need not be set yet: the
// rules do not judge by what it holds. It is noted in unset.
func (c *MCPAddCmd) lookup(getenv func(string) string, unset map[string]bool) func(string) (string, bool) {
	values := append(slices.Collect(maps.Values(c.Env)), c.Header...)
	judged := strings.Join(append([]string{c.URL, c.Cwd}, c.Command...), "\n")
	named := func(text, name string) bool {
		return strings.Contains(text, "${"+name+"}") || strings.Contains(text, "${env:"+name+"}")
	}
	return func(name string) (string, bool) {
		value, set := lookup(getenv)(name)
		if !set && !named(judged, name) && slices.ContainsFunc(values, func(text string) bool { return named(text, name) }) {
			unset[name] = true
			return "unset", true
		}
		return value, set
	}
}

// MCPRemoveCmd prints the change that takes a server out of an mcp.json.
type MCPRemoveCmd struct {
	Name   string `arg:"" help:"The server's name."`
	Config string `type:"existingfile" required:"" placeholder:"FILE" help:"The mcp.json."`
}

// Help is the long description.
func (*MCPRemoveCmd) Help() string {
	return "Nothing is written: the difference is printed. patch(1) applies it. Exit status: 0 success, 1 no such server."
}

// Run prints the difference.
func (c *MCPRemoveCmd) Run(streams IO) error {
	before, err := readConfig(c.Config)
	if err != nil {
		return err
	}
	after, err := mcpjson.RemoveEntry(before, c.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Config, err)
	}
	return printDiff(streams.Out, c.Config, before, after)
}

// readConfig reads an mcp.json; "" is an empty one.
func readConfig(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxConfig>>20)
	}
	return data, err
}

// contextLines is how many lines a difference shows around what changed.
const contextLines = 3

// printDiff prints the difference of two texts that differ in one place, in the form that patch(1) reads.
func printDiff(out io.Writer, path string, before, after []byte) error {
	if here, err := os.Getwd(); err == nil { // patch finds no file by its absolute path
		if relative, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(relative) {
			path = relative
		}
	}
	a, b := splitLines(before), splitLines(after)
	start := 0
	for start < min(len(a), len(b)) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < min(len(a), len(b))-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	from, tail := max(start-contextLines, 0), max(end-contextLines, 0)
	var text strings.Builder
	fmt.Fprintf(&text, "--- %s\n+++ %s\n@@ -%d,%d +%d,%d @@\n", path, path, from+1, len(a)-tail-from, from+1, len(b)-tail-from)
	put := func(mark string, lines []string) {
		for _, line := range lines {
			text.WriteString(mark + line)
			if !strings.HasSuffix(line, "\n") {
				text.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	put(" ", a[from:start])
	put("-", a[start:len(a)-end])
	put("+", b[start:len(b)-end])
	put(" ", a[len(a)-end:len(a)-tail])
	_, err := io.WriteString(out, text.String())
	return err
}

// splitLines returns the lines of a text with their ends.
func splitLines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	lines := strings.SplitAfter(string(text), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
