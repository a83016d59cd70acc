// Package server is the HTTP server around the handlers of toolserve: one route table, who may come in
// (key, Host and Origin, rate), how large and how slow a request may be, what happens when a handler
// fails, and how streams are drained at the end.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/toolserve/toolserve/internal/server/apikey"
)

// Options configure a [Server]. The zero value listens on 127.0.0.1 at a free port, without key and limits.
type Options struct {
	// Host is the address to listen on: 127.0.0.1 if empty. Port 0 takes a free one.
	Host string
	Port int
	// Keys open the routes, as "Authorization: Bearer KEY" or "X-Api-Key: KEY", each those of its scopes.
	// Nil leaves the routes open.
	Keys *apikey.Ring
	// Certificate is the server's certificate, as [LoadCertificate] returns it; nil serves without TLS.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// AllowedOrigins are the origins, such as "https://chat.example.org", of web pages that may use the API.
	// None turns CORS off. AllowedHosts are the names, besides those of loopback, that the server answers
	// to. Without any, a server on loopback answers to no others, one elsewhere without keys to addresses
	// and names without a dot, and one with keys to all.
	AllowedOrigins, AllowedHosts []string
	// RateLimit is the most requests a minute from one key that has no limit of its own, or from one
	// address where the key is missing or wrong; 0 is no limit.
	RateLimit int
	// Timeout bounds a request from its headers to the end of the answer; 0 is no limit.
	Timeout time.Duration
	// MaxBody bounds a request's body in bytes: 32 MiB if 0.
	MaxBody int64
	// Drain is how long running requests may go on after the server was told to stop: 10 s if 0.
	Drain time.Duration
	// Health answers GET /health; nil answers that all is well.
	Health func() Health
	// Logger takes one record for each request at level info, and failures; nil is silent.
	Logger *slog.Logger
}

// The limits that have no option: what no honest client comes near.
const (
	headerTimeout = 10 * time.Second // for the request line and the headers
	idleTimeout   = 2 * time.Minute  // of a kept-alive connection between requests
	headerBytes   = 64 << 10
	stopGrace     = 2 * time.Second // for requests that were cut short at the end of the drain
)

// Server serves the routes that were added with Handle.
type Server struct {
	opts   Options
	log    *slog.Logger
	routes routes
	gate   gate
	ln     net.Listener
}

// New returns a Server that has one route, GET /health.
func New(opts Options) *Server {
	if opts.Host == "" {
		opts.Host = "127.0.0.1"
	}
	if opts.MaxBody <= 0 {
		opts.MaxBody = 32 << 20
	}
	if opts.Drain <= 0 {
		opts.Drain = 10 * time.Second
	}
	if opts.Health == nil {
		opts.Health = func() Health { return Health{Status: "ok"} }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: opts, log: opts.Logger, gate: newGate(opts)}
	s.HandleOpen("GET /health", http.HandlerFunc(s.health))
	return s
}

// Handle adds a route that needs a scope, with a pattern of http.ServeMux that names a method, such as
// "POST /v1/things/{id}". All routes are added before [Server.Handler] or [Server.Serve] is called. It
// panics on a pattern that is not one or that conflicts with another.
func (s *Server) Handle(scope apikey.Scope, pattern string, handler http.Handler) {
	s.routes.add(pattern, s.protect(scope, handler))
}

// Scoped returns what adds routes that all need one scope.
func (s *Server) Scoped(scope apikey.Scope) Scoped { return Scoped{s, scope} }

// Scoped adds routes to a Server.
type Scoped struct {
	server *Server
	scope  apikey.Scope
}

// Handle is [Server.Handle] with the scope.
func (s Scoped) Handle(pattern string, handler http.Handler) {
	s.server.Handle(s.scope, pattern, handler)
}

// HandleOpen adds a route that needs no key and has no rate.
func (s *Server) HandleOpen(pattern string, handler http.Handler) {
	s.routes.add(pattern, handler)
}

// Handler returns the routes behind all that the server does around them but listening.
func (s *Server) Handler() http.Handler {
	return s.observe(s.gate.screen(s.routes.handler(s.anyKey)))
}

// anyKey is protect for what every key opens.
func (s *Server) anyKey(next http.Handler) http.Handler { return s.protect("", next) }

// Listen takes the port. Until [Server.Serve] runs, connections wait.
func (s *Server) Listen() error {
	if s.ln != nil {
		return nil
	}
	addr := net.JoinHostPort(s.opts.Host, strconv.Itoa(s.opts.Port))
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return listenError(addr, s.opts.Port, err)
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok && s.gate.loopback && !tcp.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("%s is %v on this machine, which is not loopback: correct the name, or give the address with --host", s.opts.Host, tcp.IP), ln.Close())
	}
	s.ln = ln
	return nil
}

// Addr is the address that the server listens on, nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.ln == nil {
		return nil
	}
	return s.ln.Addr()
}

// Serve serves until ctx ends, and listens first if [Server.Listen] was not called. Then it takes no new
// connections, lets running requests finish for Options.Drain, cuts short those that are left, and returns
// nil. It can be called once.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	base, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	hs := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what broken clients cause
		// OPTIONS * would be answered by net/http itself.
		DisableGeneralOptionsHandler: true,
	}
	served := make(chan error, 1) // hs.Serve's only answer
	go func() { served <- s.accept(hs) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %v: %w", s.ln.Addr(), err)
	case <-ctx.Done():
	}
	s.drain(hs, cut)
	<-served
	return nil
}

// accept serves what comes in, with TLS where there is a certificate.
func (s *Server) accept(hs *http.Server) error {
	if s.opts.Certificate == nil {
		return hs.Serve(s.ln)
	}
	hs.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.opts.Certificate}
	return hs.ServeTLS(s.ln, "", "")
}

// drain ends hs: first by waiting for its requests, then by cutting them short, then by force.
func (s *Server) drain(hs *http.Server, cut context.CancelCauseFunc) {
	wait, cancel := context.WithTimeout(context.Background(), s.opts.Drain)
	defer cancel()
	if hs.Shutdown(wait) == nil {
		return
	}
	s.log.Warn("requests still ran at the end of the drain and were cut short", "drain", s.opts.Drain)
	cut(errStopping)
	wait, cancel = context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if hs.Shutdown(wait) != nil {
		_ = hs.Close() // what it reports has been reported to the requests
	}
}

// errStopping is the cause of a request's context that ended because the server stops.
var errStopping = errors.New("the server is stopping; send the request again when it is back")

// listenError says what to do about an address that cannot be listened on.
func listenError(addr string, port int, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d is in use by another program: stop that program, or choose another port with --port (%w)", port, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %d needs rights that this user does not have: choose a port from 1024 up with --port (%w)", port, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("no network interface of this machine has the address of %s: correct --host (%w)", addr, err)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}
