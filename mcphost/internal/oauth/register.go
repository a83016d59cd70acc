package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

// The ways in which a client proves itself at the token endpoint (RFC 7591 section 2).
const (
	methodNone  = "none"
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodJWT   = "private_key_jwt"
)

// identify finds out as what client to appear at an authorization server: as the one that was registered
// by hand, by a document of metadata, as the one that was registered there before, or as a new one.
func (c *Client) identify(ctx context.Context, w wish) (tokens.Client, error) {
	cfg, p, before := c.opts.Config, w.place, w.before
	if cfg.ClientID != "" {
		if err := c.checkBound(p, w.last); err != nil {
			return tokens.Client{}, err
		}
		client := tokens.Client{ID: cfg.ClientID}
		client.Method = c.authMethod(p.server, cfg.ClientSecret != "")
		return client, nil
	}
	if cfg.Grant == mcpjson.GrantJWTBearer {
		return tokens.Client{Method: methodNone}, nil // the assertion says who it is
	}
	if cfg.ClientMetadataURL != "" && p.server.ClientMetadata {
		return tokens.Client{ID: cfg.ClientMetadataURL, Method: c.authMethod(p.server, false)}, nil
	}
	if before != nil && sameIssuer(before.Issuer, p.server.Issuer) && c.reusable(before.Client) {
		return before.Client, nil
	}
	if p.server.RegistrationEndpoint == "" {
		return tokens.Client{}, c.errorf(Refused,
			"the authorization server %s registers no clients by itself; register one there and put \"client_id\" into the \"oauth\" block", clean(p.server.Issuer))
	}
	return c.register(ctx, p)
}

// checkBound keeps a client that was registered by hand from being shown to another authorization server
// than the one that it was used at, unless a person sees that and agrees.
func (c *Client) checkBound(p place, last *tokens.Record) error {
	if c.opts.Config.Issuer != "" || last == nil || last.Client.ID != c.opts.Config.ClientID ||
		sameIssuer(last.Issuer, p.server.Issuer) || c.opts.Authorizer != nil {
		return nil
	}
	return c.errorf(Refused, "the server now names the authorization server %s in place of %s; if that is meant, put it into the \"oauth\" block as \"issuer\"",
		clean(p.server.Issuer), clean(last.Issuer))
}

// reusable reports whether a client that was registered before can be used for this login.
func (c *Client) reusable(client tokens.Client) bool {
	return client.Dynamic && (client.SecretExpires.IsZero() || c.now().Before(client.SecretExpires)) &&
		(c.opts.Authorizer == nil || client.RedirectURI == c.opts.Authorizer.RedirectURI())
}

// authMethod chooses how the client proves itself, from what the server says that it takes.
func (c *Client) authMethod(server serverMetadata, secret bool) string {
	cfg := c.opts.Config
	switch {
	case cfg.AuthMethod != "":
		return cfg.AuthMethod
	case cfg.PrivateKeyFile != "" || cfg.PrivateKey != "":
		return methodJWT
	case !secret:
		return methodNone
	}
	return secretMethod(server.AuthMethods)
}

// secretMethod chooses how a secret is sent.
func secretMethod(supported []string) string {
	for _, method := range []string{methodBasic, methodPost, methodNone} {
		if slices.Contains(supported, method) {
			return method
		}
	}
	return methodBasic // the default of RFC 8414 section 2
}

// registration is a request for a client (RFC 7591).
type registration struct {
	Name            string   `json:"client_name"`
	RedirectURIs    []string `json:"redirect_uris,omitempty"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	ApplicationType string   `json:"application_type"`
	Scope           string   `json:"scope,omitempty"`
}

// register registers this program as a client.
func (c *Client) register(ctx context.Context, p place) (tokens.Client, error) {
	if c.opts.Authorizer == nil {
		return tokens.Client{}, c.needsLogin("no client is registered at the authorization server " + clean(p.server.Issuer))
	}
	// A program on a person's machine keeps no secret: it asks for none where it may.
	method := methodNone
	if len(p.server.AuthMethods) > 0 && !slices.Contains(p.server.AuthMethods, methodNone) {
		method = c.authMethod(p.server, true)
	}
	redirect := c.opts.Authorizer.RedirectURI()
	body, err := json.Marshal(registration{
		Name: "toolserve", RedirectURIs: []string{redirect}, GrantTypes: []string{"authorization_code", "refresh_token"},
		ResponseTypes: []string{"code"}, AuthMethod: method, ApplicationType: "native",
		Scope: joinScopes(c.opts.Config.Scopes),
	})
	if err != nil {
		return tokens.Client{}, err
	}
	var answer struct {
		ID            string `json:"client_id"`
		Secret        string `json:"client_secret"`
		Method        string `json:"token_endpoint_auth_method"`
		SecretExpires int64  `json:"client_secret_expires_at"`
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if err := c.post(ctx, p.server.RegistrationEndpoint, header, bytes.NewReader(body), &answer); err != nil {
		return tokens.Client{}, c.explain("registration", p, err)
	}
	c.secret(answer.Secret)
	client := tokens.Client{ID: answer.ID, Secret: answer.Secret, Method: answer.Method, RedirectURI: redirect, Dynamic: true}
	if answer.ID == "" {
		return tokens.Client{}, c.errorf(Refused, "the authorization server %s answered the registration without a client_id", clean(p.server.Issuer))
	}
	if answer.SecretExpires > 0 {
		client.SecretExpires = time.Unix(answer.SecretExpires, 0)
	}
	if client.Method == "" {
		if client.Method = c.authMethod(p.server, client.Secret != ""); method == methodNone && len(p.server.AuthMethods) > 0 {
			client.Method = methodNone
		}
	}
	return client, nil
}

// clientSecret returns the secret of a client: a configured one is not kept in the store.
func (c *Client) clientSecret(client tokens.Client) string {
	if client.ID == c.opts.Config.ClientID {
		return c.opts.Config.ClientSecret
	}
	return client.Secret
}

// wantsPerson reports whether the grant is one that a person gives.
func (c *Client) wantsPerson() bool {
	return c.opts.Config.Grant == "" || c.opts.Config.Grant == mcpjson.GrantAuthorizationCode
}
