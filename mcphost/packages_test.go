//go:build unix

package mcphost

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestChangedPackageIsHeld runs a server by a stand-in for npx, which writes what npx would leave in its cache.
func TestChangedPackageIsHeld(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, "npm-cache")
	npx := func(version, integrity string) {
		t.Helper()
		script := fmt.Sprintf("#!/bin/sh\nd=%s/_npx/1\nmkdir -p $d/node_modules\necho '%s' > $d/package.json\necho '%s' > $d/node_modules/.package-lock.json\nexec %s\n", cache,
			`{"_npx":{"packages":["pkg"]}}`, `{"packages":{"node_modules/pkg":{"version":"`+version+`","integrity":"`+integrity+`"}}}`, self)
		if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bin/npx"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	if err := os.Symlink(cache, filepath.Join(dir, ".npm")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	path := filepath.Join(dir, "mcp.json")
	if err := os.WriteFile(path, []byte(`{"mcpServers":{"s":{"command":"npx","args":["-y","pkg"],"sandbox":"off",
		"env":{"`+modeVariable+`":"good","TOOLSERVE_TEST_STATE":"`+dir+`/state"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	host := func() *Host {
		t.Helper()
		cfg, _, err := LoadConfig(path, ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return start(t, cfg, Options{})
	}
	connected := func(what string) {
		t.Helper()
		h := host()
		if st := status(t, h, "s"); st.State != StateConnected {
			t.Errorf("%s: %s %s", what, st.State, st.Error)
		}
		h.Close()
	}

	npx("1.0.0", "sha512-AAA")
	connected("first use")
	lock, err := os.ReadFile(filepath.Join(dir, "mcp.lock.json"))
	if err != nil || !strings.Contains(string(lock), `"npm:pkg@1.0.0"`) || !strings.Contains(string(lock), "sha512-AAA") {
		t.Fatalf("the lock file is %s, %v", lock, err)
	}
	connected("the same")
	npx("1.0.1", "sha512-BBB")
	connected("another version")

	npx("1.0.0", "sha512-EVIL")
	h := host()
	st := status(t, h, "s")
	if st.State != StateHeld || len(st.Pending) != 1 || st.Pending[0].Kind != "package" || st.Pending[0].Tool != "npm:pkg@1.0.0" ||
		!strings.Contains(st.Error, "under the same version") {
		t.Fatalf("another content: %s %q, %+v", st.State, st.Error, st.Pending)
	}
	h.Close()
	// It is in the cache now, so that it is not even started.
	npx("1.0.0", "sha512-EVIL")
	if err := os.Remove(filepath.Join(dir, "bin/npx")); err != nil {
		t.Fatal(err)
	}
	h = host()
	if st = status(t, h, "s"); st.State != StateHeld {
		t.Fatalf("what is in the cache: %s %q", st.State, st.Error)
	}
	npx("1.0.0", "sha512-EVIL")
	if _, err := h.Approve(Approval{Server: "s", Digest: st.Pending[0].Digest}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is started", func() bool { return status(t, h, "s").State == StateConnected })
}
