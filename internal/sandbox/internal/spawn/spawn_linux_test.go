package spawn

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// exec adds the call that becomes a program.
func exec(c *Calls, words ...string) {
	argv := make([]uintptr, len(words)+1)
	for i, w := range words {
		argv[i] = c.Text(w)
	}
	environ := make([]uintptr, 1)
	c.keep = append(c.keep, argv, environ)
	c.Add("exec", unix.SYS_EXECVE, argv[0], uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&environ[0])))
}

func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func status(t *testing.T, s Started) unix.WaitStatus {
	t.Helper()
	var ws unix.WaitStatus
	for {
		if _, err := unix.Wait4(s.PID, &ws, 0, nil); err == nil {
			break
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
	s.PID = 0
	s.Reap()
	return ws
}

func TestAlone(t *testing.T) {
	p := &Process{}
	p.Run.Add("chdir", unix.SYS_CHDIR, p.Run.Text("/"))
	exec(&p.Run, "/bin/sh", "-c", `test "$PWD" = / && exit 7`)
	onThread(func() {
		s, err := Start(p)
		if err != nil {
			t.Error(err)
			return
		}
		if ws := status(t, s); ws.ExitStatus() != 7 {
			t.Errorf("it ended with %v", ws)
		}
	})
}

func TestFailedCall(t *testing.T) {
	p := &Process{}
	p.Run.Add("a harmless call", unix.SYS_CHDIR, p.Run.Text("/no/such/place")).MayFail()
	p.Run.Add("go there", unix.SYS_CHDIR, p.Run.Text("/no/such/place"))
	exec(&p.Run, "/bin/true")
	onThread(func() {
		_, err := Start(p)
		var failed *Error
		if !errors.As(err, &failed) || failed.Call != "go there" || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the error is %v", err)
		}
	})
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a process is left: %v", err)
	}
}

// namespaces are those that a test can make here, with the calls that a user needs to be somebody in them.
func namespaces(t *testing.T) (uintptr, Calls) {
	t.Helper()
	flags := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC)
	if os.Geteuid() != 0 {
		flags |= unix.CLONE_NEWUSER
	}
	p := &Process{Namespaces: flags}
	onThread(func() {
		s, err := Start(p)
		if err != nil {
			t.Skipf("no namespaces here: %v", err)
		}
		status(t, s)
	})
	return flags, Calls{}
}

func TestNamespaces(t *testing.T) {
	flags, _ := namespaces(t)
	p := &Process{Namespaces: flags}
	exec(&p.Run, "/bin/sh", "-c", `test $$ = 2 || exit 3; (setsid sleep 600 &) ; exit 8`)
	onThread(func() {
		s, err := Start(p)
		if err != nil {
			t.Error(err)
			return
		}
		if s.Idle == 0 {
			t.Error("nothing is idle")
		}
		if ws := status(t, s); ws.ExitStatus() != 8 {
			t.Errorf("it ended with %v", ws)
		}
	})
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		if line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline"); string(line) == "sleep\x00600\x00" {
			t.Errorf("process %s is left", e.Name())
		}
	}
}

func TestResults(t *testing.T) {
	p := &Process{}
	fd := int32(-1)
	p.Run.Add("open", unix.SYS_OPENAT, uintptr(^uint(99)), p.Run.Text("/"), unix.O_PATH).Store(&fd)
	p.Run.Add("go there", unix.SYS_FCHDIR).From(0, &fd)
	exec(&p.Run, "/bin/sh", "-c", `test "$(pwd)" = /`)
	onThread(func() {
		s, err := Start(p)
		if err != nil {
			t.Error(err)
			return
		}
		if ws := status(t, s); ws != 0 {
			t.Errorf("it ended with %v", ws)
		}
	})
}

// TestBusyParent starts processes while other goroutines allocate and move their stacks.
func TestBusyParent(t *testing.T) {
	flags, _ := namespaces(t)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			var sink []string
			for {
				select {
				case <-stop:
					return
				default:
					sink = append(sink[:len(sink)%100], strings.Repeat("x", 1000))
				}
			}
		})
	}
	var starts sync.WaitGroup
	for i := range 40 {
		starts.Go(func() {
			p := &Process{}
			if i%2 == 0 {
				p.Namespaces = flags
			}
			exec(&p.Run, "/bin/true")
			onThread(func() {
				s, err := Start(p)
				if err != nil {
					t.Error(err)
					return
				}
				if ws := status(t, s); ws != 0 {
					t.Errorf("it ended with %v", ws)
				}
			})
		})
	}
	starts.Wait()
	close(stop)
	busy.Wait()
}
