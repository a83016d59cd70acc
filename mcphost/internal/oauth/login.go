package oauth

import (
	"context"
	"net/http"
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
