package confine

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

func TestCacheOf(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	server := func(name, command string, args ...string) *mcpjson.ServerConfig {
		return &mcpjson.ServerConfig{Name: name, Command: command, Args: args}
	}
	base := cacheOf(server("fs", "npx", "-y", "@scope/fs@1.0.0", "/data/a"))
	if !filepath.IsAbs(base) || !strings.Contains(base, filepath.Join("toolserve", "servers")) {
		t.Fatalf("the cache is %q", base)
	}
	if again := cacheOf(server("fs", "npx", "-y", "@scope/fs@1.0.0", "/data/b", "--token=x", "https://h/", "~/c")); again != base {
		t.Errorf("paths and settings change it: %q", again)
	}
	for _, other := range []*mcpjson.ServerConfig{
		server("other", "npx", "-y", "@scope/fs@1.0.0", "/data/a"), server("fs", "uvx", "-y", "@scope/fs@1.0.0"),
		server("fs", "npx", "-y", "@scope/evil"), server("fs", "npx", "-y", "fs==1.0.0"),
	} {
		if cacheOf(other) == base {
			t.Errorf("%+v has the same", other)
		}
	}
	shared := server("fs", "npx", "-y", "@scope/fs@1.0.0")
	shared.Sandbox.SharedCache = true
	if got := cacheOf(shared); got != "" {
		t.Errorf("shared: %q", got)
	}
}
