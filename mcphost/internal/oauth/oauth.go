// Package oauth gives the requests to a remote MCP server their OAuth 2.1 credentials: it finds the
// authorization server, registers a client there, gets tokens, renews them and asks for more scopes, as
// the authorization chapter of MCP wants it (revisions 2025-11-25 and 2026-07-28, and the ways of
// 2025-03-26 for servers that are older).
//
// Everything that a server or an authorization server sends is hostile: it is bounded, and every address
// in it is dialled through the guarded client of the package wire alone.
package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

// Authorizer sends a person to an authorization server and brings back where it sent them.
type Authorizer interface {
	// RedirectURI is where the authorization server shall send the person back to, a loopback address.
	RedirectURI() string
	// Authorize shows the person the address and returns the address that they were sent back to, with
	// its query. It returns when ctx ends.
	Authorize(ctx context.Context, request Request) (redirect string, err error)
}

// Request is what an [Authorizer] is asked for.
type Request struct {
	// Server is the name of the MCP server in the configuration.
	Server string
	// URL is where to send the person: http or https, nothing but characters of RFC 3986.
	URL string
	// Issuer is the authorization server, Resource what access is asked for, Scopes the permissions.
	Issuer, Resource string
	Scopes           []string
}

// Redactor learns secrets and hides them in texts. The secrets of an owner replace the ones that it had.
type Redactor interface {
	SetSecrets(owner string, secrets []string)
	Hide(text string) string
}

// maxSecrets is how many of the newest secrets of a server are hidden: those in use, and those of the last
// exchanges.
const maxSecrets = 32

// Options say for which server credentials are kept, and how.
type Options struct {
	// Server is the name of the MCP server, URL its endpoint.
	Server, URL string
	// Config is the oauth block of its entry.
	Config mcpjson.OAuth
	// HTTP makes the requests to the authorization server. It judges every address and every redirect.
	HTTP *http.Client
	// CheckURL judges an address that a person is sent to; nil allows every http and https address.
	CheckURL func(string) error
	// Store keeps the credentials; nil keeps them in memory.
	Store *tokens.Store
	// Authorizer asks a person to log in; nil means that nobody can be asked.
	Authorizer Authorizer
	// Redactor is told every secret; nil is none.
	Redactor Redactor
	// OnFail is called when no request will get credentials any more; nil is nothing.
	OnFail func()
	// LoginCommand is what a person runs to log in.
	LoginCommand string
	// Now is the clock; nil is time.Now. Logger nil is silent.
	Now    func() time.Time
	Logger *slog.Logger
}

// Kind says what an [Error] means for the server.
type Kind string

// The kinds of an [Error].
const (
	// NeedsLogin: a person has to log in.
	NeedsLogin Kind = "needs_login"
	// Refused: the authorization server does not give a token, or gives one that the server does not take;
	// trying again changes nothing.
	Refused Kind = "refused"
	// MoreScope: one request needs more permission than the credentials have. Others may still work.
	MoreScope Kind = "more_scope"
)

// Error says why there are no credentials for a request. Other errors are passing ones.
type Error struct {
	Kind    Kind
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Client keeps the credentials of one server. It is safe for concurrent use.
type Client struct {
	opts     Options
	endpoint *url.URL
	now      func() time.Time
	logger   *slog.Logger

	// turn holds a token while nobody renews the credentials.
	turn chan struct{}

	mu      sync.Mutex
	record  *tokens.Record // nil while there is none; never changed in place
	loaded  string         // version of the store that record was read from, "" before the first reading
	unread  error          // why nothing could be read there, or nil
	failed  *Error         // what no request gets past
	scope   *Error         // the last request for more permission that could not be met
	nonces  map[string]string
	secrets []string // the newest ones, which the redactor hides
	// lastKey is the key of the last proof.
	lastKey boundKey
}

// New returns the credentials of a server, as far as the store has them.
func New(opts Options) (*Client, error) {
	endpoint, err := url.Parse(opts.URL)
	if err != nil || endpoint.Host == "" {
		return nil, fmt.Errorf("the address %q cannot be read", opts.URL)
	}
	c := &Client{
		opts: opts, endpoint: endpoint, now: opts.Now, logger: opts.Logger,
		turn: make(chan struct{}, 1), nonces: map[string]string{},
	}
	c.turn <- struct{}{}
	if c.now == nil {
		c.now = time.Now
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.opts.Store == nil {
		c.opts.Store = tokens.NewMemory()
	}
	if c.opts.HTTP == nil {
		return nil, errors.New("there is no HTTP client")
	}
	return c, nil
}

// Failed returns what no request gets past, or nil. It lasts: a client is made anew for another try.
func (c *Client) Failed() *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Problem returns what keeps requests from their credentials, or the last one from more permission, or nil.
func (c *Client) Problem() *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.failed, c.scope)
}

// State is a text that changes when the credentials may have changed from outside: in the store, or in the
// files that the configuration names.
func (c *Client) State() string {
	parts := []string{c.opts.Store.Fingerprint(c.opts.URL)}
	cfg := c.opts.Config
	files := []string{cfg.PrivateKeyFile, cfg.AssertionFile}
	if cfg.IdentityProvider != nil {
		files = append(files, cfg.IdentityProvider.IDTokenFile)
	}
	for _, file := range files {
		parts = append(parts, tokens.FileVersion(file))
	}
	return strings.Join(parts, "|")
}

// fail keeps an error for all requests that follow, unless it concerns one request only.
func (c *Client) fail(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	c.mu.Lock()
	if e.Kind == MoreScope {
		c.scope = e
	} else {
		c.failed = e
	}
	c.mu.Unlock()
	if e.Kind != MoreScope && c.opts.OnFail != nil {
		c.opts.OnFail()
	}
	return err
}

func (c *Client) errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: c.hide(fmt.Sprintf(format, args...))}
}

// needsLogin is the error of a server that a person has to log in to.
func (c *Client) needsLogin(reason string) *Error {
	mend := "run: " + c.loginCommand()
	if c.opts.Authorizer != nil {
		mend = "log in again"
	}
	c.mu.Lock()
	unread := c.unread
	c.mu.Unlock()
	if unread != nil {
		reason += " (" + unread.Error() + ")"
	}
	return c.errorf(NeedsLogin, "%s; %s", reason, mend)
}

func (c *Client) loginCommand() string {
	return cmp.Or(c.opts.LoginCommand, "toolserve mcp login "+c.opts.Server)
}

// secret tells the redactor of secrets before they are used.
func (c *Client) secret(values ...string) {
	if c.opts.Redactor == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := false
	for _, value := range values {
		if i := slices.Index(c.secrets, value); i >= 0 {
			c.secrets = slices.Delete(c.secrets, i, i+1) // it is among the newest again
		} else {
			changed = changed || value != ""
		}
		if value != "" {
			c.secrets = append(c.secrets, value)
		}
	}
	c.secrets = slices.Clone(c.secrets[max(0, len(c.secrets)-maxSecrets):])
	if changed {
		c.opts.Redactor.SetSecrets("oauth "+c.opts.Server, c.secrets)
	}
}

func (c *Client) hide(text string) string {
	if c.opts.Redactor == nil {
		return text
	}
	return c.opts.Redactor.Hide(text)
}

// current returns the credentials that are in force, reading the store anew where it has changed.
func (c *Client) current() *tokens.Record {
	version := c.opts.Store.Version()
	c.mu.Lock()
	record, known := c.record, c.loaded == version
	c.mu.Unlock()
	if known {
		return record
	}
	records, err := c.opts.Store.Find(c.opts.URL)
	if err != nil {
		// A server that wants no credentials works all the same; one that does is told why there are none.
		c.logger.Warn("the stored logins cannot be used", "error", err)
	}
	found := (*tokens.Record)(nil)
	for i := range records { // the newest first
		if c.usable(&records[i]) {
			found = &records[i]
			c.secret(found.Secrets()...)
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record, c.loaded, c.unread = found, version, err
	return found
}

// usable reports whether credentials of the store belong to the client that the configuration names.
func (c *Client) usable(r *tokens.Record) bool {
	cfg := c.opts.Config
	return (cfg.ClientID == "" || cfg.ClientID == r.Client.ID) && (cfg.Issuer == "" || sameIssuer(cfg.Issuer, r.Issuer)) &&
		cmp.Or(string(cfg.Grant), string(mcpjson.GrantAuthorizationCode)) == cmp.Or(r.Grant, string(mcpjson.GrantAuthorizationCode))
}

// keep puts credentials in force and into the store. A store that fails costs the next start its
// credentials, not this one.
func (c *Client) keep(record *tokens.Record) {
	record.URL, record.Saved = c.opts.URL, c.now()
	c.secret(record.Secrets()...)
	err := c.opts.Store.Put(*record)
	version := c.opts.Store.Version()
	c.mu.Lock()
	c.record, c.loaded = record, version
	c.mu.Unlock()
	if err != nil {
		c.logger.Warn("the credentials could not be stored and are kept until the end of this process", "error", c.hide(err.Error()))
	}
}

// expired reports whether an access token is no longer good, or will not be in a moment: 20 s, or less of
// one that does not last long.
func (c *Client) expired(r *tokens.Record) bool {
	if r.Expiry.IsZero() {
		return false
	}
	early := min(20*time.Second, r.Expiry.Sub(r.Saved)/4)
	return !c.now().Add(early).Before(r.Expiry)
}
