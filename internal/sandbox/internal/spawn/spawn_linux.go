package spawn

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls is a list of system calls to make, in order. The first one that fails ends the process, unless it
// was added as one that may fail.
type Calls struct {
	steps []step
	names []string
	keep  []any // what the arguments point to
}

// step is one system call.
type step struct {
	number   uintptr
	args     [8]uintptr
	from     *int32 // replaces argument number at, where it is set
	at       uint8
	store    *int32 // receives the result, where it is set
	optional bool
}

// Call is one system call of a list, for further settings.
type Call struct {
	c *Calls
	i int
}

// Add appends a call. name is for the error that it may cause.
func (c *Calls) Add(name string, number uintptr, args ...uintptr) Call {
	s := step{number: number}
	copy(s.args[:6], args)
	c.steps, c.names = append(c.steps, s), append(c.names, name)
	return Call{c, len(c.steps) - 1}
}

// MayFail lets the list go on when the call fails.
func (c Call) MayFail() Call { c.c.steps[c.i].optional = true; return c }

// Store keeps the result of the call, such as a file descriptor. In the parent it is seen on some
// architectures alone.
func (c Call) Store(to *int32) Call {
	c.c.steps[c.i].store = to
	c.c.keep = append(c.c.keep, to)
	return c
}

// From takes an argument from where another call stored it.
func (c Call) From(arg int, from *int32) Call {
	c.c.steps[c.i].from, c.c.steps[c.i].at = from, uint8(arg)
	c.c.keep = append(c.c.keep, from)
	return c
}

// Text returns the address of a text for an argument. A NUL ends it; what follows one is cut off.
func (c *Calls) Text(s string) uintptr {
	b := append([]byte(s), 0)
	c.keep = append(c.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// Data returns the address of what p points to for an argument.
func Data[T any](c *Calls, p *T) uintptr {
	c.keep = append(c.keep, p)
	return uintptr(unsafe.Pointer(p))
}

// Process is what to start.
type Process struct {
	// Namespaces are the CLONE_NEW flags of the namespaces to make, CLONE_NEWPID included.
	Namespaces uintptr
	// Prepare is done once in the new namespaces, before the program's process is there. Run is done by
	// that process, and its last call becomes the program; where it does not, the process ends with status 0.
	Prepare, Run Calls
}

// Started are the processes that run. Both are children of this process.
type Started struct {
	// PID is the program's. Idle is the first process of its namespace of processes, or 0.
	PID, Idle int
}

// Error is a system call that failed in the new process.
type Error struct {
	Call string
	Err  error
}

func (e *Error) Error() string { return e.Call + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// outcome is what the processes tell; it lies in memory that they share with this one.
type outcome struct {
	failed int32 // 1 + the index of the call that failed, in the list of where
	where  int32
	errno  int32
	pid    int32
	idle   int32
}

// The lists that a call can have failed in.
const (
	inFork = iota
	inPrepare
	inIdle
	inRun
)

// Start starts the process. The kernel takes the end of the calling thread for the end of this process, so
// the goroutine must be locked to its thread until the program has ended.
func Start(p *Process) (Started, error) {
	memory, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return Started{}, fmt.Errorf("memory for the start: %w", err)
	}
	defer unix.Munmap(memory)
	out := (*outcome)(unsafe.Pointer(&memory[0]))
	f := &fork{out: out, run: p.Run.steps, flags: unix.CLONE_VFORK | unix.CLONE_VM | uintptr(unix.SIGCHLD)}
	var idle Calls
	if p.Namespaces != 0 {
		f.first = f.flags | p.Namespaces&^unix.CLONE_NEWPID
		f.prepare = p.Prepare.steps
		if p.Namespaces&unix.CLONE_NEWPID != 0 {
			pause, err := pauseProgram()
			if err != nil {
				return Started{}, err
			}
			defer unix.Close(pause)
			idle.idle(pause)
			f.idle, f.hasIdle = idle.steps, true
		}
	}
	syscall.ForkLock.Lock()
	errno := f.start()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(p)
	runtime.KeepAlive(idle.keep)
	started := Started{PID: int(out.pid), Idle: int(out.idle)}
	if errno == 0 && out.failed == 0 {
		return started, nil
	}
	started.Reap()
	if errno != 0 {
		return Started{}, &Error{"clone", errno}
	}
	return Started{}, p.failure(out, &idle)
}

// failure names the call that failed.
func (p *Process) failure(out *outcome, idle *Calls) error {
	names := map[int32][]string{inPrepare: p.Prepare.names, inIdle: idle.names, inRun: p.Run.names}[out.where]
	call := "clone"
	if i := int(out.failed) - 1; out.where != inFork && i < len(names) {
		call = names[i]
	}
	return &Error{call, syscall.Errno(out.errno)}
}

// Reap ends what was started and removes it from the table of processes.
func (s Started) Reap() {
	for _, pid := range []int{s.Idle, s.PID} {
		if pid > 0 {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	// The idle one ends only after all others of its namespace were removed.
	for _, pid := range []int{s.PID, s.Idle} {
		if pid > 0 {
			Wait(pid)
		}
	}
}

// Wait waits for the end of a child and removes it.
func Wait(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// fork is a start made ready: everything that is read while memory is shared.
type fork struct {
	out          *outcome
	flags, first uintptr
	prepare      []step
	idle, run    []step
	hasIdle      bool
}

// start makes the processes. Without namespaces there is one; with them a helper is born in them, makes the
// idle process and the program's, which become this process's children, and ends.
func (f *fork) start() syscall.Errno {
	if f.first == 0 {
		pid, errno := f.startAlone()
		f.out.pid = int32(pid)
		return errno
	}
	pid, errno := f.startHelper()
	if errno == 0 {
		Wait(int(pid))
	}
	return errno
}

func (f *fork) startAlone() (pid uintptr, errno syscall.Errno) {
	beforeFork()
	pid, errno = f.child(f.flags, f.run, inRun, true)
	afterFork()
	return pid, errno
}

func (f *fork) startHelper() (pid uintptr, errno syscall.Errno) {
	beforeFork()
	pid, errno = f.helper()
	afterFork()
	return pid, errno
}

// helper forks the process that makes the others. In the parent it must return right after vfork: the child
// works in this frame.
//
//go:noinline
//go:norace
//go:nosplit
func (f *fork) helper() (pid uintptr, errno syscall.Errno) {
	r := vfork(f.first)
	if r != 0 {
		return result(r)
	}
	afterForkInChild()
	f.steps(f.prepare, inPrepare)
	siblings := f.flags | unix.CLONE_PARENT
	if f.hasIdle {
		if _, _, e := syscall.RawSyscall6(unix.SYS_UNSHARE, unix.CLONE_NEWPID, 0, 0, 0, 0, 0); e != 0 {
			f.fail(inFork, 0, e)
		}
		id, e := f.child(siblings, f.idle, inIdle, false)
		if e != 0 {
			f.fail(inFork, 0, e)
		}
		f.out.idle = int32(id)
	}
	id, e := f.child(siblings, f.run, inRun, false)
	if e != 0 {
		f.fail(inFork, 0, e)
	}
	f.out.pid = int32(id)
	exit(0)
	return 0, 0
}

// child forks a process that makes the calls of a list. The last one does not return where all goes well.
//
//go:noinline
//go:norace
//go:nosplit
func (f *fork) child(flags uintptr, list []step, where int32, signals bool) (pid uintptr, errno syscall.Errno) {
	r := vfork(flags)
	if r != 0 {
		return result(r)
	}
	if signals {
		afterForkInChild()
	}
	f.steps(list, where)
	exit(0)
	return 0, 0
}

// steps makes the calls of a list.
//
//go:norace
//go:nosplit
func (f *fork) steps(list []step, where int32) {
	for i := range list {
		s := &list[i]
		if s.from != nil {
			s.args[s.at&7] = uintptr(*s.from)
		}
		r, _, errno := syscall.RawSyscall6(s.number, s.args[0], s.args[1], s.args[2], s.args[3], s.args[4], s.args[5])
		if errno != 0 && !s.optional {
			f.fail(where, int32(i), errno)
		}
		if errno == 0 && s.store != nil {
			*s.store = int32(r)
		}
	}
}

//go:norace
//go:nosplit
func (f *fork) fail(where, i int32, errno syscall.Errno) {
	f.out.where, f.out.errno, f.out.failed = where, int32(errno), i+1
	exit(127)
}

//go:norace
//go:nosplit
func exit(status uintptr) {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, status, 0, 0)
	}
}

// result reads what clone returned: a process id, or an error.
//
//go:norace
//go:nosplit
func result(r uintptr) (pid uintptr, errno syscall.Errno) {
	if r > ^uintptr(4095) {
		return 0, syscall.Errno(-r)
	}
	return r, 0
}

// These belong to package syscall, which uses them in the same way. The first blocks signals, so that no
// handler runs in a process that shares memory; the last gives a child its signals back.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()
