package policy

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// cases reads a table: a verdict and then JSON values, a line each.
func cases(t *testing.T, name string, f func(line int, verdict string, values []string)) {
	t.Helper()
	file, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		verdict, rest, _ := strings.Cut(line, " ")
		var values []string
		for dec := json.NewDecoder(strings.NewReader(rest)); dec.More(); {
			var v string
			if err := dec.Decode(&v); err != nil {
				t.Fatalf("%s:%d: %v", name, n, err)
			}
			values = append(values, v)
		}
		f(n, verdict, values)
	}
}

func verdict(allowed bool) string {
	if allowed {
		return "allow"
	}
	return "refuse"
}

func TestEnvironment(t *testing.T) {
	cases(t, "environ.txt", func(n int, want string, v []string) {
		spec := ServerSpec{Name: "x", Command: "npx", Args: []string{"-y", "pkg"}, Env: map[string]string{v[0]: v[1]}}
		got := (&LaunchRules{}).CheckServer(spec)
		if verdict(got.Allowed) != want || !got.Allowed && got.Code != CodeEnvironment {
			t.Errorf("line %d: %q=%q: %s %s (%s)", n, v[0], v[1], verdict(got.Allowed), got.Code, got.Reason)
		}
	})
	rules := &LaunchRules{AllowedEnv: []string{"HTTPS_PROXY"}}
	spec := ServerSpec{Name: "x", Command: "npx", Args: []string{"-y", "pkg"}, Env: map[string]string{"HTTPS_PROXY": "http://proxy.corp:3128"}}
	if v := rules.CheckServer(spec); !v.Allowed {
		t.Error(v.Reason)
	}
}

func TestURLs(t *testing.T) {
	rules := &LaunchRules{AllowedHosts: []string{"intranet.corp", "10.1.2.3:80"}}
	cases(t, "urls.txt", func(n int, want string, v []string) {
		if v[0] == "" {
			return // an entry without a URL is none of this table
		}
		got := rules.CheckServer(ServerSpec{Name: "x", URL: v[0]})
		if verdict(got.Allowed) != want || !got.Allowed && got.Code != CodeURL {
			t.Errorf("line %d: %q: %s %s (%s)", n, v[0], verdict(got.Allowed), got.Code, got.Reason)
		}
		if (rules.CheckURL(v[0]) == nil) != got.Allowed {
			t.Errorf("line %d: CheckURL and CheckServer differ", n)
		}
	})
}

func TestHeaders(t *testing.T) {
	for name, want := range map[string]bool{"Authorization": true, "X-Api-Key": true, "Host": false, "A B": false, "": false, "A\n": false, "Content-Length": false, "Connection": false, "upgrade": false, "TE": false, "Cookie": true} {
		v := (&LaunchRules{}).CheckServer(ServerSpec{Name: "x", URL: "https://example.com", Headers: map[string]string{name: "v"}})
		if v.Allowed != want {
			t.Errorf("header %q: %+v", name, v)
		}
	}
	v := (&LaunchRules{}).CheckServer(ServerSpec{Name: "x", URL: "https://example.com", Headers: map[string]string{"A": "x\r\nHost: evil"}})
	if v.Allowed {
		t.Error("a header with a line break is allowed")
	}
}

func TestCheckDial(t *testing.T) {
	rules := &LaunchRules{AllowedHosts: []string{"intranet.corp"}}
	for _, c := range []struct {
		host, addr string
		ok         bool
	}{
		{"example.com", "93.184.216.34:443", true},
		{"example.com", "[2606:4700::1111]:443", true},
		{"example.com", "127.0.0.1:443", false},
		{"example.com", "[::ffff:127.0.0.1]:443", false},
		{"example.com", "10.0.0.1:443", false},
		{"example.com", "169.254.169.254:80", false},
		{"example.com", "[64:ff9b::7f00:1]:443", false},
		{"example.com", "[fe80::1%eth0]:443", false},
		{"localhost", "127.0.0.1:80", true},
		{"localhost", "[::1]:80", true},
		{"localhost", "93.184.216.34:80", false},
		{"LOCALHOST", "127.0.0.1:80", true},
		{"127.0.0.1", "127.0.0.1:80", true},
		{"intranet.corp", "10.0.0.1:80", true},
	} {
		if err := rules.CheckDial(c.host, netip.MustParseAddrPort(c.addr)); (err == nil) != c.ok {
			t.Errorf("%s at %s: %v", c.host, c.addr, err)
		}
	}
}

// TestAllowedHosts holds what an entry opens: a host, one of its ports, all below a name, a network; never what
// hands out credentials, unless it is named itself.
func TestAllowedHosts(t *testing.T) {
	rules := &LaunchRules{AllowedHosts: []string{"a.corp", "b.corp:8080", "*.svc.cluster.local", "*.internal", "10.1.0.0/16", "fd12::/16", "169.254.0.0/16"}}
	for url, ok := range map[string]bool{
		"http://a.corp:1/": true, "http://b.corp:8080/": true, "http://b.corp:8081/": false, "http://x.a.corp/": false, "http://xa.corp/": false,
		"http://x.ns.svc.cluster.local:80/": true, "http://svc.cluster.local/": false, "http://xsvc.cluster.local/": false, "http://a.svc.cluster.local.evil.tld/": false,
		"http://10.1.2.3:8000/": true, "http://10.2.2.3:8000/": false, "http://[fd12::5]/": true, "http://[fd13::5]/": false, "https://0x0a010203/": false,
		"http://wiki.internal/": true, "http://metadata.google.internal/": false, "http://169.254.169.254/": false, "http://u:p@a.corp/": false,
	} {
		if err := rules.CheckURL(url); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, c := range []struct {
		host, addr string
		ok         bool
	}{
		{"x.ns.svc.cluster.local", "10.9.9.9:80", true}, {"b.corp", "10.9.9.9:8080", true}, {"b.corp", "10.9.9.9:80", false},
		{"example.com", "10.1.9.9:80", true}, {"example.com", "10.2.9.9:80", false}, {"example.com", "169.254.169.254:80", false},
	} {
		if err := rules.CheckDial(c.host, netip.MustParseAddrPort(c.addr)); (err == nil) != c.ok {
			t.Errorf("%s at %s: %v", c.host, c.addr, err)
		}
	}
	if err := (&LaunchRules{AllowedHosts: []string{"169.254.169.254"}}).CheckURL("http://169.254.169.254/"); err != nil {
		t.Error(err)
	}
}

// TestPublicOnly wants no host of this machine or of its network, by name, by address or by resolution.
func TestPublicOnly(t *testing.T) {
	rules := &LaunchRules{PublicOnly: true, AllowedHosts: []string{"localhost:9000", "127.0.0.2"}}
	for url, ok := range map[string]bool{
		"https://example.com/mcp": true, "http://localhost:9000/": true, "http://127.0.0.2/": true,
		"http://localhost/": false, "https://localhost:9001/": false, "https://a.localhost/": false, "http://127.0.0.1/": false, "https://[::1]/": false, "https://10.1.2.3/": false,
		"unix:///run/x.sock": false, "unix:///var/run/docker.sock#/mcp": false,
	} {
		if err := rules.CheckURL(url); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
	for host, addr := range map[string]string{"localhost": "127.0.0.1:80", "127.0.0.1": "127.0.0.1:80", "example.com": "127.0.0.1:443"} {
		if rules.CheckDial(host, netip.MustParseAddrPort(addr)) == nil {
			t.Errorf("%s at %s may be dialled", host, addr)
		}
	}
	if err := rules.CheckDial("localhost", netip.MustParseAddrPort("127.0.0.1:9000")); err != nil {
		t.Error(err)
	}
}

func TestGuideTexts(t *testing.T) {
	for _, c := range []struct {
		spec ServerSpec
		want string
	}{
		{ServerSpec{Name: "malicious", Command: "bash", Args: []string{"-c", "rm -rf /"}},
			"MCP server 'malicious': Command 'bash' is not in the allowed commands whitelist."},
		{ServerSpec{Name: "a", Command: "npx", Args: []string{"-y", "pkg"}, Env: map[string]string{"LD_PRELOAD": "x"}},
			"MCP server 'a': Setting 'LD_PRELOAD' environment variable is not allowed for security reasons."},
		{ServerSpec{Name: "a", Command: "npx; id"},
			"MCP server 'a': Command contains dangerous pattern: 'npx; id'. Command injection attempt blocked."},
		{ServerSpec{Name: "a", Command: "npx", Args: []string{"x", "a;b"}},
			"MCP server 'a': Argument 1 contains dangerous pattern: ';' in 'a;b'. Potential command injection blocked."},
		{ServerSpec{Name: "a", Command: "python3", Args: []string{"-c", "x"}},
			"MCP server 'a': Argument 0 '-c' enables inline Python execution for 'python3', which is not allowed."},
		{ServerSpec{Name: "a", Command: "npx", Args: []string{"-c", "x"}},
			"MCP server 'a': Argument 0 '-c' enables shell command execution for 'npx', which is not allowed."},
		{ServerSpec{Name: "a", URL: "file:///x"},
			"MCP server 'a': URL must use http:// or https:// scheme. Got: file:///x"},
		{ServerSpec{Name: "a\x1b[8m", Command: "sh"}, `MCP server 'a\x1b[8m': Command 'sh'`},
		{ServerSpec{Name: "a"}, "MCP server 'a': The entry has neither a command nor a url."},
		{ServerSpec{Name: "a", Command: "npx", URL: "https://x"}, "MCP server 'a': The entry has both"},
	} {
		if v := (&LaunchRules{}).CheckServer(c.spec); v.Allowed || !strings.HasPrefix(v.Reason, c.want) {
			t.Errorf("%+v:\n got %s\nwant %s", c.spec, v.Reason, c.want)
		}
	}
}

func TestWhitelist(t *testing.T) {
	spec := ServerSpec{Name: "x", Command: "my-trusted-server"}
	if v := (&LaunchRules{}).CheckServer(spec); v.Allowed {
		t.Error("an unknown command is allowed")
	}
	if v := (&LaunchRules{ExtraCommands: []string{"my-trusted-server"}}).CheckServer(spec); !v.Allowed {
		t.Error(v.Reason)
	}
	replaced := &LaunchRules{AllowedCommands: []string{"only-*"}}
	if v := replaced.CheckServer(ServerSpec{Name: "x", Command: "npx"}); v.Allowed {
		t.Error("npx is allowed although the whitelist was replaced")
	}
	if v := replaced.CheckServer(ServerSpec{Name: "x", Command: "only-this"}); !v.Allowed {
		t.Error(v.Reason)
	}
	exact := &LaunchRules{ExtraCommands: []string{"/tmp/build/server"}}
	if v := exact.CheckServer(ServerSpec{Name: "x", Command: "/tmp/build/server", Args: []string{"-c", "x"}}); !v.Allowed {
		t.Error(v.Reason)
	}
	if v := exact.CheckServer(ServerSpec{Name: "x", Command: "/tmp/other/server"}); v.Allowed {
		t.Error("another path of the same name is allowed")
	}
	python := &LaunchRules{ExtraCommands: []string{"python3.12"}}
	if v := python.CheckServer(ServerSpec{Name: "x", Command: "python3.12", Args: []string{"-c", "x"}}); v.Allowed {
		t.Error("an added interpreter may run inline code")
	}
}

func TestUnsafe(t *testing.T) {
	spec := ServerSpec{Name: "custom", Command: "my-custom-server", SkipSecurityValidation: true}
	v := (&LaunchRules{}).CheckServer(spec)
	if !v.Allowed || !v.Unsafe || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "SECURITY VALIDATION IS SKIPPED") {
		t.Errorf("on loopback: %+v", v)
	}
	if v := (&LaunchRules{Exposed: true}).CheckServer(spec); v.Allowed || v.Code != CodeUnsafe || !strings.Contains(v.Reason, "--allow-unsafe-mcp") {
		t.Errorf("exposed: %+v", v)
	}
	if v := (&LaunchRules{Exposed: true, AllowUnsafe: true}).CheckServer(spec); !v.Allowed || !v.Unsafe {
		t.Errorf("exposed and allowed: %+v", v)
	}
}

func TestPackages(t *testing.T) {
	check := func(pins Pins, args ...string) Verdict {
		return (&LaunchRules{Pins: pins, AllowedPackages: []string{"evil"}}).CheckServer(ServerSpec{Name: "x", Command: args[0], Args: args[1:]})
	}
	if v := check("", "npx", "-y", "pkg"); !v.Allowed || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "'pkg' is not pinned") {
		t.Errorf("unpinned: %+v", v)
	}
	if v := check(PinsOff, "npx", "-y", "pkg"); !v.Allowed || len(v.Warnings) != 0 {
		t.Errorf("pins off: %+v", v)
	}
	for _, pinned := range [][]string{{"npx", "-y", "@a/b@1.2.3"}, {"uvx", "x==1.2"}, {"uvx", "x@1.2.3"}, {"docker", "run", "-i", "a/b@sha256:" + strings.Repeat("a", 64)}} {
		if v := check(PinsRequire, pinned...); !v.Allowed || len(v.Warnings) != 0 {
			t.Errorf("%v: %+v", pinned, v)
		}
	}
	for _, loose := range [][]string{{"npx", "-y", "pkg"}, {"npx", "-y", "pkg@latest"}, {"npx", "-y", "pkg@^1.2.3"}, {"npx", "-y", "pkg@1"}, {"uvx", "x"},
		{"uvx", "x>=1"}, {"uvx", "x==1.*"}, {"uvx", "x@latest"}, {"docker", "run", "a/b:1.2"}} {
		if v := check(PinsRequire, loose...); v.Allowed || v.Code != CodePackage {
			t.Errorf("%v: %+v", loose, v)
		}
	}
	if v := check(PinsOff, "npx", "-p", "evil", "evil"); !v.Allowed {
		t.Error(v.Reason)
	}
	for _, args := range [][]string{{"npx", "-y", "@modelcontextprotocl/server-filesystem"}, {"uvx", "mcp-server-tiem"}, {"mcp-server-filesytem"}} {
		if v := check(PinsOff, args...); len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "looks like") {
			t.Errorf("%v: %+v", args, v)
		}
	}
}

func TestLookAlikes(t *testing.T) {
	looks := func(args ...string) bool {
		v := (&LaunchRules{Pins: PinsOff}).CheckServer(ServerSpec{Name: "x", Command: args[0], Args: args[1:]})
		return len(v.Warnings) == 1 && strings.Contains(v.Warnings[0], "looks like")
	}
	for name := range strings.FieldsSeq(`@ModelContextProtocol/server-memory context7-mcp @evil/context7-mcp awslabs.core-mcp-sever @modelcontextprotocol/serverfilesystem modelcontextprotocol-server-filesystem @modelcontextprotocols/server-memory
		@model-context-protocol/server-memory @rnodelcontextprotocol/server-memory @modelcontextprotoco1/server-memory @evil/server-filesystem
		server-filesystem @playwrigth/mcp @upstash/context-7-mcp @notionhq/notion-mcp-sever mcp-rernote mcpremote firecrawl_mcp tavily-mpc
		@supabase/mcp-server-supabse @stripee/mcp @cloudfare/mcp-server-cloudflare chrome-devtool-mcp task-master-a1 @wonderwhy-er/desktop-comander`) {
		if !looks("npx", "-y", name) {
			t.Errorf("npm: %s is not flagged", name)
		}
	}
	for name := range strings.FieldsSeq(`mcp-server-tlme mcp-servers-time mcp-server-gitt mcp-srever-git mcp-atlasian markitdown-mpc mcp-server-fetchh
		mcp-server-sqllite blender-mpc fast-mcp MCP.Server-Tirne`) {
		if !looks("uvx", name) {
			t.Errorf("pypi: %s is not flagged", name)
		}
	}
	for name := range strings.FieldsSeq(`gchr.io/github/github-mcp-server ghcr.io.evil.example/a/b ghcr.io/githud/github-mcp-server mcp/fetsh mcp/filesystm
		docker.io/mcp/postgress crystaldba/postgres-mpc`) {
		if !looks("docker", "run", "-i", name) {
			t.Errorf("image: %s is not flagged", name)
		}
	}
	for name := range strings.FieldsSeq(`ghcr.io/github/github-mcp-server:v1 mcp/git docker.io/mcp/git@sha256:` + strings.Repeat("a", 64) + ` quay.io/a/b
		localhost:5000/x registry.example.com:5000/team/srv 123456789012.dkr.ecr.us-east-1.amazonaws.com/mcp img mcp/everart`) {
		if looks("docker", "run", "-i", name) {
			t.Errorf("image: %s is flagged", name)
		}
	}
	for name := range strings.FieldsSeq(`@modelcontextprotocol/server-memory @cyanheads/filesystem-mcp-server @acme/mcp mcp-server-docker my-mcp figma-mcp
		@acme/server-billing server-kit @sentry/mcp-server pkg`) {
		if looks("npx", "-y", name) {
			t.Errorf("npm: %s is flagged", name)
		}
	}
	for name := range strings.FieldsSeq(`mcp_server_time MCP.server.time mcp-server-gitlab mcp-neo4j-cypher mcp-server-elasticsearch weather pytest-mcp`) {
		if looks("uvx", name) {
			t.Errorf("pypi: %s is flagged", name)
		}
	}
}

func FuzzCheckServer(f *testing.F) {
	f.Add("npx", "-y\x00pkg", "A=b")
	f.Add("docker", "run\x00-v\x00/:/x\x00img", "LD_PRELOAD=x")
	f.Add("uv", "run\x00--with\x00a,b\x00python\x00-c", "")
	f.Fuzz(func(t *testing.T, command, args, env string) {
		name, value, _ := strings.Cut(env, "=")
		spec := ServerSpec{Name: "x", Command: command, Args: strings.Split(args, "\x00"), Env: map[string]string{name: value}}
		for range 2 {
			v := (&LaunchRules{}).CheckServer(spec)
			if v.Allowed != (v.Reason == "") || v.Allowed != (v.Code == "") {
				t.Fatalf("%+v: %+v", spec, v)
			}
			if v.Allowed && (strings.ContainsAny(command+args, "`") || strings.Contains(args, "../")) && !strings.ContainsAny(args, " '\"") {
				t.Fatalf("%+v passes", spec)
			}
			spec = ServerSpec{Name: "x", URL: command}
		}
	})
}
