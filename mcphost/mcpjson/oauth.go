package mcpjson

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// Grant is how an access token is got.
type Grant string

// The grants. An empty one is that of the authorization code: a person logs in.
const (
	GrantAuthorizationCode Grant = "authorization_code"
	GrantClientCredentials Grant = "client_credentials" // the program has an account of its own
	GrantJWTBearer         Grant = "jwt_bearer"         // the platform vouches for the program (RFC 7523)
	GrantEnterprise        Grant = "enterprise"         // the employer's identity provider decides (RFC 8693)
)

// OAuth is the oauth block of a remote server: how its access tokens are got. The zero value asks the
// server and needs nothing.
type OAuth struct {
	// Off keeps tokens from being asked for.
	Off bool
	// Set says that the entry has such a block.
	Set   bool
	Grant Grant
	// ClientID and ClientSecret are those of a client that was registered by hand, ClientMetadataURL the
	// https address of a document that describes one.
	ClientID, ClientSecret, ClientMetadataURL string
	// AuthMethod is how the client proves itself; "" is what the authorization server takes.
	AuthMethod string
	// PrivateKey, in PEM, or PrivateKeyFile sign assertions for private_key_jwt; SigningAlgorithm and
	// KeyID say how, where that must be said.
	PrivateKey, PrivateKeyFile, SigningAlgorithm, KeyID string
	// Issuer, unless "", is the only authorization server that credentials are sent to. MetadataURL is
	// where its metadata are, in place of the well-known addresses.
	Issuer, MetadataURL string
	// Scopes are asked for in place of what the server names.
	Scopes []string
	// RedirectURI is where a login comes back to, on this machine; "" is a free port of 127.0.0.1.
	RedirectURI string
	// DPoP says whether tokens are bound to a key: "" where the server wants it, "require" or "off".
	DPoP string
	// Assertion or AssertionFile is the JWT of the platform, for [GrantJWTBearer].
	Assertion, AssertionFile string
	// IdentityProvider is who decides, for [GrantEnterprise].
	IdentityProvider *IdentityProvider
}

// IdentityProvider is an employer's: it exchanges an ID token for a grant to a resource.
type IdentityProvider struct {
	// Issuer finds the token endpoint, unless TokenEndpoint names it.
	Issuer, TokenEndpoint  string
	ClientID, ClientSecret string
	// IDToken or IDTokenFile is what the identity provider issued at the person's login.
	IDToken, IDTokenFile string
}

// secrets returns the values of the block that must not be shown.
func (o *OAuth) secrets() []string {
	values := []string{o.ClientSecret, o.PrivateKey, o.Assertion}
	if idp := o.IdentityProvider; idp != nil {
		values = append(values, idp.ClientSecret, idp.IDToken)
	}
	return slices.DeleteFunc(values, func(s string) bool { return s == "" })
}

func oauthKeys() []string {
	return []string{"grant", "client_id", "client_secret", "client_metadata_url", "auth_method", "private_key", "private_key_file",
		"signing_algorithm", "key_id", "issuer", "metadata_url", "scopes", "redirect_port", "redirect_uri", "dpop", "assertion",
		"assertion_file", "identity_provider"}
}

// oauthKey reads the oauth block, in the spellings of the common clients.
func (p *configParser) oauthKey(e *entry, n jsonc.Node) error {
	if on, err := n.Bool(); err == nil {
		e.OAuth = OAuth{Off: !on, Set: true}
		return nil
	}
	members, err := n.Members()
	if err != nil {
		return n.Errorf("must be an object, or false to ask for no tokens")
	}
	e.OAuth.Set = true
	for _, m := range members {
		known, err := p.oauthClientKey(&e.OAuth, m)
		if !known && err == nil {
			known, err = p.oauthServerKey(&e.OAuth, m)
		}
		if err != nil {
			return inKey(m.Key, err)
		}
		if !known {
			p.warnUnknown(e.Name, m, oauthKeys())
		}
	}
	return nil
}

// oauthClientKey reads a key that says what the client is.
func (p *configParser) oauthClientKey(o *OAuth, m jsonc.Member) (known bool, err error) {
	var into *string
	switch m.Key {
	case "client_id", "clientId", "CLIENT_ID":
		into = &o.ClientID
	case "client_secret", "clientSecret", "CLIENT_SECRET":
		into = &o.ClientSecret
	case "client_metadata_url", "clientMetadataUrl", "cimd_url":
		into = &o.ClientMetadataURL
	case "auth_method", "authMethod", "token_endpoint_auth_method":
		o.AuthMethod, err = oneOf(m.Value, "none", "client_secret_basic", "client_secret_post", "private_key_jwt")
		return true, err
	case "private_key", "privateKey":
		into = &o.PrivateKey
	case "private_key_file", "privateKeyFile":
		return true, p.keyFile(m.Value, &o.PrivateKeyFile)
	case "signing_algorithm", "signingAlgorithm":
		into = &o.SigningAlgorithm
	case "key_id", "keyId":
		into = &o.KeyID
	case "redirect_uri", "redirectUri":
		into = &o.RedirectURI
	case "redirect_port", "redirectPort", "callbackPort":
		port, err := m.Value.Number()
		if err != nil || port < 1 || port > 65535 || port != math.Trunc(port) {
			return true, m.Value.Errorf("must be a port, 1 to 65535")
		}
		o.RedirectURI = fmt.Sprintf("http://127.0.0.1:%d/callback", int(port))
		return true, nil
	case "assertion":
		into = &o.Assertion
	case "assertion_file", "assertionFile":
		return true, p.keyFile(m.Value, &o.AssertionFile)
	default:
		return false, nil
	}
	*into, err = p.text(m.Value)
	return true, err
}

// oauthServerKey reads a key that says whom the client asks, and for what.
func (p *configParser) oauthServerKey(o *OAuth, m jsonc.Member) (known bool, err error) {
	switch m.Key {
	case "grant", "grant_type", "grantType":
		o.Grant, err = oneOf(m.Value, GrantAuthorizationCode, GrantClientCredentials, GrantJWTBearer, GrantEnterprise)
	case "issuer":
		o.Issuer, err = p.text(m.Value)
	case "metadata_url", "metadataUrl", "authServerMetadataUrl":
		o.MetadataURL, err = p.text(m.Value)
	case "scopes", "scope":
		if m.Value.IsString() {
			var text string
			text, err = p.text(m.Value)
			o.Scopes = strings.Fields(text)
			break
		}
		o.Scopes, err = names(m.Value)
	case "dpop":
		o.DPoP, err = oneOf(m.Value, "auto", "require", "off")
		if o.DPoP == "auto" {
			o.DPoP = ""
		}
	case "identity_provider", "identityProvider":
		o.IdentityProvider, err = p.identityProvider(m.Value)
	default:
		return false, nil
	}
	return true, err
}

func (p *configParser) identityProvider(n jsonc.Node) (*IdentityProvider, error) {
	members, err := n.Members()
	if err != nil {
		return nil, err
	}
	idp := &IdentityProvider{}
	texts := map[string]*string{
		"issuer": &idp.Issuer, "token_endpoint": &idp.TokenEndpoint, "client_id": &idp.ClientID,
		"client_secret": &idp.ClientSecret, "id_token": &idp.IDToken,
	}
	for _, m := range members {
		switch into := texts[m.Key]; {
		case m.Key == "id_token_file":
			err = p.keyFile(m.Value, &idp.IDTokenFile)
		case into != nil:
			*into, err = p.text(m.Value)
		default:
			err = m.At.Errorf("is not known; use issuer, token_endpoint, client_id, client_secret, id_token or id_token_file")
		}
		if err != nil {
			return nil, inKey(m.Key, err)
		}
	}
	return idp, nil
}

// keyFile reads the path of a key or token; a relative one starts at the folder of the configuration.
func (p *configParser) keyFile(n jsonc.Node, into *string) error {
	path, err := p.text(n)
	if err == nil && path != "" {
		*into = p.resolve(path)
	}
	return err
}

// unusedOAuth warns of a block that the rest of the entry leaves without effect.
func (p *configParser) unusedOAuth(e *entry) {
	why := ""
	switch {
	case !e.OAuth.Set || e.OAuth.Off:
		return
	case e.Transport == TransportStdio:
		why = "a process on this machine"
	case slices.ContainsFunc(slices.Collect(maps.Keys(e.Headers)), func(name string) bool { return strings.EqualFold(name, "Authorization") }):
		why = "an entry with an Authorization header"
	default:
		return
	}
	p.warnings = append(p.warnings, Warning{Server: e.Name, Message: "the key \"oauth\" has no effect on " + why})
}

// check judges the block as a whole.
func (o *OAuth) check() error {
	switch {
	case o.ClientSecret != "" && o.ClientID == "":
		return errors.New("\"client_secret\" needs \"client_id\"")
	case o.Grant == GrantClientCredentials && o.ClientID == "":
		return errors.New("the grant \"client_credentials\" needs \"client_id\"")
	case o.Grant == GrantClientCredentials && o.ClientSecret == "" && o.PrivateKey == "" && o.PrivateKeyFile == "":
		return errors.New("the grant \"client_credentials\" needs \"client_secret\", \"private_key\" or \"private_key_file\"")
	case o.AuthMethod == "private_key_jwt" && o.PrivateKey == "" && o.PrivateKeyFile == "":
		return errors.New("\"private_key_jwt\" needs \"private_key\" or \"private_key_file\"")
	case o.Grant == GrantJWTBearer && o.Assertion == "" && o.AssertionFile == "":
		return errors.New("the grant \"jwt_bearer\" needs \"assertion\" or \"assertion_file\"")
	case o.Grant == GrantEnterprise && (o.IdentityProvider == nil || o.ClientID == ""):
		return errors.New("the grant \"enterprise\" needs \"client_id\" and \"identity_provider\"")
	}
	if idp := o.IdentityProvider; idp != nil {
		if idp.Issuer == "" && idp.TokenEndpoint == "" || idp.ClientID == "" || idp.IDToken == "" && idp.IDTokenFile == "" {
			return errors.New("\"identity_provider\" needs \"issuer\" or \"token_endpoint\", \"client_id\", and \"id_token\" or \"id_token_file\"")
		}
	}
	if u, err := url.Parse(o.ClientMetadataURL); o.ClientMetadataURL != "" && (err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") == "") {
		return errors.New("\"client_metadata_url\" must be an https:// address with a path")
	}
	return o.checkRedirect()
}

// checkRedirect wants a login to come back to this machine: elsewhere, its code would be given away.
func (o *OAuth) checkRedirect() error {
	if o.RedirectURI == "" {
		return nil
	}
	u, err := url.Parse(o.RedirectURI)
	if err != nil || u.Scheme != "http" || u.Port() == "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("\"redirect_uri\" must be like http://127.0.0.1:8765/callback")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !addr.IsLoopback()) {
		return errors.New("\"redirect_uri\" must lead to this machine: 127.0.0.1, [::1] or localhost")
	}
	return nil
}

// plain is the block for the lock file: what it sets, without secrets.
func (o OAuth) plain() map[string]any {
	values := map[string]string{"grant": string(o.Grant), "issuer": o.Issuer, "metadata_url": o.MetadataURL, "client_id": o.ClientID,
		"client_metadata_url": o.ClientMetadataURL, "scopes": strings.Join(o.Scopes, " "), "private_key_file": o.PrivateKeyFile,
		"assertion_file": o.AssertionFile, "redirect_uri": o.RedirectURI, "dpop": o.DPoP}
	if idp := o.IdentityProvider; idp != nil {
		values["identity_provider.issuer"], values["identity_provider.token_endpoint"] = idp.Issuer, idp.TokenEndpoint
		values["identity_provider.client_id"], values["identity_provider.id_token_file"] = idp.ClientID, idp.IDTokenFile
	}
	out := map[string]any{}
	for key, value := range values {
		if value != "" {
			out[key] = value
		}
	}
	if o.Off {
		out["off"] = true
	}
	return out
}
