package server

import (
	"context"
	"fmt"
	"math"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/openai"
	"github.com/toolserve/toolserve/internal/server/apikey"
)

// callerKey is the context's key of a request's [Caller].
type callerKey struct{}

// Caller is who sent a request.
type Caller struct {
	// Actor is the name of the key that the request came with; "" where the server has no keys.
	Actor string
	// Request is the id of the request.
	Request string

	key   apikey.Key
	keyed bool // the server has keys
}

// May reports whether the caller has a scope. Without keys everybody has every one.
func (c Caller) May(scope apikey.Scope) bool { return !c.keyed || c.key.May(scope) }

// CallerOf returns who sent the request that a context belongs to.
func CallerOf(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	return caller
}

// Actor returns the name of the key that a request came with; "" where the server has no keys.
func Actor(r *http.Request) string { return CallerOf(r.Context()).Actor }

// admit checks key, rate, scope and content type, and answers for a request that may not pass.
func (g *gate) admit(w http.ResponseWriter, r *http.Request, scope apikey.Scope) (apikey.Key, bool) {
	key, reason := g.identify(r)
	client := func() string {
		if key.Name != "" {
			return "key " + key.Name
		}
		return "address " + clientNet(r)
	}
	if perMinute, wait := g.limits.take(client, key.RateLimit); wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		openai.WriteError(w, http.StatusTooManyRequests, "rate_limit_exceeded", "",
			fmt.Sprintf("more than %d requests in a minute; try again in %d s", perMinute, seconds))
		return key, false
	}
	if reason != "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		openai.WriteError(w, http.StatusUnauthorized, "invalid_api_key", "",
			reason+"; send it as the header \"Authorization: Bearer KEY\"")
		return key, false
	}
	if g.keys != nil && !key.May(scope) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer error=\"insufficient_scope\", scope=%q", scope))
		openai.WriteError(w, http.StatusForbidden, "missing_scope", "",
			fmt.Sprintf("the API key %q may not do this: it needs the scope %q and has %s", key.Name, scope, apikey.List(key.Scopes)))
		return key, false
	}
	return key, isJSON(w, r)
}

// identify returns the key of a request, or why it has none. Without keys every request may pass.
func (g *gate) identify(r *http.Request) (key apikey.Key, reason string) {
	if g.keys == nil {
		return key, ""
	}
	bearer, own := r.Header.Values("Authorization"), r.Header.Values("X-Api-Key")
	if len(bearer) > 1 || len(own) > 1 { // a proxy may have looked at another one
		return key, "the API key is given more than once"
	}
	text := strings.Join(own, "")
	if scheme, token, ok := strings.Cut(strings.Join(bearer, ""), " "); ok && strings.EqualFold(scheme, "Bearer") {
		if text != "" && text != strings.TrimSpace(token) {
			return key, "the API key is given more than once, and not the same"
		}
		text = strings.TrimSpace(token)
	}
	if text == "" {
		return key, "the API key is missing"
	}
	key, ok := g.keys.Find(text)
	if !ok {
		return key, "the API key is wrong"
	}
	return key, ""
}

// withCaller returns the context of a request with its caller.
func (g *gate) withCaller(ctx context.Context, request string, key apikey.Key) context.Context {
	return context.WithValue(ctx, callerKey{}, Caller{Actor: key.Name, Request: request, key: key, keyed: g.keys != nil})
}

// isJSON insists on application/json where a request changes or asks something. Browsers send the other
// types across origins without asking first.
func isJSON(w http.ResponseWriter, r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return true
	}
	types := r.Header.Values("Content-Type")
	got := strings.Join(types, ", ")
	if media, _, err := mime.ParseMediaType(got); len(types) == 1 && err == nil && media == "application/json" {
		return true
	}
	openai.WriteError(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "",
		fmt.Sprintf("the body's Content-Type is %.200q; send JSON with the header \"Content-Type: application/json\"", got))
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

// clientNet is what the requests of one client are counted by: its address, or the network of 64 bits that
// an IPv6 client has all the addresses of.
func clientNet(r *http.Request) string {
	ip := clientIP(r)
	addr, err := netip.ParseAddr(ip)
	if err != nil || !addr.Is6() || addr.Is4In6() || addr.IsLoopback() {
		return ip
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return prefix.String()
}
