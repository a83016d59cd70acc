package mcpjson

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDialects reads one file of each client, with the keys that its documentation names.
func TestDialects(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("# a comment\nexport A=1\nB='two words'\nC=3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip("no home: ", err)
	}
	environ := map[string]string{"TOKEN": "t0k3n", "TOOLSERVE_INPUT_API_KEY": "from-input"}
	for name, test := range map[string]struct {
		text string
		want ServerConfig
		warn string
	}{
		"Claude, stdio": {`{"mcpServers":{"s":{"type":"stdio","command":"npx","args":["-y","p"],"env":{"K":"${TOKEN}","D":"${NO:-dflt}"}}}}`,
			ServerConfig{Transport: TransportStdio, Command: "npx", Args: []string{"-y", "p"}, Env: map[string]string{"K": "t0k3n", "D": "dflt"}}, ""},
		"Claude, http": {`{"mcpServers":{"s":{"type":"http","url":"https://${HOST:-a.b}/mcp","headers":{"Authorization":"Bearer ${TOKEN}"}}}}`,
			ServerConfig{Transport: TransportHTTP, URL: "https://a.b/mcp", Headers: map[string]string{"Authorization": "Bearer t0k3n"}}, ""},
		"Cursor": {`{"mcpServers":{"s":{"type":"stdio","command":"${userHome}/bin/x","args":["${workspaceFolder}${/}data"],"envFile":"${workspaceFolder}/.env","env":{"C":"${env:TOKEN}"}}}}`,
			ServerConfig{Transport: TransportStdio, Command: home + "/bin/x", Args: []string{filepath.Join(dir, "data")}, Env: map[string]string{"A": "1", "B": "two words", "C": "t0k3n"}}, ""},
		"VS Code": {`{"inputs":[{"type":"promptString","id":"api-key","description":"Key","password":true},{"type":"pickString","id":"mode","options":["a","b"],"default":"b"}],
			"sandbox":{"filesystem":{"allowWrite":["out"],"denyRead":["secret"]},"network":{"allowedDomains":[]}},
			"servers":{"s":{"type":"stdio","command":"x","cwd":"sub","envFile":".env","sandboxEnabled":true,"dev":{"watch":"*"},"env":{"KEY":"${input:api-key}","MODE":"${input:mode}","B":null,"HOME":null,"PORT":8080}}}}`,
			ServerConfig{Transport: TransportStdio, Command: "x", Dir: filepath.Join(dir, "sub"), Unset: []string{"B", "HOME"},
				Env:     map[string]string{"A": "1", "C": "3", "KEY": "from-input", "MODE": "b", "PORT": "8080"},
				Sandbox: SandboxConfig{Level: SandboxBestEffort, Write: []string{filepath.Join(dir, "out")}, DenyRead: []string{filepath.Join(dir, "secret")}, Net: &SandboxNet{}}},
			`"dev" of other programs`},
		"VS Code, a socket": {`{"servers":{"s":{"type":"http","url":"unix:///tmp/server.sock#/mcp/subpath"}}}`,
			ServerConfig{Transport: TransportHTTP, URL: "unix:///tmp/server.sock#/mcp/subpath"}, ""},
		"LM Studio": {`{"mcpServers":{"s":{"url":"https://a.b/mcp","headers":{"X":"1"}}}}`,
			ServerConfig{Transport: TransportAuto, URL: "https://a.b/mcp", Headers: map[string]string{"X": "1"}}, ""},
		"Cline": {`{"mcpServers":{"s":{"type":"streamableHttp","url":"https://a.b/mcp","disabled":false,"timeout":60,"autoApprove":["a"]}}}`,
			ServerConfig{Transport: TransportHTTP, URL: "https://a.b/mcp", Timeout: time.Minute, AutoApprove: []string{"a"}}, ""},
		"Roo": {`{"mcpServers":{"s":{"command":"x","cwd":"/w","alwaysAllow":["a"],"disabledTools":["b"],"watchPaths":["c"],"timeout":3600}}}`,
			ServerConfig{Transport: TransportStdio, Command: "x", Dir: "/w", AutoApprove: []string{"a"}, BlockedTools: []string{"b"}, Timeout: time.Hour}, `"watchPaths" of other programs`},
		"Roo, http": {`{"mcpServers":{"s":{"type":"streamable-http","url":"https://a.b/"}}}`, ServerConfig{Transport: TransportHTTP, URL: "https://a.b/"}, ""},
		"mcphost": {`{"mcpServers":{"s":{"type":"local","command":["npx","-y","p"],"environment":{"K":"${env://TOKEN}","D":"${env://NO:-d}"},"allowedTools":["a"],"excludedTools":["b"]}}}`,
			ServerConfig{Transport: TransportStdio, Command: "npx", Args: []string{"-y", "p"}, Env: map[string]string{"K": "t0k3n", "D": "d"}, AllowedTools: []string{"a"}, BlockedTools: []string{"b"}}, ""},
		"mcphost, remote": {`{"mcpServers":{"s":{"type":"remote","url":"https://a.b/"}}}`, ServerConfig{Transport: TransportAuto, URL: "https://a.b/"}, ""},
		"LocalAI": {`{"mcpServers":{"s":{"url":"https://a.b/","token":"abc","transport":"sse"}}}`,
			ServerConfig{Transport: TransportSSE, URL: "https://a.b/", Headers: map[string]string{"Authorization": "Bearer abc"}}, ""},
		"mcpo": {`{"mcpServers":{"s":{"type":"streamable_http","url":"https://a.b/","disabledTools":["x"]}}}`,
			ServerConfig{Transport: TransportHTTP, URL: "https://a.b/", BlockedTools: []string{"x"}}, ""},
		"Gemini": {`{"mcpServers":{"s":{"httpUrl":"https://a.b/","timeout":600000,"includeTools":["a"],"excludeTools":["b"]}}}`,
			ServerConfig{Transport: TransportHTTP, URL: "https://a.b/", Timeout: 600000 * time.Second, AllowedTools: []string{"a"}, BlockedTools: []string{"b"}}, "other programs count milliseconds"},
		"Windsurf": {`{"mcpServers":{"s":{"serverUrl":"https://a.b/sse"}}}`, ServerConfig{Transport: TransportAuto, URL: "https://a.b/sse"}, ""},
	} {
		cfg, warnings, err := Parse([]byte(test.text), ParseOptions{Path: filepath.Join(dir, "mcp.json"), LookupEnv: func(name string) (string, bool) {
			value, ok := environ[name]
			return value, ok
		}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		test.want.Name = "s"
		if got := cfg.Servers[0]; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: read as\n%+v, want\n%+v", name, got, test.want)
		}
		var said []string
		for _, w := range warnings {
			said = append(said, w.String())
		}
		if all := strings.Join(said, "\n"); test.warn == "" && all != "" || !strings.Contains(all, test.warn) {
			t.Errorf("%s: warned of %q, want %q", name, all, test.warn)
		}
	}
}

func TestFilesOfAConfiguration(t *testing.T) {
	cfg, _, err := Parse([]byte(`{"servers":{"a":{"command":"x","envFile":"a.env"},"b":{"command":"x","envFile":"/etc/b.env"},"c":{"url":"https://a.b/"}}}`), ParseOptions{Path: "/conf/mcp.json"})
	if err != nil {
		t.Fatal(err)
	}
	// Also those that are not there: they may come to be.
	if want := []string{"/conf/mcp.json", "/conf/a.env", "/etc/b.env"}; !slices.Equal(cfg.Files, want) {
		t.Errorf("the files are %q, want %q", cfg.Files, want)
	}
}
