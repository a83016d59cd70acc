package sandbox

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/internal/spawn"
	"github.com/toolserve/toolserve/internal/sandbox/orphan"
)

// group is the process group of a child: its id is the child's process id.
type group struct {
	// idle is the first process of the child's namespace of processes, or 0. With it all others end.
	idle int
}

// start runs cmd as the leader of a new group. The kernel kills the leader when this process dies,
// also by SIGKILL.
func (*group) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd.Start()
}

// reap waits for the leader's end, kills what is left of the group and then removes the leader from
// the process table: in that order, so that the group's id cannot meanwhile be that of another.
func (g *group) reap(cmd *exec.Cmd, guard *orphan.Guard) error {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	g.kill(cmd.Process.Pid)
	guard.Remove(cmd.Process.Pid)
	if g.idle == 0 {
		return cmd.Wait()
	}
	syscall.Kill(g.idle, syscall.SIGKILL)
	err := cmd.Wait()
	spawn.Wait(g.idle) // it is gone once all others are
	return err
}

func (*group) terminate(pid int) { syscall.Kill(-pid, syscall.SIGTERM) }
func (*group) kill(pid int)      { syscall.Kill(-pid, syscall.SIGKILL) }

// bounded reports whether all processes end with those of the group.
func (g *group) bounded() bool { return g.idle != 0 }
