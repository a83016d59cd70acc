package weblogin

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

func request(p *Person) mcphost.AuthorizationRequest {
	query := url.Values{"state": {"right"}, "redirect_uri": {p.RedirectURI()}}
	return mcphost.AuthorizationRequest{
		Server: "s\x1b[2J", Issuer: "https://as", Resource: "https://h/mcp", Scopes: []string{"read"}, URL: "https://as/authorize?" + query.Encode(),
	}
}

func person(t *testing.T, opts Options) *Person {
	t.Helper()
	p, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func get(t *testing.T, address, host string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestBrowserComesBack(t *testing.T) {
	var out bytes.Buffer
	opened := make(chan string, 1)
	p := person(t, Options{Out: &out, Open: func(address string) error { opened <- address; return nil }})
	back := make(chan string, 1)
	go func() {
		got, err := p.Authorize(context.Background(), request(p))
		if err != nil {
			got = err.Error()
		}
		back <- got
	}()
	if got := <-opened; !strings.HasPrefix(got, "https://as/authorize?") {
		t.Errorf("opened %q", got)
	}
	for address, want := range map[string]int{
		"?state=wrong&code=evil": http.StatusBadRequest, "?code=evil": http.StatusBadRequest, "x?state=right&code=evil": http.StatusNotFound,
	} {
		if got := get(t, p.RedirectURI()+address, ""); got != want {
			t.Errorf("%s: %d, want %d", address, got, want)
		}
	}
	if got := get(t, p.RedirectURI()+"?state=right&code=evil", "evil.example"); got != http.StatusNotFound {
		t.Errorf("for another host: %d", got)
	}
	if got := get(t, p.RedirectURI()+"?state=right&code=good", ""); got != http.StatusOK {
		t.Errorf("the answer: %d", got)
	}
	if got := <-back; got != p.RedirectURI()+"?state=right&code=good" {
		t.Errorf("came back with %q", got)
	}
	if text := out.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "authorization server: https://as") || !strings.Contains(text, "read") {
		t.Errorf("the person reads %q", text)
	}
}

func TestPastedAddress(t *testing.T) {
	var out bytes.Buffer
	in := "what?\n\nhttp://127.0.0.1:1/callback?code=c&state=right\n"
	p := person(t, Options{Out: &out, In: strings.NewReader(in)})
	got, err := p.Authorize(t.Context(), request(p))
	if err != nil || got != "http://127.0.0.1:1/callback?code=c&state=right" {
		t.Errorf("got %q, %v", got, err)
	}
	if !strings.Contains(out.String(), "https://as/authorize?") || !strings.Contains(out.String(), "not the address") {
		t.Errorf("the person reads %q", out.String())
	}
}

func TestNobodyComes(t *testing.T) {
	p := person(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Authorize(ctx, request(p)); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("the error is %v", err)
	}
}

func TestPorts(t *testing.T) {
	first := person(t, Options{})
	second := person(t, Options{})
	if first.RedirectURI() == second.RedirectURI() {
		t.Error("two listen on one port")
	}
	if _, err := New(Options{RedirectURI: first.RedirectURI()}); err == nil {
		t.Error("a port in use is taken")
	}
}

// TestOneArgument: the address reaches the program as it is, and no shell.
func TestOneArgument(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program of the test is a shell script")
	}
	dir := t.TempDir()
	program, wrote := filepath.Join(dir, "open"), filepath.Join(dir, "out")
	script := "#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" >" + wrote + ".tmp && mv " + wrote + ".tmp " + wrote + "\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	address := "https://h/a?b=$(touch%20x)&c=`d`;e"
	if err := open([]string{program, "first"}, address); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		data, err := os.ReadFile(wrote)
		if err == nil {
			if string(data) != "2\nfirst\n"+address+"\n" {
				t.Errorf("the program got %q", data)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the program was not run")
		}
	}
	for _, bad := range []string{"-x", "file:///etc/passwd", "javascript:alert(1)", "", "https:"} {
		if err := open([]string{program}, bad); err == nil {
			t.Errorf("%q is opened", bad)
		}
	}
}

func TestNoScreen(t *testing.T) {
	open := Browser(func(string) string { return "" })
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" && open != nil {
		t.Error("a browser is opened without a screen")
	}
}
