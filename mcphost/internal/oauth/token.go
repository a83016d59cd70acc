package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
)

// maxToken bounds a token: what is larger fits into no header.
const maxToken = 32 << 10

// answerError is an error that an authorization server answered (RFC 6749 section 5.2).
type answerError struct {
	status            int
	code, description string
}

func (e *answerError) Error() string {
	if e.code == "" {
		return fmt.Sprintf("it answers %d %s", e.status, http.StatusText(e.status))
	}
	if e.description == "" {
		return e.code
	}
	return e.code + ": " + e.description
}

// tokenAnswer is the answer of a token endpoint (RFC 6749 section 5.1, RFC 8693 section 2.2).
type tokenAnswer struct {
	Access     string      `json:"access_token"`
	Type       string      `json:"token_type"`
	ExpiresIn  json.Number `json:"expires_in"`
	Refresh    string      `json:"refresh_token"`
	Scope      *string     `json:"scope"`
	IssuedType string      `json:"issued_token_type"`
}

// exchange is a request to a token endpoint.
type exchange struct {
	server serverMetadata
	client tokens.Client
	form   url.Values
	// dpopKey, unless "", is what the token shall be bound to.
	dpopKey string
}

// requestToken sends a request to the token endpoint, with the proof that the client owes.
func (c *Client) requestToken(ctx context.Context, x exchange) (tokenAnswer, error) {
	var answer tokenAnswer
	for try := 0; ; try++ {
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		form := cloneForm(x.form)
		if err := c.authenticate(x, header, form); err != nil {
			return answer, err
		}
		if x.dpopKey != "" {
			target, err := url.Parse(x.server.TokenEndpoint)
			if err != nil {
				return answer, err
			}
			proof, err := c.proof(x.dpopKey, http.MethodPost, target, "")
			if err != nil {
				return answer, err
			}
			header.Set("DPoP", proof)
		}
		err := c.post(ctx, x.server.TokenEndpoint, header, strings.NewReader(form.Encode()), &answer)
		if refusal := (*answerError)(nil); try == 0 && errors.As(err, &refusal) && refusal.code == "use_dpop_nonce" && x.dpopKey != "" {
			continue // the nonce of the answer is in the next proof
		}
		c.secret(answer.Access, answer.Refresh)
		return answer, err
	}
}

// cloneForm copies a form.
func cloneForm(form url.Values) url.Values {
	out := make(url.Values, len(form)+3)
	for name, values := range form {
		out[name] = slices.Clone(values)
	}
	return out
}

// authenticate adds the proof of who the client is (RFC 6749 section 2.3, RFC 7523 section 2.2).
func (c *Client) authenticate(x exchange, header http.Header, form url.Values) error {
	secret := c.clientSecret(x.client)
	c.secret(secret)
	switch x.client.Method {
	case methodBasic:
		req := http.Request{Header: header}
		req.SetBasicAuth(url.QueryEscape(x.client.ID), url.QueryEscape(secret))
		c.secret(strings.TrimPrefix(header.Get("Authorization"), "Basic "))
	case methodPost:
		form.Set("client_id", x.client.ID)
		form.Set("client_secret", secret)
	case methodJWT:
		assertion, err := c.assertion(x.client.ID, x.server)
		if err != nil {
			return err
		}
		form.Set("client_id", x.client.ID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	case methodNone:
		if x.client.ID != "" {
			form.Set("client_id", x.client.ID)
		}
	default:
		return c.errorf(Refused, "the client must prove itself by %q, which is not known here; use one of %s, %s, %s, %s",
			clean(x.client.Method), methodNone, methodBasic, methodPost, methodJWT)
	}
	return nil
}

// post sends secrets to an endpoint of an authorization server. It follows no redirect: nothing says that
// they may go there.
func (c *Client) post(ctx context.Context, endpoint string, header http.Header, body io.Reader, into any) error {
	ctx, cancel := context.WithTimeout(bare{ctx}, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, body)
	if err != nil {
		return err
	}
	req.Header = header
	req.Header.Set("Accept", "application/json")
	client := *c.opts.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	c.keepNonce(req, resp)
	data, err := readBounded(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return refusal(resp.StatusCode, data)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return &answerError{status: resp.StatusCode, code: "invalid_response", description: "the answer is no JSON that can be read"}
	}
	return nil
}

// refusal reads the answer of an endpoint that refuses. A failure of the server is a passing one.
func refusal(status int, data []byte) error {
	var answer struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(data, &answer)
	e := &answerError{status: status, code: clean(answer.Code), description: clean(answer.Description)}
	if status >= 500 || status == http.StatusTooManyRequests || e.code == "temporarily_unavailable" || e.code == "server_error" {
		return fmt.Errorf("the authorization server fails: %s", e.Error())
	}
	return e
}

// explain makes a refusal of the authorization server into an [Error]; what is passing stays as it is.
func (c *Client) explain(what string, p place, err error) error {
	refused := (*answerError)(nil)
	if err == nil {
		return nil
	}
	if errors.As(err, &refused) {
		return c.errorf(Refused, "%s: the authorization server %s refuses: %v", what, clean(p.server.Issuer), refused)
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// take checks the answer of a token endpoint and makes credentials of it.
func (c *Client) take(p place, client tokens.Client, x exchange, asked []string, answer tokenAnswer) (*tokens.Record, error) {
	bound := strings.EqualFold(answer.Type, "dpop")
	switch {
	case answer.Access == "":
		return nil, c.errorf(Refused, "the authorization server %s answered without an access token", clean(p.server.Issuer))
	case len(answer.Access) > maxToken || len(answer.Refresh) > maxToken || !headerValue(answer.Access):
		return nil, c.errorf(Refused, "the authorization server %s answered with a token that no header can carry", clean(p.server.Issuer))
	case !bound && answer.Type != "" && !strings.EqualFold(answer.Type, "bearer"):
		return nil, c.errorf(Refused, "the authorization server %s answered with a token of the type %q; Bearer and DPoP are known",
			clean(p.server.Issuer), clean(answer.Type))
	case bound && x.dpopKey == "":
		return nil, c.errorf(Refused, "the authorization server %s answered with a token bound to a key, which nobody asked for", clean(p.server.Issuer))
	case !bound && x.dpopKey != "" && (p.dpopRequired || c.opts.Config.DPoP == "require"):
		return nil, c.errorf(Refused, "the authorization server %s answered with a token that is bound to no key, which is required here", clean(p.server.Issuer))
	}
	record := &tokens.Record{
		Resource: p.resource, Issuer: p.server.Issuer, Grant: string(c.opts.Config.Grant), Client: client,
		Access: answer.Access, Refresh: answer.Refresh, Scopes: asked,
	}
	if client.ID == c.opts.Config.ClientID {
		record.Client.Secret = ""
	}
	if bound {
		record.DPoPKey = x.dpopKey
	}
	if answer.Scope != nil {
		record.Scopes = splitScopes(*answer.Scope)
	}
	if seconds, err := answer.ExpiresIn.Float64(); err == nil && seconds > 0 && seconds < 1e9 {
		record.Expiry = c.now().Add(time.Duration(seconds) * time.Second)
	}
	return record, nil
}

func headerValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func joinScopes(scopes []string) string { return strings.Join(scopes, " ") }
