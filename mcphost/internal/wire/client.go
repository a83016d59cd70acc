package wire

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/toolserve/toolserve/policy"
)

// NewHTTPClient returns a client for one server. It sends the headers to that server alone, and holds
// every address it dials and every redirect against the rules; nil rules allow all. It has no timeout:
// each request runs under a context.
func NewHTTPClient(endpoint string, headers map[string]string, rules *policy.LaunchRules) *http.Client {
	origin, _ := url.Parse(endpoint)
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           guardedDial(rules, proxyFor(origin)),
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	return &http.Client{
		Transport: TapHTTP{Base: headerTransport{base: transport, headers: headers, origin: origin}},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 5 {
				return errors.New("more than 5 redirects")
			}
			if rules == nil {
				return nil
			}
			return rules.CheckURL(req.URL.String())
		},
	}
}

// proxyFor returns the host of the proxy that the environment of this process names for u, or "".
func proxyFor(u *url.URL) string {
	if u == nil {
		return ""
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Hostname()
}

// guardedDial resolves a name, judges the addresses, and dials one that was judged: what is checked is
// what is dialled. The proxy that the operator has set is dialled as it is.
func guardedDial(rules *policy.LaunchRules, proxy string) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if rules == nil || host == proxy {
			return dialer.DialContext(ctx, network, address)
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		portNumber, err := net.DefaultResolver.LookupPort(ctx, network, port)
		if err != nil {
			return nil, err
		}
		var last error
		for _, addr := range addrs {
			target := netip.AddrPortFrom(addr.Unmap(), uint16(portNumber))
			if last = rules.CheckDial(host, target); last != nil {
				continue
			}
			conn, err := dialer.DialContext(ctx, network, target.String())
			if err == nil {
				return conn, nil
			}
			last = err
		}
		return nil, last
	}
}

// headerTransport adds the configured headers to requests to the configured origin: after a redirect
// elsewhere, a secret in them would be given away.
type headerTransport struct {
	base    http.RoundTripper
	headers map[string]string
	origin  *url.URL
}

func (t headerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if len(t.headers) > 0 && t.origin != nil && req.URL.Scheme == t.origin.Scheme && req.URL.Host == t.origin.Host {
		req = req.Clone(req.Context())
		for name, value := range t.headers {
			req.Header.Set(name, value)
		}
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections closes what the transport below keeps open.
func (t headerTransport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
