package toolloop

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/mcphost"
)

const (
	// maxGuests bounds the servers that one request brings along, and guestWait how long one of them may take
	// to answer.
	maxGuests = 8
	guestWait = 20 * time.Second
)

// invite connects to a server that the request brings along. It is let go when the run ends.
func (r *run) invite(ctx context.Context, s *chat.ToolServer, param string) (*mcphost.Host, error) {
	switch {
	case r.loop.opts.Guest == nil:
		return nil, refusal(chat.KindForbidden, param+".server_url", "server_url_not_allowed",
			"%s.server_url is not allowed here; name a configured server by server_label alone, or have the server started with --mcp-allow-server-url", param)
	case len(r.guests) >= maxGuests:
		return nil, invalid(param+".server_url", "too_many", "tools have more than %d with a server_url", maxGuests)
	case !validLabel(s.Label):
		return nil, invalid(param+".server_label", "invalid_name", "%s.server_label is %q; with a server_url it is 1 to 48 letters, digits, underscores and hyphens", param, s.Label)
	}
	guest, err := r.loop.opts.Guest(mcphost.ServerConfig{
		Name: s.Label, Transport: mcphost.TransportAuto, URL: s.URL, Headers: s.Headers, ConnectTimeout: guestWait,
	})
	var known *mcphost.Error
	switch {
	case errors.As(err, &known) && known.Kind == mcphost.PolicyDenied:
		return nil, refusal(chat.KindForbidden, param+".server_url", "server_url_not_allowed", "%s: %v", param, err)
	case err != nil:
		return nil, invalid(param, "invalid_server", "%s: %v", param, err)
	}
	r.guests = append(r.guests, guest)
	if err := guest.Start(ctx); err != nil {
		return nil, err
	}
	if err := guest.WaitReady(ctx); err != nil {
		return nil, err
	}
	return guest, nil
}

// dismiss ends the connections to the servers that the request brought along.
func (r *run) dismiss() {
	for _, g := range r.guests {
		if err := g.Close(); err != nil {
			r.loop.log.Warn("an MCP server of a request could not be closed", "error", err)
		}
	}
}

var labelPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,48}$`)

func validLabel(label string) bool { return labelPattern.MatchString(label) }
