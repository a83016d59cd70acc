package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/internal/spawn"
)

// leastPIDs is the smallest bound that a namespace takes, and some. The kernel keeps 300 ids out of use once it
// begins again from the first.
const leastPIDs = 400

// limits bounds what the process may use. A bound that this process has is never raised.
func (p *plan) limits(run *spawn.Calls) {
	l := p.confinement.Limits.orDefault(totalMemory())
	bound := func(resource int, most uint64) {
		var have unix.Rlimit
		if unix.Prlimit(0, resource, nil, &have) != nil {
			return
		}
		limit := &unix.Rlimit{Cur: min(have.Cur, most), Max: min(have.Max, most)}
		if resource == unix.RLIMIT_NOFILE && p.confinement.Limits.Files == 0 {
			// This process raised its own; programs that use select expect a small one.
			limit.Cur = min(limit.Cur, 4096)
		}
		run.Add("set a limit", unix.SYS_PRLIMIT64, 0, uintptr(resource), spawn.Data(run, limit), 0)
	}
	bound(unix.RLIMIT_CORE, 0)
	bound(unix.RLIMIT_NOFILE, l.Files)
	bound(unix.RLIMIT_FSIZE, l.FileSize)
	bound(unix.RLIMIT_DATA, l.Memory)
	if p.spaces.flags&unix.CLONE_NEWUSER != 0 {
		// Elsewhere the kernel counts all processes of the user.
		bound(unix.RLIMIT_NPROC, l.Processes)
	}
	if p.spaces.countsProcesses() {
		text := fmt.Sprint(max(l.Processes+1, leastPIDs))
		fd := new(int32)
		run.Add("open the number of processes", unix.SYS_OPENAT, atCWD(), run.Text("/proc/sys/kernel/pid_max"), unix.O_WRONLY|unix.O_CLOEXEC).Store(fd).MayFail()
		*fd = -1
		run.Add("set the number of processes", unix.SYS_WRITE, 0, run.Text(text), uintptr(len(text))).From(0, fd).MayFail()
	}
}

// totalMemory is the memory of the machine in bytes, or 0.
func totalMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}
