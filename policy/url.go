package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/address"
	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/shape"
)

// CheckURL judges the URL of a remote server. Callers apply it again to every redirect. It wants
// https, or http to this machine, and refuses credentials in the URL, addresses in an unusual
// spelling, and private, link-local and metadata addresses. The name of a host tells nothing about
// its address: [LaunchRules.CheckDial] judges that.
func (r *LaunchRules) CheckURL(raw string) error {
	if len(raw) > maxURL {
		return fmt.Errorf("URL is longer than %d bytes", maxURL)
	}
	shown := argv.Quote(raw)
	if shape.HasControl(raw) {
		return errors.New("URL contains newline characters. Potential command injection blocked")
	}
	if i := strings.IndexAny(raw, " \"<>\\^`{|}\t"); i >= 0 || strings.Contains(raw, "$(") {
		return fmt.Errorf("URL contains dangerous pattern: %s", shown)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("URL cannot be read: %s", shown)
	}
	if u.Scheme == "unix" {
		if r.PublicOnly {
			return fmt.Errorf("URL is a socket of this machine: %s", shown)
		}
		return r.checkUnixURL(u, shown)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "":
		return fmt.Errorf("URL must use http:// or https:// scheme. Got: %s", shown)
	case u.User != nil:
		return errors.New("URL carries credentials in front of the host. Put them into a header")
	case u.Hostname() == "":
		return fmt.Errorf("URL names no host: %s", shown)
	case !isPort(u.Port()):
		return fmt.Errorf("URL names no port that there is: %s", shown)
	case shape.Climbs(u.EscapedPath()):
		return fmt.Errorf("URL contains path traversal: %s", shown)
	}
	return r.checkHost(u)
}

// maxURL bounds the URL of a server, in bytes: servers and proxies take no longer ones.
const maxURL = 16 << 10

func isPort(text string) bool {
	if text == "" {
		return true
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func (r *LaunchRules) checkHost(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	if r.hostAllowed(u.Host) {
		return nil
	}
	addr, literal, err := address.OfHost(host)
	if err != nil {
		return err
	}
	if literal && r.netAllowed(addr) {
		return nil
	}
	if literal && (!addr.IsLoopback() || r.PublicOnly) {
		if err := address.Public(host, addr); err != nil {
			return err
		}
	}
	if r.PublicOnly && isLocalName(host) {
		return localHost(host)
	}
	if address.IsMetadataName(strings.TrimSuffix(host, ".")) {
		return fmt.Errorf("URL host '%s' serves the credentials of this machine", argv.Quote(host))
	}
	if u.Scheme == "http" && !isLocalName(host) && !(literal && addr.IsLoopback()) {
		return fmt.Errorf("URL uses http:// for '%s', which is not this machine. Use https://, or add the host to security.allowed_hosts", argv.Quote(host))
	}
	return nil
}

// CheckDial judges the address that host (a name or an address, without a port) was resolved to, at
// the moment it is dialled: a name of this machine must lead to this machine, any other to a public
// address. It belongs in net.Dialer's ControlContext, so that no resolution comes after it.
func (r *LaunchRules) CheckDial(host string, addr netip.AddrPort) error {
	ip := addr.Addr().Unmap()
	host = strings.ToLower(strings.Trim(host, "[]"))
	if r.hostAllowed(host) || r.hostAllowed(fmt.Sprintf("%s:%d", host, addr.Port())) || r.netAllowed(ip) {
		return nil
	}
	literal, err := netip.ParseAddr(host)
	if local := isLocalName(host) || err == nil && literal.IsLoopback(); local && r.PublicOnly {
		return localHost(host)
	} else if local {
		if !ip.IsLoopback() {
			return fmt.Errorf("host '%s' was resolved to %s, which is not this machine", argv.Quote(host), ip)
		}
		return nil
	}
	return address.Public(host, ip)
}

func localHost(host string) error {
	return fmt.Errorf("URL host '%s' is this machine. Add the host to security.allowed_hosts if it is meant", argv.Quote(host))
}

// hostAllowed says whether AllowedHosts names a host, which may have a port behind it: the host itself, or all
// below a name. What hands out credentials must be named itself.
func (r *LaunchRules) hostAllowed(hostport string) bool {
	if len(r.AllowedHosts) == 0 {
		return false
	}
	hostport = strings.ToLower(hostport)
	name := hostport
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	return slices.ContainsFunc(r.AllowedHosts, func(h string) bool {
		h = strings.ToLower(h)
		if below, ok := strings.CutPrefix(h, "*."); ok && below != "" {
			return !address.IsMetadataName(name) && (strings.HasSuffix(hostport, "."+below) || strings.HasSuffix(name, "."+below))
		}
		return h == hostport || h == name || h == strings.Trim(name, "[]")
	})
}

// netAllowed says whether AllowedHosts names a network that an address is in. It never opens what hands out
// credentials.
func (r *LaunchRules) netAllowed(ip netip.Addr) bool {
	return !address.IsMetadata(ip) && slices.ContainsFunc(r.AllowedHosts, func(h string) bool {
		p, err := netip.ParsePrefix(h)
		return err == nil && p.Contains(ip)
	})
}

func isLocalName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
