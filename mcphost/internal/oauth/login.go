package oauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
)

// probe opens a session as the older revisions do; a server that wants credentials refuses it.
const probe = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"toolserve","version":"1"}}}`

// Login gets credentials now, whether or not there are some, and puts them into the store.
func (c *Client) Login(ctx context.Context) (*tokens.Record, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	defer c.end()
	ch, err := c.probe(ctx)
	if err != nil {
		return nil, err
	}
	p, err := c.discover(ctx, ch)
	if err != nil {
		return nil, err
	}
	if p.guessed && ch.status != http.StatusUnauthorized {
		return nil, c.errorf(Refused, "the server asks for no login and describes none")
	}
	before, err := c.storedFor(p)
	if err != nil {
		return nil, err
	}
	ch.status = http.StatusUnauthorized // what there is may be good still; the login is wanted all the same
	scopes, err := c.chooseScopes(p, ch, before)
	if err != nil {
		return nil, err
	}
	return c.acquire(ctx, wish{place: p, ch: ch, before: before, last: c.current(), scopes: scopes})
}

// probe asks the server without credentials, for the challenge.
func (c *Client) probe(ctx context.Context) (challenge, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.URL, strings.NewReader(probe))
	if err != nil {
		return challenge{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := c.opts.HTTP.Do(req)
	if err != nil {
		return challenge{}, err
	}
	resp.Body.Close()
	return readChallenge(resp), nil
}

// Revoke tells the authorization server that credentials are no longer used (RFC 7009): the refresh token,
// which ends the access tokens with it, or the access token where there is no other.
func (c *Client) Revoke(ctx context.Context, record tokens.Record) error {
	token, hint := record.Refresh, "refresh_token"
	if token == "" {
		token, hint = record.Access, "access_token"
	}
	if token == "" {
		return nil
	}
	c.secret(record.Secrets()...)
	server, err := c.serverMetadata(ctx, record.Issuer, sameOrigin(record.Issuer, c.endpoint))
	if err != nil {
		return err
	}
	if server.RevocationEndpoint == "" {
		return c.errorf(Refused, "the authorization server %s revokes no tokens", clean(record.Issuer))
	}
	x := exchange{server: server, client: record.Client}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	if err := c.authenticate(x, header, form); err != nil {
		return err
	}
	return c.explain("revoke the token", place{server: server}, c.post(ctx, server.RevocationEndpoint, header, strings.NewReader(form.Encode()), nil))
}
