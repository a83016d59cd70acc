package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/openai"
	"github.com/toolserve/toolserve/internal/server/apikey"
)

// gate decides who may come in. It does not change after it was made, apart from the limiter's counts.
type gate struct {
	keys     *apikey.Ring // nil: the routes are open
	origins  []string
	hosts    []string
	loopback bool // the server listens on loopback only
	limits   *limiter
}

func newGate(opts Options) gate {
	return gate{
		keys: opts.Keys, origins: opts.AllowedOrigins, hosts: opts.AllowedHosts,
		loopback: isLoopback(opts.Host), limits: newLimiter(opts.RateLimit),
	}
}

// isLoopback reports whether a host name or address is this machine as it sees itself.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// screen lets requests pass that a web page of somebody else cannot have caused. A server on loopback is
// reachable by every page in the user's browser: the Origin header gives such a page away, and the Host
// header gives one away whose name was made to resolve to 127.0.0.1.
func (g *gate) screen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "" && !g.knowsHost(r.Host) { // browsers always send one
			openai.WriteError(w, http.StatusForbidden, "host_not_allowed", "", g.hostRefusal(r.Host))
			return
		}
		origins := r.Header.Values("Origin")
		if len(origins) > 1 {
			openai.WriteError(w, http.StatusForbidden, "origin_not_allowed", "", "the request has more than one Origin header")
			return
		}
		if len(origins) == 0 {
			// Without Origin a page can send no more than a GET whose answer it cannot read, as an image is fetched.
			if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
				openai.WriteError(w, http.StatusForbidden, "origin_not_allowed", "", "web pages of other sites may not use this server; start it with --allowed-origins to let them")
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		origin := origins[0]
		cross := slices.Contains(g.origins, origin)
		if !cross && !g.ownOrigin(origin, r.Host, r.TLS != nil) {
			openai.WriteError(w, http.StatusForbidden, "origin_not_allowed", "",
				fmt.Sprintf("web pages of the origin %.200q may not use this server; start it with --allowed-origins to let them", origin))
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

// knowsHost reports whether the Host header is a name that this server answers to.
//
// Names matter because whoever owns one can make it resolve to this machine, and a web page of that name is
// then, for a browser, of the same origin as the server. So a server on loopback answers to loopback and to
// what AllowedHosts names. A server elsewhere with keys answers to every name, unless AllowedHosts names
// some: no page has a key. One without keys answers to addresses and to names without a dot, which nobody
// outside can own.
func (g *gate) knowsHost(hostport string) bool {
	host, ok := splitHost(hostport)
	switch {
	case !ok:
		return false
	case isLoopback(host) || slices.ContainsFunc(g.hosts, func(known string) bool { return strings.EqualFold(known, host) }):
		return true
	case g.loopback || len(g.hosts) > 0:
		return false
	case g.keys != nil:
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil || !strings.Contains(host, ".")
}

func (g *gate) hostRefusal(host string) string {
	where := "is not one that this server answers to"
	if g.loopback {
		where = "is refused: this server listens on loopback only; reach it as localhost or 127.0.0.1"
	}
	return fmt.Sprintf("the host %.200q %s, or start it with --allowed-hosts", host, where)
}

// splitHost takes a Host header apart: a name or an address, IPv6 in brackets, with or without a port.
func splitHost(hostport string) (host string, ok bool) {
	host, port, hasPort := strings.Cut(hostport, ":")
	if strings.HasPrefix(hostport, "[") {
		inner, rest, closed := strings.Cut(hostport[1:], "]")
		addr, err := netip.ParseAddr(inner)
		if !closed || err != nil || !addr.Is6() || addr.Zone() != "" || rest != "" && rest[0] != ':' {
			return "", false
		}
		host, port, hasPort = inner, strings.TrimPrefix(rest, ":"), rest != ""
	}
	if _, err := strconv.ParseUint(port, 10, 16); hasPort && err != nil {
		return "", false
	}
	return host, host != "" && !strings.ContainsAny(host, "@/\\?#%")
}

// ownOrigin reports whether a page that this server has served, or that stands on this machine where the
// server listens on loopback, sent the request.
func (g *gate) ownOrigin(origin, host string, secure bool) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || origin != u.Scheme+"://"+u.Host {
		return false
	}
	name, ok := splitHost(u.Host)
	if !ok {
		return false
	}
	// A proxy may have taken TLS off, so that a page of https may reach a server of http; never the other
	// way round: a page that came in the clear may be anybody's.
	own := strings.EqualFold(u.Host, host) && (u.Scheme == "https" || !secure)
	return own || g.loopback && isLoopback(name)
}

func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key, X-Request-Id, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID")
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, Mcp-Session-Id")
	h.Set("Access-Control-Max-Age", "600")
}
