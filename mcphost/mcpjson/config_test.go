package mcpjson

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/screen"
	"github.com/toolserve/toolserve/policy/trust"
)

func parse(t *testing.T, text string) (*Config, []Warning, error) {
	t.Helper()
	env := map[string]string{"TOKEN": "t0k", "EMPTY": "", "WITH_REF": "${TOKEN}"}
	return Parse([]byte(text), ParseOptions{LookupEnv: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}})
}

func mustParse(t *testing.T, text string) (*Config, []Warning) {
	t.Helper()
	cfg, warnings, err := parse(t, text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return cfg, warnings
}

func TestParseServers(t *testing.T) {
	tests := []struct {
		name, entry string
		want        ServerConfig
	}{
		{"the guide's", `{"command":"npx","args":["-y","@modelcontextprotocol/server-filesystem","/tmp"]}`,
			ServerConfig{Transport: TransportStdio, Command: "npx", Args: []string{"-y", "@modelcontextprotocol/server-filesystem", "/tmp"}}},
		{"comments and commas", "{ // one\n \"command\": \"a\", /* two */ \"env\": {\"A\": \"b\",}, }",
			ServerConfig{Transport: TransportStdio, Command: "a", Env: map[string]string{"A": "b"}}},
		{"variables", `{"command":"a","args":["${TOKEN}-${env:TOKEN}-${env://TOKEN}","${NO:-def}","${EMPTY:-x}","${EMPTY}","${WITH_REF}"],"env":{"K":"Bearer ${TOKEN}","D":null}}`,
			ServerConfig{Transport: TransportStdio, Command: "a", Args: []string{"t0k-t0k-t0k", "def", "x", "", "${TOKEN}"}, Env: map[string]string{"K": "Bearer t0k"}, Unset: []string{"D"}}},
		{"command as a list", `{"type":"local","command":["bin","-x"],"environment":{"A":"1"}}`,
			ServerConfig{Transport: TransportStdio, Command: "bin", Args: []string{"-x"}, Env: map[string]string{"A": "1"}}},
		{"url alone", `{"url":"https://x.test/mcp","headers":{"X-Key":"${TOKEN}"}}`,
			ServerConfig{Transport: TransportAuto, URL: "https://x.test/mcp", Headers: map[string]string{"X-Key": "t0k"}}},
		{"streamable", `{"type":"streamableHttp","url":"http://x.test","token":"${TOKEN}"}`,
			ServerConfig{Transport: TransportHTTP, URL: "http://x.test", Headers: map[string]string{"Authorization": "Bearer t0k"}}},
		{"sse by transport", `{"transport":"sse","url":"http://x.test"}`, ServerConfig{Transport: TransportSSE, URL: "http://x.test"}},
		{"both, with a type", `{"type":"stdio","command":"a","url":"http://x"}`, ServerConfig{Transport: TransportStdio, Command: "a", URL: "http://x"}},
		{"a socket", `{"type":"http","url":"unix:///run/mcp.sock#/mcp"}`, ServerConfig{Transport: TransportHTTP, URL: "unix:///run/mcp.sock#/mcp"}},
		{"lazy", `{"command":"a","start":"lazy","idle_timeout":2.5}`,
			ServerConfig{Transport: TransportStdio, Command: "a", Lazy: true, IdleTimeout: 2500 * time.Millisecond}},
		{"lazy by a flag", `{"url":"https://a.b/","lazy":true}`, ServerConfig{Transport: TransportAuto, URL: "https://a.b/", Lazy: true}},
		{"eager", `{"command":"a","start":"eager","lazy":false}`, ServerConfig{Transport: TransportStdio, Command: "a"}},
		{"rules", `{"command":"a","disabled":true,"timeout":2.5,"connect_timeout":90,"allowed_tools":[],"disabledTools":["x"],"alwaysAllow":["y"],"skip_security_validation":true,"cwd":"/w"}`,
			ServerConfig{Transport: TransportStdio, Command: "a", Disabled: true, Timeout: 2500 * time.Millisecond, ConnectTimeout: 90 * time.Second,
				AllowedTools: []string{}, BlockedTools: []string{"x"}, AutoApprove: []string{"y"}, SkipSecurityValidation: true, Dir: "/w"}},
		{"enabled false", `{"command":"a","enabled":false}`, ServerConfig{Transport: TransportStdio, Command: "a", Disabled: true}},
	}
	for _, test := range tests {
		cfg, warnings := mustParse(t, `{"mcpServers":{"s":`+test.entry+`}}`)
		test.want.Name = "s"
		if got := cfg.Servers[0]; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", test.name, got, test.want)
		}
		if len(warnings) > 0 {
			t.Errorf("%s: warnings %v", test.name, warnings)
		}
	}
}

// TestProblemOfOneServer checks that what is wrong with one entry fails that entry alone.
func TestProblemOfOneServer(t *testing.T) {
	tests := []struct{ entry, want string }{
		{`{"command":7}`, `"command": must be a string or a list of strings`},
		{`{"command":"a","args":"-x"}`, `"args": must be a list of strings, not a string`},
		{`{"command":"a","args":["x",7]}`, `"args": must be a string, not a number`},
		{`{"command":"a","env":["x"]}`, `"env": must be an object, not a list`},
		{`{"command":"a","env":{"A":true}}`, `"env": "A": must be a string, not a boolean`},
		{`{"command":"a","env":{"A=B":"1"}}`, `not a variable that an environment can hold`},
		{`{"command":"a","timeout":true}`, `"timeout": must be a number, not a boolean`},
		{`{"command":"a","timeout":-1}`, `"timeout": must be a number of seconds`},
		{`{"command":"a","timeout":1e999}`, `at most a week, not 1e999`},
		{`{"command":"a","enabled":"no"}`, `"enabled": must be true or false, not a string`},
		{`{"command":"a","allowed_tools":[""]}`, `must not hold an empty name`},
		{`{"command":"a","command":"b"}`, `the key "command" is given twice`},
		{`{"command":"${ABSENT}"}`, `the variable ABSENT is not set; set it, or give a default as in ${ABSENT:-value}`},
		{`{"command":"a","args":["${input:key}"]}`, `asks for input`},
		{`{"command":"a","args":["${oops"]}`, `opens a variable and does not close it`},
		{`{"command":"a","args":["${a b}"]}`, `does not name a variable`},
		{`{"command":"a","envFile":"/no/such/file"}`, `"envFile": open /no/such/file`},
		{`{"command":"a","url":"http://x"}`, `both "command" and "url"`},
		{`{}`, `neither "command" nor "url"`},
		{`{"command":[]}`, `must not be an empty list`},
		{`{"type":"stdio","url":"http://x"}`, `stdio transport requires 'command'`},
		{`{"type":"sse"}`, `sse transport requires 'url'`},
		{`{"type":"carrier-pigeon","url":"http://x"}`, `"type" "carrier-pigeon" is not known`},
		{`{"type":"http","transport":"sse","url":"http://x"}`, `contradicts`},
		{`{"url":"ftp://x"}`, `must be an http:// or https:// address`},
		{`{"url":"https://x/","headersHelper":"./token.sh"}`, `"headersHelper": runs a command of the file to make headers, which is refused`},
		{`{"command":"a","env":{"K":"${input:no key}"}}`, `set the variable TOOLSERVE_INPUT_NO_KEY`},
		{`{"url":"unix://host/x.sock"}`, `a socket such as unix:///run/mcp.sock#/mcp`},
		{`{"url":"pipe:///pipe/mcp"}`, `named pipe of Windows, which is not supported`},
		{`{"url":"http://x","headers":{"A":"b\r\nC: d"}}`, `not a header that HTTP can carry`},
		{`{"url":"http://x","headers":{"A:":"b"}}`, `not a header that HTTP can carry`},
		{`"npx"`, `must be an object, not a string`},
		{`{"http_url":"http://x"}`, `neither "command" nor "url" is given; a server needs one of them; did you mean "url" by "http_url"?`},
		{`{"Url":"http://x"}`, `did you mean "url" by "Url"?`},
		{`{"endpoint":"http://x","type":"http"}`, `http transport requires 'url'; did you mean "url" by "endpoint"?`},
		{`{"cmd":"npx","arguments":["-y"]}`, `did you mean "command" by "cmd"?`},
		{`{"comand":"npx","type":"stdio"}`, `did you mean "command" by "comand"?`},
		{`{"command":"a","type":"http"}`, `http transport requires 'url'; with "command", leave "type" out`},
		{`{"command":"a","type":"STDIO"}`, `"type" "STDIO" is not known; did you mean "stdio"?`},
		{`{"command":"https://x/mcp"}`, `"https://x/mcp" is an address; write it as "url"`},
	}
	for _, test := range tests {
		cfg, _, err := parse(t, "{\"servers\":{\n \"good\":{\"command\":\"a\"},\n \"bad\": "+test.entry+"}}")
		if err != nil {
			t.Errorf("%s fails the file: %v", test.entry, err)
			continue
		}
		if cfg.Servers[0].Problem != nil {
			t.Errorf("%s: the good server has the problem %v", test.entry, cfg.Servers[0].Problem)
		}
		switch problem := cfg.Servers[1].Problem; {
		case problem == nil:
			t.Errorf("%s has no problem", test.entry)
		case !strings.HasPrefix(problem.Error(), "MCP server 'bad': ") || !strings.Contains(problem.Error(), test.want):
			t.Errorf("%s: problem is %q, want %q in it", test.entry, problem, test.want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{``, `line 1, column 1: the file is empty`},
		{"{\n  \"mcpServers\": {\n    \"a\": {,}\n  }\n}", `mcp.json: line 3, column 11:`},
		{`[]`, `must be an object, not a list`},
		{`{"mcpServers":[]}`, `"mcpServers": must be an object, not a list`},
		{"{\"mcpServers\":{\"a\":{\"command\":\"x\"},\n\"a\":{\"command\":\"y\"}}}", `line 2, column 1: "mcpServers": the key "a" is given twice`},
		{`{"mcpServers":{"a":{"command":"x"}},"servers":{"a":{"command":"x"}}}`, `the server "a" is named under both "mcpServers" and "servers"`},
		{`{"max_tool_calls":0}`, `"max_tool_calls": must be a whole number from 1`},
		{`{"max_tool_calls":true}`, `"max_tool_calls": must be a number, not a boolean`},
		{`{"default_timeout":"30"}`, `"default_timeout": must be a number, not a string`},
		{`{"allowed_high_risk_tools":["a",""]}`, `must not hold an empty name`},
		{`{"security":{"high_risk":"explode"}}`, `"security": "high_risk": must be one of "warn", "ask", "block", not "explode"`},
		{`{"security":{"blocked_argument_patterns":["("]}}`, `not a regular expression`},
		{`{"security":{"max_parallel_calls":3,"max_calls_per_minute":-3}}`, `whole number from 0`},
		{`{"a":` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + `}`, `nested deeper than 64 levels`},
	}
	for _, test := range tests {
		_, _, err := parse(t, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.60s: error is %v, want %q in it", test.text, err, test.want)
		}
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.json"), ParseOptions{}); err == nil || !strings.HasPrefix(err.Error(), "MCP config file not found: ") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestWordsOfElsewhereWarn(t *testing.T) {
	_, warnings := mustParse(t, `{"mcpServers":{"s":{"command":"npx -y p","cmd":"x","arguments":[],"workingDirectory":"/","environmentVariables":{},"requestHeaders":{},"time_out":1}}}`)
	for i, want := range []string{
		`"command" is one program; write "command": "npx"`, `did you mean "command"?`, `did you mean "args"?`, `did you mean "cwd"?`,
		`did you mean "env"?`, `did you mean "headers"?`, `did you mean "timeout"?`,
	} {
		if i >= len(warnings) || !strings.Contains(warnings[i].String(), want) {
			t.Fatalf("%q is not in warning %d of %v", want, i, warnings)
		}
	}
}

func TestUnknownKeysWarn(t *testing.T) {
	_, warnings := mustParse(t, `{"mcp_servers":{},"mcpServers":{"s":{"comand":"x","command":"a","Args":[],"watchPaths":[],"description":"fine","zzz":1}},"security":{"blocked_tool":[]}}`)
	want := []string{
		`line 1, column 2: unknown key "mcp_servers" is ignored; did you mean "mcpServers"?`,
		`MCP server 's': unknown key "comand" is ignored; did you mean "command"?`,
		`MCP server 's': unknown key "Args" is ignored; did you mean "args"?`,
		`MCP server 's': the key "watchPaths" of other programs has no effect here`,
		`MCP server 's': unknown key "zzz" is ignored`,
		`unknown key "blocked_tool" is ignored; did you mean "blocked_tools"?`,
	}
	if len(warnings) != len(want) {
		t.Fatalf("got %d warnings: %v", len(warnings), warnings)
	}
	for i, w := range warnings {
		if !strings.HasSuffix(w.String(), want[i]) {
			t.Errorf("warning is %q, want %q at its end", w, want[i])
		}
	}
}

func TestSecurityBlock(t *testing.T) {
	cfg, warnings := mustParse(t, `{"max_tool_calls":3,"default_timeout":5,"allowed_high_risk_tools":["a"],
		"servers":{"s":{"command":"x","allowed_tools":["r*"],"disabledTools":["rm"],"autoApprove":["read"]}},
		"security":{"allowed_commands":["x"],"extra_commands":["y"],"pins":"require","allowed_tools":["read_file"],"blocked_tools":["shell"],
		 "high_risk":"ask","allowed_high_risk_tools":["b"],"max_calls_per_minute":0,"blocked_argument_patterns":["\\.\\./"],"roots":["/data"],
		 "path_rules":false,"redact_keys":["ssn"],"audit_file":"/var/log/a.jsonl","sandbox":"off"}}`)
	if len(warnings) > 0 {
		t.Errorf("warnings %v", warnings)
	}
	want := policy.ToolRules{
		AllowedTools: []string{"read_file"}, BlockedTools: []string{"shell"}, HighRisk: policy.RiskAsk, AllowedHighRiskTools: []string{"a", "b"},
		CallsPerMinute: policy.Unlimited, BlockedArgPatterns: []string{`\.\./`}, Roots: []string{"/data"}, NoPathRules: true,
		Servers: map[string]policy.ServerRules{"s": {AllowedTools: []string{"r*"}, BlockedTools: []string{"rm"}, AutoApprove: []string{"read"}}},
	}
	if got := cfg.ToolRules(); !reflect.DeepEqual(got, want) {
		t.Errorf("tool rules are\n%+v, want\n%+v", got, want)
	}
	launch := cfg.LaunchRules()
	if !reflect.DeepEqual(launch.AllowedCommands, []string{"x"}) || !reflect.DeepEqual(launch.ExtraCommands, []string{"y"}) || launch.Pins != policy.PinsRequire {
		t.Errorf("launch rules are %+v", launch)
	}
	if cfg.MaxToolCalls != 3 || cfg.DefaultTimeout != 5*time.Second || cfg.Security.AuditFile != "/var/log/a.jsonl" || cfg.Security.Sandbox != "off" {
		t.Errorf("configuration is %+v", cfg)
	}
}

func TestTrustKeys(t *testing.T) {
	atPath := func(text string) *Config {
		t.Helper()
		cfg, warnings, err := Parse([]byte(text), ParseOptions{Path: "/conf/mcp.json"})
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%v, %v in\n%s", err, warnings, text)
		}
		return cfg
	}
	cfg := atPath(`{"mcpServers":{"s":{"command":"a","trust":"warn","roots":["data","/x"],"max_calls_per_minute":5,"max_parallel_calls":3},"t":{"command":"a","max_calls_per_minute":0}},
		"security":{"trust":"off","new_tools":"hold","screen":"hold","lock_file":"l.json","audit_sync":"always","audit_max_bytes":1000,"audit_max_files":0}}`)
	s := cfg.Security
	if s.Trust != trust.Off || !s.HoldNewTools || s.Screen != screen.Hold || cfg.LockFile() != "/conf/l.json" {
		t.Errorf("trust is %+v", s)
	}
	if a := cfg.AuditOptions(); a.SyncEvery >= 0 || a.MaxBytes != 1000 || a.MaxFiles != -1 {
		t.Errorf("the audit log is kept as %+v", a)
	}
	rules := cfg.ToolRules().Servers
	if r := rules["s"]; r.CallsPerMinute != 5 || !slices.Equal(r.Roots, []string{"/conf/data", "/x"}) || rules["t"].CallsPerMinute != -1 || cfg.Servers[0].Trust != trust.Warn || cfg.Servers[0].MaxParallelCalls != 3 {
		t.Errorf("the rules of the servers are %+v", rules)
	}
	cfg = atPath(`{"mcpServers":{},"security":{"audit_sync":2.5,"audit_max_files":3}}`)
	if a := cfg.AuditOptions(); a.SyncEvery != 2500*time.Millisecond || a.MaxFiles != 3 || cfg.LockFile() != "/conf/mcp.lock.json" {
		t.Errorf("the audit log is kept as %+v, the lock file is %s", a, cfg.LockFile())
	}
	if (&Config{}).LockFile() != "" {
		t.Error("a configuration without a path has a lock file")
	}
	for block, want := range map[string]string{
		`"trust":"yes"`: `"off", "warn", "hold"`, `"screen":1`: "must be a string", `"new_tools":"deny"`: `"allow", "hold"`,
		`"lock_file":""`: "beside the configuration", `"audit_sync":"never"`: `"close", "always"`, `"audit_max_bytes":-1`: "whole number", `"audit_max_files":1.5`: "whole number",
	} {
		if _, _, err := parse(t, `{"mcpServers":{},"security":{`+block+`}}`); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", block, err, want)
		}
	}
}

func TestLaunchItemHidesSecrets(t *testing.T) {
	cfg, _ := mustParse(t, `{"mcpServers":{"s":{"command":"npx","args":["--api-key","s3cret-1","--token=ghp_abcdefghijklmnopqrstuvwxyz0123456789","${TOKEN}","--name","plain"],
		"env":{"PASSWORD":"s3cret-2","DB":"postgres://u:s3cret-3@h/db","MODE":"fast","HOST":"${TOKEN}","KEY":"${TOKEN:-s3cret-4}"}},
		"r":{"url":"https://h.test/mcp?token=s3cret-5","headers":{"Authorization":"Bearer ${TOKEN}","X-Api-Key":"s3cret-6","X-Team":"blue"},"token":"${TOKEN}"}}}`)
	redactor := cfg.AuditOptions().Redactor
	var all string
	for _, s := range cfg.Servers {
		all += string(cfg.LaunchItem(s, redactor).Definition)
		// Of an entry that a program changed, nothing of the values is told.
		s.Args = append(s.Args, "more")
		changed := string(cfg.LaunchItem(s, redactor).Definition)
		if strings.Contains(changed, "fast") || strings.Contains(changed, "blue") || !strings.Contains(changed, "more") {
			t.Errorf("the changed entry gives %s", changed)
		}
		all += changed
	}
	for _, secret := range []string{"s3cret", "ghp_", "t0k"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in %s", secret, all)
		}
	}
	for _, kept := range []string{"plain", "fast", "${TOKEN}", "Bearer ${TOKEN}", "blue"} {
		if !strings.Contains(all, kept) {
			t.Errorf("%q is not in %s", kept, all)
		}
	}
}

func TestEnvFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".env", "# a comment\n\nexport A=1\nB = \"two words\\n\" \nC='x$y'\nD=four # not part of it\nE=\n")
	write("bad.env", "A=1\nnot a line\n")
	write("mcp.json", `{"mcpServers":{"good":{"command":"x","envFile":".env","cwd":"sub","env":{"A":"over","D":null}},"bad":{"command":"x","envFile":"bad.env"}}}`)
	cfg, _, err := Load(filepath.Join(dir, "mcp.json"), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "over", "B": "two words\n", "C": "x$y", "E": ""}
	if got := cfg.Servers[0]; !reflect.DeepEqual(got.Env, want) || got.Dir != filepath.Join(dir, "sub") {
		t.Errorf("env is %q in %s, want %q", got.Env, got.Dir, want)
	}
	if p := cfg.Servers[1].Problem; p == nil || !strings.Contains(p.Error(), "bad.env, line 2: must be NAME=value") {
		t.Errorf("problem is %v", p)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"mcpServers":{"a":{"command":"x","args":["${A:-b}"],"env":{"A":null}}}}`)
	f.Add("{// c\n\"servers\":{\"\":{\"url\":\"http://x\",}},\"security\":{\"roots\":[\"a\"]},}")
	f.Add(`{"a":"\ud800","b":[[[[]]]],"mcpServers":{"x":{"command":["a"],"type":"local"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		cfg, _, err := Parse([]byte(text), ParseOptions{LookupEnv: func(string) (string, bool) { return "v", true }})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, s := range cfg.Servers {
			if seen[s.Name] {
				t.Errorf("the server %q is there twice", s.Name)
			}
			seen[s.Name] = true
			if s.Problem == nil && (s.Transport == TransportStdio) != (s.Command != "" && (s.URL == "" || s.Transport == TransportStdio)) {
				t.Errorf("unusable without a problem: %+v", s)
			}
		}
	})
}
