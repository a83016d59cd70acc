package mcphost

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/mcphost/internal/pins"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/trust"
)

// setup is what a host takes from its configuration: the rules and the servers. It is not changed once it
// is in force, but replaced as a whole.
type setup struct {
	cfg     *Config
	launch  *policy.LaunchRules
	gate    *policy.Gate
	pins    *pins.Store
	servers []*server
	byName  map[string]*server
}

// newSetup returns the rules of a configuration, without its servers. It fails when one of them cannot be
// used. What was used of limits and approved in memory is taken over from the setup before, unless that is
// nil.
func newSetup(cfg *Config, opts *Options, before *setup) (*setup, error) {
	in := &setup{cfg: cfg, launch: opts.Launch, gate: opts.Gate, byName: make(map[string]*server, len(cfg.Servers))}
	if in.launch == nil {
		rules := cfg.LaunchRules()
		in.launch = &rules
	}
	if in.gate == nil {
		gate := policy.NewGate
		if before != nil {
			gate = before.gate.With
		}
		var err error
		if in.gate, err = gate(cfg.ToolRules()); err != nil {
			return nil, fmt.Errorf("the rules for tools: %w", err)
		}
	}
	path := lockFile(cfg)
	if before != nil && path == lockFile(before.cfg) {
		in.pins = before.pins
		return in, nil
	}
	var err error
	in.pins, err = pins.Open(path)
	return in, err
}

// lockFile returns the path of the lock file, or "" where nothing is compared with it.
func lockFile(cfg *Config) string {
	on := func(s ServerConfig) bool { return cmp.Or(s.Trust, cfg.Security.Trust) != trust.Off }
	if !slices.ContainsFunc(cfg.Servers, on) {
		return ""
	}
	return cfg.LockFile()
}

func (in *setup) add(s *server) {
	in.servers = append(in.servers, s)
	in.byName[s.name] = s
}

func (h *Host) cfg() *Config                { return h.setup.Load().cfg }
func (h *Host) launch() *policy.LaunchRules { return h.setup.Load().launch }
func (h *Host) gate() *policy.Gate          { return h.setup.Load().gate }
func (h *Host) pins() *pins.Store           { return h.setup.Load().pins }

// all returns the servers in the order of the configuration.
func (h *Host) all() []*server { return h.setup.Load().servers }

// server returns the server of a name, or nil.
func (h *Host) server(name string) *server { return h.setup.Load().byName[name] }
