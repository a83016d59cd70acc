//go:build !linux && !darwin

package sandbox

import "os/exec"

// plan confines nothing: this system has no means that this package knows.
type plan struct{ report Report }

func newPlan(c *Confinement) (*plan, error) {
	missing := append([]string{"everything: this system has no sandbox that is supported"}, c.Unenforceable...)
	return &plan{Report{Level: LevelProcessGroup, Missing: missing}}, nil
}

func (p *plan) start(g *group, cmd *exec.Cmd) error { return g.start(cmd) }
func (p *plan) close()                              {}
func (p *plan) way() *exit                          { return nil }

func onThread(f func()) { go f() }

func probe() Support { return Support{Mend: "run the server on Linux"} }
