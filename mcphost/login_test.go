package mcphost

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/internal/oauthtest"
)

// remoteEcho is an MCP server over HTTP with one tool.
func remoteEcho(t *testing.T) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hi"}}}, nil, nil
	})
	t.Cleanup(func() {
		for session := range server.Sessions() { // those whose end was refused for want of a token
			session.Close()
		}
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

// agreeable logs in without a person.
type agreeable struct{}

func (agreeable) RedirectURI() string { return "http://127.0.0.1:9/callback" }

func (agreeable) Authorize(ctx context.Context, request AuthorizationRequest) (string, error) {
	return oauthtest.Follow(ctx, request.URL)
}

func remoteConfig(t *testing.T, address, more string) *Config {
	t.Helper()
	cfg, warnings, err := ParseConfig([]byte(`{"mcpServers":{"r":{"url":"`+address+`"`+more+`}}}`), ParseOptions{})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return cfg
}

// tokensIn returns a store of its own for the same file, as each process has.
func tokensIn(path string) *Tokens {
	return OpenTokens(func(name string) string {
		return map[string]string{"TOOLSERVE_TOKENS_FILE": path, "TOOLSERVE_TOKENS_KEYRING": "off"}[name]
	})
}

func echoed(h *Host) error {
	result, err := h.Execute(context.Background(), Call{Server: "r", Tool: "echo", Arguments: json.RawMessage("{}")})
	if err == nil && result.Text() != "hi" {
		err = errors.New("the tool answered " + result.Text())
	}
	return err
}

// TestLoginWhileRunning: a server that needs a login waits without asking again and again, comes up when
// another process has logged in, and waits again when the login has run out.
func TestLoginWhileRunning(t *testing.T) {
	s := oauthtest.New(t, remoteEcho(t))
	path := filepath.Join(t.TempDir(), "tokens.age")
	cfg := remoteConfig(t, s.Resource, "")
	h, err := New(cfg, Options{Tokens: tokensIn(path)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	status := h.Status()[0]
	if status.State != StateHeld || !strings.Contains(status.Error, "run: toolserve mcp login r") {
		t.Fatalf("the server is %s: %s", status.State, status.Error)
	}
	var e *Error
	if err := echoed(h); !errors.As(err, &e) || e.Kind != NeedsApproval || !strings.Contains(e.Message, "toolserve mcp login r") {
		t.Errorf("a call says %v", err)
	}
	asked := s.Seen("resource")
	time.Sleep(2*loginPoll + loginPoll/2)
	if now := s.Seen("resource"); now != asked {
		t.Errorf("while it waits, the server was asked %d times", now-asked)
	}

	report, err := Login(t.Context(), cfg, "r", LoginOptions{Authorizer: agreeable{}, Tokens: tokensIn(path)})
	if err != nil || report.Issuer != s.Issuer || !report.Renewable || report.Kept != path {
		t.Fatalf("the login brought %+v, %v", report, err)
	}
	eventually(t, "the server to come up", func() bool { return h.Status()[0].State == StateConnected })
	if err := echoed(h); err != nil {
		t.Error(err)
	}
	s.Expire(false)
	if err := echoed(h); err != nil || s.Seen("refresh_token") == 0 {
		t.Errorf("with a token that can be renewed: %v", err)
	}
	s.Expire(true)
	if err := echoed(h); !errors.As(err, &e) || e.Kind != NeedsApproval || !strings.Contains(e.Message, "the login has run out") {
		t.Errorf("a call after the login ran out says %v", err)
	}
	eventually(t, "the server to wait for a login", func() bool { return h.Status()[0].State == StateHeld })
	if _, err := Login(t.Context(), cfg, "r", LoginOptions{Authorizer: agreeable{}, Tokens: tokensIn(path)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server to come up again", func() bool { return h.Status()[0].State == StateConnected })

	if n, err := Logout(t.Context(), cfg, "r", tokensIn(path)); n != 1 || err != nil || s.Seen("revoke") != 1 {
		t.Errorf("the logout forgot %d, %v", n, err)
	}
	eventually(t, "the logout to be seen", func() bool { return errors.As(echoed(h), &e) && e.Kind == NeedsApproval })
}

// TestLoginOverSSE: the older transport posts its messages to another address than it listens on.
func TestLoginOverSSE(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hi"}}}, nil, nil
	})
	s := oauthtest.New(t, mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return server }, nil))
	for _, kind := range []string{`,"type":"sse"`, ""} {
		h, err := New(remoteConfig(t, s.Resource, kind), Options{Authorizer: agreeable{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := h.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := echoed(h); err != nil {
			t.Errorf("with %q: %v (%s)", kind, err, h.Status()[0].Error)
		}
		s.Expire(false)
		if err := echoed(h); err != nil {
			t.Errorf("with %q, after the token ran out: %v", kind, err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	if s.Seen("authorize") != 2 || s.Seen("refresh_token") != 2 {
		t.Errorf("%d logins and %d renewals; want two of each", s.Seen("authorize"), s.Seen("refresh_token"))
	}
}

func TestNoLogin(t *testing.T) {
	s := oauthtest.New(t, remoteEcho(t))
	s.Allow("fixed")
	for name, test := range map[string]struct{ entry, want string }{
		"a header of its own": {`,"headers":{"Authorization":"Bearer fixed"}`, ""},
		"a bad header":        {`,"headers":{"authorization":"Bearer other"}`, "Unauthorized"},
		"turned off":          {`,"oauth":false`, "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := New(remoteConfig(t, s.Resource, test.entry), Options{Authorizer: agreeable{}})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if err := h.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := h.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			status := h.Status()[0]
			if test.want == "" && status.State != StateConnected || !strings.Contains(status.Error, test.want) {
				t.Errorf("the server is %s: %s", status.State, status.Error)
			}
		})
	}
	if s.Seen("authorize") > 0 {
		t.Error("somebody was asked to log in")
	}
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer plain.Close()
	h, err := New(remoteConfig(t, plain.URL+"/mcp", ""), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := h.Status()[0]; status.State != StateRetrying || !strings.Contains(status.Error, `put one into "headers"`) {
		t.Errorf("a server that describes no login is %s: %s", status.State, status.Error)
	}
	cfg := remoteConfig(t, s.Resource, `},"p":{"command":"npx","args":["-y","x@1.0.0"]`)
	for _, name := range []string{"p", "none"} {
		if _, err := Login(t.Context(), cfg, name, LoginOptions{Authorizer: agreeable{}}); err == nil {
			t.Errorf("a login to %q", name)
		}
	}
}
