// Package address judges addresses of hosts in every spelling that some resolver reads.
package address

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/argv"
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
	return addr, false, checkName(host)
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

// reserved are ranges that lead somewhere else than to a public host, beside those that netip knows
// (IANA's special-purpose registries). 168.63.129.16 is public by its number: under it, Azure serves each machine.
var reserved = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// global6 is all of IPv6 that is given to public hosts (RFC 4291, section 2.4). What translates to IPv4 lies outside.
var global6 = netip.MustParsePrefix("2000::/3")

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
	inside := func(p netip.Prefix) bool { return p.Contains(ip) }
	if ip.IsLoopback() || !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(reserved, inside) || ip.Is6() && (!global6.Contains(ip) || isISATAP(ip)) {
		return fmt.Errorf("URL host '%s' leads to %s, an address that is not public. Add the host to security.allowed_hosts if it is meant", argv.Quote(host), ip)
	}
	return nil
}

// isISATAP says whether an address is that of an IPv4 host behind a tunnel of RFC 5214.
func isISATAP(ip netip.Addr) bool {
	b := ip.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
