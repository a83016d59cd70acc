package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/openai"
)

// gate decides who may come in. It does not change after it was made, apart from the limiter's counts.
type gate struct {
	keys     [][sha256.Size]byte // hashes: comparing them takes the same time for every wrong key
	origins  []string
	hosts    []string
	loopback bool // the server listens on loopback only
	limits   *limiter
}

func newGate(opts Options) gate {
	g := gate{origins: opts.AllowedOrigins, hosts: opts.AllowedHosts, loopback: isLoopback(opts.Host)}
	for _, key := range opts.APIKeys {
		if key != "" {
			g.keys = append(g.keys, sha256.Sum256([]byte(key)))
		}
	}
	if opts.RateLimit > 0 {
		g.limits = newLimiter(opts.RateLimit)
	}
	return g
}

// isLoopback reports whether a host name or address is this machine as it sees itself.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// screen lets requests pass that a web page of somebody else cannot have caused. A server on loopback is
// reachable by every page in the user's browser: the Origin header gives such a page away, and the Host
// header gives one away whose name was made to resolve to 127.0.0.1.
func (g *gate) screen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.loopback && r.Host != "" && !g.knowsHost(r.Host) { // browsers always send one
			openai.WriteError(w, http.StatusForbidden, "host_not_allowed", "",
				fmt.Sprintf("the host %q is refused: this server listens on loopback only; reach it as localhost or 127.0.0.1", r.Host))
			return
		}
		origin := r.Header.Get("Origin")
		cross := origin != "" && slices.Contains(g.origins, origin)
		if origin != "" && !cross && !g.ownOrigin(origin, r.Host) {
			openai.WriteError(w, http.StatusForbidden, "origin_not_allowed", "",
				fmt.Sprintf("web pages of the origin %q may not use this server", origin))
			return
		}
		if cross {
			allowOrigin(w.Header(), origin)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// knowsHost reports whether the Host header, with or without a port, is a name of this server.
func (g *gate) knowsHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return isLoopback(host) || slices.ContainsFunc(g.hosts, func(known string) bool { return strings.EqualFold(known, host) })
}

// ownOrigin reports whether a page that this server has served, or that stands on this machine where the
// server listens on loopback, sent the request.
func (g *gate) ownOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(u.Host, host) || g.loopback && isLoopback(u.Hostname())
}

func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key, X-Request-Id")
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
	h.Set("Access-Control-Max-Age", "600")
}

// admit checks key, rate and content type, and answers for a request that may not pass.
func (g *gate) admit(w http.ResponseWriter, r *http.Request) bool {
	key, valid := g.key(r)
	if g.limits != nil {
		client := "address " + clientIP(r)
		if valid && len(g.keys) > 0 {
			client = "key " + key
		}
		if wait, ok := g.limits.take(client); !ok {
			seconds := int(wait.Seconds()) + 1
			w.Header().Set("Retry-After", fmt.Sprint(seconds))
			openai.WriteError(w, http.StatusTooManyRequests, "rate_limit_exceeded", "",
				fmt.Sprintf("more than %d requests in a minute; try again in %d s", g.limits.perMinute, seconds))
			return false
		}
	}
	if !valid {
		w.Header().Set("WWW-Authenticate", "Bearer")
		reason := "the API key is wrong"
		if key == "" {
			reason = "the API key is missing"
		}
		openai.WriteError(w, http.StatusUnauthorized, "invalid_api_key", "",
			reason+"; send it as the header \"Authorization: Bearer KEY\"")
		return false
	}
	return isJSON(w, r)
}

// key returns the key that the request carries and whether it opens the routes.
func (g *gate) key(r *http.Request) (string, bool) {
	key := r.Header.Get("X-Api-Key")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(token)
	}
	if len(g.keys) == 0 {
		return key, true
	}
	sum, match := sha256.Sum256([]byte(key)), 0
	for _, want := range g.keys {
		match |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return key, match == 1
}

// isJSON insists on application/json where a request changes or asks something. Browsers send the other
// types across origins without asking first.
func isJSON(w http.ResponseWriter, r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return true
	}
	got := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(got); err == nil && media == "application/json" {
		return true
	}
	openai.WriteError(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "",
		fmt.Sprintf("the body's Content-Type is %q; send JSON with the header \"Content-Type: application/json\"", got))
	return false
}

// clientIP is the address of the other end. Forwarding headers are not read: anyone can write them.
func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
