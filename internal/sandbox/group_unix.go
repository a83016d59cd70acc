//go:build unix && !linux

package sandbox

import (
	"os/exec"
	"syscall"

	"github.com/toolserve/toolserve/internal/sandbox/orphan"
)

// group is the process group of a child: its id is the child's process id.
type group struct{}

// start runs cmd as the leader of a new group.
func (*group) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}

// reap waits for the leader's end and kills what is left of the group.
func (g *group) reap(cmd *exec.Cmd, guard *orphan.Guard) error {
	err := cmd.Wait()
	g.kill(cmd.Process.Pid)
	guard.Remove(cmd.Process.Pid)
	return err
}

func (*group) terminate(pid int) { syscall.Kill(-pid, syscall.SIGTERM) }
func (*group) kill(pid int)      { syscall.Kill(-pid, syscall.SIGKILL) }

// bounded reports whether all processes end with those of the group.
func (*group) bounded() bool { return false }
