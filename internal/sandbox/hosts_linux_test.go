package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/sandbox/egress"
)

// askProxy sends a request as it is to the proxy of the environment, and fails unless the answer is 200.
func askProxy(request string) error {
	proxy, err := url.Parse(os.Getenv("HTTPS_PROXY"))
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", proxy.Host)
	if err != nil {
		return fmt.Errorf("no proxy: %w", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy: %s", resp.Status)
	}
	return nil
}

// fetch reads a page as an ordinary program does.
func fetch(address string) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || string(body) != "page") {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

// reach is a network where each name leads to this machine.
func reach(t *testing.T, allow ...string) Network {
	t.Helper()
	opts := &egress.Options{
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		CheckAddr: func(host string, _ netip.AddrPort) error {
			if strings.HasPrefix(host, "inside.") {
				return errors.New("it leads inside")
			}
			return nil
		},
	}
	for _, text := range allow {
		p, err := egress.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		opts.Rules.Allow = append(opts.Rules.Allow, p)
	}
	return Network{Hosts: opts}
}

func pages(t *testing.T) (port string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") }))
	t.Cleanup(server.Close)
	return server.URL[strings.LastIndexByte(server.URL, ':'):]
}

// waysAround are what a process tries that may reach some hosts alone.
func (o outside) waysAround(port string) map[string]attempt {
	connect := func(target string) attempt {
		return attempt{"ask", "CONNECT " + target + " HTTP/1.1\r\nHost: allowed.test\r\n\r\n"}
	}
	get := func(target, host string) attempt {
		return attempt{"ask", "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"}
	}
	loopback := o.tcp.Addr().String()
	return map[string]attempt{
		"another host": connect("other.test" + port), "metadata": connect("169.254.169.254:80"), "this machine": connect(loopback),
		"this machine by name": connect("localhost" + port), "this machine by IPv6": connect("[::1]" + port), "a number": connect("2130706433" + port),
		"a mapped address": connect("[::ffff:127.0.0.1]" + port), "a name that leads inside": connect("inside.allowed.test" + port),
		"credentials": connect("allowed.test@other.test" + port), "a fragment": connect("other.test" + port + "#.allowed.test" + port),
		"a NUL": connect("other.test%00.allowed.test" + port), "no port": connect("allowed.test"), "two ports": connect("allowed.test" + port + port),
		"a longer name": connect("allowed.test.other.test" + port), "a page of another host": get("http://other.test"+port+"/", "allowed.test"),
		"a page of metadata": get("http://169.254.169.254/", "allowed.test"), "the host in a header": get("/", "allowed.test"+port),
		"a file": get("file:///etc/passwd", "allowed.test"), "two hosts": get("http://allowed.test"+port+"@other.test/", "allowed.test"),
	}
}

// waysPast are the escapes of a process that may reach some hosts alone, those past the proxy included.
func (o outside) waysPast() map[string]attempt {
	past := o.escapes()
	for name, a := range map[string]attempt{
		"an address": {"tcp", "192.0.2.1:443"}, "this machine": {"tcp", o.tcp.Addr().String()}, "its IPv6": {"tcp", "[::1]:22"},
		"a public IPv6": {"tcp", "[2001:db8::1]:443"}, "DNS": {"udp", "192.0.2.53:53"}, "DNS over TCP": {"tcp", "192.0.2.53:53"},
		"a first packet": {"fastopen", o.tcp.Addr().String()}, "vsock": {"socket", "40", "1", "0"},
		"packets": {"socket", "17", "3", "0"}, "a network of its own": {"unshare", "1073741824"},
	} {
		past[name] = a
	}
	return past
}

// TestHosts gives a child some hosts, which it reaches by the proxy, and lets it try the ways around.
func TestHosts(t *testing.T) {
	needKernel(t)
	o, port := newOutside(t), pages(t)
	c := confinement(t)
	c.Read, c.Write, c.Require = append(c.Read, o.readable), append(c.Write, o.granted), true
	c.Network = reach(t, "allowed.test", "*.allowed.test", "a.pinned.test:1")
	check(t, c, map[string]attempt{
		"read a page":               {"fetch", "http://allowed.test" + port},
		"read one beneath":          {"fetch", "http://a.b.allowed.test" + port},
		"make a tunnel":             {"ask", "CONNECT allowed.test" + port + " HTTP/1.1\r\nHost: x\r\n\r\n"},
		"talk to itself":            {"listen", "127.0.0.1:0"},
		"name the host in any case": {"ask", "CONNECT ALLOWED.test." + port + " HTTP/1.1\r\nHost: x\r\n\r\n"},
	}, nil)
	results := try(t, c, o.waysAround(port))
	for name, result := range results {
		if !strings.HasPrefix(result, "the proxy: 403 ") && !strings.HasPrefix(result, "the proxy: 400 ") {
			t.Errorf("%s: %s", name, result)
		}
	}
}

// TestRefusedHostsAreTold starts a child that asks for a host which it may not reach.
func TestRefusedHostsAreTold(t *testing.T) {
	needKernel(t)
	port := pages(t)
	c := confinement(t)
	c.Network = reach(t, "allowed.test")
	var told []string
	c.Network.Hosts.OnRefused = func(target, reason string) { told = append(told, target) }
	self, _ := os.Executable()
	p, err := Start(Spec{Path: self, Confine: c, Env: []string{
		modeVariable + "=attempts", attemptsVariable + `={"x":["fetch","http://other.test` + port + `/"]}`,
	}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.CloseInput()
	<-p.Exited()
	p.Stop(Ladder{})
	if want := []string{"other.test" + port}; !slices.Equal(p.Refused(), want) || !slices.Equal(told, want) {
		t.Errorf("refused are %q, told were %q", p.Refused(), told)
	}
}

func TestProxyVariables(t *testing.T) {
	own := &exit{address: gateAddress}
	if env := own.env(); env["NO_PROXY"] != "localhost,127.0.0.1,::1" || env["https_proxy"] != "http://127.0.0.1:3128" {
		t.Errorf("%q", env)
	}
	own.options = *reach(t, "localhost:11434").Hosts
	if env := own.env(); env["NO_PROXY"] != "" {
		t.Errorf("this machine is allowed, and not asked for by the proxy: %q", env)
	}
	own.options.Password = "p"
	if env := own.env(); env["HTTP_PROXY"] != "http://toolserve:p@127.0.0.1:3128" {
		t.Errorf("%q", env)
	}
}

// nestedHosts starts a sandbox with some hosts where no namespaces can be made: the proxy is the only way for who
// asks for names, and the port of it the only one.
func nestedHosts(self, page, other string) error {
	allow, err := egress.ParsePattern("allowed.test")
	if err != nil {
		return err
	}
	c := &Confinement{Read: []string{self, "/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}, Network: Network{Hosts: &egress.Options{
		Rules: egress.Rules{Allow: []egress.Pattern{allow}}, CheckAddr: func(string, netip.AddrPort) error { return nil },
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	}}}
	attempts, _ := json.Marshal(map[string]attempt{
		"may reach the host": {"fetch", "http://allowed.test" + page}, "reach another": {"fetch", "http://other.test" + page},
		"reach a port": {"tcp", other}, "send": {"udp", "127.0.0.1:53"}, "use the proxy without its password": {"ask", "CONNECT allowed.test" + page + " HTTP/1.1\r\nHost: x\r\n\r\n"},
	})
	p, err := Start(Spec{Path: self, Confine: c, Env: []string{modeVariable + "=attempts", attemptsVariable + "=" + string(attempts)}}, Options{})
	if err != nil {
		return err
	}
	defer p.Stop(Ladder{})
	p.CloseInput()
	results := map[string]string{}
	if err := json.NewDecoder(p.Stdout()).Decode(&results); err != nil {
		return err
	}
	for name, result := range results {
		if strings.HasPrefix(name, "may ") != (result == "ok") {
			return fmt.Errorf("%s: %s", name, result)
		}
	}
	if r := p.Report(); r.Level != LevelPartial || !strings.Contains(strings.Join(r.Missing, ";"), "at the port of the proxy") || len(results) != 5 {
		return fmt.Errorf("the report is %+v of %q", r, results)
	}
	c.Require = true
	if p, err := Start(Spec{Path: "/bin/true", Confine: c}, Options{}); err == nil {
		p.Stop(Ladder{})
		return errors.New("it was started although hosts cannot be enforced")
	}
	return nil
}

// TestHostsWithoutNamespaces runs that inside of a sandbox with a network.
func TestHostsWithoutNamespaces(t *testing.T) {
	needKernel(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := confinement(t)
	c.Network = Network{All: true}
	check(t, c, map[string]attempt{"hold a child to its hosts": {"nested-hosts", self, pages(t), listener(t, "tcp", "127.0.0.1:0").Addr().String()}}, nil)
}
