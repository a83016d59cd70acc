package packages

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/toolserve/toolserve/policy"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	c := Caches{NPM: filepath.Join(dir, "npm"), UV: filepath.Join(dir, "uv")}
	npx := func(id, spec, lock string) {
		write(t, filepath.Join(c.NPM, "_npx", id, "package.json"), `{"dependencies":{"x":"1"},"_npx":{"packages":["`+spec+`"]}}`)
		write(t, filepath.Join(c.NPM, "_npx", id, "node_modules/.package-lock.json"), lock)
	}
	npx("a", "@s/server@1.0.0", `{"packages":{"node_modules/@s/server":{"version":"1.0.0","integrity":"sha512-AAA"},"node_modules/dep":{"version":"2.0.0","integrity":"sha512-DDD"}}}`)
	npx("b", "@s/server", `{"packages":{"node_modules/@s/server":{"version":"1.2.0","integrity":"sha512-BBB"}}}`)
	npx("c", "other", `{"packages":{"node_modules/@s/server":{"version":"9.9.9","integrity":"sha512-CCC"}}}`)
	npx("d", "broken", `{"packages":`)
	npx("e", "without", `{"packages":{"node_modules/without":{"version":"1.0.0"}}}`)
	wheel := filepath.Join(c.UV, "archive-v0/x1/Mcp_Server_Time-2026.1.0.dist-info/RECORD")
	write(t, wheel, "a.py,sha256=1,2\nb.py,sha256=3,4\n")
	write(t, filepath.Join(c.UV, "archive-v0/x2/mcp_server_timer-1.0.dist-info/RECORD"), "x")

	find := func(registry, name, spec string) []Package {
		return Find(c, []policy.Package{{Registry: registry, Name: name, Spec: spec}})
	}
	if got := find("npm", "@s/server", "@s/server@1.0.0"); !slices.Equal(got, []Package{{"npm", "@s/server", "1.0.0", "sha512-AAA"}}) {
		t.Errorf("a pinned package: %+v", got)
	}
	if got := find("npm", "@s/server", "@s/server"); !slices.Equal(got, []Package{{"npm", "@s/server", "1.2.0", "sha512-BBB"}}) {
		t.Errorf("a package without a version: %+v", got)
	}
	if got := find("npm", "without", "without"); len(got) != 1 || got[0].Integrity != "" {
		t.Errorf("a package without a hash: %+v", got)
	}
	for _, name := range []string{"broken", "none", "../a"} {
		if got := find("npm", name, name); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	before := find("pypi", "mcp-server-time", "mcp-server-time==2026.1.0")
	if len(before) != 1 || before[0].Name != "mcp-server-time" || before[0].Version != "2026.1.0" || len(before[0].Integrity) != 71 {
		t.Fatalf("a wheel: %+v", before)
	}
	write(t, wheel, "b.py,sha256=3,4\r\na.py,sha256=1,2\r\n")
	if got := find("pypi", "MCP.server_time", ""); !slices.Equal(got, before) {
		t.Errorf("the order of lines counts: %+v", got)
	}
	write(t, wheel, "b.py,sha256=3,4\na.py,sha256=9,2\n")
	changed := find("pypi", "mcp-server-time", "")
	if len(changed) != 1 || changed[0].Integrity == before[0].Integrity {
		t.Errorf("another content: %+v", changed)
	}
	if a, b := before[0].Item(), changed[0].Item(); a.Name != "pypi:mcp-server-time@2026.1.0" || a.Name != b.Name || a.Digest == b.Digest {
		t.Errorf("items %+v, %+v", a, b)
	}
	if got := Find(Caches{}, []policy.Package{{Registry: "npm", Name: "x"}, {Registry: "pypi", Name: "x"}, {Registry: "image", Name: "x"}}); got != nil {
		t.Errorf("without caches: %+v", got)
	}
}
