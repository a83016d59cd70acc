package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/egress"
	"github.com/toolserve/toolserve/internal/sandbox/internal/landlock"
	"github.com/toolserve/toolserve/internal/sandbox/internal/seccomp"
	"github.com/toolserve/toolserve/internal/sandbox/internal/spawn"
)

// plan is a confinement ready to be applied to a process: between fork and exec it gives up its rights, so
// that the program's first instruction is confined and this process stays free.
type plan struct {
	confinement *Confinement
	rules       *landlock.Ruleset
	filter      seccomp.Filter
	spaces      spaces
	report      Report
	covered     []string // files and directories that are covered
	exit        *exit    // the way out by a proxy, or nil
}

func newPlan(c *Confinement) (*plan, error) {
	p := &plan{confinement: c, report: Report{Level: LevelEnforced, Landlock: landlock.ABI(), Seccomp: seccomp.Available()}}
	missing := append([]string(nil), c.Unenforceable...)
	n := c.Network
	hide, covered := c.hidden()
	var without, err error
	if p.spaces, without = findSpaces(n); without != nil {
		missing = append(missing, fmt.Sprintf("the mode, owner and dates of files, System V memory, priorities and limits of other processes, "+
			"processes that leave their group, and the number of processes (needs namespaces: %v)", without))
		if len(covered) > 0 {
			missing = append(missing, fmt.Sprintf("the files %s, which lie in granted folders (needs namespaces)", strings.Join(covered, ", ")))
		}
	} else {
		p.covered = covered
		missing = append(missing, p.spaces.missing()...)
	}
	if n, err = p.findExit(n, &missing); err != nil {
		return nil, err
	}
	// In a network of its own a process may use every port.
	hold := !n.All && !p.spaces.gate
	if p.report.Seccomp {
		p.filter = seccomp.New(seccomp.Sockets{
			TCP: n.All || len(n.Ports) > 0 || p.spaces.gate, UDP: n.All || n.DNS, HoldTCP: hold,
			Unix: n.Unix || landlock.ResolvesUnix(p.report.Landlock),
		})
	} else {
		missing = append(missing, "dangerous system calls (needs a kernel with seccomp, on amd64 or arm64)")
		if hold {
			missing = append(missing, "UDP and other sockets (needs seccomp)")
		}
	}
	if p.report.Landlock > 0 {
		options := landlock.Options{Read: c.Read, Write: c.Write, Hide: hide, HoldTCP: hold, Ports: n.Ports, AllowUnix: n.Unix}
		if c.SharedMemory {
			options.Named = []string{"/dev/shm"}
		}
		if p.rules, err = landlock.New(options); err != nil {
			p.close()
			return nil, err
		}
		missing = append(missing, p.rules.Missing...)
	} else {
		missing = append(missing, "access to files, and the ports of TCP connections (needs Linux 5.13 or newer, booted with lsm=landlock)")
	}
	p.judged(missing)
	return p, nil
}

// judged notes what is missing, and what level that leaves.
func (p *plan) judged(missing []string) {
	p.report.Namespaces = p.spaces.names()
	p.report.Missing = missing
	switch {
	case p.rules == nil && p.filter == nil && p.spaces.flags == 0:
		p.report.Level = LevelProcessGroup
	case missing != nil:
		p.report.Level = LevelPartial
	}
}

// findExit finds the way out to named hosts, and returns which connections the process is then held to. Without a
// network of its own, that is the port of a proxy which listens on this machine, as far as the kernel can.
func (p *plan) findExit(n Network, missing *[]string) (Network, error) {
	switch {
	case n.Hosts == nil:
		return n, nil
	case p.spaces.gate:
		p.exit = &exit{address: gateAddress, options: *n.Hosts}
		return n, nil
	case !p.report.Seccomp || !landlock.HoldsTCP(p.report.Landlock):
		*missing = append(*missing, missingHosts+" (needs namespaces)")
		return n.withoutHosts(), nil
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return n, fmt.Errorf("sandbox: listen for the proxy: %w", err)
	}
	// Other programs of the machine reach it too.
	p.exit = &exit{listener: l, address: l.Addr().String(), options: *n.Hosts}
	p.exit.options.Password = rand.Text()
	*missing = append(*missing, "connections to every host at the port of the proxy to the named hosts, which another host may listen on (needs namespaces)")
	return Network{Ports: []uint16{uint16(l.Addr().(*net.TCPAddr).Port)}, Unix: n.Unix}, nil
}

// way returns the way out by a proxy, or nil.
func (p *plan) way() *exit { return p.exit }

// start starts the program as the leader of a new group, confined. The goroutine must be locked to its
// thread until the program has ended.
func (p *plan) start(g *group, cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	process := &spawn.Process{Namespaces: p.spaces.flags}
	p.spaces.prepare(&process.Prepare)
	gate, err := p.spaces.newGate()
	if err != nil {
		return err
	}
	defer gate.close()
	gate.prepare(&process.Prepare)
	run := &process.Run
	run.Add("make a group", unix.SYS_SETPGID)
	run.Add("set the signal for the end of the parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	p.mounts(run)
	p.limits(run)
	dropCapabilities(run, p.spaces.flags&unix.CLONE_NEWUSER != 0)
	if err := directory(run, cmd.Dir); err != nil {
		return err
	}
	closeStreams, err := streams(run, cmd)
	if err != nil {
		return err
	}
	defer closeStreams()
	// Libraries of this process may have opened files that a child would inherit.
	run.Add("keep no other files", unix.SYS_CLOSE_RANGE, 3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC).MayFail()
	p.restrict(run)
	program(run, cmd)
	started, err := spawn.Start(process)
	runtime.KeepAlive(p)
	if err != nil {
		return startFailure(cmd, err)
	}
	g.idle = started.Idle
	if gate != nil {
		p.exit.listener, err = gate.receive()
	}
	if err == nil {
		cmd.Process, err = os.FindProcess(started.PID)
	}
	if err != nil {
		started.Reap()
	}
	return err
}

// restrict gives up what the process may not do.
func (p *plan) restrict(run *spawn.Calls) {
	run.Add("give up new privileges", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	if p.rules != nil {
		run.Add("apply the rules for files", unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(p.rules.FD()))
	}
	if p.filter != nil {
		run.Add("filter system calls", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, spawn.Data(run, p.filter.Program()))
	}
}

const callExec, callDirectory = "exec", "enter the working directory"

// program becomes the program.
func program(run *spawn.Calls, cmd *exec.Cmd) {
	list := func(texts []string) uintptr {
		pointers := make([]uintptr, len(texts)+1)
		for i, text := range texts {
			pointers[i] = run.Text(text)
		}
		return spawn.Data(run, &pointers[0])
	}
	run.Add(callExec, unix.SYS_EXECVE, run.Text(cmd.Path), list(cmd.Args), list(cmd.Environ()))
}

// startFailure is the error of a failed start, as os/exec would word it where it could have been its own.
func startFailure(cmd *exec.Cmd, err error) error {
	var failed *spawn.Error
	if errors.As(err, &failed) {
		switch failed.Call {
		case callExec:
			return &os.PathError{Op: "fork/exec", Path: cmd.Path, Err: failed.Err}
		case callDirectory:
			return &os.PathError{Op: "chdir", Path: cmd.Dir, Err: failed.Err}
		}
	}
	return fmt.Errorf("sandbox: start %s: %w", cmd.Path, err)
}

// directory enters the working directory. It does so also where that does not change: what is mounted over
// it counts for paths alone.
func directory(run *spawn.Calls, dir string) error {
	if dir != "" {
		run.Add(callDirectory, unix.SYS_CHDIR, run.Text(dir))
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	run.Add(callDirectory, unix.SYS_CHDIR, run.Text(dir)).MayFail()
	return nil
}

// streams puts the command's three streams in their places.
func streams(run *spawn.Calls, cmd *exec.Cmd) (closeAll func(), err error) {
	var own []int
	closeAll = func() {
		for _, fd := range own {
			unix.Close(fd)
		}
	}
	for place, stream := range []any{cmd.Stdin, cmd.Stdout, cmd.Stderr} {
		file, ok := stream.(*os.File)
		if !ok {
			return closeAll, errors.New("sandbox: a stream is no file")
		}
		fd := int(file.Fd())
		if fd < 3 { // it would be in the way of another
			if fd, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 3); err != nil {
				closeAll()
				return nil, fmt.Errorf("sandbox: %w", err)
			}
			own = append(own, fd)
		}
		run.Add("connect a stream", unix.SYS_DUP3, uintptr(fd), uintptr(place), 0)
	}
	return closeAll, nil
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

// dropCapabilities takes from the process every capability that is not kept. In a namespace of users it
// has all of them there.
func dropCapabilities(run *spawn.Calls, all bool) {
	kept := keptCapabilities()
	for capability := range 64 {
		if kept&(1<<capability) == 0 {
			// Who is not root has none that a program could bring back; the kernel may know fewer.
			run.Add("drop a capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(capability)).MayFail()
		}
	}
	run.Add("drop ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL).MayFail()
	var have [2]unix.CapUserData
	if !all {
		_ = unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &have[0])
	} else {
		have[0].Permitted, have[1].Permitted = ^uint32(0), ^uint32(0)
	}
	data := &[2]unix.CapUserData{}
	for i := range data {
		left := have[i].Permitted & uint32(kept>>(32*i))
		data[i] = unix.CapUserData{Permitted: left, Effective: left}
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	run.Add("drop capabilities", unix.SYS_CAPSET, spawn.Data(run, header), uintptr(unsafe.Pointer(data)))
	spawn.Data(run, data)
}

func (p *plan) close() {
	if p.rules != nil {
		p.rules.Close()
	}
	p.exit.close()
}

// onThread runs f in a goroutine that keeps its thread.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	}()
}

func probe() Support {
	s := Support{Landlock: landlock.ABI(), Seccomp: seccomp.Available()}
	found, without := findSpaces(Network{Hosts: &egress.Options{}})
	s.Namespaces, s.Hosts = found.names(), found.gate
	switch {
	case s.Landlock == 0:
		s.Mend = "use Linux 5.13 or newer with Landlock: add landlock to the kernel's lsm= list"
	case s.Landlock < 6:
		s.Mend = "use Linux 6.12 or newer"
	case without != nil:
		s.Mend = mendSpaces()
	}
	return s
}
