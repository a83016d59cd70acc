package mcphost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/mcphost/internal/confine"
)

func TestSandboxIsRead(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	t.Setenv("DATA", "/srv/data")
	for text, want := range map[string]SandboxConfig{
		`"sandbox":"off"`:                           {Level: SandboxOff},
		`"sandbox":"require"`:                       {Level: SandboxRequire},
		`"sandbox":{}`:                              {},
		`"sandboxEnabled":true`:                     {Level: SandboxBestEffort},
		`"sandboxEnabled":true,"sandbox":"require"`: {Level: SandboxRequire},
		`"sandbox":{"read":["~/x","sub"],"write":["${DATA}/y"]}`: {Read: []string{"/home/u/x", "/conf/sub"}, Write: []string{"/srv/data/y"}},
		`"sandbox":{"net":false}`:                                {Net: &SandboxNet{}},
		`"sandbox":{"net":true}`:                                 {Net: &SandboxNet{All: true}},
		`"sandbox":{"net":"none"}`:                               {Net: &SandboxNet{}},
		`"sandbox":{"net":[443,"dns","unix"]}`:                   {Net: &SandboxNet{Ports: []uint16{443}, DNS: true, Unix: true}},
		`"sandbox":{"filesystem":{"denyRead":["/a"],"allowWrite":["/b"],"denyWrite":["/c"]}}`: {
			DenyRead: []string{"/a"}, Write: []string{"/b"}, DenyWrite: []string{"/c"},
		},
		`"sandbox":{"network":{"allowedDomains":[]}}`:                        {Net: &SandboxNet{}},
		`"sandbox":{"network":{"deniedDomains":["*"]}}`:                      {Net: &SandboxNet{}},
		`"sandbox":{"network":{"allowedDomains":["*"],"deniedDomains":[]}}`:  {},
		`"sandbox":{"level":"require","network":{"allowedDomains":["a.b"]}}`: {Level: SandboxRequire, Domains: []string{"a.b"}},
		`"sandbox":{"network":{"allowedDomains":["*.A.b.","x.y:443"],"deniedDomains":["c.a.b"]}}`: {
			Domains: []string{"*.a.b", "x.y:443"}, DeniedDomains: []string{"c.a.b"},
		},
		`"sandbox":{"network":{"deniedDomains":["a.b"]}}`:                                 {Domains: []string{"*"}, DeniedDomains: []string{"a.b"}},
		`"sandbox":{"net":["unix"],"network":{"allowedDomains":["a.b"]}}`:                 {Net: &SandboxNet{Unix: true}, Domains: []string{"a.b"}},
		`"sandbox":{"net":["Api.example.com","*.b:443","localhost:1","10.0.0.1","unix"]}`: {Net: &SandboxNet{Unix: true}, Domains: []string{"api.example.com", "*.b:443", "localhost:1", "10.0.0.1"}},
		`"sandbox":{"net":"a.b"}`: {Net: &SandboxNet{}, Domains: []string{"a.b"}},
		`"sandbox":{"network":{"deniedDomains":["c.a.b"]},"net":["*.a.b"]}`: {Net: &SandboxNet{}, Domains: []string{"*.a.b"}, DeniedDomains: []string{"c.a.b"}},
	} {
		cfg, warnings, err := ParseConfig([]byte(`{"servers":{"s":{"command":"npx",`+text+`}}}`), ParseOptions{Path: "/conf/mcp.json"})
		if err != nil || cfg.Servers[0].Problem != nil {
			t.Errorf("%s: %v, %v", text, err, cfg.Servers[0].Problem)
			continue
		}
		if got := cfg.Servers[0].Sandbox; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
		if len(warnings) > 0 {
			t.Errorf("%s: warnings %v", text, warnings)
		}
	}
	for text, want := range map[string]string{
		`"sandbox":"on"`:                                                 `must be one of "off", "best-effort", "require"`,
		`"sandbox":true`:                                                 `or an object`,
		`"sandbox":{"net":[0]}`:                                          `a port from 1 to 65535`,
		`"sandbox":{"net":["tcp"]}`:                                      `a list of ports`,
		`"sandbox":{"net":["https://a.b"]}`:                              `a host alone`,
		`"sandbox":{"net":["a.b",443]}`:                                  `"host:port" for one port`,
		`"sandbox":{"network":{"allowedDomains":["a b"]}}`:               `is no domain`,
		`"sandbox":{"net":false,"network":{"allowedDomains":["a.b"]}}`:   `leave one of them out`,
		`"sandbox":{"network":{"allowedDomains":["a.b"]},"net":["b.c"]}`: `leave one of them out`,
		`"sandbox":{"read":"/x"}`:                                        `"read": `,
		`"sandbox":{"read":[""]}`:                                        `empty path`,
		`"sandbox":{"network":{"allowedDomains":true}}`:                  `"allowedDomains": `,
	} {
		cfg, _, err := ParseConfig([]byte(`{"servers":{"s":{"command":"npx",`+text+`}}}`), ParseOptions{})
		if err != nil {
			t.Errorf("%s fails the whole file: %v", text, err)
		} else if problem := cfg.Servers[0].Problem; problem == nil || !strings.Contains(problem.Error(), want) {
			t.Errorf("%s: %v", text, problem)
		}
	}
}

// needSandbox skips where the kernel confines nothing.
func needSandbox(t *testing.T) {
	t.Helper()
	s := ServerConfig{Transport: TransportStdio, Command: "npx"}
	if summary, _ := confine.Preview(&Config{Security: Security{Sandbox: SandboxBestEffort}}, &s); runtime.GOOS != "linux" || summary.Level != "enforced" {
		t.Skipf("the sandbox is not enforced here: %v", summary.Missing)
	}
}

func TestServerIsConfined(t *testing.T) {
	needSandbox(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(h *Host, server string) string {
		arguments, _ := json.Marshal(map[string]string{"text": secret})
		result, err := h.Execute(t.Context(), Call{Server: server, Tool: "echo", Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		return result.Text()
	}
	cfg := scriptedConfig(t, map[string]string{"free": "reader", "confined": "reader", "granted": "reader"})
	for i := range cfg.Servers {
		switch s := &cfg.Servers[i]; s.Name {
		case "free":
			s.Sandbox.Level = SandboxOff
		case "granted":
			s.Sandbox.Read = []string{filepath.Dir(secret)}
		}
	}
	cfg.Security.Tools.NoPathRules = true
	h := start(t, cfg, Options{})
	for server, want := range map[string]string{"free": "s3cret", "granted": "s3cret", "confined": "permission denied"} {
		if got := read(h, server); !strings.Contains(got, want) {
			t.Errorf("%s reads %q, want %q", server, got, want)
		}
	}
	for server, want := range map[string]string{"free": "process-group", "granted": "enforced", "confined": "enforced"} {
		if got := status(t, h, server).Sandbox; got.Level != want {
			t.Errorf("the sandbox of %s is %+v, want %s", server, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	for path, want := range map[string]bool{"/a/b/mcp.lock.json": true, "/a/b": true, "/a/bc/x": false, "/a/x": false, "/a/b/../x": false} {
		if got := within("/a/b", path); got != want {
			t.Errorf("%s lies in /a/b: %v", path, got)
		}
	}
}
