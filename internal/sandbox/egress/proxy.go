// Package egress is a proxy for HTTP and CONNECT that lets its clients reach the hosts that rules name, and no
// other. Names are resolved here and the address is judged when it is dialled, so that neither a name that
// leads inside nor one that changes its address gains anything.
package egress

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// The bounds of a proxy: connections of its client at a time, how many refused targets are remembered, and
// the headers of a request in bytes.
const (
	maxConns, maxRefused, maxHeader = 256, 64, 64 << 10
	dialTimeout, headerTimeout      = 10 * time.Second, 10 * time.Second
)

// User is the name that goes with a proxy's password.
const User = "toolserve"

// Options say how a Proxy works. The zero value allows nothing.
type Options struct {
	Rules Rules
	// CheckAddr judges the address that an allowed name was resolved to; nil refuses those of this machine, of
	// its link and of private networks.
	CheckAddr func(host string, addr netip.AddrPort) error
	// Password, unless "", must be given for [User] by every client (RFC 7617).
	Password string
	// OnRefused is told of each target once, with the reason. It must not block for long.
	OnRefused func(target, reason string)
	// Lookup resolves names; nil is the system's way.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// IdleTimeout ends a connection on which nothing goes either way; 0 means 10 minutes.
	IdleTimeout time.Duration
	// Logger is told of each refused target; nil is silent.
	Logger *slog.Logger
}

// Proxy is a running proxy. Close ends it.
type Proxy struct {
	opts    Options
	server  *http.Server
	forward *httputil.ReverseProxy
	pool    *http.Transport
	ctx     context.Context
	cancel  context.CancelFunc
	// served is done once the goroutine that accepts has ended; active counts the requests under way.
	served, active sync.WaitGroup

	mu      sync.Mutex // guards the rest
	closed  bool
	settled bool
	refused []string
	tunnels map[*tunnel]struct{}
}

// Serve starts a proxy for the connections of a listener, which it closes.
func Serve(l net.Listener, opts Options) *Proxy {
	if opts.IdleTimeout == 0 {
		opts.IdleTimeout = 10 * time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Lookup == nil {
		opts.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	p := &Proxy{opts: opts, tunnels: map[*tunnel]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.pool = &http.Transport{
		DialContext: p.dialText, DisableCompression: true,
		MaxIdleConns: 32, IdleConnTimeout: time.Minute, ExpectContinueTimeout: time.Second,
	}
	p.forward = &httputil.ReverseProxy{
		Transport: p.pool, FlushInterval: -1, ErrorHandler: p.failed,
		Rewrite: func(*httputil.ProxyRequest) {}, ErrorLog: log.New(io.Discard, "", 0),
	}
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.handle), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTimeout,
		IdleTimeout: time.Minute, DisableGeneralOptionsHandler: true, ErrorLog: log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return p.ctx },
	}
	p.served.Go(func() { _ = p.server.Serve(newBounded(l, maxConns)) })
	return p
}

// Settle ends what is allowed during the launch, and the connections that came of it.
func (p *Proxy) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = true
	for t := range p.tunnels {
		if t.launch {
			t.close()
		}
	}
	p.pool.CloseIdleConnections()
}

// Refused returns the targets that were asked for and refused, oldest first, at most 64.
func (p *Proxy) Refused() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.refused)
}

// Close ends the proxy with all connections. It returns once nothing of it runs any more.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	for t := range p.tunnels {
		t.close()
	}
	p.mu.Unlock()
	p.cancel()
	_ = p.server.Close()
	p.served.Wait()
	p.active.Wait()
	p.pool.CloseIdleConnections()
}

// begin counts a request, unless the proxy has ended.
func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.active.Add(1)
	}
	return !p.closed
}

func (p *Proxy) handle(w http.ResponseWriter, r *http.Request) {
	if !p.begin() {
		return
	}
	defer p.active.Done()
	if !p.knows(r) {
		w.Header().Set("Proxy-Authenticate", "Basic realm=\"toolserve\"")
		answer(w, http.StatusProxyAuthRequired, "this proxy is another program's")
		return
	}
	if r.Method == http.MethodConnect {
		p.connect(w, r)
		return
	}
	// What is no request to another server is none at all: the proxy has no pages of its own.
	if r.URL.Scheme != "http" || r.URL.Opaque != "" || r.URL.User != nil || r.URL.Host == "" {
		answer(w, http.StatusBadRequest, "only CONNECT, and requests of http:// URLs without credentials, are taken here")
		return
	}
	target, err := ParseTarget(r.URL.Host, 80)
	if err != nil {
		answer(w, http.StatusBadRequest, "the host of the URL cannot be used: "+err.Error())
		return
	}
	if _, _, err := p.find(target); err != nil {
		p.failed(w, r, err)
		return
	}
	// The server is told the host that was judged, whatever the client's Host header said.
	r.URL.Host = target.String()
	r.Host = target.Host
	if target.Port != 80 || target.Addr.Is6() {
		r.Host = target.String()
	}
	p.forward.ServeHTTP(w, r)
}

// knows reports whether a request carries the password, where there is one.
func (p *Proxy) knows(r *http.Request) bool {
	if p.opts.Password == "" {
		return true
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(User+":"+p.opts.Password))
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Proxy-Authorization")), []byte(want)) == 1
}

// find returns the pattern that allows a target now, and whether it does so during the launch alone.
func (p *Proxy) find(t Target) (Pattern, bool, error) {
	p.mu.Lock()
	launching := !p.settled
	p.mu.Unlock()
	return p.opts.Rules.find(t, launching)
}

// failed answers a request that could not be made.
func (p *Proxy) failed(w http.ResponseWriter, _ *http.Request, err error) {
	var refused *RefusedError
	if errors.As(err, &refused) {
		p.note(refused)
		answer(w, http.StatusForbidden, refused.Error())
		return
	}
	answer(w, http.StatusBadGateway, err.Error())
}

// note remembers a refused target and tells of it the first time.
func (p *Proxy) note(e *RefusedError) {
	target := e.Target.String()
	p.mu.Lock()
	known := slices.Contains(p.refused, target) || len(p.refused) >= maxRefused
	if !known {
		p.refused = append(p.refused, target)
	}
	p.mu.Unlock()
	if known {
		return
	}
	p.opts.Logger.Warn("a connection was refused", "target", target, "reason", e.Reason)
	if p.opts.OnRefused != nil {
		p.opts.OnRefused(target, e.Reason)
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "toolserve: "+text+"\n")
}

// dialText dials for the pool of plain HTTP.
func (p *Proxy) dialText(ctx context.Context, _, address string) (net.Conn, error) {
	target, err := ParseTarget(address, 0)
	if err != nil {
		return nil, err
	}
	conn, _, err := p.dial(ctx, target)
	if err != nil {
		return nil, err
	}
	return idleConn{conn, p.opts.IdleTimeout}, nil
}

// dial resolves a target and dials the first address of it that may be reached: what was judged is dialled.
func (p *Proxy) dial(ctx context.Context, t Target) (conn net.Conn, launch bool, err error) {
	pattern, launch, err := p.find(t)
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs := []netip.Addr{t.Addr}
	if !t.Addr.IsValid() {
		if addrs, err = p.opts.Lookup(ctx, t.Host); err != nil {
			return nil, false, err
		}
	}
	last := errors.New("the name has no address")
	for _, addr := range addrs {
		to := netip.AddrPortFrom(addr.Unmap(), t.Port)
		if last = checkAddr(pattern, t, to, p.opts.CheckAddr); last != nil {
			continue
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
		if err == nil {
			return conn, launch, nil
		}
		last = err
	}
	return nil, false, last
}
