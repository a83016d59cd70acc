package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/shape"
)

// maxSocketPath is what an address of a socket holds, in bytes; see unix(7).
const maxSocketPath = 107

// controlSockets are names of sockets that hand out the machine: who speaks to them can start what he likes.
var controlSockets = []string{
	"docker.sock", "docker-cli.sock", "containerd.sock", "podman.sock", "crio.sock", "dockershim.sock", "buildkitd.sock",
	"snapd.socket", "snapd-snap.socket", "libvirt-sock", "virtqemud-sock", "system_bus_socket", "systemd-machined.sock",
}

// checkUnixURL judges a URL of a socket of this machine: unix:///path, or unix:///path#/subpath.
func (r *LaunchRules) checkUnixURL(u *url.URL, shown string) error {
	switch {
	case u.Host != "" || u.User != nil || u.Opaque != "" || u.RawQuery != "":
		return fmt.Errorf("URL of a socket must be unix:///path or unix:///path#/subpath. Got: %s", shown)
	case u.Fragment != "" && (u.Fragment[0] != '/' || shape.Climbs(u.Fragment)):
		return fmt.Errorf("URL of a socket has a part behind # that is no absolute path: %s", shown)
	}
	err := r.CheckSocket(u.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its server may yet be started; it is judged again when it is dialled
	}
	return err
}

// CheckSocket judges the socket at a path before it is dialled. It must be a socket, and belong to this user
// or to root. Sockets that control the machine, such as Docker's, are refused, unless their path is among
// AllowedHosts. A file that is not there is an error that is [fs.ErrNotExist].
func (r *LaunchRules) CheckSocket(socket string) error {
	shown := argv.Quote(socket)
	switch {
	case !path.IsAbs(socket) || path.Clean(socket) != socket || shape.HasControl(socket):
		return fmt.Errorf("socket '%s' is not named by a plain absolute path", shown)
	case len(socket) > maxSocketPath:
		return fmt.Errorf("socket '%s' has a path longer than %d bytes", shown, maxSocketPath)
	}
	controls := func(name string) bool {
		return slices.Contains(controlSockets, strings.ToLower(path.Base(name))) && !slices.Contains(r.AllowedHosts, socket)
	}
	if r.Machine == nil && !controls(socket) {
		return nil
	}
	var info FileInfo
	var err error
	if !controls(socket) {
		info, err = r.Machine.Stat(socket)
	}
	switch {
	case controls(socket) || controls(info.Path):
		return fmt.Errorf("socket '%s' controls this machine: who may speak to it can start anything. Add its path to security.allowed_hosts if that is meant", shown)
	case err != nil:
		return fmt.Errorf("socket '%s' cannot be reached: %w", shown, err)
	case info.Mode.Type() != fs.ModeSocket:
		return fmt.Errorf("'%s' is no socket", shown)
	case info.Foreign:
		return fmt.Errorf("socket '%s' belongs to another user", shown)
	}
	return nil
}
