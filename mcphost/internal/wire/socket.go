package wire

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/toolserve/toolserve/policy"
)

// Endpoint returns the URL that requests name for the URL of a server, and the path of its socket, where it
// is reached over one: of unix:///run/mcp.sock#/mcp these are http://localhost/mcp and /run/mcp.sock.
func Endpoint(address string) (endpoint, socket string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "unix" {
		return address, ""
	}
	return (&url.URL{Scheme: "http", Host: "localhost", Path: u.Fragment}).String(), u.Path
}

// dialSocket dials one socket, whatever address is asked for. What it is is judged each time.
func dialSocket(path string, rules *policy.LaunchRules) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if rules != nil {
			if err := rules.CheckSocket(path); err != nil {
				return nil, err
			}
		}
		return dialer.DialContext(ctx, "unix", path)
	}
}
