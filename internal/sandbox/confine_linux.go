package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/internal/landlock"
	"github.com/toolserve/toolserve/internal/sandbox/internal/seccomp"
)

// plan is a confinement ready to be applied to a thread.
//
// A child inherits the restrictions of the thread that starts it, not those of the whole process. So
// one thread restricts itself, starts the child, waits for its end and ends: nothing has to run
// between fork and exec, and the child's first instruction is confined.
type plan struct {
	confinement *Confinement
	rules       *landlock.Ruleset
	filter      seccomp.Filter
	report      Report
}

func newPlan(c *Confinement) (*plan, error) {
	p := &plan{confinement: c, report: Report{Level: LevelEnforced, Landlock: landlock.ABI(), Seccomp: seccomp.Available()}}
	missing := append([]string(nil), c.Unenforceable...)
	n := c.Network
	if p.report.Seccomp {
		p.filter = seccomp.New(seccomp.Sockets{
			TCP: n.All || len(n.Ports) > 0, UDP: n.All || n.DNS, HoldTCP: !n.All,
			Unix: n.Unix || landlock.ResolvesUnix(p.report.Landlock),
		})
	} else {
		missing = append(missing, "dangerous system calls (needs a kernel with seccomp, on amd64 or arm64)")
		if !n.All {
			missing = append(missing, "UDP and other sockets (needs seccomp)")
		}
	}
	if p.report.Landlock > 0 {
		options := landlock.Options{Read: c.Read, Write: c.Write, HoldTCP: !n.All, Ports: n.Ports, AllowUnix: n.Unix}
		if c.SharedMemory {
			options.Named = []string{"/dev/shm"}
		}
		rules, err := landlock.New(options)
		if err != nil {
			return nil, err
		}
		p.rules = rules
		missing = append(missing, rules.Missing...)
	} else {
		missing = append(missing, "access to files, and the ports of TCP connections (needs Linux 5.13 or newer, booted with lsm=landlock)")
	}
	p.report.Missing = missing
	switch {
	case p.rules == nil && p.filter == nil:
		p.report.Level = LevelProcessGroup
	case missing != nil:
		p.report.Level = LevelPartial
	}
	return p, nil
}

// enter restricts the calling thread for good. The goroutine must be locked to it and must end there.
func (p *plan) enter() error {
	if err := dropCapabilities(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("sandbox: give up new privileges: %w", err)
	}
	if p.rules != nil {
		if err := p.rules.RestrictThread(); err != nil {
			return err
		}
	}
	if p.filter != nil {
		return p.filter.RestrictThread()
	}
	return nil
}

// command is the command as it is; other systems wrap it.
func (p *plan) command(*exec.Cmd) error { return nil }

// started sets the bounds that belong to a process rather than to a thread.
func (p *plan) started(pid int) {
	c := p.confinement
	bound := func(resource int, most uint64) {
		var have unix.Rlimit
		if unix.Prlimit(pid, resource, nil, &have) == nil {
			want := unix.Rlimit{Cur: min(have.Cur, most), Max: min(have.Max, most)}
			unix.Prlimit(pid, resource, &want, nil) // fails only for one that is gone
		}
	}
	files, size := c.MaxFiles, c.MaxFileSize
	if files == 0 {
		files = 1 << 16
	}
	if size == 0 {
		size = 16 << 30
	}
	bound(unix.RLIMIT_CORE, 0)
	bound(unix.RLIMIT_NOFILE, files)
	bound(unix.RLIMIT_FSIZE, size)
}

func (p *plan) close() {
	if p.rules != nil {
		p.rules.Close()
	}
}

// onThread runs f in a goroutine that has a thread to itself, which ends with it. The main thread
// would not end, so it is never the one.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		other := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(other)
			f()
		}()
		<-other
		runtime.UnlockOSThread()
	}()
}

// keptCapabilities are what an unconfined user has over its own files, and a port below 1024. A
// process of root keeps no other capability.
func keptCapabilities() uint64 {
	var set uint64
	for _, capability := range []int{
		unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID,
		unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_NET_BIND_SERVICE,
	} {
		set |= 1 << capability
	}
	return set
}

// dropCapabilities takes from the thread's children every capability that is not kept.
func dropCapabilities() error {
	kept := keptCapabilities()
	for capability := range 64 {
		if kept&(1<<capability) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // the kernel knows no more
		}
		if errors.Is(err, unix.EPERM) {
			break // not root: there is nothing to drop that a program could bring back
		}
		if err != nil {
			return fmt.Errorf("sandbox: drop capability %d: %w", capability, err)
		}
	}
	// Neither may be there on old kernels, and then has nothing in it.
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("sandbox: read capabilities: %w", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("sandbox: drop capabilities: %w", err)
	}
	return nil
}

func probe() Support {
	s := Support{Landlock: landlock.ABI(), Seccomp: seccomp.Available(), UserNamespaces: userNamespaces()}
	switch {
	case s.Landlock == 0:
		s.Mend = "use Linux 5.13 or newer with Landlock: add landlock to the kernel's lsm= list"
	case s.Landlock < 6:
		s.Mend = "use Linux 6.12 or newer"
	}
	return s
}

// userNamespaces tells from the kernel's settings whether a process may make a namespace of users.
func userNamespaces() bool {
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		return false
	}
	for path, forbids := range map[string]string{
		"/proc/sys/user/max_user_namespaces":                     "0\n",
		"/proc/sys/kernel/unprivileged_userns_clone":             "0\n",
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
	} {
		if data, err := os.ReadFile(path); err == nil && string(data) == forbids {
			return false
		}
	}
	return true
}
