package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxDocument bounds a metadata document and every other answer of an authorization server.
	maxDocument = 256 << 10
	// requestTimeout bounds one request to an authorization server.
	requestTimeout = 30 * time.Second
	// maxServers bounds how many authorization servers a resource may name.
	maxServers = 16
)

// resourceMetadata describes a protected resource (RFC 9728).
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported"`
	DPoPRequired         bool     `json:"dpop_bound_access_tokens_required"`
}

// serverMetadata describes an authorization server (RFC 8414, OpenID Connect Discovery).
type serverMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	ScopesSupported       []string `json:"scopes_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	SigningAlgorithms     []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	ClientMetadata        bool     `json:"client_id_metadata_document_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
	DPoPAlgorithms        []string `json:"dpop_signing_alg_values_supported"`
}

// place is where credentials for the server come from.
type place struct {
	server serverMetadata
	// resource is what tokens are asked for, scopes what the resource says that there is.
	resource string
	scopes   []string
	// dpopRequired says that the resource takes bound tokens only.
	dpopRequired bool
	// legacy says that the server describes itself as the revision 2025-03-26 did, or not at all: then it
	// is its own authorization server.
	legacy bool
	// guessed says that nothing was described: the endpoints are those that 2025-03-26 presumes.
	guessed bool
}

// errAbsent says that there is no document at an address.
var errAbsent = errors.New("there is no such document")

// discover finds the authorization server of the resource: by its protected resource metadata (RFC 9728),
// else, as in the revision 2025-03-26, at the server itself.
func (c *Client) discover(ctx context.Context, ch challenge) (place, error) {
	meta, err := c.resourceMetadata(ctx, ch)
	switch {
	case errors.Is(err, errAbsent):
		return c.discoverLegacy(ctx)
	case err != nil:
		return place{}, err
	}
	p := place{resource: meta.Resource, scopes: unionScopes(meta.ScopesSupported), dpopRequired: meta.DPoPRequired}
	issuer, err := c.chooseIssuer(meta.AuthorizationServers)
	if err != nil {
		return place{}, err
	}
	p.server, err = c.serverMetadata(ctx, issuer, false)
	if errors.Is(err, errAbsent) {
		err = c.errorf(Refused, "the authorization server %s does not describe itself (RFC 8414)", clean(issuer))
	}
	return p, err
}

// resourceMetadata reads the protected resource metadata from where the challenge says, else from the
// well-known places: below the endpoint's path, then at the root.
func (c *Client) resourceMetadata(ctx context.Context, ch challenge) (resourceMetadata, error) {
	places := []string{ch.resourceMetadata}
	if ch.resourceMetadata == "" {
		places = []string{wellKnown(c.endpoint, "oauth-protected-resource", c.endpoint.EscapedPath())}
		if strings.Trim(c.endpoint.Path, "/") != "" {
			places = append(places, wellKnown(c.endpoint, "oauth-protected-resource", ""))
		}
	}
	for _, at := range places {
		var meta resourceMetadata
		err := c.document(ctx, at, &meta)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return meta, fmt.Errorf("read the protected resource metadata: %w", err)
		}
		if !c.isOwn(meta.Resource) {
			return meta, c.errorf(Refused, "the metadata at %s is of another resource (%s) than %s: no token is asked for",
				clean(at), clean(meta.Resource), c.opts.URL)
		}
		return meta, nil
	}
	if ch.resourceMetadata != "" {
		return resourceMetadata{}, c.errorf(Refused, "the server names metadata at %s, where there are none", clean(ch.resourceMetadata))
	}
	return resourceMetadata{}, errAbsent
}

// isOwn reports whether a resource identifier stands for the server: its own address, or one above it on
// the same origin (RFC 9728 section 3.3; MCP, canonical server URI).
func (c *Client) isOwn(resource string) bool {
	u, err := url.Parse(resource)
	if err != nil || u.Scheme != c.endpoint.Scheme || !strings.EqualFold(u.Host, c.endpoint.Host) || u.User != nil ||
		u.Fragment != "" || u.RawQuery != "" && u.RawQuery != c.endpoint.RawQuery {
		return false
	}
	above, own := strings.TrimRight(u.EscapedPath(), "/"), strings.TrimRight(c.endpoint.EscapedPath(), "/")
	return own == above || strings.HasPrefix(own, above+"/")
}

// chooseIssuer picks the authorization server: the one that the configuration names, the one that there
// are credentials of, else the first.
func (c *Client) chooseIssuer(servers []string) (string, error) {
	if len(servers) == 0 || len(servers) > maxServers {
		return "", c.errorf(Refused, "the metadata of the server name %d authorization servers; 1 to %d are allowed", len(servers), maxServers)
	}
	if want := c.opts.Config.Issuer; want != "" {
		for _, s := range servers {
			if sameIssuer(s, want) {
				return s, nil
			}
		}
		return "", c.errorf(Refused, "the server names the authorization server %s, but the configuration says %s: no credential is sent there",
			clean(strings.Join(servers, ", ")), want)
	}
	if record := c.current(); record != nil {
		if i := slices.IndexFunc(servers, func(s string) bool { return sameIssuer(s, record.Issuer) }); i >= 0 {
			return servers[i], nil
		}
	}
	return servers[0], nil
}

// discoverLegacy finds the authorization server as the revision 2025-03-26 wants it: at the root of the
// MCP server, by metadata or else at fixed paths.
func (c *Client) discoverLegacy(ctx context.Context) (place, error) {
	base := c.endpoint.Scheme + "://" + c.endpoint.Host
	p := place{resource: c.opts.URL, legacy: true}
	if want := c.opts.Config.Issuer; want != "" {
		server, err := c.serverMetadata(ctx, want, false)
		p.server, p.legacy = server, false
		return p, err
	}
	server, err := c.serverMetadata(ctx, base, true)
	if errors.Is(err, errAbsent) {
		p.guessed, err = true, nil
		server = serverMetadata{
			Issuer: base, AuthorizationEndpoint: base + "/authorize", TokenEndpoint: base + "/token", RegistrationEndpoint: base + "/register",
		}
	}
	p.server = server
	return p, err
}

// serverMetadata reads the metadata of an authorization server. They must name the issuer that they were
// looked up for; of a server that is presumed to be its own, the origin is all that is known.
func (c *Client) serverMetadata(ctx context.Context, issuer string, presumed bool) (serverMetadata, error) {
	u, err := c.checkEndpoint(issuer)
	if err != nil {
		return serverMetadata{}, c.errorf(Refused, "the authorization server: %v", err)
	}
	if at := c.opts.Config.MetadataURL; at != "" {
		own, err := c.checkEndpoint(at)
		if err != nil {
			return serverMetadata{}, c.errorf(Refused, "metadata_url: %v", err)
		}
		return c.readServer(ctx, issuer, []string{at}, own)
	}
	if presumed {
		return c.readServer(ctx, issuer, metadataPlaces(u), u)
	}
	return c.readServer(ctx, issuer, metadataPlaces(u), nil)
}

// metadataPlaces are the well-known addresses of an issuer's metadata, in the order of the MCP
// specification (authorization server metadata discovery).
func metadataPlaces(issuer *url.URL) []string {
	path := strings.TrimRight(issuer.EscapedPath(), "/")
	places := []string{wellKnown(issuer, "oauth-authorization-server", path), wellKnown(issuer, "openid-configuration", path)}
	if path != "" {
		places = append(places, issuer.Scheme+"://"+issuer.Host+path+"/.well-known/openid-configuration")
	}
	return places
}

// readServer reads the first metadata that there are. Their issuer must be the expected one or, where origin
// is given, one of that origin.
func (c *Client) readServer(ctx context.Context, issuer string, places []string, origin *url.URL) (serverMetadata, error) {
	for _, at := range places {
		var meta serverMetadata
		err := c.document(ctx, at, &meta)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return meta, fmt.Errorf("read the metadata of the authorization server: %w", err)
		}
		if !sameIssuer(meta.Issuer, issuer) && (origin == nil || !sameOrigin(meta.Issuer, origin)) {
			return meta, c.errorf(Refused, "the metadata at %s are those of the issuer %s, not of %s", clean(at), clean(meta.Issuer), clean(issuer))
		}
		return meta, c.checkServer(&meta)
	}
	return serverMetadata{}, errAbsent
}

// checkServer refuses metadata whose endpoints cannot be used.
func (c *Client) checkServer(meta *serverMetadata) error {
	for name, endpoint := range map[string]string{
		"authorization_endpoint": meta.AuthorizationEndpoint, "token_endpoint": meta.TokenEndpoint, "registration_endpoint": meta.RegistrationEndpoint,
		"revocation_endpoint": meta.RevocationEndpoint,
	} {
		if endpoint == "" {
			continue
		}
		if _, err := c.checkEndpoint(endpoint); err != nil {
			return c.errorf(Refused, "%s of the authorization server %s: %v", name, clean(meta.Issuer), err)
		}
	}
	if meta.TokenEndpoint == "" {
		return c.errorf(Refused, "the metadata of the authorization server %s name no token_endpoint", clean(meta.Issuer))
	}
	return nil
}

// checkEndpoint reads an address that a server sent. Nothing but https, or http to this machine or a host
// that the rules allow, is an address of an authorization server.
func (c *Client) checkEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > 4096 || u.Host == "" || u.Opaque != "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%q is no address of an endpoint", clean(raw))
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%q is neither http nor https", clean(raw))
	case isLoopback(u.Hostname()) && !isLoopback(c.endpoint.Hostname()):
		return nil, fmt.Errorf("%q leads to this machine, from a server that is elsewhere", clean(raw))
	}
	if c.opts.CheckURL != nil {
		return u, c.opts.CheckURL(raw)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%q would send credentials without TLS; only this machine may be reached so", clean(raw))
	}
	return u, nil
}

// document reads a JSON document. One that is not there, or is no JSON where it was only presumed, is
// errAbsent.
func (c *Client) document(ctx context.Context, at string, into any) error {
	if _, err := c.checkEndpoint(at); err != nil {
		return c.errorf(Refused, "%v", err)
	}
	ctx, cancel := context.WithTimeout(bare{ctx}, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.opts.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%s answers %s", clean(at), clean(resp.Status))
	case resp.StatusCode != http.StatusOK:
		return errAbsent
	}
	data, err := readBounded(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", clean(at), err)
	}
	if json.Unmarshal(data, into) != nil {
		return errAbsent
	}
	return nil
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = fmt.Errorf("the answer is larger than %d KiB", maxDocument>>10)
	}
	return data, err
}

// wellKnown is the well-known address of a kind for what lies at a path (RFC 8615, RFC 8414 section 3).
func wellKnown(at *url.URL, kind, path string) string {
	return at.Scheme + "://" + at.Host + "/.well-known/" + kind + strings.TrimRight(path, "/")
}

// sameIssuer compares issuers as they are written. An empty path and "/" are the same address (RFC 3986
// section 6.2.3).
func sameIssuer(a, b string) bool {
	return a == b || bareOrigin(a) && a+"/" == b || bareOrigin(b) && b+"/" == a
}

func bareOrigin(raw string) bool {
	_, rest, ok := strings.Cut(raw, "://")
	return ok && !strings.ContainsAny(rest, "/?#")
}

func sameOrigin(raw string, u *url.URL) bool {
	other, err := url.Parse(raw)
	return err == nil && other.Scheme == u.Scheme && other.Host == u.Host
}

func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// clean makes a text that a server sent fit for a message: printable ASCII, at most 200 bytes.
func clean(s string) string {
	out := make([]byte, 0, min(len(s), 200))
	for i := 0; i < len(s) && len(out) < 200; i++ {
		c := s[i]
		if c < ' ' || c > '~' {
			c = '?'
		}
		out = append(out, c)
	}
	return string(out)
}
