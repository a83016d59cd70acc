package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// proxied is a proxy on this machine. Every name leads to this machine, which CheckAddr allows, but for
// "inside.test", whose address it refuses.
type proxied struct {
	*Proxy
	address string
	lookups *[]string
}

func start(t *testing.T, opts Options) proxied {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	lookups := &[]string{}
	if opts.Lookup == nil {
		opts.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			mu.Lock()
			defer mu.Unlock()
			*lookups = append(*lookups, host)
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
	}
	if opts.CheckAddr == nil {
		opts.CheckAddr = func(host string, _ netip.AddrPort) error {
			if host == "inside.test" {
				return errors.New("it leads inside")
			}
			return nil
		}
	}
	p := Serve(l, opts)
	t.Cleanup(p.Close)
	return proxied{p, l.Addr().String(), lookups}
}

// client uses the proxy for everything.
func (p proxied) client(t *testing.T, trust *httptest.Server) *http.Client {
	t.Helper()
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: p.address})}
	if trust != nil {
		transport.TLSClientConfig = trust.Client().Transport.(*http.Transport).TLSClientConfig
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// raw sends bytes and returns the first line of the answer, and all of it.
func (p proxied) raw(t *testing.T, text string) (status, all string) {
	t.Helper()
	answers := p.pipeline(t, text, 1)
	status, _, _ = strings.Cut(answers[0], "\r\n")
	return status, answers[0]
}

// pipeline sends bytes and returns n answers.
func (p proxied) pipeline(t *testing.T, text string, n int) (answers []string) {
	t.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%.80q: %v", text, err)
		}
		all, err := httputil.DumpResponse(resp, true)
		if err != nil {
			t.Fatalf("%.80q: %v", text, err)
		}
		answers = append(answers, string(all))
	}
	return answers
}

func port(s *httptest.Server) string { return s.URL[strings.LastIndexByte(s.URL, ':'):] }

func TestAllowedHosts(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, body)
	})
	plain, secure := httptest.NewServer(page), httptest.NewTLSServer(page)
	defer plain.Close()
	defer secure.Close()
	p := start(t, Options{Rules: rules(t, "example.com", "")})
	for _, address := range []string{"http://example.com" + port(plain), "https://example.com" + port(secure)} {
		resp, err := p.client(t, secure).Post(address, "text/plain", strings.NewReader("hi"))
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "POST " + strings.SplitN(address, "//", 2)[1] + " hi"; string(body) != want {
			t.Errorf("%s: %q, not %q", address, body, want)
		}
	}
	if got := p.Refused(); len(got) != 0 {
		t.Errorf("refused are %q", got)
	}
}

func TestRefusedHosts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer server.Close()
	var told []string
	p := start(t, Options{
		Rules:     rules(t, "example.com inside.test", "secret.example.com"),
		OnRefused: func(target, reason string) { told = append(told, target+" "+reason) },
	})
	at := port(server)
	for _, host := range []string{"other.test", "secret.example.com", "127.0.0.1", "169.254.169.254", "inside.test", "localhost"} {
		for range 2 {
			if status, _ := p.raw(t, "CONNECT "+host+at+" HTTP/1.1\r\nHost: example.com\r\n\r\n"); status != "HTTP/1.1 403 Forbidden" {
				t.Errorf("CONNECT %s: %s", host, status)
			}
		}
		status, all := p.raw(t, "GET http://"+host+at+"/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
		if status != "HTTP/1.1 403 Forbidden" || !strings.Contains(all, host+at) {
			t.Errorf("GET %s: %s", host, all)
		}
	}
	if got := p.Refused(); len(got) != 6 || !slices.Contains(got, "other.test"+at) || len(told) != 6 {
		t.Errorf("refused are %q, told were %q", got, told)
	}
	if !slices.Equal(slices.Compact(*p.lookups), []string{"inside.test"}) {
		t.Errorf("names were looked up that are not allowed: %q", *p.lookups)
	}
}

// TestSmuggling asks in odd ways for what is not allowed.
func TestSmuggling(t *testing.T) {
	var mu sync.Mutex
	var hosts []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		hosts = append(hosts, r.Host+" "+r.Header.Get("Proxy-Authorization")+r.Header.Get("X-Hop"))
	}))
	defer server.Close()
	at := port(server)
	p := start(t, Options{Rules: rules(t, "example.com", "")})
	for _, text := range []string{
		"CONNECT example.com HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"CONNECT example.com@evil.test" + at + " HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"CONNECT evil.test" + at + "#example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"CONNECT /evil.test" + at + " HTTP/1.1\r\nHost: example.com" + at + "\r\n\r\n",
		"CONNECT http://example.com" + at + "/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"CONNECT example.com" + at + at + " HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"CONNECT example.com%00.evil.test" + at + " HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"CONNECT 2130706433" + at + " HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: example.com" + at + "\r\n\r\n",
		"GET //example.com" + at + "/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET https://example.com" + at + "/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET ftp://example.com" + at + "/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET http://example.com" + at + "@evil.test/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET http:example.com" + at + " HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: example.com" + at + "\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET http://example.com" + at + "/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"POST http://example.com" + at + "/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
		"POST http://example.com" + at + "/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	} {
		if status, _ := p.raw(t, text); !strings.HasPrefix(status, "HTTP/1.1 4") && !strings.HasPrefix(status, "HTTP/1.1 501") && !strings.HasPrefix(status, "HTTP/1.1 505") {
			t.Errorf("%.80q: %s", text, status)
		}
	}
	if len(hosts) != 0 {
		t.Errorf("the server was reached: %q", hosts)
	}
	// Another name in the Host header than in the URL, and headers for the proxy, go no further.
	p.raw(t, "GET http://example.com"+at+"/ HTTP/1.1\r\nHost: other.test\r\nProxy-Authorization: Basic x\r\nConnection: X-Hop, close\r\nX-Hop: y\r\n\r\n")
	if len(hosts) != 1 || hosts[0] != "example.com"+at+" " {
		t.Errorf("the server was asked for %q", hosts)
	}
}

// TestSecondRequest sends two requests over one connection: each is judged.
func TestSecondRequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page") }))
	defer server.Close()
	p := start(t, Options{Rules: rules(t, "example.com", "")})
	got := p.pipeline(t, "GET http://example.com"+port(server)+"/ HTTP/1.1\r\nHost: a\r\n\r\nGET http://evil.test"+port(server)+"/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 2)
	if !strings.Contains(got[0], "200 OK") || !strings.Contains(got[1], "403 Forbidden") {
		t.Errorf("%q", got)
	}
}

// echo answers each connection with what it gets.
func echo(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l
}

func (p proxied) tunnel(t *testing.T, target string) (net.Conn, *bufio.Reader, string) {
	t.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nearly ", target, target)
	r := bufio.NewReader(conn)
	status, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r.ReadString('\n')
	return conn, r, strings.TrimSpace(status)
}

func TestTunnel(t *testing.T) {
	to := echo(t).Addr().(*net.TCPAddr)
	p := start(t, Options{Rules: rules(t, "127.0.0.1", "")})
	conn, r, status := p.tunnel(t, to.String())
	if status != "HTTP/1.1 200 Connection established" {
		t.Fatal(status)
	}
	// What was sent with the request is sent on, and the end of one side leaves the other open.
	io.WriteString(conn, "and late")
	conn.(*net.TCPConn).CloseWrite()
	if data, err := io.ReadAll(r); err != nil || string(data) != "early and late" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestIdleTunnelEnds(t *testing.T) {
	to := echo(t).Addr().(*net.TCPAddr)
	p := start(t, Options{Rules: rules(t, "127.0.0.1", ""), IdleTimeout: 20 * time.Millisecond})
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", to)
	// How far it comes before it is idle does not matter.
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it does not end")
	}
}

func TestSettle(t *testing.T) {
	to := echo(t).Addr().(*net.TCPAddr)
	r := rules(t, "stays.test", "")
	r.Launch = rules(t, "registry.test", "").Allow
	p := start(t, Options{Rules: r})
	target := func(host string) string { return fmt.Sprintf("%s:%d", host, to.Port) }
	_, launch, status := p.tunnel(t, target("registry.test"))
	kept, stays, status2 := p.tunnel(t, target("stays.test"))
	if !strings.Contains(status, "200") || !strings.Contains(status2, "200") {
		t.Fatal(status, status2)
	}
	p.Settle()
	if _, err := io.ReadAll(launch); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection of the launch: %v", err)
	}
	io.WriteString(kept, "more")
	if data, err := io.ReadAll(io.LimitReader(stays, int64(len("early more")))); err != nil || string(data) != "early more" {
		t.Errorf("the other connection: %q, %v", data, err)
	}
	if _, _, status := p.tunnel(t, target("registry.test")); !strings.Contains(status, "403") {
		t.Errorf("after the launch: %s", status)
	}
}

func TestCloseEndsTunnels(t *testing.T) {
	to := echo(t).Addr().(*net.TCPAddr)
	p := start(t, Options{Rules: rules(t, "127.0.0.1", "")})
	_, r, _ := p.tunnel(t, to.String())
	p.Close()
	if _, err := io.ReadAll(r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it does not end")
	}
	p.Close()
}

func TestRefusedAreBounded(t *testing.T) {
	told := 0
	p := start(t, Options{OnRefused: func(string, string) { told++ }})
	for i := range maxRefused + 10 {
		p.note(&RefusedError{Target: Target{Host: fmt.Sprintf("h%d.test", i), Port: 1}})
	}
	if len(p.Refused()) != maxRefused || told != maxRefused {
		t.Errorf("%d are remembered, %d told", len(p.Refused()), told)
	}
}

func TestPassword(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") }))
	defer server.Close()
	p := start(t, Options{Rules: rules(t, "example.com", ""), Password: "right"})
	for _, c := range []struct{ header, want string }{
		{"", "407"}, {"Proxy-Authorization: Basic dG9vbHNlcnZlOndyb25n\r\n", "407"}, {"Proxy-Authorization: Bearer right\r\n", "407"},
		{"Authorization: Basic dG9vbHNlcnZlOnJpZ2h0\r\n", "407"}, {"Proxy-Authorization: Basic dG9vbHNlcnZlOnJpZ2h0\r\n", "200"},
	} {
		requests := []string{"GET http://example.com" + port(server) + "/", "CONNECT example.com" + port(server)}
		if c.want == "200" {
			requests = requests[:1] // a tunnel has no end
		}
		for _, request := range requests {
			if status, _ := p.raw(t, request+" HTTP/1.1\r\nHost: x\r\n"+c.header+"\r\n"); !strings.HasPrefix(status, "HTTP/1.1 "+c.want+" ") {
				t.Errorf("%q with %q: %s", request, c.header, status)
			}
		}
	}
}

func TestCheckAddr(t *testing.T) {
	for _, c := range []struct {
		pattern, target, addr string
		ok                    bool
	}{
		{"example.com", "example.com:443", "93.184.216.34", true},
		{"example.com", "example.com:443", "127.0.0.1", false},
		{"example.com", "example.com:443", "10.0.0.1", false},
		{"example.com", "example.com:443", "169.254.169.254", false},
		{"example.com", "example.com:443", "::ffff:127.0.0.1", false},
		{"example.com", "example.com:443", "fd00::1", false},
		{"*.example.com", "a.example.com:443", "::1", false},
		{"*", "localhost:80", "127.0.0.1", false},
		{"10.0.0.1", "10.0.0.1:80", "10.0.0.1", true},
		{"localhost", "localhost:80", "127.0.0.1", true},
		{"localhost", "localhost:80", "10.0.0.1", false},
	} {
		r := rules(t, c.pattern, "")
		target, err := ParseTarget(c.target, 0)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := r.find(target, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkAddr(p, target, netip.AddrPortFrom(netip.MustParseAddr(c.addr), target.Port), nil); (err == nil) != c.ok {
			t.Errorf("%s at %s: %v", c.target, c.addr, err)
		}
	}
}
