package sandbox

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// outside is what an escape would reach.
type outside struct {
	granted, secret, readable string
	tcp, unix, abstract       net.Listener
	udp                       net.PacketConn
	shared                    int // the key of memory of System V
}

func newOutside(t *testing.T) outside {
	t.Helper()
	o := outside{shared: 0x70000000 + os.Getpid()}
	o.granted, o.secret = tree(t)
	o.readable = filepath.Join(filepath.Dir(o.granted), "readable", "r")
	o.tcp = listener(t, "tcp", "127.0.0.1:0")
	o.unix = listener(t, "unix", filepath.Join(t.TempDir(), "s"))
	o.abstract = listener(t, "unix", fmt.Sprintf("@toolserve-escape-%d", os.Getpid()))
	var err error
	if o.udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.udp.Close() })
	id, err := unix.SysvShmGet(o.shared, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
	return o
}

// escapes are what any program of the same user can do outside of a sandbox.
func (o outside) escapes() map[string]attempt {
	pid := strconv.Itoa(os.Getpid())
	return map[string]attempt{
		"read a secret": {"read", o.secret}, "list its folder": {"list", filepath.Dir(o.secret)}, "write beside it": {"write", o.secret + ".pub"},
		"read it by a race": {"race", o.granted, o.secret}, "read it with a program in memory": {"memfd", o.secret},
		"read it with a shell": {"shell", "cat " + o.secret}, "link to it": {"symlink-read", o.secret, o.granted + "/l"},
		"change its mode": {"chmod", o.secret}, "change its owner": {"chown", o.secret}, "change its date": {"utimes", o.secret},
		"change what may be read": {"chmod", o.readable}, "date what may be read": {"utimes", o.readable},
		"connect by TCP": {"tcp", o.tcp.Addr().String()}, "send by UDP": {"udp", o.udp.LocalAddr().String()},
		"connect to a socket": {"unix", o.unix.Addr().String()}, "connect to a name": {"unix", o.abstract.Addr().String()},
		"signal a process": {"signal", pid}, "signal it by a descriptor": {"pidfd", pid}, "limit it": {"prlimit", pid},
		"set its priority": {"priority", pid}, "bind it to a processor": {"affinity", pid},
		"read its variables": {"read", "/proc/" + pid + "/environ"}, "read its arguments": {"read", "/proc/" + pid + "/cmdline"},
		"attach shared memory": {"shm", strconv.Itoa(o.shared)},
	}
}

// never are what no MCP server may do, and what its user may not always do.
func (o outside) never() map[string]attempt {
	pid := strconv.Itoa(os.Getpid())
	return map[string]attempt{
		"trace a process": {"ptrace", pid}, "io_uring": {"io_uring"}, "mount": {"mount", o.granted}, "keyctl": {"keyctl"},
		"make a user namespace": {"unshare", strconv.Itoa(unix.CLONE_NEWUSER)}, "enter a namespace": {"setns"}, "bpf": {"bpf"},
		"make a device": {"mknod", o.granted + "/dev"}, "write a kernel setting": {"write", "/proc/sys/kernel/core_pattern"},
		"remount": {"umount", "/proc"}, "a raw socket": {"socket", "2", "3", "1"},
	}
}

// TestEscapes lets a child try to get out at each level: without a sandbox it can, so the attempts are real.
func TestEscapes(t *testing.T) {
	needKernel(t)
	o := newOutside(t)
	t.Run("off", func(t *testing.T) { check(t, nil, o.escapes(), nil) })
	for name, network := range map[string]Network{"best-effort": {}, "require": {}, "require some hosts": reach(t, "allowed.test")} {
		t.Run(name, func(t *testing.T) {
			c := confinement(t)
			c.Read, c.Write, c.Require, c.Network = append(c.Read, o.readable), append(c.Write, o.granted), name != "best-effort", network
			denied := o.escapes()
			if network.Hosts != nil {
				denied = o.waysPast()
			}
			for name, a := range o.never() {
				denied[name] = a
			}
			os.Remove(filepath.Join(o.granted, "l"))
			check(t, c, map[string]attempt{"have no new privileges": {"new-privileges"}}, denied)
		})
	}
	if data, err := os.ReadFile(o.secret); err != nil || string(data) != "content" {
		t.Errorf("the secret is now %q, %v", data, err)
	}
}

// TestDenialsWithANetwork is the same with a network, where fewer namespaces and calls are closed.
func TestDenialsWithANetwork(t *testing.T) {
	needKernel(t)
	o := newOutside(t)
	c := confinement(t)
	c.Read, c.Write, c.Network = append(c.Read, o.readable), append(c.Write, o.granted), Network{All: true}
	denied, allowed := o.escapes(), map[string]attempt{}
	for _, name := range []string{"connect by TCP", "send by UDP"} {
		allowed[name] = denied[name]
		delete(denied, name)
	}
	check(t, c, allowed, denied)
}

// TestWithoutNamespaces runs a sandbox inside of one, where the kernel gives no namespaces: files stay closed,
// and what is missing is said.
func TestWithoutNamespaces(t *testing.T) {
	needKernel(t)
	granted, secret := tree(t)
	c := confinement(t)
	c.Read, c.Write = append(c.Read, secret), append(c.Write, granted)
	check(t, c, map[string]attempt{
		"confine a child": {"nested", granted + "/a", secret}, "end a process that left its group": {"nested-daemon", granted},
	}, nil)
}

// TestInheritedFiles opens a file as a library in C would, which a child of an ordinary start inherits.
func TestInheritedFiles(t *testing.T) {
	needKernel(t)
	_, secret := tree(t)
	fd, err := unix.Open(secret, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 200) // out of the way of the child's own
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(high)
	read := map[string]attempt{"read it": {"descriptor", strconv.Itoa(high)}}
	check(t, nil, read, nil)
	check(t, confinement(t), nil, read)
}

func TestProcShowsItself(t *testing.T) {
	needKernel(t)
	c := confinement(t)
	check(t, c, map[string]attempt{
		"read its own status": {"read", "/proc/self/status"}, "read its own memory use": {"read", "/proc/self/statm"},
		"see no other":           {"shell", `for p in /proc/[0-9]*; do test -r $p/status && echo "$(cat $p/comm 2>/dev/null)"; done | grep -v -e sh -e cat -e grep -e pause -e test | (! grep .)`},
		"read about the machine": {"read", "/proc/meminfo"},
	}, map[string]attempt{"write about the machine": {"write", "/proc/sys/vm/drop_caches"}})
}

func TestLimits(t *testing.T) {
	needKernel(t)
	granted, _ := tree(t)
	c := confinement(t)
	c.Write = append(c.Write, granted)
	c.Limits = Limits{Memory: 1 << 30, Processes: 60, FileSize: 1 << 20, Files: 300}
	results := try(t, c, map[string]attempt{
		"memory": {"memory", strconv.Itoa(2 << 30)}, "less memory": {"memory", strconv.Itoa(64 << 20)},
		"file": {"big-file", granted + "/big"}, "files": {"limit", strconv.Itoa(unix.RLIMIT_NOFILE), "300"},
	})
	if !strings.Contains(results["memory"], unix.ENOMEM.Error()) || results["less memory"] != "ok" ||
		!strings.Contains(results["file"], unix.EFBIG.Error()) || results["files"] != "ok" {
		t.Errorf("%q", results)
	}
	c.Limits.Files = 0
	results = try(t, c, map[string]attempt{"processes": {"fork", "420"}})
	if !strings.Contains(results["processes"], unix.EAGAIN.Error()) {
		t.Errorf("420 processes: %q", results)
	}
	c.Limits.Processes = 0
	if results = try(t, c, map[string]attempt{"processes": {"fork", "420"}}); results["processes"] != "ok" {
		t.Errorf("420 processes under the default: %q", results)
	}
}

// TestDaemonEndsWithItsServer starts a process that leaves group and session, which a stop has to find.
func TestDaemonEndsWithItsServer(t *testing.T) {
	needKernel(t)
	granted, _ := tree(t)
	c := confinement(t)
	c.Write = append(c.Write, granted)
	beat := filepath.Join(granted, "beat")
	p, err := Start(Spec{Path: "/bin/sh", Confine: c, Env: MinimalEnv(os.Environ(), nil), Args: []string{"-c",
		`setsid /bin/sh -c 'trap "" TERM; while :; do date +%N >` + beat + `; sleep 0.01; done' </dev/null >/dev/null 2>&1 & echo started; read x`}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(p.Stdout()).ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	for {
		if _, err := os.Stat(beat); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	p.Stop(Ladder{})
	before, _ := os.ReadFile(beat)
	time.Sleep(100 * time.Millisecond)
	if after, _ := os.ReadFile(beat); string(before) != string(after) {
		t.Error("it still runs")
	}
}

// TestTerminate stops a confined child that does nothing about signals: it must end by the first.
func TestTerminate(t *testing.T) {
	needKernel(t)
	p, err := Start(Spec{Path: "/bin/sleep", Args: []string{"600"}, Confine: confinement(t)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop(Ladder{CloseWait: time.Millisecond, TermWait: time.Minute})
	if got := p.ExitText(); got != "signal: terminated" {
		t.Errorf("it ended with %q", got)
	}
	if err := syscall.Kill(p.group.idle, 0); p.group.idle != 0 && err == nil {
		t.Error("the idle process is left")
	}
}

func TestConfinedStartFails(t *testing.T) {
	c := confinement(t)
	for _, spec := range []Spec{
		{Path: "no-such-program-anywhere"}, {Path: "/etc/passwd"}, {Path: "/bin/true", Dir: "/no/such/place"}, {Path: "/no/such/program"},
	} {
		spec.Confine = c
		p, err := Start(spec, Options{})
		if err == nil {
			p.Stop(Ladder{})
			t.Errorf("%+v was started", spec)
		} else if !os.IsNotExist(err) && !os.IsPermission(err) && !strings.Contains(err.Error(), "not found") {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}
