package sandbox

import (
	"os"
	"os/exec"
	"slices"
)

// seatbeltProgram applies a profile to itself and becomes the program that it is given.
const seatbeltProgram = "/usr/bin/sandbox-exec"

// plan confines with the system's own program and a profile.
type plan struct {
	confinement *Confinement
	available   bool
	report      Report
}

func newPlan(c *Confinement) (*plan, error) {
	_, err := os.Stat(seatbeltProgram)
	missing := slices.Clone(c.Unenforceable)
	if c.Network.Hosts != nil {
		open := *c
		open.Network = c.Network.withoutHosts()
		c, missing = &open, append(missing, missingHosts+" (needs Linux)")
	}
	if c.Limits.Memory > 0 || c.Limits.Processes > 0 {
		missing = append(missing, "limits on memory and processes (macOS has none)")
	}
	p := &plan{confinement: c, available: err == nil, report: Report{Level: LevelEnforced, Missing: missing}}
	switch {
	case !p.available:
		p.report = Report{Level: LevelProcessGroup, Missing: append([]string{"everything: " + seatbeltProgram + " is not there"}, missing...)}
	case len(missing) > 0:
		p.report.Level = LevelPartial
	}
	return p, nil
}

// start starts the program behind the one that confines it.
func (p *plan) start(g *group, cmd *exec.Cmd) error {
	if !p.available || cmd.Err != nil {
		return g.start(cmd)
	}
	cmd.Args = bounded(p.confinement.Limits, append([]string{seatbeltProgram, "-p", seatbelt(p.confinement), cmd.Path}, cmd.Args[1:]...))
	cmd.Path = cmd.Args[0]
	return g.start(cmd)
}

func (p *plan) close()     {}
func (p *plan) way() *exit { return nil }

func onThread(f func()) { go f() }

func probe() Support { return Support{} }
