package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
)

// authorize has a person agree and returns the form that gets the token for it: the authorization code
// grant with PKCE (OAuth 2.1 section 4.1), the resource named (RFC 8707) and the issuer checked (RFC 9207).
func (c *Client) authorize(ctx context.Context, p place, client tokens.Client, scopes []string) (url.Values, error) {
	if p.server.AuthorizationEndpoint == "" {
		return nil, c.errorf(Refused, "the metadata of the authorization server %s name no authorization_endpoint", clean(p.server.Issuer))
	}
	if !p.legacy && !slices.Contains(p.server.ChallengeMethods, "S256") || len(p.server.ChallengeMethods) > 0 && !slices.Contains(p.server.ChallengeMethods, "S256") {
		return nil, c.errorf(Refused, "the authorization server %s does not say that it takes PKCE with S256, without which a code could be stolen", clean(p.server.Issuer))
	}
	redirect := c.opts.Authorizer.RedirectURI()
	verifier, state := rand.Text()+rand.Text(), rand.Text() // 52 and 26 characters of base32
	c.secret(verifier, state)
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {redirect}, "state": {state}, "resource": {p.resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if len(scopes) > 0 {
		query.Set("scope", joinScopes(scopes))
	}
	if slices.Contains(scopes, "offline_access") {
		query.Set("prompt", "consent") // OpenID Connect Core section 11
	}
	address, err := c.personURL(p.server.AuthorizationEndpoint, query)
	if err != nil {
		return nil, err
	}
	back, err := c.opts.Authorizer.Authorize(ctx, Request{
		Server: c.opts.Server, URL: address, Issuer: p.server.Issuer, Resource: p.resource, Scopes: scopes,
	})
	if err != nil {
		return nil, c.needsLogin("the login was not finished: " + err.Error())
	}
	code, err := c.readRedirect(p, back, state)
	if err != nil {
		return nil, err
	}
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}, "resource": {p.resource},
	}, nil
}

// personURL is an authorization endpoint with its query, fit to be handed to a browser: the endpoint comes
// from a stranger, and a program that opens addresses may be fooled by one that looks like something else.
func (c *Client) personURL(endpoint string, query url.Values) (string, error) {
	u, err := c.checkEndpoint(endpoint)
	if err != nil {
		return "", c.errorf(Refused, "authorization_endpoint: %v", err)
	}
	merged := u.Query()
	for name, values := range query {
		merged[name] = values
	}
	u.RawQuery = merged.Encode()
	address := u.String()
	odd := func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("\"'`<>\\^{|}()$;!*", r)
	}
	if strings.ContainsFunc(address, odd) || strings.HasPrefix(u.Hostname(), "-") || len(address) > 16<<10 {
		return "", c.errorf(Refused, "the authorization_endpoint %s holds characters that no browser shall be given", clean(endpoint))
	}
	return address, nil
}

// readRedirect takes the code out of the address that a person was sent back to, after it is certain that
// the answer is to this request and from this authorization server.
func (c *Client) readRedirect(p place, back, state string) (code string, err error) {
	u, err := url.Parse(strings.TrimSpace(back))
	if err != nil || len(back) > 16<<10 {
		return "", c.needsLogin("the address that the login ended at cannot be read")
	}
	query := u.Query()
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(query[name]) > 1 {
			return "", c.needsLogin("the answer to the login names " + name + " twice")
		}
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(state)) != 1 {
		return "", c.needsLogin("the answer to the login is not the answer to this request (state); somebody may have tried to slip in another login")
	}
	iss, present := query.Get("iss"), query.Has("iss")
	switch {
	case present && iss != p.server.Issuer:
		return "", c.needsLogin("the answer to the login is from " + clean(iss) + ", not from " + clean(p.server.Issuer))
	case !present && p.server.IssParameter:
		return "", c.needsLogin("the answer to the login does not say who gives it (iss), which " + clean(p.server.Issuer) + " promises")
	}
	if refused := query.Get("error"); refused != "" {
		reason := strings.TrimSuffix(clean(refused)+": "+clean(query.Get("error_description")), ": ")
		return "", c.needsLogin("the authorization server refused the login: " + reason)
	}
	if code = query.Get("code"); code == "" || len(code) > maxToken {
		return "", c.needsLogin("the answer to the login holds no code")
	}
	c.secret(code)
	return code, nil
}
