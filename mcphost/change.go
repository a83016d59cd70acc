package mcphost

import (
	"slices"
	"sync"
)

// Versions count the changes of what is offered. A number that is still the same stands for a list that
// is; one that grew, for a list that may be another.
type Versions struct {
	Tools, Resources, Prompts uint64
}

// allLists is what changes when a server comes or goes.
func allLists() Versions { return Versions{1, 1, 1} }

// changes tells of changes of what is offered. The zero value has told nobody of nothing.
type changes struct {
	mu        sync.Mutex // guards the rest
	versions  Versions
	listeners []*func()
}

// Versions returns how often what is offered has changed.
func (h *Host) Versions() Versions {
	h.changes.mu.Lock()
	defer h.changes.mu.Unlock()
	return h.changes.versions
}

// Names returns the names of the servers in the order of the configuration, whatever their state.
func (h *Host) Names() []string {
	var names []string
	for _, s := range h.all() {
		names = append(names, s.name)
	}
	return names
}

// Instructions are what a server tells models about itself: its last word, unless that waits for approval,
// whether it is connected or not; "" where there is none. It is the server's text and not to be trusted.
func (h *Host) Instructions(server string) string {
	if s := h.server(server); s != nil && !s.is(StateDisabled) {
		return s.reviewer.Instructions()
	}
	return ""
}

// OnChange has f called after the offered tools, resources or prompts changed, until stop is called;
// [Host.Versions] says which. Calls may come at the same time and must return at once.
func (h *Host) OnChange(f func()) (stop func()) {
	c := &h.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(slices.Clip(c.listeners), &f)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.listeners = slices.DeleteFunc(slices.Clone(c.listeners), func(other *func()) bool { return other == &f })
	}
}

// add counts changes and tells the listeners.
func (c *changes) add(more Versions) {
	c.mu.Lock()
	c.versions.Tools += more.Tools
	c.versions.Resources += more.Resources
	c.versions.Prompts += more.Prompts
	listeners := c.listeners
	c.mu.Unlock()
	for _, f := range listeners {
		(*f)()
	}
}
