package profile_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/internal/sandbox/egress"
	"github.com/toolserve/toolserve/internal/sandbox/profile"
)

// run starts a program as a server with some hosts would be, and returns what it printed, and the hosts that it
// was refused.
func run(t *testing.T, hosts egress.Options, command string, args ...string) (printed string, refused []string) {
	t.Helper()
	environ := sandbox.MinimalEnv(os.Environ(), nil)
	p := profile.New(profile.Server{Command: command, Args: args, Environ: environ},
		profile.Settings{Require: true, Network: &sandbox.Network{Hosts: &hosts}})
	process, err := sandbox.Start(sandbox.Spec{Path: command, Args: args, Env: environ, Confine: &p.Confinement}, sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer process.Stop(sandbox.Ladder{})
	process.CloseInput()
	out, err := io.ReadAll(process.Stdout())
	if err != nil {
		t.Fatal(err)
	}
	<-process.Exited()
	return string(out) + strings.Join(process.Stderr(), "\n"), process.Refused()
}

// newNode reports whether a program is a node whose fetch reads the variables of a proxy.
func newNode(path string) bool {
	out, err := exec.Command(path, "--version").Output()
	var major, minor int
	_, scanErr := fmt.Sscanf(string(out), "v%d.%d", &major, &minor)
	return err == nil && scanErr == nil && (major == 22 && minor >= 21 || major == 24 && minor >= 5 || major > 24)
}

// client finds a program, or one that a variable of the tests names.
func client(name string) string {
	if path := os.Getenv("TOOLSERVE_TEST_PYTHON"); name == "python3" && path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	for _, variable := range []string{"TOOLSERVE_TEST_CONFORMANCE", "TOOLSERVE_TEST_CONFORMANCE_NEXT"} {
		if name == "node" && (err != nil || !newNode(path)) && os.Getenv(variable) != "" {
			path, err = filepath.Join(os.Getenv(variable), ".bin", "node"), nil
		}
	}
	if err != nil || name == "node" && !newNode(path) {
		return ""
	}
	return path
}

// TestClients lets the clients of some languages fetch pages of a host that they may reach, and of one that
// they may not, and go around the proxy.
func TestClients(t *testing.T) {
	if support := sandbox.Probe(); support.Level != sandbox.LevelEnforced {
		t.Skipf("the sandbox is not enforced here: %v", support.Missing)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the page") })
	plain, secure := httptest.NewServer(page), httptest.NewTLSServer(page)
	defer plain.Close()
	defer secure.Close()
	allowed, err := egress.ParsePattern("allowed.test")
	if err != nil {
		t.Fatal(err)
	}
	hosts := egress.Options{
		Rules: egress.Rules{Allow: []egress.Pattern{allowed}},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		CheckAddr: func(string, netip.AddrPort) error { return nil },
	}
	urllib := []string{"-c", "import sys,ssl,urllib.request\nprint(urllib.request.urlopen(sys.argv[1], timeout=60, context=ssl._create_unverified_context()).read())"}
	for _, c := range []struct {
		name, command string
		args          []string
		direct        []string // the same without the proxy
	}{
		{"curl", "curl", []string{"-sSkf", "--max-time", "60"}, []string{"-sSkf", "--max-time", "60", "--noproxy", "*"}},
		{"urllib", "python3", urllib, []string{"-c", "import sys,urllib.request as u\nprint(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=60).read())"}},
		{"requests", "python3", []string{"-W", "ignore", "-c", "import sys,requests\nr = requests.get(sys.argv[1], verify=False, timeout=60)\nr.raise_for_status()\nprint(r.text)"}, nil},
		{"httpx", "python3", []string{"-c", "import sys,httpx\nr = httpx.get(sys.argv[1], verify=False, timeout=60)\nr.raise_for_status()\nprint(r.text)"}, nil},
		{"fetch", "node", []string{"-e", "process.env.NODE_TLS_REJECT_UNAUTHORIZED='0';fetch(process.argv[1]).then(async r => { if (!r.ok) throw r.status; console.log(await r.text()) }).catch(e => { console.error(String(e.cause || e)); process.exit(1) })"}, nil},
		{"net", "node", nil, []string{"-e", "const u = new URL(process.argv[1]); require('net').connect(u.port, '127.0.0.1', () => console.log('the page')).on('error', e => console.error(String(e)))"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			command := client(c.command)
			if command == "" {
				t.Skipf("there is no %s that reads the variables of a proxy", c.command)
			}
			if c.command == "python3" && c.name != "urllib" && exec.Command(command, "-c", "import "+c.name).Run() != nil {
				t.Skipf("python has no module %s", c.name)
			}
			at := func(server *httptest.Server, host string) string {
				scheme, rest, _ := strings.Cut(server.URL, "://")
				_, port, _ := net.SplitHostPort(rest)
				return scheme + "://" + net.JoinHostPort(host, port) + "/"
			}
			for _, server := range []*httptest.Server{plain, secure} {
				if c.args == nil {
					continue
				}
				if out, _ := run(t, hosts, command, append(slices.Clone(c.args), at(server, "allowed.test"))...); !strings.Contains(out, "the page") {
					t.Errorf("it does not get the page: %s", out)
				}
				out, refused := run(t, hosts, command, append(slices.Clone(c.args), at(server, "other.test"))...)
				if strings.Contains(out, "the page") || len(refused) != 1 || !strings.HasPrefix(refused[0], "other.test:") {
					t.Errorf("another host: refused are %q: %s", refused, out)
				}
			}
			if c.direct != nil {
				if out, _ := run(t, hosts, command, append(slices.Clone(c.direct), at(plain, "127.0.0.1"))...); strings.Contains(out, "the page") {
					t.Errorf("past the proxy: %s", out)
				}
			}
		})
	}
}
