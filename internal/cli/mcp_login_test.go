package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/oauthtest"
)

// browse reads what a login prints, and opens the address in it as a person does who agrees.
func browse(ctx context.Context, printed io.Reader) error {
	lines := bufio.NewScanner(printed)
	for lines.Scan() {
		address := lines.Text()
		if !strings.HasPrefix(address, "http://") {
			continue
		}
		back, err := oauthtest.Follow(ctx, address)
		if err != nil {
			return err
		}
		resp, err := http.Get(back)
		if err != nil {
			return err
		}
		resp.Body.Close()
		_, err = io.Copy(io.Discard, printed)
		return err
	}
	return fmt.Errorf("no address was printed: %w", lines.Err())
}

func TestMCPLogin(t *testing.T) {
	s := oauthtest.New(t, http.NotFoundHandler())
	dir := t.TempDir()
	config, kept := filepath.Join(dir, "mcp.json"), filepath.Join(dir, "tokens.age")
	if err := os.WriteFile(config, []byte(`{"mcpServers":{"r":{"url":"`+s.Resource+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string {
		return map[string]string{"TOOLSERVE_TOKENS_FILE": kept, "TOOLSERVE_TOKENS_KEYRING": "off"}[name]
	}
	in, hold := io.Pipe() // nothing is pasted
	defer hold.Close()
	printed, out := io.Pipe()
	browsed := make(chan error, 1)
	go func() { browsed <- browse(t.Context(), printed) }()
	var stdout bytes.Buffer
	status := Run(t.Context(), []string{"mcp", "login", "r", "--mcp-config", config, "--scope", "read", "--no-browser"}, IO{In: in, Out: &stdout, Err: out, Env: env})
	out.Close()
	if err := <-browsed; err != nil {
		t.Fatal(err)
	}
	if status != 0 || !strings.Contains(stdout.String(), "logged in to 'r' at "+s.Issuer) || !strings.Contains(stdout.String(), "kept in "+kept) {
		t.Fatalf("status %d: %s", status, stdout.String())
	}
	if s.Seen("authorization_code") != 1 {
		t.Errorf("%d codes were exchanged", s.Seen("authorization_code"))
	}
	data, err := os.ReadFile(kept)
	if err != nil || bytes.Contains(data, []byte("access-")) {
		t.Errorf("the file of the tokens: %v", err)
	}
	for _, want := range []string{"logged out of 'r'", "there is no login to 'r'"} {
		stdout.Reset()
		if status := Run(t.Context(), []string{"mcp", "logout", "r", "--mcp-config", config}, IO{Out: &stdout, Err: io.Discard, Env: env}); status != 0 || !strings.Contains(stdout.String(), want) {
			t.Errorf("logout: status %d: %s", status, stdout.String())
		}
	}
	var stderr bytes.Buffer
	if status := Run(t.Context(), []string{"mcp", "login", "other", "--mcp-config", config}, IO{Out: io.Discard, Err: &stderr, Env: env}); status != 2 || !strings.Contains(stderr.String(), "it has: r") {
		t.Errorf("an unknown server: status %d: %s", status, stderr.String())
	}
	stderr.Reset()
	if status := Run(t.Context(), []string{"mcp", "login", "r", "--mcp-config", config, "--no-browser", "--timeout", "50ms"}, IO{In: in, Out: io.Discard, Err: &stderr, Env: env}); status != 1 || !strings.Contains(stderr.String(), "nobody logged in in time") {
		t.Errorf("a login that nobody finishes: status %d: %s", status, stderr.String())
	}
}
