package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// maxHost bounds the name of a host, in bytes (RFC 1035 section 2.3.4).
const maxHost = 253

// Target is where a connection is to go, in the one spelling that rules are compared with.
type Target struct {
	// Host is a name in lower case, in ASCII and without a dot at its end, or an address.
	Host string
	// Addr is the address that Host is, or invalid for a name.
	Addr netip.Addr
	Port uint16
}

// String returns "host:port".
func (t Target) String() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// ParseTarget reads "host:port", or "host" where fallback is the port of what has none. With a fallback of 0
// the port must be there. Spellings that only some readers take for an address, zones, escapes and
// credentials are refused.
func ParseTarget(text string, fallback uint16) (Target, error) {
	if strings.ContainsAny(text, "@/\\?#%\x00 \t\r\n") || len(text) > 4*maxHost {
		return Target{}, errors.New("not a host and a port")
	}
	host, port, err := splitPort(text)
	if err != nil {
		return Target{}, err
	}
	if port == 0 {
		port = fallback
	}
	if port == 0 {
		return Target{}, errors.New("no port is given")
	}
	t := Target{Port: port}
	t.Host, t.Addr, err = parseHost(host)
	return t, err
}

// splitPort takes "host:port", "[address]:port", "host" and plain addresses of IPv6 apart. No port is 0.
func splitPort(text string) (host string, port uint16, err error) {
	host = text
	if addr, err := netip.ParseAddr(text); err == nil && addr.Is6() {
		return text, 0, nil
	}
	if rest, ok := strings.CutPrefix(text, "["); ok {
		inside, after, closed := strings.Cut(rest, "]")
		addr, err := netip.ParseAddr(inside)
		if !closed || err != nil || !addr.Is6() || after != "" && after[0] != ':' {
			return "", 0, errors.New("not an address in brackets")
		}
		if after == "" {
			return inside, 0, nil
		}
		host, text = inside, "x"+after
	}
	name, digits, found := strings.Cut(text, ":")
	if !found {
		return host, 0, nil
	}
	if host == text {
		host = name
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || digits[0] == '0' || digits[0] == '+' {
		return "", 0, fmt.Errorf("%q is no port from 1 to 65535", digits)
	}
	return host, uint16(n), nil
}

// parseHost returns a host in its plain spelling, and the address that it is, if any.
func parseHost(text string) (string, netip.Addr, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" {
			return "", addr, errors.New("an address with a zone")
		}
		addr = addr.Unmap()
		return addr.String(), addr, nil
	}
	name := strings.TrimSuffix(text, ".")
	for i := range len(name) {
		if name[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(name)
			if err != nil {
				return "", netip.Addr{}, errors.New("not the name of a host")
			}
			name = ascii
			break
		}
	}
	name = strings.ToLower(name)
	if !isName(name) {
		return "", netip.Addr{}, errors.New("not the name of a host")
	}
	return name, netip.Addr{}, nil
}

// isName reports whether a text in ASCII is the name of a host. One whose last label is a number, as in 127.1
// or 0x7f.1, some readers take for an address.
func isName(name string) bool {
	if name == "" || len(name) > maxHost {
		return false
	}
	last := ""
	for last = range strings.SplitSeq(name, ".") {
		if last == "" || len(last) > 63 || last[0] == '-' || last[len(last)-1] == '-' ||
			strings.Trim(last, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	hex, isHex := strings.CutPrefix(last, "0x")
	return strings.Trim(last, "0123456789") != "" && (!isHex || strings.Trim(hex, "0123456789abcdef") != "")
}

// Pattern is which hosts are meant: a name, every name beneath one, every name, or an address; at one port or
// at all. The zero value is none.
type Pattern struct {
	host    string
	addr    netip.Addr
	port    uint16 // 0 is all
	beneath bool   // the names beneath host, and not host itself
	every   bool   // all names
}

// ParsePattern reads "example.com", "*.example.com", "*", "192.0.2.1" or "[2001:db8::1]", each with ":port"
// behind it where one port is meant. Names may be written in any script. "*" and "*." stand for names alone:
// an address is meant only where it is written.
func ParsePattern(text string) (p Pattern, err error) {
	fail := func(reason string) (Pattern, error) {
		return Pattern{}, fmt.Errorf("%q is no domain: %s; write a host as in \"api.example.com\", \"*.example.com\" or \"example.com:8443\"", cut(text), reason)
	}
	if strings.Contains(text, "://") || strings.ContainsAny(text, "/@?#%\\ \t\r\n\x00") {
		return fail("it must be a host alone, without a scheme, a path or credentials")
	}
	host, port, err := splitPort(text)
	if err != nil {
		return fail(err.Error())
	}
	p.port = port
	if host == "*" {
		p.every = true
		return p, nil
	}
	host, p.beneath = strings.CutPrefix(host, "*.")
	if strings.Contains(host, "*") {
		return fail("\"*\" may only stand for all names, or in front of a dot for those beneath one")
	}
	if p.host, p.addr, err = parseHost(host); err != nil {
		return fail(err.Error())
	}
	if p.beneath && p.addr.IsValid() {
		return fail("nothing is beneath an address")
	}
	return p, nil
}

// cut bounds a text for an error.
func cut(text string) string { return text[:min(len(text), 100)] }

// String returns the pattern as it could have been written.
func (p Pattern) String() string {
	host := p.host
	switch {
	case p.every:
		host = "*"
	case p.beneath:
		host = "*." + host
	case p.port != 0 && p.addr.Is6():
		host = "[" + host + "]"
	}
	if p.port != 0 {
		host += ":" + strconv.Itoa(int(p.port))
	}
	return host
}

// Matches reports whether a target is meant.
func (p Pattern) Matches(t Target) bool {
	switch {
	case p.port != 0 && p.port != t.Port:
		return false
	case p.every:
		return !t.Addr.IsValid()
	case p.beneath:
		return !t.Addr.IsValid() && strings.HasSuffix(t.Host, "."+p.host)
	case p.addr.IsValid():
		return p.addr == t.Addr
	}
	return p.host != "" && p.host == t.Host
}

// Explicit reports whether the pattern names an address, or this machine: then that is where a connection may
// go, although it is not public.
func (p Pattern) Explicit() bool { return p.addr.IsValid() || p.host == "localhost" && !p.beneath }

// Local reports whether the pattern names this machine.
func (p Pattern) Local() bool { return p.Explicit() && (p.host == "localhost" || p.addr.IsLoopback()) }
