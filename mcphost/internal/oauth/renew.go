package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

// begin takes the turn at renewing: one caller asks the authorization server, the others use what came of it.
func (c *Client) begin(ctx context.Context) error {
	select {
	case <-c.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) end() { c.turn <- struct{}{} }

// ready returns the credentials for a request, renewed where they have run out, or nil where there are
// none: then the server says whether it wants any.
func (c *Client) ready(ctx context.Context) (*tokens.Record, error) {
	if failed := c.Failed(); failed != nil {
		return nil, failed
	}
	record := c.current()
	if record == nil || record.Access != "" && !c.expired(record) {
		return record, nil
	}
	if record.Refresh == "" {
		return withoutAccess(record), nil
	}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	defer c.end()
	record = c.current()
	if record == nil || record.Access != "" && !c.expired(record) {
		return record, nil // somebody else was faster
	}
	p, err := c.discover(ctx, challenge{})
	if err != nil {
		return nil, c.fail(err)
	}
	if !sameIssuer(p.server.Issuer, record.Issuer) {
		return withoutAccess(record), nil
	}
	renewed, err := c.refresh(ctx, p, record)
	if err != nil || renewed == nil {
		return withoutAccess(record), err
	}
	return renewed, nil
}

// withoutAccess is what is left of credentials that have run out: the client and the scopes.
func withoutAccess(record *tokens.Record) *tokens.Record {
	rest := *record
	rest.Access = ""
	return &rest
}

// renew gets other credentials than the ones that the server did not take. mayRefresh is whether a refresh
// token is used: a request does that once. refreshed is whether one was.
func (c *Client) renew(ctx context.Context, used *tokens.Record, ch challenge, mayRefresh bool) (renewed *tokens.Record, refreshed bool, err error) {
	if err := c.begin(ctx); err != nil {
		return nil, false, err
	}
	defer c.end()
	if failed := c.Failed(); failed != nil {
		return nil, false, failed
	}
	record := c.current()
	if record != nil && record.Access != "" && !c.expired(record) && (used == nil || record.Access != used.Access) {
		return record, false, nil // somebody else was faster
	}
	p, err := c.discover(ctx, ch)
	if err != nil {
		return nil, false, c.fail(err)
	}
	last := record
	if record != nil && !sameIssuer(record.Issuer, p.server.Issuer) {
		// What one authorization server gave is never shown to another.
		if record, err = c.storedFor(p); err != nil {
			return nil, false, err
		}
	}
	if record != nil && record.Refresh != "" && ch.status == http.StatusUnauthorized && mayRefresh {
		if renewed, err = c.refresh(ctx, p, record); err != nil || renewed != nil {
			return renewed, true, err
		}
	}
	scopes, err := c.chooseScopes(p, ch, record)
	if err == nil {
		renewed, err = c.acquire(ctx, wish{place: p, ch: ch, before: record, last: last, scopes: scopes})
	}
	return renewed, false, c.fail(err)
}

// storedFor returns the newest credentials of the store from an authorization server, or nil.
func (c *Client) storedFor(p place) (*tokens.Record, error) {
	records, err := c.opts.Store.Find(c.opts.URL)
	if err != nil {
		return nil, err
	}
	for i := range records {
		if c.usable(&records[i]) && sameIssuer(records[i].Issuer, p.server.Issuer) {
			c.secret(records[i].Secrets()...)
			return withoutAccess(&records[i]), nil
		}
	}
	return nil, nil
}

// chooseScopes returns the permissions to ask for: those of the configuration, else what the server asks
// for, else what its metadata say, else none; to them come the ones that there were before.
func (c *Client) chooseScopes(p place, ch challenge, record *tokens.Record) ([]string, error) {
	wanted := ch.scopes
	if len(wanted) == 0 {
		wanted = p.scopes
	}
	var before, pending []string
	if record != nil {
		before, pending = record.Scopes, record.Wanted
	}
	if ch.status == http.StatusForbidden && record != nil && record.Access != "" && holdsAll(before, wanted) {
		return nil, c.errorf(MoreScope, "the server asks for more permission (scope %q) than the token has, which has just that", joinScopes(wanted))
	}
	if configured := c.opts.Config.Scopes; len(configured) > 0 {
		wanted = configured
		if ch.status == http.StatusForbidden {
			wanted = unionScopes(configured, ch.scopes)
		}
	}
	scopes := unionScopes(before, pending, wanted)
	if c.wantsPerson() && slices.Contains(p.server.ScopesSupported, "offline_access") {
		scopes = addScope(scopes, "offline_access")
	}
	return scopes, nil
}

// refresh renews an access token (RFC 6749 section 6). A refusal is no error: the result is nil then, and
// the refresh token is forgotten.
//
// A refresh token may be good for one time, and using it twice may end the login: processes take turns.
func (c *Client) refresh(ctx context.Context, p place, record *tokens.Record) (*tokens.Record, error) {
	release, err := c.opts.Store.Turn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if other := c.rotated(record); other != nil {
		return other, nil
	}
	x := exchange{server: p.server, client: record.Client, dpopKey: record.DPoPKey, form: url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {record.Refresh}, "resource": {record.Resource},
	}}
	answer, err := c.requestToken(ctx, x)
	if refused := (*answerError)(nil); errors.As(err, &refused) {
		c.logger.Info("the authorization server no longer renews the token", "reason", c.hide(refused.Error()))
		rest := withoutAccess(record)
		rest.Refresh = ""
		if refused.code == "invalid_client" || refused.code == "unauthorized_client" {
			rest.Client = tokens.Client{} // the authorization server has forgotten it
		}
		c.keep(rest)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	renewed, err := c.take(p, record.Client, x, record.Scopes, answer)
	if err != nil {
		return nil, c.fail(err)
	}
	if renewed.Refresh == "" {
		renewed.Refresh = record.Refresh
	}
	renewed.Wanted = record.Wanted
	c.keep(renewed)
	return renewed, nil
}

// rotated returns credentials that another process has renewed meanwhile, which spends a refresh token.
func (c *Client) rotated(record *tokens.Record) *tokens.Record {
	c.mu.Lock()
	c.loaded = ""
	c.mu.Unlock()
	other := c.current()
	if other == nil || other.Issuer != record.Issuer || other.Access == "" || other.Access == record.Access || c.expired(other) {
		return nil
	}
	return other
}

// wish is what credentials are asked for.
type wish struct {
	place
	ch     challenge
	scopes []string
	// before are the credentials that the same authorization server gave earlier, last those that were in
	// force, whoever gave them; nil where there are none.
	before, last *tokens.Record
}

// acquire gets credentials by the grant of the configuration.
func (c *Client) acquire(ctx context.Context, w wish) (*tokens.Record, error) {
	p, scopes := w.place, w.scopes
	if c.wantsPerson() && c.opts.Authorizer == nil {
		return nil, c.nobody(w)
	}
	client, err := c.identify(ctx, w)
	if err != nil {
		return nil, err
	}
	x := exchange{server: p.server, client: client}
	if x.dpopKey, err = c.bindingKey(w); err != nil {
		return nil, err
	}
	switch c.opts.Config.Grant {
	case mcpjson.GrantClientCredentials:
		x.form = url.Values{"grant_type": {"client_credentials"}, "resource": {p.resource}}
	case mcpjson.GrantJWTBearer:
		x.form, err = c.workloadForm(p)
	case mcpjson.GrantEnterprise:
		x.form, err = c.enterpriseForm(ctx, p, scopes)
	default:
		x.form, err = c.authorize(ctx, p, client, scopes)
	}
	if err != nil {
		c.forgetClient(w)
		return nil, err
	}
	if len(scopes) > 0 && !c.wantsPerson() {
		x.form.Set("scope", joinScopes(scopes))
	}
	answer, err := c.requestToken(ctx, x)
	if err != nil {
		c.forgetClient(w)
		err = c.explain("get a token", p, err)
		if e := (*Error)(nil); c.wantsPerson() && !errors.As(err, &e) {
			err = c.needsLogin(err.Error()) // a person is not asked twice for one failure
		}
		return nil, err
	}
	record, err := c.take(p, client, x, scopes, answer)
	if err == nil {
		c.keep(record)
	}
	return record, err
}

// forgetClient forgets a client that was registered before and that a login did not succeed with: the
// authorization server may no longer know it, which it tells the person alone.
func (c *Client) forgetClient(w wish) {
	if w.before != nil && w.before.Client.Dynamic {
		rest := *w.before
		rest.Client = tokens.Client{}
		c.keep(&rest)
	}
}

// nobody is the error of a server that wants a login while nobody can be asked. What it wants is noted
// for the login to come.
func (c *Client) nobody(w wish) error {
	ch, before := w.ch, w.before
	if ch.status == http.StatusForbidden && before != nil {
		wanted := *before
		wanted.Wanted = unionScopes(before.Wanted, ch.scopes)
		if len(wanted.Wanted) != len(before.Wanted) {
			c.keep(&wanted)
		}
		login := c.needsLogin("the server asks for more permission (scope \"" + joinScopes(w.scopes) + "\") than the login gave")
		return &Error{Kind: MoreScope, Message: login.Message}
	}
	switch {
	case w.guessed && !ch.bearer:
		// It may be a login of another kind, or a fault that passes: this is tried again, at the usual pace.
		return fmt.Errorf("it wants a credential (401) and describes no login; put one into \"headers\", as in \"Authorization\": \"Bearer ${TOKEN}\", or run: %s", c.loginCommand())
	case before != nil:
		return c.needsLogin("the login has run out")
	}
	return c.needsLogin("the server needs a login")
}

// bindingKey returns the key that the token shall be bound to (RFC 9449), or "": when the configuration or
// the server wants that.
func (c *Client) bindingKey(w wish) (string, error) {
	p, before := w.place, w.before
	able := len(p.server.DPoPAlgorithms) == 0 || slices.Contains(p.server.DPoPAlgorithms, "ES256")
	mode := c.opts.Config.DPoP
	switch {
	case mode == "off", mode != "require" && !p.dpopRequired && !(w.ch.dpop && len(p.server.DPoPAlgorithms) > 0):
		return "", nil
	case !able:
		return "", c.errorf(Refused, "tokens have to be bound to a key (DPoP), and the authorization server %s does not take ES256", clean(p.server.Issuer))
	case before != nil && before.DPoPKey != "" && sameIssuer(before.Issuer, p.server.Issuer):
		return before.DPoPKey, nil
	}
	return newDPoPKey()
}
