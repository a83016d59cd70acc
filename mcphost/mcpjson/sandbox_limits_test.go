package mcpjson

import "testing"

func TestSandboxLimits(t *testing.T) {
	cfg, _ := mustParse(t, `{"mcpServers":{
		"a":{"command":"npx","args":["x"],"sandbox":{"limits":{"memory_mb":512,"processes":64},"cache":"shared"}},
		"b":{"command":"npx","args":["x"],"sandbox":{"cache":"own"}}},
		"security":{"sandbox_limits":{"memory_mb":1024,"file_mb":100,"open_files":256}}}`)
	if l := cfg.SandboxLimits(&cfg.Servers[0]); l != (SandboxLimits{MemoryMB: 512, FileMB: 100, Processes: 64, OpenFiles: 256}) || !cfg.Servers[0].Sandbox.SharedCache {
		t.Errorf("a: %+v", l)
	}
	if l := cfg.SandboxLimits(&cfg.Servers[1]); l != (SandboxLimits{MemoryMB: 1024, FileMB: 100, OpenFiles: 256}) || cfg.Servers[1].Sandbox.SharedCache {
		t.Errorf("b: %+v", l)
	}
	for _, bad := range []string{`{"limits":{"memory_mb":0}}`, `{"limits":{"processes":"many"}}`, `{"limits":7}`, `{"cache":"none"}`} {
		cfg, _ := mustParse(t, `{"mcpServers":{"a":{"command":"npx","args":["x"],"sandbox":`+bad+`}}}`)
		if cfg.Servers[0].Problem == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
