package mcphost

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/policy/trust"
)

// Guest returns a host for one remote server that somebody named at run time, under the rules for tools of
// this host, with its limits and its audit log. The caller starts and closes it.
//
// Who names it need not be who configured this host, so it gets less: it is reached on public addresses
// alone, or on those of AllowedHosts; no login that is kept for a configured server is used, and none is asked for; it may ask
// nothing of the model or of a user; and nothing is approved for it. Its name must not be that of a
// configured server, in any case, nor make its tools look like that one's. The error is an [*Error].
func (h *Host) Guest(entry ServerConfig) (*Host, error) {
	in := h.setup.Load()
	launch := *in.launch
	launch.PublicOnly = true
	switch {
	case entry.Command != "" || entry.Transport == TransportStdio || !strings.HasPrefix(entry.URL, "https://") && !strings.HasPrefix(entry.URL, "http://"):
		return nil, errorf(PolicyDenied, entry.Name, "", "MCP server '%s' must be given by an https:// URL", entry.Name)
	}
	for name := range in.byName {
		if alike(name, entry.Name) {
			return nil, errorf(BadArguments, entry.Name, "", "MCP server '%s' is named as the configured '%s'; choose another name for the one at the URL", entry.Name, name)
		}
	}
	if err := launch.CheckURL(entry.URL); err != nil {
		return nil, errorf(PolicyDenied, entry.Name, "", "MCP server '%s': %v", entry.Name, err)
	}
	guest := ServerConfig{
		Name: entry.Name, Transport: entry.Transport, URL: entry.URL, Headers: entry.Headers,
		Timeout: entry.Timeout, ConnectTimeout: entry.ConnectTimeout, Trust: trust.Off, NoRoots: true, OAuth: OAuth{Off: true},
	}
	cfg := *in.cfg
	cfg.Path, cfg.Servers, cfg.Security.LockFile = "", []ServerConfig{guest}, ""
	opts := h.opts
	opts.Launch, opts.Gate, opts.Audit = &launch, in.gate, h.audit
	opts.Tokens, opts.Authorizer, opts.Sampler, opts.Elicitation = nil, nil, nil, false
	host, err := New(&cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("MCP server '%s': %w", entry.Name, err)
	}
	return host, nil
}

// alike reports whether rules for the tools of one server, such as "fs__*", could be about the other's too:
// as "fs__x" and "fs_" are for "fs".
func alike(a, b string) bool {
	a, b = strings.ToLower(a)+catalog.Separator, strings.ToLower(b)+catalog.Separator
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
