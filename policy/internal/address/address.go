// Package address judges addresses of hosts in every spelling that some resolver reads.
package address

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/shape"
)

// metadataNames are the names under which clouds hand out credentials.
var metadataNames = map[string]bool{
	"metadata.google.internal": true, "metadata": true, "metadata.goog": true, "instance-data": true,
	"instance-data.ec2.internal": true, "metadata.azure.com": true, "metadata.tencentyun.com": true,
}

// IsMetadataName reports whether a host, in lower case and without a dot at its end, hands out the credentials
// of a machine in a cloud.
func IsMetadataName(host string) bool { return metadataNames[host] }

// OfHost returns the address that a host is, if it is one. A spelling that some resolvers read
// as an address and others do not is refused: 2130706433, 0x7f.1, 127.1, 0177.0.0.1.
func OfHost(host string) (addr netip.Addr, literal bool, err error) {
	if strings.Contains(host, "%") {
		return addr, false, fmt.Errorf("URL host '%s' has a zone or an escape, which is not allowed", argv.Quote(host))
	}
	addr, perr := netip.ParseAddr(strings.TrimSuffix(host, "."))
	if perr == nil {
		if addr.Is4In6() || strings.HasSuffix(host, ".") {
			return addr, true, fmt.Errorf("URL host '%s' is an unusual spelling of the address %s", argv.Quote(host), addr.Unmap())
		}
		return addr, true, nil
	}
	if looseIPv4(host) {
		return addr, false, fmt.Errorf("URL host '%s' is an unusual spelling of an address. Write it as four decimal numbers", argv.Quote(host))
	}
	for _, r := range host {
		if r > 0x7f {
			return addr, false, fmt.Errorf("URL host '%s' is not written in ASCII", argv.Quote(host))
		}
	}
	return addr, false, nil
}

// looseIPv4 says whether inet_aton would read the host as an address: its last label is a number.
func looseIPv4(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// reserved are ranges that lead somewhere else than to a public host, beside those that netip knows.
var reserved = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32",
	"::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16", "fec0::/10", "fd00:ec2::/32", "5f00::/16",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// Public returns why an address that a host was resolved to is not a public one, or nil.
func Public(host string, ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() || !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fmt.Errorf("URL host '%s' leads to %s, an address that is not public. Add the host to security.allowed_hosts if it is meant", argv.Quote(host), ip)
	}
	return nil
}

// IsMetadataURL says whether a value of a tool's argument is a URL of a link-local or metadata
// address, in any spelling.
func IsMetadataURL(value string) bool {
	scheme, rest, ok := strings.Cut(value, ":")
	if slashed := strings.HasPrefix(value, "//"); slashed || !ok || len(scheme) > 10 {
		rest, ok = value, slashed
	}
	// Browsers and node read http:/host, http:\\host and //host as they read http://host.
	host := strings.TrimLeft(rest, `/\`)
	if !ok || host == rest || len(host) > 4096 {
		return false
	}
	host = strings.ToLower(shape.Fold(host))
	if i := strings.IndexAny(host, "/?#\\"); i >= 0 {
		host = host[:i]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	if ip6, _, ok := strings.Cut(strings.TrimPrefix(host, "["), "]"); ok && strings.HasPrefix(host, "[") {
		host = ip6
	} else if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	if metadataNames[host] {
		return true
	}
	ip, ok := looseAddr(host)
	if !ok {
		return false
	}
	return isMetadata(ip)
}

var metadataRanges = prefixes("169.254.0.0/16", "fe80::/10", "100.100.100.200/32", "fd00:ec2::254/128", "192.0.0.192/32")

func isMetadata(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() { // an IPv4 address inside NAT64, 6to4 or the deprecated compatible form
		b := ip.As16()
		for _, at := range [...]int{12, 2} {
			embedded := netip.AddrFrom4([4]byte(b[at : at+4]))
			prefix := netip.PrefixFrom(ip, 16).Masked().Addr()
			if (at == 12 && (slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Bits() == 96 && p.Contains(ip) })) ||
				at == 2 && prefix == netip.MustParseAddr("2002::")) && isMetadata(embedded) {
				return true
			}
		}
	}
	return slices.ContainsFunc(metadataRanges, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// looseAddr reads an address as inet_aton does.
func looseAddr(host string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip, true
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 || !looseIPv4(host) {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, ok := looseNumber(part)
		if !ok {
			return netip.Addr{}, false
		}
		if i == len(parts)-1 {
			value = value<<(8*(5-len(parts))) | n
		} else {
			value = value<<8 | n&0xff
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), value <= 0xffffffff
}

func looseNumber(s string) (uint64, bool) {
	base, digits := uint64(10), s
	switch {
	case strings.HasPrefix(s, "0x"):
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	var n uint64
	for i := 0; i < len(digits); i++ {
		d := uint64(strings.IndexByte("0123456789abcdef", digits[i]))
		if d >= base || n > 0xffffffff {
			return 0, false
		}
		n = n*base + d
	}
	return n, s != ""
}
