package address

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/toolserve/toolserve/policy/internal/shape"
)

// IsMetadataURL says whether a value of a tool's argument is a URL of a link-local or metadata
// address, in any spelling. Without a scheme, a port or a path must show that it is a URL.
func IsMetadataURL(value string) bool {
	host, ok := hostOf(value)
	if !ok {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	if metadataNames[host] {
		return true
	}
	if ip, ok := looseAddr(host); ok {
		return IsMetadata(ip)
	}
	return embedsMetadata(host)
}

// IsRawURL says whether a value is a URL of a scheme that writes what it holds to any port, and is for nothing
// else today.
func IsRawURL(value string) bool {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(value), "://")
	return ok && rest != "" && (strings.EqualFold(scheme, "gopher") || strings.EqualFold(scheme, "dict"))
}

// breaks are what browsers and node take out of a URL wherever it stands.
var breaks = strings.NewReplacer("\t", "", "\r", "", "\n", "")

// hostOf takes the host out of what a client may read as a URL, in lower case and without disguises. Browsers
// and node read http:/host, http:host, http:\\host and //host as they read http://host.
func hostOf(value string) (host string, ok bool) {
	value = strings.TrimSpace(value)
	value = breaks.Replace(value)
	ascii := isASCII(value)
	if ascii && (!strings.ContainsAny(value, `:/\`) || len(value) > 1 && value[0] == '/' && value[1] != '/' && value[1] != '\\' && value[1] != '%') {
		return "", false // most values: words and absolute paths
	}
	if value = shape.Fold(value); !ascii {
		value = norm.NFKC.String(value)
	}
	value = strings.ToLower(value)
	scheme, rest, ok := strings.Cut(value, ":")
	for ok && (scheme == "jar" || scheme == "view-source" || scheme == "blob" || scheme == "url" || scheme == "feed") {
		value = rest
		scheme, rest, ok = strings.Cut(value, ":")
	}
	slashed := func(s string) bool { return strings.HasPrefix(s, "/") || strings.HasPrefix(s, `\`) }
	switch {
	case strings.HasPrefix(value, "//") || strings.HasPrefix(value, `\\`):
		rest = value
	case ok && !strings.ContainsAny(scheme, `/\`) && (slashed(rest) || webSchemes[scheme]):
	case slashed(value) || !looksReached(value):
		return "", false
	default:
		rest = value
	}
	return authority(strings.TrimLeft(rest, `/\`)), true
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

var webSchemes = map[string]bool{"http": true, "https": true, "ws": true, "wss": true, "ftp": true}

// looksReached says whether a value without a scheme is a host with a port or a path: 10.0.0.0/8 is a network.
func looksReached(value string) bool {
	if strings.ContainsAny(value, " \t\n") {
		return false
	}
	end := strings.IndexAny(value, "/:")
	if end < 0 || strings.IndexByte(value[:end], '.') < 0 && value[0] != '[' {
		return false
	}
	behind := value[end+1:]
	return value[end] == ':' || strings.Trim(behind, "0123456789") != ""
}

// authority takes the host out of what stands between the slashes of a URL.
func authority(host string) string {
	if i := strings.IndexAny(host, "/?#\\!"); i >= 0 {
		host = host[:i]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	if ip6, _, ok := strings.Cut(strings.TrimPrefix(host, "["), "]"); ok && strings.HasPrefix(host, "[") {
		return ip6
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}

var metadataRanges = prefixes("169.254.0.0/16", "fe80::/10", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
	"fd00:ec2::254/128", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128", "fd00:42::42/128")

// mapped4 are the prefixes behind which an IPv6 address holds one of IPv4 in its last four bytes, and mapped6to4
// the one behind which it does so in bytes 2 to 5.
var (
	mapped4    = prefixes("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
	mapped6to4 = netip.MustParsePrefix("2002::/16")
)

// IsMetadata says whether an address is one at which a cloud hands out credentials of its machines, or is local
// to a link.
func IsMetadata(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	inside := func(p netip.Prefix) bool { return p.Contains(ip) }
	if ip.Is6() {
		b := ip.As16()
		if (slices.ContainsFunc(mapped4, inside) || isISATAP(ip)) && IsMetadata(netip.AddrFrom4([4]byte(b[12:]))) ||
			mapped6to4.Contains(ip) && IsMetadata(netip.AddrFrom4([4]byte(b[2:6]))) {
			return true
		}
	}
	return slices.ContainsFunc(metadataRanges, inside)
}

// embedsMetadata says whether a name holds a metadata address, as names of services do that resolve to the
// address in them: 169.254.169.254.nip.io, x-169-254-169-254.sslip.io, a9fea9fe.nip.io.
func embedsMetadata(host string) bool {
	labels := strings.Split(host, ".")
	if len(labels) > 32 {
		labels = labels[len(labels)-32:]
	}
	for i, label := range labels {
		if i+4 <= len(labels) && isMetadataText(strings.Join(labels[i:i+4], ".")) {
			return true
		}
		parts := strings.Split(label, "-")
		if n := len(parts); n >= 4 && isMetadataText(strings.Join(parts[n-4:], ".")) || n > 2 && isMetadataText(strings.Join(parts, ":")) {
			return true
		}
		if hex := strings.TrimPrefix(label, "0x"); len(hex) == 8 {
			if n, ok := looseNumber("0x" + hex); ok && IsMetadata(ip4(n)) {
				return true
			}
		}
	}
	return false
}

func isMetadataText(text string) bool {
	ip, err := netip.ParseAddr(text)
	return err == nil && IsMetadata(ip)
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
	return ip4(value), value <= 0xffffffff
}

func ip4(value uint64) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)})
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
