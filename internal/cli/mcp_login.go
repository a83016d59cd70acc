package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/cli/weblogin"
	"github.com/toolserve/toolserve/mcphost"
)

// MCPLoginCmd is `toolserve mcp login`.
type MCPLoginCmd struct {
	Server    string        `arg:"" help:"The MCP server, by its name in the configuration."`
	MCPConfig string        `name:"mcp-config" required:"" type:"path" placeholder:"FILE" help:"The mcp.json that names it." env:"TOOLSERVE_MCP_CONFIG"`
	NoBrowser bool          `help:"Open no browser: print the address, and read the one that the login ends at."`
	Scope     []string      `help:"Permission to ask for, in place of what the server names; may be repeated." placeholder:"SCOPE"`
	Timeout   time.Duration `default:"5m" help:"How long to wait for the login."`
}

// Help is the long description.
func (*MCPLoginCmd) Help() string {
	return "Logs in to a remote MCP server with OAuth 2.1. A running server takes the login up by itself. " +
		"Exit status: 0 logged in, 1 not logged in, 2 bad usage."
}

// Run logs in.
func (c *MCPLoginCmd) Run(ctx context.Context, streams IO) error {
	cfg, entry, err := loginServer(c.MCPConfig, c.Server, streams)
	if err != nil {
		return err
	}
	open := weblogin.Browser(streams.Env)
	if c.NoBrowser {
		open = nil
	}
	opts := weblogin.Options{RedirectURI: entry.OAuth.RedirectURI, Open: open, Out: streams.Err}
	if open == nil {
		opts.In = streams.In
	}
	person, err := weblogin.New(opts)
	if err != nil {
		return err
	}
	defer person.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	report, err := mcphost.Login(ctx, cfg, c.Server, mcphost.LoginOptions{
		Authorizer: person, Tokens: mcphost.OpenTokens(streams.Env), Scopes: c.Scope,
		Logger: slog.New(slog.NewTextHandler(streams.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return printLogin(streams.Out, c.Server, report)
}

func printLogin(out io.Writer, server string, report mcphost.LoginReport) error {
	lasts := "as long as the server says"
	switch {
	case report.Renewable:
		lasts = "and is renewed without you"
	case !report.Expires.IsZero():
		lasts = "until " + report.Expires.Format(time.DateTime)
	}
	kept := "kept in " + report.Kept
	if report.Kept == "" {
		kept = "not kept: nothing says where your home is; set TOOLSERVE_TOKENS_FILE"
	}
	_, err := fmt.Fprintf(out, "logged in to '%s' at %s; the login lasts %s; it is %s\n", shortened(server, 200), shortened(report.Issuer, 300), lasts, kept)
	return err
}

// MCPLogoutCmd is `toolserve mcp logout`.
type MCPLogoutCmd struct {
	Server    string `arg:"" help:"The MCP server, by its name in the configuration."`
	MCPConfig string `name:"mcp-config" required:"" type:"path" placeholder:"FILE" help:"The mcp.json that names it." env:"TOOLSERVE_MCP_CONFIG"`
}

// Help is the long description.
func (*MCPLogoutCmd) Help() string {
	return "Forgets the login, and what this program is registered as, and has the authorization server revoke the tokens where it does that. A running server stops using it with its next request."
}

// Run forgets the login.
func (c *MCPLogoutCmd) Run(ctx context.Context, streams IO) error {
	cfg, _, err := loginServer(c.MCPConfig, c.Server, streams)
	if err != nil {
		return err
	}
	n, err := mcphost.Logout(ctx, cfg, c.Server, mcphost.OpenTokens(streams.Env))
	if err != nil && n == 0 {
		return err
	}
	if err != nil {
		fmt.Fprintln(streams.Err, "the login is forgotten here; its tokens last until they run out:", shortened(err.Error(), 500))
	}
	if n == 0 {
		_, err = fmt.Fprintf(streams.Out, "there is no login to '%s'\n", shortened(c.Server, 200))
		return err
	}
	_, err = fmt.Fprintf(streams.Out, "logged out of '%s'\n", shortened(c.Server, 200))
	return err
}

// loginServer reads the configuration and finds the server in it.
func loginServer(path, name string, streams IO) (*mcphost.Config, mcphost.ServerConfig, error) {
	cfg, _, err := mcphost.LoadConfig(path, mcphost.ParseOptions{LookupEnv: lookup(streams.Env)})
	if err != nil {
		return nil, mcphost.ServerConfig{}, err
	}
	i := slices.IndexFunc(cfg.Servers, func(s mcphost.ServerConfig) bool { return s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range cfg.Servers {
			names = append(names, shortened(s.Name, 100))
		}
		return nil, mcphost.ServerConfig{}, &ExitError{Code: usageStatus, Err: errors.New("the configuration names no server '" + shortened(name, 200) + "'; it has: " + strings.Join(names, ", "))}
	}
	return cfg, cfg.Servers[i], nil
}
