package app

import (
	"fmt"
	"time"

	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/internal/server/apikey"
)

// weakKey is the length under which a key that somebody chose is likely to be guessed.
const weakKey = 16

// newServer makes the HTTP server that the flags ask for. Nothing is listened on yet.
func (a *App) newServer() (*server.Server, error) {
	n := a.cfg.Network
	switch {
	case !n.Loopback() && n.Keyless():
		a.log.Warn("anyone who reaches this address may use the model and run its tools; give --api-key or --api-keys-file", "host", n.Host)
	case !n.Loopback() && n.APIKey != "" && len(n.APIKey) < weakKey:
		a.log.Warn("the --api-key is short and may be guessed; toolserve keys new makes a better one", "host", n.Host)
	}
	if !n.Loopback() && !n.Keyless() && n.TLSCert == "" {
		a.log.Warn("keys cross the network in the clear; give --tls-cert and --tls-key, or put a proxy with TLS in front", "host", n.Host)
	}
	opts := server.Options{
		Host: n.Host, Port: n.Port, AllowedHosts: n.AllowedHosts, AllowedOrigins: n.AllowedOrigins,
		RateLimit: n.RateLimit, Timeout: time.Duration(n.Timeout), MaxBody: int64(n.MaxBody), Drain: time.Duration(n.Drain),
		Health: a.health, Logger: a.log,
	}
	var err error
	if opts.Keys, err = a.keys(); err != nil {
		return nil, err
	}
	if n.TLSCert != "" {
		if opts.Certificate, err = server.LoadCertificate(n.TLSCert, n.TLSKey, a.log); err != nil {
			return nil, fmt.Errorf("--tls-cert: %w", err)
		}
	}
	return server.New(opts), nil
}

// keys is the ring of the flags' keys; nil without any.
func (a *App) keys() (*apikey.Ring, error) {
	var fixed []apikey.Key
	n := a.cfg.Network
	if n.APIKey != "" {
		fixed = append(fixed, apikey.Of("default", n.APIKey, apikey.AllScopes()...))
	}
	if n.APIKeysFile != "" {
		ring, err := apikey.Open(n.APIKeysFile, a.log, fixed...)
		if err != nil {
			return nil, fmt.Errorf("--api-keys-file: %w", err)
		}
		return ring, nil
	}
	if len(fixed) == 0 {
		return nil, nil
	}
	return apikey.NewRing(fixed...)
}

// mcpScope is what a route of /v1/mcp needs. One that is not named here is for administrators, so that a
// new route is closed until somebody has thought about it.
func mcpScope(pattern string) apikey.Scope {
	switch pattern {
	case "GET /v1/mcp/status", "GET /v1/mcp/servers", "GET /v1/mcp/tools", "POST /v1/mcp/execute",
		"GET /v1/mcp/resources", "GET /v1/mcp/resources/templates", "GET /v1/mcp/resources/read", "POST /v1/mcp/resources/read",
		"GET /v1/mcp/prompts", "POST /v1/mcp/prompts/get", "POST /v1/mcp/complete", "POST /v1/mcp/elicitations/{id}":
		return apikey.Tools
	}
	return apikey.Admin
}
