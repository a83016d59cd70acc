package sandbox

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// group is the process group of a child: its id is the child's process id.
type group struct{}

// start runs cmd as the leader of a new group. The kernel kills the leader when this process dies,
// also by SIGKILL.
func (group) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd.Start()
}

// reap waits for the leader's end, kills what is left of the group and then removes the leader from
// the process table: in that order, so that the group's id cannot meanwhile be that of another.
func (g group) reap(cmd *exec.Cmd) error {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	g.kill(cmd.Process.Pid)
	return cmd.Wait()
}

func (group) terminate(pid int) { syscall.Kill(-pid, syscall.SIGTERM) }
func (group) kill(pid int)      { syscall.Kill(-pid, syscall.SIGKILL) }
