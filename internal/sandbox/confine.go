package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/sandbox/egress"
)

// Confinement is what the kernel holds a process, and all that it starts, to. The zero value allows
// it to read nothing, not even its own program, and no network.
type Confinement struct {
	// Read are absolute paths of files and directories that may be read and executed, with all that
	// is beneath them; Write are those that may be changed as well. Links are followed once, when the
	// process starts. A path that does not exist then grants nothing.
	Read, Write []string
	// Hide are absolute paths of files and directories that are not granted although they lie beneath one of
	// Read or Write. One that is itself among these is granted.
	//
	// Beneath Read, what lies beside them is granted as it is when the process starts. Beneath Write they are
	// covered, which takes namespaces, until another process puts another file in their place.
	Hide []string
	// Create are directories among Write that are made, for this user alone, where they are missing.
	Create []string
	// Network is which connections may be made.
	Network Network
	// SharedMemory allows files in /dev/shm to be made and used, but not listed: what is shared under a
	// name that cannot be guessed stays apart.
	SharedMemory bool
	// Env are further variables for the process, as NAME=value.
	Env []string
	// PrivateTemp gives the process a directory for temporary files of its own, in TMPDIR, TMP and
	// TEMP, which is removed when it ends.
	PrivateTemp bool
	// TempFiles are written into that directory.
	TempFiles []TempFile
	// Limits bound what it may use. A core dump is never written.
	Limits Limits
	// Require fails the start where a part cannot be enforced; else what can be is.
	Require bool
	// Unenforceable names what was asked for and that no kernel can enforce. It counts as missing.
	Unenforceable []string
}

// Limits bound what a process may use; 0 is the default.
type Limits struct {
	// Files bounds the open files of each process; the default is 65,536.
	Files uint64
	// FileSize bounds each file that is written, in bytes; the default is 16 GiB.
	FileSize uint64
	// Memory bounds the data of each process in bytes: what it allocates, not what it maps from files. The
	// default is half of the machine's, and at least 2 GiB.
	Memory uint64
	// Processes bounds the processes and threads of all together; the default is 1024. For root it is at least
	// 400, and may take effect up to 300 earlier.
	Processes uint64
}

func (l Limits) orDefault(machine uint64) Limits {
	l.Files = cmp.Or(l.Files, 1<<16)
	l.FileSize = cmp.Or(l.FileSize, 16<<30)
	l.Memory = cmp.Or(l.Memory, max(machine/2, 2<<30))
	l.Processes = cmp.Or(l.Processes, 1024)
	return l
}

// TempFile is a file that a process finds in its directory for temporary files.
type TempFile struct {
	// Name is the file's own name. Variable is the environment variable that holds its path, or "".
	Name, Variable string
	Data           []byte
}

// Network is which connections a process may make. The zero value is none: not even a socket can be
// opened, apart from the pairs that connect a process with its children.
type Network struct {
	// All allows every connection over IP.
	All bool
	// Ports are the ports that TCP connections may go to, at any address.
	Ports []uint16
	// DNS allows UDP, which the lookup of names needs. The kernel does not hold it to name servers.
	DNS bool
	// Unix allows sockets of the local machine, such as those of Docker or an SSH agent.
	Unix bool
	// Hosts, unless nil, replaces All, Ports and DNS: the process has a network of its own, with nothing in
	// it but a proxy that leads to the hosts that the rules name, and variables that point to it.
	Hosts *egress.Options
}

// hidden returns where the files that are to be hidden really lie, and which of them lie beneath what may be
// written.
func (c *Confinement) hidden() (all, written []string) {
	for _, path := range c.Hide {
		if slices.Contains(c.Read, path) || slices.Contains(c.Write, path) {
			continue
		}
		// What is still to be made lies in its folder.
		real, err := filepath.EvalSymlinks(path)
		if dir, dirErr := filepath.EvalSymlinks(filepath.Dir(path)); err != nil && dirErr == nil {
			real = filepath.Join(dir, filepath.Base(path))
		} else if err != nil {
			continue
		}
		all = append(all, real)
		if slices.ContainsFunc(c.Write, func(dir string) bool {
			own, err := filepath.EvalSymlinks(dir)
			return err == nil && (own == "/" || strings.HasPrefix(real, own+"/"))
		}) {
			written = append(written, real)
		}
	}
	return all, written
}

// none reports whether no connection over IP may be made.
func (n Network) none() bool { return !n.All && !n.DNS && len(n.Ports) == 0 && n.Hosts == nil }

// missingHosts is what is missing where there is no network for the process alone.
const missingHosts = "which hosts are reached: every one can be"

// withoutHosts is what is left of the rules about hosts where they cannot be enforced.
func (n Network) withoutHosts() Network { return Network{All: true, Unix: n.Unix} }

// String returns "all", "none", or what is allowed, such as "443,dns" or "example.com,*.example.org".
func (n Network) String() string {
	var parts []string
	switch {
	case n.Hosts != nil:
		parts = append(parts, n.Hosts.Rules.String())
	case n.All:
		parts = append(parts, "all")
	default:
		for _, port := range n.Ports {
			parts = append(parts, strconv.Itoa(int(port)))
		}
		if n.DNS {
			parts = append(parts, "dns")
		}
	}
	if n.Unix {
		parts = append(parts, "unix")
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ",")
}

// gatePort is where the proxy is met inside of a process's own network, in which every port is free.
const (
	gatePort    = 3128
	gateAddress = "127.0.0.1:3128"
)

// exit is the way out of a process by a proxy. Nil is none.
type exit struct {
	options  egress.Options
	listener net.Listener // nil before the process is started, where it makes it, and once it is served
	address  string       // as the process sees it
}

// serve starts the proxy.
func (e *exit) serve() *egress.Proxy {
	if e == nil {
		return nil
	}
	l := e.listener
	e.listener = nil
	return egress.Serve(l, e.options)
}

func (e *exit) close() {
	if e != nil && e.listener != nil {
		_ = e.listener.Close()
	}
}

// env returns the variables by which programs find the proxy: those that libraries for HTTP in most languages
// read, and what makes Node do so. The process's own services are reached without it, unless the rules lead to
// this machine.
func (e *exit) env() map[string]string {
	if e == nil {
		return nil
	}
	address := url.URL{Scheme: "http", Host: e.address}
	if e.options.Password != "" {
		address.User = url.UserPassword(egress.User, e.options.Password)
	}
	env := map[string]string{"NODE_USE_ENV_PROXY": "1"}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		env[name] = address.String()
	}
	direct := "localhost,127.0.0.1,::1"
	if e.options.Rules.Local() {
		direct = ""
	}
	env["NO_PROXY"], env["no_proxy"] = direct, direct
	return env
}

// The levels of confinement that can be in force.
const (
	LevelEnforced     = "enforced"      // everything that was asked for
	LevelPartial      = "partial"       // a part of it: see Report.Missing
	LevelProcessGroup = "process-group" // none of it: the process has a group of its own, no more
)

// Report says how a process is confined.
type Report struct {
	Level string
	// Landlock is the version of the kernel's interface that is in use, or 0. Seccomp says that
	// system calls are filtered.
	Landlock int
	Seccomp  bool
	// Namespaces are those that the process has of its own: "user", "mount", "pid", "ipc", "net".
	Namespaces []string
	// Missing says what was asked for and is not enforced.
	Missing []string
}

// UnavailableError is the error of a start that requires what cannot be enforced.
type UnavailableError struct{ Missing []string }

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the sandbox level \"require\" cannot be met here: not enforced: %s; set \"best-effort\", take out what cannot be enforced, or use a newer kernel",
		strings.Join(e.Missing, "; "))
}

// Preview reports how a process would be confined, without starting one.
func Preview(c *Confinement) (Report, error) {
	if c == nil {
		return Report{Level: LevelProcessGroup}, nil
	}
	plan, err := newPlan(c)
	if err != nil {
		return Report{}, err
	}
	plan.close()
	return plan.report, c.judge(plan.report)
}

// judge fails when a part that is required is missing.
func (c *Confinement) judge(r Report) error {
	if c.Require && r.Level != LevelEnforced {
		return &UnavailableError{Missing: r.Missing}
	}
	return nil
}

// Support is what this machine offers to confine processes with.
type Support struct {
	// Landlock is the version of the Linux kernel's interface, or 0.
	Landlock int
	// Seccomp says that system calls can be filtered.
	Seccomp bool
	// Namespaces are those that a process without a network can be given.
	Namespaces []string
	// Hosts says that a process can be held to named hosts.
	Hosts bool
	// Level is what a process with the usual grants would get, and Missing what it would lack.
	Level   string
	Missing []string
	// Mend says what would raise the level, or "".
	Mend string
}

// String returns the level and what it stands on, such as "enforced (Landlock 7, seccomp, namespaces mount pid net, named
// hosts)".
func (s Support) String() string {
	var parts []string
	if s.Landlock > 0 {
		parts = append(parts, fmt.Sprintf("Landlock %d", s.Landlock))
	}
	if s.Seccomp {
		parts = append(parts, "seccomp")
	}
	if len(s.Namespaces) > 0 {
		parts = append(parts, "namespaces "+strings.Join(s.Namespaces, " "))
	}
	if s.Hosts {
		parts = append(parts, "named hosts")
	}
	if parts == nil {
		return s.Level
	}
	return s.Level + " (" + strings.Join(parts, ", ") + ")"
}

// Probe looks at what this machine offers.
func Probe() Support {
	s := probe()
	report, err := Preview(&Confinement{Network: Network{All: true}})
	if err != nil {
		report = Report{Level: LevelProcessGroup, Missing: []string{err.Error()}}
	}
	s.Level, s.Missing = report.Level, report.Missing
	return s
}

var errNoDirectory = errors.New("there is no directory for temporary files")
