// Package weblogin has a person log in with a browser: it opens the address of an authorization server and
// waits on a loopback port for the browser to come back, or for the person to paste where it came to.
package weblogin

import (
	"bufio"
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/cli/repl"
	"github.com/toolserve/toolserve/mcphost"
)

// usualPort is tried before any free port: an authorization server that registered this program for an
// address need not do it again.
const usualPort = 47811

// maxPasted bounds the address that a person pastes.
const maxPasted = 16 << 10

// Options say how the person is reached. The zero value waits for a browser that somebody opens.
type Options struct {
	// RedirectURI is where the browser comes back to; "" is a port of 127.0.0.1.
	RedirectURI string
	// Open opens an address in a browser; nil leaves that to the person.
	Open func(address string) error
	// In is where the person may paste the address that the browser came to; nil is nowhere.
	In io.Reader
	// Out is told what to do.
	Out io.Writer
}

// Person is somebody with a browser. It is a [mcphost.Authorizer].
type Person struct {
	opts     Options
	redirect *url.URL
	listener net.Listener
}

// New begins to listen. Close ends that.
func New(opts Options) (*Person, error) {
	if opts.Out == nil {
		opts.Out = io.Discard
	}
	p := &Person{opts: opts}
	if opts.RedirectURI == "" {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", usualPort))
		if err != nil {
			listener, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			return nil, err
		}
		p.listener = listener
		p.redirect = &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/callback"}
		return p, nil
	}
	var err error
	if p.redirect, err = url.Parse(opts.RedirectURI); err != nil {
		return nil, err
	}
	if p.listener, err = net.Listen("tcp", p.redirect.Host); err != nil {
		return nil, fmt.Errorf("listen on the address of \"redirect_uri\": %w", err)
	}
	return p, nil
}

// RedirectURI is the address that is listened on.
func (p *Person) RedirectURI() string { return p.redirect.String() }

// Close ends the listening.
func (p *Person) Close() error { return p.listener.Close() }

// Authorize sends the person to the address and waits until the browser comes back or the person pastes
// where it came to.
func (p *Person) Authorize(ctx context.Context, request mcphost.AuthorizationRequest) (string, error) {
	asked, err := url.Parse(request.URL)
	if err != nil {
		return "", err
	}
	state := asked.Query().Get("state")
	came := make(chan string, 1) // the handler sends the first answer; the reader of In sends one too
	server := &http.Server{Handler: p.handler(state, came), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
	go func() { _ = server.Serve(p.listener) }()
	defer func() {
		// The page that the browser waits for is sent before the port is given up.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(end)
	}()
	p.explain(request)
	if p.opts.In != nil {
		go p.readPasted(came)
	}
	select {
	case back := <-came:
		return back, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", errors.New("nobody logged in in time")
		}
		return "", errors.New("it was interrupted")
	}
}

// explain says what is about to happen, and opens the browser.
func (p *Person) explain(request mcphost.AuthorizationRequest) {
	out := p.opts.Out
	fmt.Fprintf(out, "Log in to '%s'\n  authorization server: %s\n  access to:            %s\n",
		repl.Line(request.Server, 200), repl.Line(request.Issuer, 300), repl.Line(request.Resource, 300))
	fmt.Fprintf(out, "  permissions:          %s\n\n", cmp.Or(repl.Line(strings.Join(request.Scopes, " "), 500), "(the server's usual ones)"))
	opened := false
	if p.opts.Open != nil {
		if err := p.opts.Open(request.URL); err != nil {
			fmt.Fprintf(out, "The browser could not be opened: %v\n", err)
		} else {
			opened = true
		}
	}
	if opened {
		fmt.Fprintf(out, "A browser was opened. If it was not, open this address:\n\n%s\n\n", request.URL)
	} else {
		fmt.Fprintf(out, "Open this address in a browser:\n\n%s\n\n", request.URL)
	}
	if p.opts.In != nil {
		fmt.Fprintln(out, "If the browser is on another machine, paste here the address that it ends at:")
	}
}

// handler takes the answer whose state is that of the request: others are somebody else's.
func (p *Person) handler(state string, came chan<- string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", "text/plain; charset=utf-8")
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.Host != p.redirect.Host || r.URL.Path != cmp.Or(p.redirect.Path, "/"):
			http.Error(w, "There is nothing here.", http.StatusNotFound)
			return
		case r.Method != http.MethodGet:
			http.Error(w, "Only GET is answered here.", http.StatusMethodNotAllowed)
			return
		case subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("state")), []byte(state)) != 1:
			http.Error(w, "This is not the answer to the login that is waited for.", http.StatusBadRequest)
			return
		}
		back := *p.redirect
		back.RawQuery = r.URL.RawQuery
		select {
		case came <- back.String():
		default: // there is an answer already
		}
		fmt.Fprintln(w, "Back to the terminal: it says how the login went. This page can be closed.")
	})
}

// readPasted reads the first line that is an address. It waits on In for as long as that is open.
func (p *Person) readPasted(came chan<- string) {
	lines := bufio.NewScanner(io.LimitReader(p.opts.In, 4*maxPasted))
	lines.Buffer(nil, maxPasted)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if u, err := url.Parse(text); text == "" || err != nil || !u.Query().Has("state") {
			if text != "" {
				fmt.Fprintln(p.opts.Out, "That is not the address that a login ends at: it has state and code behind the question mark.")
			}
			continue
		}
		select {
		case came <- text:
		default:
		}
		return
	}
}

// Browser returns how an address is opened on this machine, or nil where there is no screen.
func Browser(getenv func(string) string) func(address string) error {
	command := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open"}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	default:
		if getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "" {
			return nil
		}
	}
	return func(address string) error { return open(command, address) }
}

// open runs a program with an address as its one last argument; no shell sees it.
func open(command []string, address string) error {
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("it is no http or https address")
	}
	cmd := exec.Command(command[0], append(command[1:], address)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // a browser may stay
	return nil
}
