package oauth

import (
	"context"
	"io"
	"net/http"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
)

// maxTries is how often one request is sent with other credentials: as they are, after a login or a
// renewal, and after a login for more scopes.
const maxTries = 3

// Transport returns a round tripper that adds the credentials to the requests to the server, and gets or
// renews them when the server wants that. Requests to elsewhere pass as they are.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper { return &transport{c, base} }

type transport struct {
	client *Client
	base   http.RoundTripper
}

// CloseIdleConnections closes what the transport below keeps open.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip sends the request, again with new credentials where the server asks for them.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := t.client
	if req.URL.Scheme != c.endpoint.Scheme || req.URL.Host != c.endpoint.Host {
		return t.base.RoundTrip(req)
	}
	record, err := c.ready(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	nonce := false // one answer to a nonce for each pair of credentials
	refreshed := false
	for try := 1; ; try++ {
		resp, err := t.send(req, record, try == 1 && !nonce)
		if err != nil {
			return nil, err
		}
		fresh := c.keepNonce(req, resp)
		if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
			return resp, nil
		}
		ch := readChallenge(resp)
		if ch.status == http.StatusForbidden && ch.code != "insufficient_scope" || req.Body != nil && req.GetBody == nil {
			return resp, nil
		}
		drain(resp)
		if ch.code == "use_dpop_nonce" && record != nil && record.DPoPKey != "" && fresh && !nonce {
			nonce = true
			try--
			continue
		}
		if try >= maxTries {
			return nil, c.fail(c.stillRefused(ch))
		}
		if record, refreshed, err = c.renew(req.Context(), record, ch, !refreshed); err != nil {
			return nil, err
		}
		nonce = false
	}
}

// stillRefused is the error of a request that no credentials help.
func (c *Client) stillRefused(ch challenge) *Error {
	if ch.status == http.StatusForbidden {
		return c.errorf(MoreScope, "the server asks for more permission (scope %q) although it was just granted", joinScopes(ch.scopes))
	}
	return c.errorf(Refused, "the server refuses (401 %s) the token that its authorization server has just issued", clean(ch.code))
}

// send sends a copy of the request with credentials. The body of the first one is the request's own.
func (t *transport) send(req *http.Request, record *tokens.Record, first bool) (*http.Response, error) {
	if first && (record == nil || record.Access == "") {
		return t.base.RoundTrip(req)
	}
	out := req.Clone(req.Context())
	if !first && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		out.Body = body
	}
	if record != nil && record.Access != "" {
		if err := t.client.sign(out, record); err != nil {
			closeBody(out)
			return nil, err
		}
	}
	return t.base.RoundTrip(out)
}

// sign adds the access token to a request, with a proof of the key that it is bound to, if it is.
func (c *Client) sign(req *http.Request, record *tokens.Record) error {
	if record.DPoPKey == "" {
		req.Header.Set("Authorization", "Bearer "+record.Access)
		return nil
	}
	proof, err := c.proof(record.DPoPKey, req.Method, req.URL, record.Access)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "DPoP "+record.Access)
	req.Header.Set("DPoP", proof)
	return nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// drain reads the rest of a response, so that its connection can be used again, within bounds.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDocument))
	resp.Body.Close()
}

// bare is a context without values: what belongs to a request for the server, such as a capture of its
// result, must not see the requests for a token.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }
