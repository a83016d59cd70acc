package reach

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// try sends what a client sends to connect, through the notes of an attempt.
func try(t *testing.T, a *Attempt, method, address string) {
	t.Helper()
	client := http.Client{Transport: a.Credentials(a.Transport(http.DefaultTransport))}
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func TestExplainAnswers(t *testing.T) {
	page := "<!DOCTYPE html><html><head><title>Welcome to <b>Acme</b></title></head></html>"
	tests := []struct {
		name             string
		status           int
		kind, body, more string
		entry            Entry
		want             []string
		not              string
	}{
		{"a wrong path", 404, "text/plain", "Cannot POST /x", "", Entry{}, []string{"/x is no MCP endpoint (404 Not Found: 'Cannot POST /x')", "/mcp"}, `"type"`},
		{"pinned to http", 405, "text/plain", "", "", Entry{Type: "http"}, []string{"405 Method Not Allowed", `"type": "sse"`}, `"type": "http"`},
		{"pinned to sse", 400, "application/json", `{"jsonrpc":"2.0","error":{"code":-32000,"message":"no session"}}`, "", Entry{Type: "sse"}, []string{"400 Bad Request: 'no session'", `"type": "http"`}, `"type": "sse"`},
		{"no stream", 200, "application/json", `{}`, "", Entry{Type: "sse"}, []string{"application/json and not with a stream", `"type": "http"`}, ""},
		{"not acceptable", 406, "", "", "", Entry{}, []string{"406 Not Acceptable"}, ""},
		{"a bad credential", 401, "", "", "", Entry{Headers: []string{"authorization"}, Login: "login s"}, []string{"refuses the credential", `"Authorization" in "headers"`}, "login s"},
		{"no credential", 401, "", "", "", Entry{Login: "login s"}, []string{"wants a credential", "run: login s"}, ""},
		{"no login wanted", 401, "", "", "", Entry{Login: "login s", NoLogin: true}, []string{`take the key "oauth" out and run: login s`}, ""},
		{"another header", 401, "", "", "", Entry{Login: "login s", NoLogin: true, Headers: []string{"X-Key"}}, []string{"another credential", `check "headers"`}, ""},
		{"forbidden", 403, "", "", "", Entry{}, []string{"403 Forbidden", `"headers"`}, ""},
		{"too often", 429, "", "", "20", Entry{}, []string{"too often"}, ""},
		{"a fault", 503, "text/html", page, "", Entry{}, []string{`503 Service Unavailable: the page "Welcome to Acme"`, "own log"}, ""},
		{"a page", 200, "text/html; charset=utf-8", page, "", Entry{}, []string{`a web page ("Welcome to Acme")`, `"url"`}, ""},
		{"a page that says it is JSON", 200, "application/json", page, "", Entry{}, []string{"a web page"}, ""},
		{"other JSON", 200, "application/json", `{"hello":"world"}`, "", Entry{}, []string{`application/json that is not MCP: '{"hello":"world"}'`}, ""},
		{"nothing", 200, "application/json", " ", "", Entry{}, []string{"empty answer"}, ""},
		{"control characters", 404, "text/plain", "a\x1b[31mb\nc", "", Entry{}, []string{"'a [31mb c'"}, "\x1b"},
		{"a long text", 418, "text/plain", strings.Repeat("x", 5000), "", Entry{}, []string{"418", strings.Repeat("x", maxQuote) + "…'"}, strings.Repeat("x", maxQuote+1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.Header().Set("Retry-After", tt.more)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer s.Close()
			tt.entry.URL = s.URL + "/x?key=secret"
			var a Attempt
			method := http.MethodPost
			if tt.entry.Type == "sse" {
				method = http.MethodGet
			}
			try(t, &a, method, tt.entry.URL)
			err := a.Explain(errors.New("what the library says"), tt.entry)
			for _, want := range append(tt.want, s.URL+"/x") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if tt.not != "" && strings.Contains(err.Error(), tt.not) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q says too much", err)
			}
			var refused *Error
			if wait := time.Duration(0); !errors.As(err, &refused) || tt.more != "" && refused.After != 20*time.Second || tt.more == "" && refused.After != wait {
				t.Errorf("it is left alone for %v", refused.After)
			}
		})
	}
}

func TestExplainRedirect(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/a", http.RedirectHandler("/b", http.StatusFound))
	mux.Handle("/b", http.RedirectHandler("/c", http.StatusFound))
	mux.HandleFunc("/c", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	s := httptest.NewServer(mux)
	defer s.Close()
	var a Attempt
	try(t, &a, http.MethodPost, s.URL+"/a")
	err := a.Explain(errors.New("x"), Entry{URL: s.URL + "/a"})
	if want := s.URL + "/a leads on to " + s.URL + "/c, which answers with a web page"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%q does not begin with %q", err, want)
	}
}

// A body that is looked at is read by the client as it was sent.
func TestBodyStaysWhole(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) }))
	defer s.Close()
	var a Attempt
	client := http.Client{Transport: a.Transport(http.DefaultTransport)}
	resp, err := client.Post(s.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != long {
		t.Errorf("%d bytes of %d, %v", len(got), len(long), err)
	}
}

func TestExplainNetwork(t *testing.T) {
	entry := Entry{URL: "https://mcp.example/x"}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		entry Entry
		err   error
		want  []string
	}{
		{entry, dial(syscall.ECONNREFUSED), []string{"nothing listens at mcp.example", "host and port"}},
		{entry, dial(&net.DNSError{Name: "mcp.example", IsNotFound: true}), []string{"'mcp.example' is not known (DNS)", "spelling"}},
		{entry, dial(&net.DNSError{Name: "mcp.example", Err: "server misbehaving"}), []string{"cannot be looked up (DNS: server misbehaving)"}},
		{entry, dial(syscall.EHOSTUNREACH), []string{"no route to mcp.example"}},
		{entry, dial(syscall.ETIMEDOUT), []string{"mcp.example does not answer", "firewalls"}},
		{entry, x509.UnknownAuthorityError{}, []string{"mcp.example has a certificate of an authority", "SSL_CERT_FILE"}},
		{entry, x509.CertificateInvalidError{Reason: x509.Expired, Detail: "current time is after 2020"}, []string{"not valid now (current time is after 2020)"}},
		{entry, fmt.Errorf("x: %w", http.ErrSchemeMismatch), []string{"does not speak TLS", "http://"}},
		{entry, io.EOF, []string{"mcp.example closes the connection", "whether it is http there"}},
		{entry, errors.New("refused by the rules"), []string{"refused by the rules"}},
		{Entry{URL: "unix:///run/s.sock#/mcp"}, fmt.Errorf("x: %w", fs.ErrNotExist), []string{"the socket /run/s.sock does not exist"}},
		{Entry{URL: "unix:///run/s.sock#/mcp"}, dial(syscall.ECONNREFUSED), []string{"nothing listens at the socket /run/s.sock"}},
		{entry, context.Canceled, []string{"https://mcp.example/x: why it was given up"}},
	}
	for _, tt := range tests {
		u, _ := url.Parse(tt.entry.URL)
		a := Attempt{post: &exchange{url: u, err: tt.err}}
		got := a.Explain(errors.New("why it was given up"), tt.entry).Error()
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%v: %q lacks %q", tt.err, got, want)
			}
		}
	}
}

func TestExplainCredentials(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer s.Close()
	var a Attempt
	below := a.Transport(http.DefaultTransport)
	client := http.Client{Transport: a.Credentials(roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := below.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		return nil, errors.New("the authorization server is away")
	}))}
	if _, err := client.Post(s.URL, "", nil); err == nil {
		t.Fatal("the request went through")
	}
	if got := a.Explain(errors.New("x"), Entry{URL: s.URL}).Error(); got != s.URL+": the authorization server is away" {
		t.Errorf("got %q", got)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestExplainProtocol(t *testing.T) {
	var a Attempt
	entry := Entry{URL: "http://h/mcp"}
	refused := fmt.Errorf("calling: %w", &jsonrpc.Error{Code: -32000, Message: "the license\nhas run out"})
	if got := a.Explain(refused, entry).Error(); got != `http://h/mcp refuses the handshake: "the license has run out" (code -32000)` {
		t.Errorf("got %q", got)
	}
	if got := a.Explain(&jsonrpc.Error{Code: -32005, Message: "rejected by transport"}, entry).Error(); strings.Contains(got, "refuses") {
		t.Errorf("an error of the library is taken for the server's: %q", got)
	}
	if got := Spoken(errors.New(`unsupported protocol version: "1999-01-01"`)).Error(); !strings.HasPrefix(got, `the server speaks revision "1999-01-01" of MCP`) {
		t.Errorf("got %q", got)
	}
	if err := errors.New("something else"); Spoken(err) != err {
		t.Error("an error that is not known was changed")
	}
}
