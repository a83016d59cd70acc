package mcphost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/oauth"
	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
	"github.com/toolserve/toolserve/mcphost/internal/reach"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/policy"
)

type (
	// Authorizer sends a person to an authorization server and brings back where it sent them.
	Authorizer = oauth.Authorizer
	// AuthorizationRequest is what an [Authorizer] is asked for.
	AuthorizationRequest = oauth.Request
	// Tokens keeps the logins to remote servers, encrypted: see [OpenTokens].
	Tokens = tokens.Store
)

// loginPoll is how often a server that waits for a login looks whether there is one.
const loginPoll = time.Second

// OpenTokens returns the logins of the person who runs the program. getenv reads the environment:
// TOOLSERVE_TOKENS_FILE names the file in place of mcp-tokens.age in the folder toolserve of the person's
// configuration, TOOLSERVE_TOKENS_PASSPHRASE encrypts it in place of a key from the keyring or from a file
// beside it, and TOOLSERVE_TOKENS_KEYRING=off leaves the keyring alone. Without a home, logins last until
// the end of the process.
func OpenTokens(getenv func(string) string) *Tokens {
	return tokens.Open(tokens.Options{
		Path: tokens.DefaultPath(getenv), Passphrase: getenv("TOOLSERVE_TOKENS_PASSPHRASE"), Keyring: tokens.System(getenv),
	})
}

// LoginOptions say how [Login] asks a person.
type LoginOptions struct {
	// Authorizer asks the person.
	Authorizer Authorizer
	// Tokens keeps the login.
	Tokens *Tokens
	// Scopes are asked for in place of what the server names and the configuration says.
	Scopes []string
	// Logger is told what happens; nil is silent.
	Logger *slog.Logger
}

// LoginReport is what a login brought.
type LoginReport struct {
	// Issuer is the authorization server, Resource what the token is for, Scopes what it permits.
	Issuer, Resource string
	Scopes           []string
	// Expires is when the access token runs out; zero where unknown. Renewable says that it can be renewed
	// without a person.
	Expires   time.Time
	Renewable bool
	// Kept says where it is kept; "" is in memory.
	Kept string
}

// Login logs in to a remote server of a configuration. A host that runs with the same tokens takes it up
// by itself.
func Login(ctx context.Context, cfg *Config, server string, opts LoginOptions) (LoginReport, error) {
	entry, err := remoteServer(cfg, server)
	if err != nil {
		return LoginReport{}, err
	}
	rules := cfg.LaunchRules()
	if verdict := rules.CheckServer(entry.Spec()); !verdict.Allowed {
		return LoginReport{}, errors.New(verdict.Reason)
	}
	if len(opts.Scopes) > 0 {
		entry.OAuth.Scopes = opts.Scopes
	}
	client, err := newOAuth(cfg, entry, &rules, oauth.Options{
		Authorizer: opts.Authorizer, Store: opts.Tokens, Logger: opts.Logger, Redactor: cfg.AuditOptions().Redactor,
	})
	if err != nil {
		return LoginReport{}, err
	}
	record, err := client.Login(ctx)
	if err != nil {
		return LoginReport{}, fmt.Errorf("MCP server '%s': %w", server, err)
	}
	report := LoginReport{
		Issuer: record.Issuer, Resource: record.Resource, Scopes: record.Scopes, Expires: record.Expiry, Renewable: record.Refresh != "",
	}
	if opts.Tokens != nil {
		report.Kept = opts.Tokens.Path()
	}
	return report, nil
}

// Logout forgets the logins to a server, and has their authorization servers revoke the tokens. It returns
// how many there were; they are forgotten also where err says that one could not be revoked.
func Logout(ctx context.Context, cfg *Config, server string, kept *Tokens) (n int, err error) {
	entry, err := remoteServer(cfg, server)
	if err != nil {
		return 0, err
	}
	gone, err := kept.Delete(entry.URL)
	if err != nil {
		return 0, err
	}
	rules := cfg.LaunchRules()
	client, err := newOAuth(cfg, entry, &rules, oauth.Options{Redactor: cfg.AuditOptions().Redactor})
	if err != nil {
		return len(gone), err
	}
	for _, record := range gone {
		err = errors.Join(err, client.Revoke(ctx, record))
	}
	return len(gone), err
}

func remoteServer(cfg *Config, name string) (ServerConfig, error) {
	i := slices.IndexFunc(cfg.Servers, func(s ServerConfig) bool { return s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range cfg.Servers {
			if s.URL != "" {
				names = append(names, s.Name)
			}
		}
		return ServerConfig{}, errorf(Unknown, name, "", "Server '%s' not found in the configuration; its remote servers are: %s",
			name, cmp.Or(strings.Join(names, ", "), "none"))
	}
	s := cfg.Servers[i]
	switch {
	case s.Problem != nil:
		return s, s.Problem
	case s.URL == "":
		return s, fmt.Errorf("MCP server '%s' is a process on this machine: it has no login", name)
	case !wantsTokens(s):
		return s, fmt.Errorf("MCP server '%s' has its credential in \"headers\", or \"oauth\": false, or is no http server: it has no login", name)
	}
	return s, nil
}

// wantsTokens reports whether access tokens are to be got for a server: not where the entry brings its own
// credential.
func wantsTokens(s ServerConfig) bool {
	for name := range s.Headers {
		if http.CanonicalHeaderKey(name) == "Authorization" {
			return false
		}
	}
	return (strings.HasPrefix(s.URL, "http://") || strings.HasPrefix(s.URL, "https://")) && !s.OAuth.Off
}

// newOAuth returns the credentials of a server. Its requests to authorization servers go through a client
// of their own, which judges every address and redirect by the rules.
func newOAuth(cfg *Config, s ServerConfig, rules *policy.LaunchRules, opts oauth.Options) (*oauth.Client, error) {
	opts.Server, opts.URL, opts.Config = s.Name, s.URL, s.OAuth
	if s.SkipSecurityValidation {
		rules = nil
	}
	opts.HTTP = wire.NewHTTPClient(s.URL, s.Headers, rules, nil)
	if rules != nil {
		opts.CheckURL = rules.CheckURL
	}
	opts.LoginCommand = loginCommand(cfg, s.Name)
	return oauth.New(opts)
}

// loginCommand is what a person runs to log in to a server.
func loginCommand(cfg *Config, server string) string {
	command := "toolserve mcp login " + quoteArg(server)
	if cfg.Path != "" {
		command += " --mcp-config " + quoteArg(cfg.Path)
	}
	return command
}

// quoteArg makes a word that a shell reads as one.
func quoteArg(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// loginError is why a server cannot be used until a person logs in, or something else about its
// credentials changes.
type loginError struct {
	problem *oauth.Error
	auth    *oauth.Client
	// state is what the credentials were like before.
	state string
}

func (e loginError) Error() string { return e.problem.Message }

func (e loginError) Unwrap() error { return e.problem }

// authorize gives a connection the server's credentials, unless it has none.
func (s *server) authorize(l *link, rules *policy.LaunchRules) error {
	cfg := *s.cfg()
	if !wantsTokens(cfg) {
		return nil
	}
	auth, err := newOAuth(s.host.cfg(), cfg, rules, oauth.Options{
		Authorizer: s.host.opts.Authorizer, Store: s.host.tokens, Redactor: s.host.redactor, Logger: s.logger, Now: s.host.opts.Now,
		OnFail: func() { notify(s.broken) },
	})
	if err != nil {
		return permanentError{err}
	}
	l.auth, l.authState = auth, auth.State()
	return nil
}

// sign puts the credentials, and what notes how requests go, under a client: below its tap, so that the answers
// that the tap posts by itself have them too.
func (l *link) sign(client *http.Client) {
	tap := client.Transport.(wire.TapHTTP)
	tap.Base = l.attempt.Transport(tap.Base)
	if l.auth != nil {
		tap.Base = l.attempt.Credentials(l.auth.Transport(tap.Base))
	}
	client.Transport = tap
}

// reachEntry is what of the entry says why it cannot be reached.
func (s *server) reachEntry() reach.Entry {
	cfg := s.cfg()
	e := reach.Entry{URL: cfg.URL, NoLogin: cfg.OAuth.Off, Headers: slices.Collect(maps.Keys(cfg.Headers)), Login: loginCommand(s.host.cfg(), cfg.Name)}
	if cfg.Transport == TransportHTTP || cfg.Transport == TransportSSE {
		e.Type = string(cfg.Transport)
	}
	return e
}

// loginProblem returns in place of an error of a connection what its credentials failed for.
func (l *link) loginProblem(err error) error {
	if l.auth == nil {
		return err
	}
	if problem := l.auth.Failed(); problem != nil {
		return loginError{problem, l.auth, l.authState}
	}
	return err
}

// credentialError returns what of a call's error is about credentials, or nil.
func (l *link) credentialError(err error) *oauth.Error {
	var problem *oauth.Error
	if l.auth == nil || errors.As(err, &problem) {
		return problem
	}
	return l.auth.Failed()
}

// awaitLogin waits until the server's credentials may have changed, or it is looked at again.
func (s *server) awaitLogin(ctx context.Context, e loginError) {
	state := StateHeld
	if e.problem.Kind == oauth.Refused {
		state = StateFailed
	}
	reason := s.host.redactor.Hide(e.problem.Message)
	s.set(state, reason)
	s.settle()
	s.logger.Warn("MCP server has no credentials", "reason", reason)
	s.host.record(audit.Record{Kind: audit.KindServer, Server: s.name, Error: reason, Note: "no credentials"})
	ticker := time.NewTicker(loginPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.approved:
		case <-ticker.C:
			if e.auth.State() == e.state {
				continue
			}
		}
		s.set(StateConnecting, "")
		return
	}
}
