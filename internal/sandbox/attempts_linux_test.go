package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/orphan"
)

// attemptsVariable holds what a confined child is to try, as JSON: name to arguments.
const attemptsVariable = "TOOLSERVE_TEST_ATTEMPTS"

// attempt is one thing to try: a verb and what it is done to.
type attempt []string

// runAttempts tries everything and prints, as JSON, how each went: "ok" or the error.
func runAttempts() {
	var attempts map[string]attempt
	if err := json.Unmarshal([]byte(os.Getenv(attemptsVariable)), &attempts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The limits are in force once the start has returned.
	bufio.NewReader(os.Stdin).ReadString('\n')
	results := map[string]string{}
	for name, a := range attempts {
		results[name] = "ok"
		if err := a.try(); err != nil {
			results[name] = err.Error()
		}
	}
	json.NewEncoder(os.Stdout).Encode(results)
}

func (a attempt) try() error {
	arg := func(i int) string {
		if i < len(a) {
			return a[i]
		}
		return ""
	}
	switch a[0] {
	case "read":
		_, err := os.ReadFile(arg(1))
		return err
	case "list":
		_, err := os.ReadDir(arg(1))
		return err
	case "write":
		return os.WriteFile(arg(1), []byte("x"), 0o600)
	case "truncate":
		return os.Truncate(arg(1), 0)
	case "remove":
		return os.Remove(arg(1))
	case "link":
		return os.Link(arg(1), arg(2))
	case "rename":
		return os.Rename(arg(1), arg(2))
	case "symlink-read":
		if err := os.Symlink(arg(1), arg(2)); err != nil {
			return fmt.Errorf("symlink: %w", err)
		}
		_, err := os.ReadFile(arg(2))
		return err
	case "exec":
		return exec.Command(arg(1)).Run()
	case "shell":
		out, err := exec.Command("/bin/sh", "-c", arg(1)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	case "tcp", "udp", "unix":
		conn, err := net.Dial(arg(0), arg(1))
		if err == nil {
			conn.Close()
		}
		return err
	case "ask":
		return askProxy(arg(1))
	case "fetch":
		return fetch(arg(1))
	case "listen":
		l, err := net.Listen("tcp", arg(1))
		if err == nil {
			l.Close()
		}
		return err
	case "fastopen":
		return fastOpen(arg(1))
	case "signal":
		pid, _ := strconv.Atoi(arg(1))
		return syscall.Kill(pid, 0)
	case "mknod":
		return unix.Mknod(arg(1), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	}
	return a.call()
}

// call tries a system call by its name.
func (a attempt) call() error {
	raw := func(number, a1, a2, a3 uintptr) error {
		if _, _, errno := syscall.RawSyscall(number, a1, a2, a3); errno != 0 {
			return errno
		}
		return nil
	}
	root, _ := unix.BytePtrFromString("/")
	path := uintptr(unsafe.Pointer(root))
	defer runtime.KeepAlive(root)
	pid, _ := strconv.Atoi(append(a, "0")[1])
	switch a[0] {
	case "ptrace":
		return unix.PtraceAttach(pid)
	case "mount":
		return unix.Mount("none", a[1], "tmpfs", 0, "")
	case "umount":
		return unix.Unmount(a[1], unix.MNT_DETACH)
	case "chroot":
		return unix.Chroot(a[1])
	case "unshare":
		flags, _ := strconv.ParseInt(a[1], 0, 64)
		return unix.Unshare(int(flags))
	case "clone-user":
		return raw(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0)
	case "clone3":
		return raw(unix.SYS_CLONE3, 0, 0, 0)
	case "bpf":
		return raw(unix.SYS_BPF, 0, 0, 0)
	case "keyctl":
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
		return err
	case "userfaultfd":
		return raw(unix.SYS_USERFAULTFD, 0, 0, 0)
	case "io_uring":
		return raw(unix.SYS_IO_URING_SETUP, 1, 0, 0)
	case "perf":
		return raw(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0)
	case "vm_readv":
		return raw(unix.SYS_PROCESS_VM_READV, uintptr(pid), 0, 0)
	case "pidfd_getfd":
		return raw(unix.SYS_PIDFD_GETFD, 0, 0, 0)
	case "handle":
		_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), unix.O_RDONLY)
		return err
	case "init_module":
		return raw(unix.SYS_INIT_MODULE, 0, 0, path)
	case "reboot":
		return raw(unix.SYS_REBOOT, 0, 0, 0)
	case "setns":
		return raw(unix.SYS_SETNS, 0, 0, 0)
	case "tiocsti":
		return raw(unix.SYS_IOCTL, 0, unix.TIOCSTI, path)
	case "socket":
		family, _ := strconv.Atoi(a[1])
		kind, _ := strconv.Atoi(a[2])
		protocol, _ := strconv.Atoi(a[3])
		fd, err := unix.Socket(family, kind, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	case "new-privileges":
		n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		if err == nil && n != 1 {
			err = errors.New("new privileges are possible")
		}
		return err
	case "capability":
		number, _ := strconv.Atoi(a[1])
		n, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(number), 0, 0, 0)
		if err == nil && n == 1 {
			err = errors.New("it is there")
		}
		return err
	case "limit":
		var have unix.Rlimit
		number, _ := strconv.Atoi(a[1])
		most, _ := strconv.ParseUint(a[2], 10, 64)
		if err := unix.Getrlimit(number, &have); err != nil || have.Max > most {
			return fmt.Errorf("%v: %d is more than %d", err, have.Max, most)
		}
		return nil
	case "seccomp-arch":
		if runtime.GOARCH != "amd64" {
			return errors.New("no foreign calls here")
		}
		return raw(0x40000000|39, 0, 0, 0)
	case "chmod":
		return unix.Chmod(a[1], 0o777)
	case "chown":
		return unix.Lchown(a[1], os.Getuid(), os.Getgid())
	case "utimes":
		return unix.Utimes(a[1], []unix.Timeval{{Sec: 1}, {Sec: 1}})
	case "setxattr":
		return unix.Setxattr(a[1], "user.test", []byte("x"), 0)
	case "shm":
		key, _ := strconv.Atoi(a[1])
		id, err := unix.SysvShmGet(key, 4096, 0)
		if err != nil {
			return fmt.Errorf("%w: %w", unix.EACCES, err) // there is none in its namespace
		}
		_, err = unix.SysvShmAttach(id, 0, 0)
		return err
	case "prlimit":
		var have unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_CORE, nil, &have); err != nil {
			return err
		}
		return unix.Prlimit(pid, unix.RLIMIT_CORE, &have, nil)
	case "priority":
		return unix.Setpriority(unix.PRIO_PROCESS, pid, 0)
	case "affinity":
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(pid, &set); err != nil {
			return err
		}
		return unix.SchedSetaffinity(pid, &set)
	case "pidfd":
		fd, err := unix.PidfdOpen(pid, 0)
		if err == nil {
			err = unix.PidfdSendSignal(fd, 0, nil, 0)
		}
		return err
	case "memfd":
		return execMemory(a[1])
	case "race":
		return race(a[1], a[2])
	case "memory":
		size, _ := strconv.Atoi(a[1])
		_, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		return err
	case "fork":
		return forkMany(pid)
	case "big-file":
		return bigFile(a[1])
	case "descriptor":
		fd, _ := strconv.Atoi(a[1])
		n, err := unix.Pread(fd, make([]byte, 1), 0)
		if err == nil && n == 0 {
			err = unix.EPERM
		}
		if errors.Is(err, unix.EBADF) {
			err = fmt.Errorf("%w: %w", unix.EACCES, err)
		}
		return err
	case "nested":
		return nested(a[1], a[2])
	case "nested-hosts":
		return nestedHosts(a[1], a[2], a[3])
	case "nested-daemon":
		return nestedDaemon(a[1])
	case "temp":
		dir := os.Getenv("TMPDIR")
		if data, err := os.ReadFile(os.Getenv("TEST_FILE")); err != nil || string(data) != "settings" {
			return fmt.Errorf("read %q, %v", data, err)
		}
		return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600)
	}
	return fmt.Errorf("%q is no attempt", a[0])
}

// fastOpen opens a TCP connection with the first bytes that are sent.
func fastOpen(address string) error {
	addr, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, to)
}

// execMemory runs a copy of cat out of memory, to read a file with it.
func execMemory(path string) error {
	program, err := os.ReadFile("/bin/cat")
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("x", 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, program); err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "x")
	cmd := exec.Command("/proc/self/fd/3", path)
	cmd.ExtraFiles = []*os.File{file}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// race opens a name in a granted folder while it changes between a file and a link to a secret.
func race(folder, secret string) error {
	name, other := filepath.Join(folder, "race"), filepath.Join(folder, "race-link")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.WriteFile(other, []byte("own"), 0o600)
			os.Rename(other, name)
			os.Symlink(secret, other)
			os.Rename(other, name)
		}
	}()
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); runtime.Gosched() {
		if data, err := os.ReadFile(name); err == nil && string(data) == "content" {
			return nil
		}
	}
	return unix.EACCES
}

// forkMany starts n processes at a time, and fails where that is not possible.
func forkMany(n int) error {
	var started []*exec.Cmd
	defer func() {
		for _, cmd := range started {
			cmd.Process.Kill()
			cmd.Wait()
		}
	}()
	for range n {
		cmd := exec.Command("/bin/sleep", "60")
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("%w: after %d: %w", unix.EACCES, len(started), err)
		}
		started = append(started, cmd)
	}
	return nil
}

// bigFile writes far into a file.
func bigFile(path string) error {
	signal.Ignore(unix.SIGXFSZ)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.WriteAt([]byte("x"), 2<<20); err != nil {
		return fmt.Errorf("%w: %w", unix.EACCES, err)
	}
	return nil
}

// nested starts a sandbox where no namespaces can be made, and lets it read a file that it is granted and one
// that it is not.
func nested(readable, secret string) error {
	c := &Confinement{Read: []string{"/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache", readable}}
	for path, want := range map[string]string{readable: "exit status 0", secret: "exit status 1"} {
		p, err := Start(Spec{Path: "/bin/cat", Args: []string{path}, Confine: c}, Options{})
		if err != nil {
			return err
		}
		<-p.Exited()
		r, got := p.Report(), p.ExitText()
		p.Stop(Ladder{})
		if got != want {
			return fmt.Errorf("cat %s: %s: %q", path, got, p.Stderr())
		}
		if r.Level != LevelPartial || r.Namespaces != nil || !strings.Contains(strings.Join(r.Missing, ";"), "needs namespaces") {
			return fmt.Errorf("the report is %+v", r)
		}
	}
	c.Require = true
	if p, err := Start(Spec{Path: "/bin/true", Confine: c}, Options{}); err == nil {
		p.Stop(Ladder{})
		return errors.New("it was started although namespaces are required")
	}
	return nil
}

// nestedDaemon starts a sandbox where no namespaces can be made, and in it a process that leaves its group and
// session, which a stop has to find.
func nestedDaemon(granted string) error {
	c := &Confinement{Read: []string{"/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}, Write: []string{granted, "/dev/null"}}
	beat := filepath.Join(granted, "beat")
	p, err := Start(Spec{Path: "/bin/sh", Confine: c, Env: MinimalEnv(os.Environ(), nil), Args: []string{"-c",
		`setsid /bin/sh -c 'trap "" TERM HUP; echo $$ >` + beat + `.new; mv ` + beat + `.new ` + beat + `; while :; do sleep 600; done' </dev/null >/dev/null 2>&1 & read x`}},
		Options{Guard: orphan.New(orphan.Options{})})
	if err != nil {
		return err
	}
	var text []byte
	for text == nil {
		time.Sleep(time.Millisecond)
		text, _ = os.ReadFile(beat)
	}
	p.Stop(Ladder{})
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	for i := 0; !gone(pid); i++ {
		if i == 1000 {
			return errors.New("the daemon is left")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}
