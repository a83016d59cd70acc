package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/toolserve/toolserve/internal/config"
)

var update = flag.Bool("update", false, "rewrite docs/config.md")

// TestMain takes the settings of who runs the tests out of the environment.
func TestMain(m *testing.M) {
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "TOOLSERVE_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

func parse(t *testing.T, args ...string) (config.Serve, error) {
	t.Helper()
	var serve config.Serve
	parser, err := kong.New(&serve, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	if err == nil {
		err = serve.Validate()
	}
	return serve, err
}

func TestDefaults(t *testing.T) {
	serve, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if serve.Network.Port != 8000 || serve.Network.Host != "127.0.0.1" || !serve.Network.Loopback() {
		t.Errorf("listens on %s:%d", serve.Network.Host, serve.Network.Port)
	}
	if got := serve.Generation.ToolChoice(); got != "auto" {
		t.Errorf("tool choice %q, want auto", got)
	}
	if time.Duration(serve.Network.Timeout) != 300*time.Second {
		t.Errorf("timeout %v, want 300s", time.Duration(serve.Network.Timeout))
	}
}

func TestFlags(t *testing.T) {
	serve, err := parse(t, "some/repo:Q8_0", "--timeout", "1.5", "--no-enable-auto-tool-choice", "--served-model-name", "a", "--served-model-name", "b", "--host", "::1",
		"--max-body", "1MiB", "--drain", "3", "--allowed-origins", "https://a.example,http://localhost:3000", "--allowed-hosts", "box.lan")
	if err != nil {
		t.Fatal(err)
	}
	if time.Duration(serve.Network.Timeout) != 1500*time.Millisecond {
		t.Errorf("timeout %v, want 1.5s", time.Duration(serve.Network.Timeout))
	}
	if n := serve.Network; n.MaxBody != 1<<20 || time.Duration(n.Drain) != 3*time.Second || len(n.AllowedOrigins) != 2 || n.AllowedHosts[0] != "box.lan" {
		t.Errorf("read %+v", n)
	}
	if got := serve.Generation.ToolChoice(); got != "none" {
		t.Errorf("tool choice %q, want none", got)
	}
	if serve.Model != "some/repo:Q8_0" || strings.Join(serve.Engine.ServedModelName, " ") != "a b" || !serve.Network.Loopback() {
		t.Errorf("read %+v", serve)
	}
}

func TestBadFlagsNameThemselves(t *testing.T) {
	for _, args := range []string{
		"--port 70000", "--rate-limit -1", "--max-num-seqs 0", "--max-num-seqs 300", "--context-size -1", "--threads -2",
		"--max-tokens -1", "--mcp-max-calls-per-minute -1", "--mcp-config /does/not/exist.json", "--chat-template /",
		"--timeout soon", "--drain 0", "--drain -1", "--max-body 0", "--max-body -1", "--max-body 1TB", "--max-body x", "--max-body 9999999999999MiB",
		"--api-key kéy", "--host 0.0.0.0", "--host ::", "--host example.org", "--host 10.0.0.1",
		"--tls-cert /etc/hostname", "--tls-key /etc/hostname", "--api-keys-file /does/not/exist.json", "--api-keys-file /",
		"--allowed-origins *", "--allowed-origins null", "--allowed-origins example.org", "--allowed-origins https://a.example/x",
		"--allowed-origins https://A.example", "--allowed-hosts https://a.example", "--allowed-hosts a.example:80", "--allowed-hosts *.example",
		"--timeout NaN", "--timeout -3", "--default-tool-choice named", "--engine-variant rocm",
	} {
		fields := strings.Fields(args)
		_, err := parse(t, fields[0]+"="+fields[1])
		if err == nil || !strings.Contains(err.Error(), fields[0]) {
			t.Errorf("%s: error %v does not name the flag", args, err)
		}
	}
}

// Anything but loopback needs a key, or the word that it needs none.
func TestHostNeedsKey(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"--host 127.0.0.1", "--host localhost", "--host ::1", "--host 0.0.0.0 --api-key k", "--host 0.0.0.0 --api-keys-file " + keys, "--host 0.0.0.0 --allow-no-key",
	} {
		if _, err := parse(t, strings.Fields(args)...); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
	_, err := parse(t, "--host", "0.0.0.0")
	for _, mend := range []string{"--host 0.0.0.0", "--api-key ", "--api-keys-file", "toolserve keys new", "--allow-no-key"} {
		if err == nil || !strings.Contains(err.Error(), mend) {
			t.Errorf("the refusal %v does not tell of %s", err, mend)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]config.Bytes{"0": 0, "1048576": 1 << 20, "512KiB": 512 << 10, "32MiB": 32 << 20, "32 mb": 32 << 20, "1G": 1 << 30} {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q is %d, %v; want %d", text, b, err, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "localhost": true, "[::1]": true, "127.9.9.9": true, "0.0.0.0": false, "10.0.0.1": false, "example.org": false, "": false} {
		if got := (config.Network{Host: host}).Loopback(); got != want {
			t.Errorf("Loopback of %q is %v", host, got)
		}
	}
}

// TestDocs keeps docs/config.md equal to what the struct tags say.
func TestDocs(t *testing.T) {
	var serve config.Serve
	parser, err := kong.New(&serve)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Flags of `toolserve serve`\n\nGenerated from `internal/config` by `go test ./internal/config -update`. What an `mcp.json` may hold is in [mcp.md](mcp.md).\n")
	group := "-"
	for _, f := range parser.Model.Flags {
		if f.Name == "help" {
			continue
		}
		if g := f.Group.Title; g != group {
			group = g
			b.WriteString("\n## " + g + "\n\n| flag | default | what |\n|---|---|---|\n")
		}
		name := "--" + f.Name
		if f.Tag.Negatable != "" {
			name = "--[no-]" + f.Name
		}
		def := f.Default
		if def != "" {
			def = "`" + def + "`"
		}
		help := strings.ReplaceAll(f.Help, "|", "\\|")
		for _, env := range f.Envs {
			help += " Environment: `" + env + "`."
		}
		b.WriteString("| `" + name + "` | " + def + " | " + help + " |\n")
	}
	path := filepath.Join("..", "..", "docs", "config.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Errorf("docs/config.md differs from the flags; run go test ./internal/config -update (%v)", err)
	}
}
