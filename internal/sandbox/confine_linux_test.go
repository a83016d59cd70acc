package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/egress"
)

func needKernel(t *testing.T) {
	t.Helper()
	if s := Probe(); s.Level != LevelEnforced {
		t.Skipf("this kernel does not enforce everything: %s", strings.Join(s.Missing, "; "))
	}
}

// confinement grants what the test binary needs to run at all.
func confinement(t *testing.T) *Confinement {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Confinement{
		Read:        []string{self, "/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"},
		Write:       []string{"/dev/null"},
		PrivateTemp: true,
	}
}

// try lets a confined child try things and returns how each went.
func try(t *testing.T, c *Confinement, attempts map[string]attempt) map[string]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(attempts)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(Spec{
		Path: self, Confine: c,
		Env: MinimalEnv(os.Environ(), map[string]string{modeVariable: "attempts", attemptsVariable: string(text)}),
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(Ladder{})
	if _, err := p.Stdin().WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	results := map[string]string{}
	if err := json.NewDecoder(p.Stdout()).Decode(&results); err != nil {
		<-p.Exited()
		t.Fatalf("the child ended (%s): %s", p.ExitText(), strings.Join(p.Stderr(), "\n"))
	}
	return results
}

// check tries everything and compares: what is in allowed must go well, the rest must fail.
func check(t *testing.T, c *Confinement, allowed, denied map[string]attempt) {
	t.Helper()
	all := map[string]attempt{}
	for name, a := range allowed {
		all["may "+name] = a
	}
	for name, a := range denied {
		all["must not "+name] = a
	}
	for name, result := range try(t, c, all) {
		switch may := strings.HasPrefix(name, "may "); {
		case may && result != "ok":
			t.Errorf("%s: %s", name, result)
		case !may && result == "ok":
			t.Errorf("%s: it did", name)
		case !may && !denial(result):
			t.Errorf("%s: it failed for another reason: %s", name, result)
		}
	}
}

// denial reports whether an error is one that the sandbox gives.
func denial(text string) bool {
	for _, errno := range []unix.Errno{
		unix.EACCES, unix.EPERM, unix.EXDEV, unix.ENOSYS, unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EROFS, unix.ESRCH,
		unix.ECONNREFUSED, unix.ENETUNREACH, // in a network of its own
	} {
		if strings.Contains(strings.ToLower(text), errno.Error()) {
			return true
		}
	}
	// A process that it cannot see is not there.
	return strings.Contains(text, "/proc/") && strings.Contains(text, unix.ENOENT.Error())
}

// tree makes a granted directory and a secret beside it.
func tree(t *testing.T) (granted, secret string) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	granted, secret = filepath.Join(base, "granted"), filepath.Join(base, ".ssh", "id_rsa")
	for _, dir := range []string{granted, filepath.Dir(secret), filepath.Join(base, "readable"), filepath.Join(base, "granted-not")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{secret, filepath.Join(granted, "a"), filepath.Join(granted, "m"), filepath.Join(base, "readable", "r"), filepath.Join(base, "granted-not", "n")} {
		if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(granted, "link")); err != nil {
		t.Fatal(err)
	}
	return granted, secret
}

func TestFiles(t *testing.T) {
	needKernel(t)
	granted, secret := tree(t)
	base := filepath.Dir(granted)
	c := confinement(t)
	c.Read = append(c.Read, filepath.Join(base, "readable"))
	c.Write = append(c.Write, granted)
	check(t, c, map[string]attempt{
		"read granted":       {"read", granted + "/a"},
		"list granted":       {"list", granted},
		"write granted":      {"write", granted + "/b"},
		"rename granted":     {"rename", granted + "/m", granted + "/c"},
		"read readable":      {"read", base + "/readable/r"},
		"run a program":      {"exec", "/bin/true"},
		"write to /dev/null": {"write", "/dev/null"},
	}, map[string]attempt{
		"read a secret":             {"read", secret},
		"list a secret's folder":    {"list", filepath.Dir(secret)},
		"read by ..":                {"read", granted + "/../.ssh/id_rsa"},
		"read by a link":            {"read", granted + "/link"},
		"read by a new link":        {"symlink-read", secret, granted + "/new-link"},
		"read by a hard link":       {"link", secret, granted + "/hard"},
		"move a secret in":          {"rename", secret, granted + "/moved"},
		"read by /proc/self/root":   {"read", "/proc/self/root" + secret},
		"read by /proc/self/cwd":    {"read", "/proc/self/cwd/sandbox.go"},
		"read by /proc/1/root":      {"read", "/proc/1/root" + secret},
		"read by another program":   {"shell", "/bin/cat " + secret},
		"read what looks granted":   {"read", base + "/granted-not/n"},
		"read /etc/shadow":          {"read", "/etc/shadow"},
		"read another's variables":  {"read", "/proc/1/environ"},
		"read another's arguments":  {"read", "/proc/" + strconv.Itoa(os.Getpid()) + "/cmdline"},
		"read another's memory":     {"read", "/proc/" + strconv.Itoa(os.Getpid()) + "/mem"},
		"read this one's variables": {"read", "/proc/" + strconv.Itoa(os.Getpid()) + "/environ"},
		"write outside":             {"write", base + "/x"},
		"write readable":            {"write", base + "/readable/r"},
		"truncate readable":         {"truncate", base + "/readable/r"},
		"remove readable":           {"remove", base + "/readable/r"},
		"write by a link":           {"write", granted + "/link"},
		"write a program":           {"write", "/usr/bin/env"},
		"make a device":             {"mknod", granted + "/null"},
		"write a kernel setting":    {"write", "/proc/sys/kernel/core_pattern"},
	})
	if data, _ := os.ReadFile(secret); string(data) != "content" {
		t.Errorf("the secret is now %q", data)
	}
}

func TestCalls(t *testing.T) {
	needKernel(t)
	granted, _ := tree(t)
	c := confinement(t)
	c.Write = append(c.Write, granted)
	c.Limits.Files = 512
	pid := strconv.Itoa(os.Getpid())
	denied := map[string]attempt{
		"trace a process": {"ptrace", pid}, "read its memory": {"vm_readv", pid}, "take its files": {"pidfd_getfd"},
		"signal it": {"signal", pid}, "mount": {"mount", granted}, "unmount": {"umount", "/proc"}, "chroot": {"chroot", granted},
		"make a user namespace": {"unshare", strconv.Itoa(unix.CLONE_NEWUSER)}, "make a mount namespace": {"unshare", strconv.Itoa(unix.CLONE_NEWNS)},
		"make a net namespace": {"unshare", strconv.Itoa(unix.CLONE_NEWNET)}, "clone into one": {"clone-user"}, "clone3": {"clone3"}, "enter one": {"setns"},
		"bpf": {"bpf"}, "keyctl": {"keyctl"}, "userfaultfd": {"userfaultfd"}, "io_uring": {"io_uring"}, "perf": {"perf"},
		"open by handle": {"handle"}, "load a module": {"init_module"}, "reboot": {"reboot"}, "type into a terminal": {"tiocsti"},
	}
	allowed := map[string]attempt{
		"not gain privileges":     {"new-privileges"},
		"not dump core":           {"limit", strconv.Itoa(unix.RLIMIT_CORE), "0"},
		"not open too many files": {"limit", strconv.Itoa(unix.RLIMIT_NOFILE), "512"},
		"not fill the disk":       {"limit", strconv.Itoa(unix.RLIMIT_FSIZE), strconv.Itoa(16 << 30)},
		"leave nothing unshared":  {"unshare", strconv.Itoa(unix.CLONE_FS)},
		"start a shell's child":   {"shell", "/bin/echo a | /bin/cat"},
	}
	for _, capability := range []int{unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_DAC_READ_SEARCH, unix.CAP_SYS_MODULE} {
		if os.Geteuid() == 0 {
			allowed[fmt.Sprintf("have no capability %d", capability)] = attempt{"capability", strconv.Itoa(capability)}
		}
	}
	check(t, c, allowed, denied)
}

func TestForeignCallsEndTheProcess(t *testing.T) {
	needKernel(t)
	self, _ := os.Executable()
	p, err := Start(Spec{Path: self, Confine: confinement(t), Env: []string{
		modeVariable + "=attempts", attemptsVariable + `={"x32":["seccomp-arch"]}`,
	}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(Ladder{})
	p.CloseInput()
	<-p.Exited()
	if got := p.ExitText(); got != "signal: bad system call" && got != "signal: bad system call (core dumped)" {
		t.Skipf("the architecture has no foreign calls: %s", got)
	}
}

// listener accepts TCP connections on the local machine.
func listener(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return l
}

func TestNetwork(t *testing.T) {
	needKernel(t)
	first, second := listener(t, "tcp", "127.0.0.1:0"), listener(t, "tcp", "127.0.0.1:0")
	local := listener(t, "unix", filepath.Join(t.TempDir(), "s"))
	abstract := listener(t, "unix", fmt.Sprintf("@toolserve-test-%d", os.Getpid()))
	port := uint16(first.Addr().(*net.TCPAddr).Port)
	socket := func(family, kind, protocol int) attempt {
		return attempt{"socket", strconv.Itoa(family), strconv.Itoa(kind), strconv.Itoa(protocol)}
	}
	granted, other := attempt{"tcp", first.Addr().String()}, attempt{"tcp", second.Addr().String()}
	udp, listen := attempt{"udp", "127.0.0.1:53"}, attempt{"listen", "127.0.0.1:0"}
	unixPath, unixName := attempt{"unix", local.Addr().String()}, attempt{"unix", abstract.Addr().String()}
	raw, packet := socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP), socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	vsock, mptcp := socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0), socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	fast := attempt{"fastopen", second.Addr().String()}
	never := map[string]attempt{"raw": raw, "packet": packet, "vsock": vsock, "mptcp": mptcp}
	with := func(more map[string]attempt) map[string]attempt {
		for name, a := range never {
			more[name] = a
		}
		return more
	}
	tests := map[string]struct {
		network         Network
		allowed, denied map[string]attempt
	}{
		"none": {Network{}, nil, with(map[string]attempt{"tcp": granted, "udp": udp, "unix": unixPath, "abstract": unixName, "listen": listen, "fast": fast})},
		"port": {
			Network{Ports: []uint16{port}}, map[string]attempt{"tcp": granted},
			with(map[string]attempt{"another port": other, "fast open": fast, "udp": udp, "unix": unixPath, "abstract": unixName, "listen": listen}),
		},
		"port and dns": {
			Network{Ports: []uint16{port}, DNS: true}, map[string]attempt{"tcp": granted, "udp": udp},
			with(map[string]attempt{"another port": other, "unix": unixPath}),
		},
		"all": {
			Network{All: true}, map[string]attempt{"tcp": granted, "another": other, "udp": udp, "listen": listen},
			with(map[string]attempt{"unix": unixPath, "abstract": unixName}),
		},
		"unix": {Network{Unix: true}, map[string]attempt{"unix": unixPath, "abstract": unixName}, with(map[string]attempt{"tcp": granted, "udp": udp})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := confinement(t)
			c.Network = test.network
			check(t, c, test.allowed, test.denied)
		})
	}
}

func TestPrivateTemp(t *testing.T) {
	needKernel(t)
	t.Setenv("TMPDIR", t.TempDir())
	c := confinement(t)
	c.TempFiles = []TempFile{{Name: "settings", Variable: "TEST_FILE", Data: []byte("settings")}}
	check(t, c, map[string]attempt{"use it": {"temp"}}, map[string]attempt{"use the shared one": {"list", os.TempDir()}})
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestSharedMemory(t *testing.T) {
	needKernel(t)
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Skip("there is no /dev/shm")
	}
	name := fmt.Sprintf("/dev/shm/toolserve-test-%d", os.Getpid())
	c := confinement(t)
	check(t, c, nil, map[string]attempt{"make": {"write", name}})
	c.SharedMemory = true
	may, mustNot := map[string]attempt{"make": {"write", name}}, map[string]attempt{"list": {"list", "/dev/shm"}}
	if Probe().Namespaces != nil { // it has one of its own
		may, mustNot = map[string]attempt{"make": {"write", name}, "list": {"list", "/dev/shm"}}, nil
	}
	check(t, c, may, mustNot)
	if _, err := os.Stat(name); err == nil && mustNot == nil {
		t.Error("what it shares is seen outside")
	}
	os.Remove(name)
}

func TestThisProcessStaysFree(t *testing.T) {
	needKernel(t)
	_, secret := tree(t)
	for range 8 {
		try(t, confinement(t), map[string]attempt{"x": {"new-privileges"}})
	}
	// The threads end a little after what they started.
	for restricted := 1; restricted > 0; time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		restricted = 0
		for _, task := range entries {
			status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
			if err == nil && !strings.Contains(string(status), "NoNewPrivs:\t0") {
				restricted++
			}
		}
	}
	if _, err := os.ReadFile(secret); err != nil {
		t.Error(err)
	}
}

func TestRequire(t *testing.T) {
	c := confinement(t)
	c.Require = true
	c.Unenforceable = []string{"allowedDomains example.com"}
	_, err := Start(Spec{Path: "/bin/true", Confine: c}, Options{})
	var unavailable *UnavailableError
	if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), "example.com") {
		t.Errorf("it started, or failed with %v", err)
	}
	c.Require = false
	p, err := Start(Spec{Path: "/bin/true", Confine: c}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop(Ladder{})
	if r := p.Report(); r.Level == LevelEnforced || len(r.Missing) == 0 {
		t.Errorf("the report is %+v", r)
	}
}

func BenchmarkStart(b *testing.B) {
	self, _ := os.Executable()
	confined := &Confinement{Read: []string{self, "/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}, PrivateTemp: true}
	hosts := *confined
	hosts.Network.Hosts = &egress.Options{}
	for name, c := range map[string]*Confinement{"free": nil, "confined": confined, "hosts": &hosts} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := Start(Spec{Path: "/bin/true", Confine: c}, Options{})
				if err != nil {
					b.Fatal(err)
				}
				<-p.Exited()
				p.Stop(Ladder{})
			}
		})
	}
}
