// Package client speaks to a running toolserve over HTTP: it streams chat completions, lists models
// and reads and uses the server's MCP tools. It is what `toolserve chat` and `toolserve mcp` are made
// of, and it treats what the server answers as untrusted: bounded in size, never followed elsewhere.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultURL is where `toolserve serve` listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:8000"

// maxBody bounds an answer that is read whole: tool results may be large, but not without end.
const maxBody = 64 << 20

// Options say which server to speak to.
type Options struct {
	// URL is the server's address, with or without a trailing /v1. Empty is [DefaultURL].
	URL string
	// APIKey is sent as a bearer token; empty sends none.
	APIKey string
	// HTTP makes the requests; nil is a client of its own without an overall time limit, since a
	// generation may take long. Its CheckRedirect is not used: redirects are never followed.
	HTTP *http.Client
}

// Client speaks to one server. It may be used by several goroutines.
type Client struct {
	base *url.URL
	key  string
	http *http.Client
}

// New returns a client of the server at opts.URL. It does not connect.
func New(opts Options) (*Client, error) {
	address := opts.URL
	if address == "" {
		address = DefaultURL
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", opts.URL, err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("server address %q: it must look like %s", opts.URL, DefaultURL)
	}
	base.Path = strings.TrimSuffix(strings.TrimRight(base.Path, "/"), "/v1")
	base.RawQuery, base.Fragment = "", ""
	var own http.Client
	if opts.HTTP != nil {
		own = *opts.HTTP
	} else {
		own.Transport = newTransport()
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: base, key: opts.APIKey, http: &own}, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
		ResponseHeaderTimeout: 0, // a queued generation answers late
	}
}

// URL is the server's address without a trailing slash.
func (c *Client) URL() string { return c.base.String() }

// Close drops the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// send makes one request. A status other than 200 comes back as an [*Error], a server that cannot be
// reached as an [*UnreachableError]. The caller closes the body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	return c.sendAccepting(ctx, method, path, query, body, "")
}

// sendAccepting is send with an Accept header, unless that is "".
func (c *Client) sendAccepting(ctx context.Context, method, path string, query url.Values, body any, accept string) (*http.Response, error) {
	target := *c.base
	target.Path += path
	target.RawQuery = query.Encode()
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), payload)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, c.unreachable(err)
	case resp.StatusCode != http.StatusOK:
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}

// unreachable drops the method and address that [url.Error] repeats.
func (c *Client) unreachable(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return &UnreachableError{URL: c.URL(), Err: err}
}

// call makes one request and decodes the JSON object of its answer into result. It returns the answer
// as it came.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, result any) (json.RawMessage, error) {
	resp, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return c.decode(resp, method+" "+path, result)
}

// decode reads an answer whole, as JSON. what names it in errors.
func (c *Client) decode(resp *http.Response, what string, result any) (json.RawMessage, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("%s: the answer broke off: %w", what, err)
	}
	if len(data) > maxBody {
		return nil, fmt.Errorf("%s: the answer is larger than %d MiB", what, maxBody>>20)
	}
	if err := json.Unmarshal(data, result); err != nil {
		return nil, fmt.Errorf("%s: the answer is not what a toolserve sends (is %s one?): %w", what, c.URL(), err)
	}
	return data, nil
}

// Model is a model that the server offers.
type Model struct {
	ID      string `json:"id"`
	OwnedBy string `json:"owned_by"`
}

// Models lists the models of the server.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var list struct {
		Data []Model `json:"data"`
	}
	_, err := c.call(ctx, http.MethodGet, "/v1/models", nil, nil, &list)
	return list.Data, err
}
