package oauth

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
)

// The names of RFC 7523 and RFC 8693, and of identity assertions as grants.
const (
	grantJWTBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeIDToken        = "urn:ietf:params:oauth:token-type:id_token"
	typeIDJAG          = "urn:ietf:params:oauth:token-type:id-jag"
)

// workloadForm is the request of a workload that the platform gave a JWT (RFC 7523 section 2.1). The file
// is read each time: platforms replace such tokens.
func (c *Client) workloadForm(p place) (url.Values, error) {
	assertion, err := c.textOrFile("assertion", c.opts.Config.Assertion, c.opts.Config.AssertionFile)
	if err != nil {
		return nil, err
	}
	return url.Values{"grant_type": {grantJWTBearer}, "assertion": {assertion}, "resource": {p.resource}}, nil
}

// enterpriseForm is the request of a person whose employer decides: the identity provider exchanges the
// ID token for a grant to this resource (RFC 8693), which the authorization server then takes.
func (c *Client) enterpriseForm(ctx context.Context, p place, scopes []string) (url.Values, error) {
	idp := c.opts.Config.IdentityProvider
	if idp == nil {
		return nil, c.errorf(Refused, "the grant \"enterprise\" needs \"identity_provider\" in the \"oauth\" block")
	}
	idToken, err := c.textOrFile("id_token", idp.IDToken, idp.IDTokenFile)
	if err != nil {
		return nil, err
	}
	provider, err := c.identityProvider(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {grantTokenExchange}, "requested_token_type": {typeIDJAG}, "audience": {p.server.Issuer}, "resource": {p.resource},
		"subject_token": {idToken}, "subject_token_type": {typeIDToken},
	}
	if len(scopes) > 0 {
		form.Set("scope", joinScopes(scopes))
	}
	client := tokens.Client{ID: idp.ClientID, Secret: idp.ClientSecret, Method: methodNone}
	if idp.ClientSecret != "" {
		client.Method = secretMethod(provider.server.AuthMethods)
	}
	answer, err := c.requestToken(ctx, exchange{server: provider.server, client: client, form: form})
	if err != nil {
		return nil, c.explain("exchange the ID token", provider, err)
	}
	if answer.IssuedType != typeIDJAG || answer.Access == "" || len(answer.Access) > maxToken {
		return nil, c.errorf(Refused, "the identity provider %s answered with a token of the type %q in place of an identity assertion (id-jag)",
			clean(provider.server.Issuer), clean(answer.IssuedType))
	}
	return url.Values{"grant_type": {grantJWTBearer}, "assertion": {answer.Access}}, nil
}

// identityProvider finds the token endpoint of the identity provider.
func (c *Client) identityProvider(ctx context.Context) (place, error) {
	idp := c.opts.Config.IdentityProvider
	if idp.TokenEndpoint != "" {
		server := serverMetadata{Issuer: idp.Issuer, TokenEndpoint: idp.TokenEndpoint}
		return place{server: server}, c.checkServer(&server)
	}
	issuer, err := c.checkEndpoint(idp.Issuer)
	if err != nil {
		return place{}, c.errorf(Refused, "the issuer of the identity provider: %v", err)
	}
	server, err := c.readServer(ctx, idp.Issuer, metadataPlaces(issuer), nil)
	if errors.Is(err, errAbsent) {
		err = c.errorf(Refused, "the identity provider %s does not describe itself; give its \"token_endpoint\"", clean(idp.Issuer))
	}
	return place{server: server}, err
}

// textOrFile returns a secret of the configuration that may stand in a file.
func (c *Client) textOrFile(key, text, file string) (string, error) {
	if file != "" {
		data, err := readFile(file)
		if err != nil {
			return "", c.errorf(Refused, "%s_file: %v", key, err)
		}
		text = string(data)
	}
	if text = strings.TrimSpace(text); text == "" || !headerValue(text) {
		return "", c.errorf(Refused, "the %q of the \"oauth\" block is empty or no token", key)
	}
	c.secret(text)
	return text, nil
}
