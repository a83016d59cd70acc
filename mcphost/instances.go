package mcphost

import (
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
)

// InstancesKey is where "_meta" of a list of tools names the hosts that it comes through. Whoever offers
// the tools of a Host as an MCP server puts [Host.Instances] there.
const InstancesKey = catalog.InstancesKey

// Instances names this host, by a random name, and the hosts behind the servers that it is connected to. A
// host that finds itself behind one of its servers does not take that server: it would offer its own tools
// again and again, under longer and longer names.
func (h *Host) Instances() []string {
	names := []string{h.instance}
	for _, s := range h.all() {
		s.mu.Lock()
		if s.link != nil {
			names = append(names, s.catalog.Instances...)
		}
		s.mu.Unlock()
	}
	slices.Sort(names[1:])
	names = slices.Compact(names)
	return names[:min(len(names), catalog.MaxInstances)]
}

// notItself fails when the host stands behind the server whose tools were listed.
func (s *server) notItself(c *catalog.Catalog) error {
	if !slices.Contains(c.Instances, s.host.instance) {
		return nil
	}
	return permanentError{fmt.Errorf("the server '%s' leads back to this program, whose own tools it would offer again: take it out of this mcp.json, or this one out of those on the way", s.name)}
}
