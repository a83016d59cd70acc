package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/toolserve/toolserve/policy"
)

// NewHTTPClient returns a client for one server. It sends the headers to that server alone, and holds
// every address it dials, every redirect, and every request to somewhere else than the endpoint against
// the rules. Under rules no proxy is used: it would resolve names where nothing judges the address. Nil
// rules allow all, and the proxy that the environment of this process names. There is no timeout: each
// request runs under a context. The endpoint may be a socket, as [Endpoint] reads it: then nothing else is
// dialled. The peer, unless nil, answers what the server asks.
func NewHTTPClient(endpoint string, headers map[string]string, rules *policy.LaunchRules, peer Peer) *http.Client {
	endpoint, socket := Endpoint(endpoint)
	origin, err := url.Parse(endpoint)
	if err != nil {
		origin = &url.URL{}
	}
	transport := &http.Transport{
		DialContext:           guardedDial(rules),
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   64, // as many as are called at once
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	if socket != "" {
		transport.DialContext = dialSocket(socket, rules)
	} else if rules == nil {
		transport.Proxy = http.ProxyFromEnvironment
	}
	guard := guardedTransport{base: transport, headers: headers, origin: origin, rules: rules, socket: socket != ""}
	return &http.Client{
		Transport: TapHTTP{Base: guard, peer: &answering{peer: peer}},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 5 {
				return errors.New("more than 5 redirects")
			}
			return guard.check(req.URL)
		},
	}
}

// guardedDial resolves a name, judges the addresses, and dials one that was judged: what is checked is
// what is dialled.
func guardedDial(rules *policy.LaunchRules) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if rules == nil {
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

// Endpoint returns the URL that requests name for the URL of a server, and the path of its socket, where it
// is reached over one: of unix:///run/mcp.sock#/mcp these are http://localhost/mcp and /run/mcp.sock.
func Endpoint(address string) (endpoint, socket string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "unix" {
		return address, ""
	}
	return (&url.URL{Scheme: "http", Host: "localhost", Path: u.Fragment}).String(), u.Path
}

// dialSocket dials one socket, whatever address is asked for. What it is is judged each time.
func dialSocket(path string, rules *policy.LaunchRules) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if rules != nil {
			if err := rules.CheckSocket(path); err != nil {
				return nil, err
			}
		}
		return dialer.DialContext(ctx, "unix", path)
	}
}

// guardedTransport adds the configured headers to requests to the configured origin: elsewhere, a secret in
// them would be given away. It refuses requests to where the rules do not allow the server to lead.
type guardedTransport struct {
	base    http.RoundTripper
	headers map[string]string
	origin  *url.URL
	rules   *policy.LaunchRules
	socket  bool // the origin is a socket, and everything is dialled there
}

func (t guardedTransport) atOrigin(u *url.URL) bool {
	return u.Scheme == t.origin.Scheme && u.Host == t.origin.Host
}

// check judges where a server leads its client, by a redirect or by naming another address. From elsewhere
// no way leads to this machine.
func (t guardedTransport) check(u *url.URL) error {
	switch {
	case t.socket && !t.atOrigin(u):
		return fmt.Errorf("the server at a socket leads elsewhere (%s)", u.Host)
	case t.rules == nil || t.atOrigin(u):
		return nil
	case isLocal(u.Hostname()) && !isLocal(t.origin.Hostname()):
		return fmt.Errorf("the server at '%s' leads to this machine (%s)", t.origin.Host, u.Host)
	}
	return t.rules.CheckURL(u.String())
}

// isLocal reports whether a host is this machine by its name.
func isLocal(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.Unmap().IsLoopback() || addr.Unmap().IsUnspecified())
}

func (t guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.check(req.URL); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	if len(t.headers) > 0 && t.atOrigin(req.URL) {
		req = req.Clone(req.Context())
		for name, value := range t.headers {
			req.Header.Set(name, value)
		}
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections closes what the transport below keeps open.
func (t guardedTransport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
