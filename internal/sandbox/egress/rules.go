package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Rules say where connections may go. What nothing allows is refused; a denial wins.
type Rules struct {
	Allow, Deny []Pattern
	// Launch is allowed until the proxy is told that its client has started: see [Proxy.Settle].
	Launch []Pattern
}

// String returns what is allowed, and with "!" in front what is denied, separated by commas.
func (r *Rules) String() string {
	var parts []string
	for _, p := range r.Allow {
		parts = append(parts, p.String())
	}
	for _, p := range r.Deny {
		parts = append(parts, "!"+p.String())
	}
	return strings.Join(parts, ",")
}

// Local reports whether something on this machine is allowed.
func (r *Rules) Local() bool { return slices.ContainsFunc(r.Allow, Pattern.Local) }

// RefusedError is why a connection was not made.
type RefusedError struct {
	Target Target
	Reason string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s: %s", e.Target, e.Reason) }

// find returns the pattern that allows a target, and whether it does so during the launch alone.
func (r *Rules) find(t Target, launching bool) (p Pattern, launch bool, err error) {
	matches := func(p Pattern) bool { return p.Matches(t) }
	if slices.ContainsFunc(r.Deny, matches) {
		return p, false, &RefusedError{t, "it is among the denied domains of this server"}
	}
	if i := slices.IndexFunc(r.Allow, matches); i >= 0 {
		return r.Allow[i], false, nil
	}
	if i := slices.IndexFunc(r.Launch, matches); i >= 0 && launching {
		return r.Launch[i], true, nil
	}
	return p, false, &RefusedError{t, "it is not among the allowed domains of this server"}
}

// checkAddr judges the address that a target was resolved to. An address that a pattern names is meant; what a
// name leads to is for check to say, see [Options].
func checkAddr(p Pattern, t Target, addr netip.AddrPort, check func(string, netip.AddrPort) error) error {
	ip := addr.Addr().Unmap()
	switch {
	case p.addr.IsValid():
		if ip != p.addr {
			return &RefusedError{t, "it is another address than the one that is allowed"}
		}
		return nil
	case p.Explicit():
		if !ip.IsLoopback() {
			return &RefusedError{t, fmt.Sprintf("it was resolved to %s, which is not this machine", ip)}
		}
		return nil
	case check != nil:
		if err := check(t.Host, netip.AddrPortFrom(ip, addr.Port())); err != nil {
			return &RefusedError{t, err.Error()}
		}
		return nil
	case !ip.IsGlobalUnicast() || ip.IsPrivate():
		return &RefusedError{t, fmt.Sprintf("it was resolved to %s, which is no public address", ip)}
	}
	return nil
}
