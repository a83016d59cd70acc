package sandbox

import (
	"fmt"
	"path/filepath"
	"strings"
)

// seatbelt writes a confinement as a profile for macOS's sandbox-exec. The last rule that fits wins.
func seatbelt(c *Confinement) string {
	var b strings.Builder
	b.WriteString("(version 1)\n(deny default)\n" +
		"(allow process-fork)\n(allow process-exec)\n(allow signal (target same-sandbox))\n(allow process-info* (target same-sandbox))\n" +
		"(allow sysctl-read)\n(allow mach-lookup)\n(allow ipc-posix-shm)\n(allow file-read-metadata)\n(allow pseudo-tty)\n")
	b.WriteString("(allow file-read* (literal \"/\"))\n")
	for _, path := range c.Read {
		fmt.Fprintf(&b, "(allow file-read* %s)\n", subpath(path))
	}
	for _, path := range c.Write {
		fmt.Fprintf(&b, "(allow file-read* file-write* %s)\n", subpath(path))
	}
	hidden, _ := c.hidden()
	for _, path := range hidden {
		fmt.Fprintf(&b, "(deny file-read* file-write* %s)\n", subpath(path))
	}
	switch n := c.Network; {
	case n.All:
		b.WriteString("(allow network* (remote ip) (local ip))\n")
	default:
		for _, port := range n.Ports {
			fmt.Fprintf(&b, "(allow network-outbound (remote tcp \"*:%d\"))\n", port)
		}
		if n.DNS {
			b.WriteString("(allow network-outbound (remote udp \"*:53\"))\n(allow network-outbound (literal \"/private/var/run/mDNSResponder\"))\n")
		}
	}
	if c.Network.Unix {
		b.WriteString("(allow network* (remote unix-socket) (local unix-socket))\n")
	}
	return b.String()
}

// subpath is the filter for a path, where it really lies, and all beneath it.
func subpath(path string) string {
	if own, err := filepath.EvalSymlinks(path); err == nil {
		path = own
	}
	return "(subpath " + `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `")`
}

// bounded puts a command line behind a shell that sets the limits which macOS has, before it becomes the
// command. The words are arguments of the shell, and not read by it.
func bounded(l Limits, words []string) []string {
	l = l.orDefault(0)
	script := fmt.Sprintf(`ulimit -c 0; ulimit -n %d; ulimit -f %d; exec "$@"`, l.Files, l.FileSize/512)
	return append([]string{"/bin/sh", "-c", script, "sh"}, words...)
}
