//go:build unix

package profile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/internal/sandbox/egress"
)

// machine is a home directory with a few files in it.
type machine struct {
	t    *testing.T
	home string
}

func newMachine(t *testing.T, files ...string) machine {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := machine{t, filepath.Join(base, "home", "u")}
	t.Setenv("HOME", m.home)
	for _, name := range append([]string{".ssh/id_rsa"}, files...) {
		m.file(name, "x")
	}
	return m
}

func (m machine) file(name, content string) string {
	m.t.Helper()
	file := filepath.Join(m.home, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o700); err != nil {
		m.t.Fatal(err)
	}
	return file
}

func (m machine) profile(s Server, settings Settings) Profile {
	s.Environ = append(s.Environ, "HOME="+m.home)
	return New(s, settings)
}

// may reports whether one of the granted paths holds p.
func may(granted []string, p string) bool {
	return slices.ContainsFunc(granted, func(g string) bool { return within(p, g) })
}

func TestInferred(t *testing.T) {
	m := newMachine(t, "work/docs/a.txt", "work/notes.db", "proj/package.json", "proj/node_modules/dep/index.js",
		"proj/dist/server.js", "proj/.env", "mono/package.json", "mono/packages/a/package.json", "mono/packages/a/server.mjs",
		"py/pyproject.toml", "py/src/server.py", "key.json", ".nvm/versions/node/v22/bin/npx", "bin/tool", "other/secret")
	m.file("mono/package.json", `{"workspaces":["packages/*"]}`)
	h := func(name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(m.home, name)
	}
	tests := map[string]struct {
		server              Server
		read, write, beyond []string // relative to the home
	}{
		"a folder as an argument": {
			Server{Command: "npx", Args: []string{"-y", "@modelcontextprotocol/server-filesystem", h("work/docs")}},
			[]string{"/usr/lib", "/etc/ssl/certs"}, []string{"work/docs", ".npm", "/dev/null"}, []string{"work/notes.db", "work", "/etc/shadow", "/tmp", "/proc/1"},
		},
		"an option with a file":    {Server{Command: "uvx", Args: []string{"server", "--key=" + h("key.json")}}, nil, []string{"key.json", ".cache/uv"}, []string{"work", ".npm"}},
		"a database":               {Server{Command: "uvx", Args: []string{"mcp-server-sqlite", "--db-path", h("work/notes.db")}}, nil, []string{"work"}, []string{"proj"}},
		"a database in the home":   {Server{Command: "uvx", Args: []string{"mcp-server-sqlite", "--db-path", h("new.db")}}, nil, nil, []string{"new.db", "work"}},
		"a file to be made":        {Server{Command: "npx", Args: []string{"m"}, Env: map[string]string{"MEMORY_FILE_PATH": h("work/memory.json")}}, nil, []string{"work"}, nil},
		"a credential":             {Server{Command: "npx", Args: []string{"m"}, Env: map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": h("key.json")}}, []string{"key.json"}, nil, []string{"work"}},
		"a variable that is none":  {Server{Command: "npx", Args: []string{"m"}, Env: map[string]string{"PASSWORD": "/a+b/c", "DATABASE_URL": "postgres://u:p@h/d"}}, nil, nil, []string{"work"}},
		"a script":                 {Server{Command: "node", Args: []string{h("proj/dist/server.js")}}, []string{"proj/dist", "proj/node_modules", "proj/package.json"}, nil, []string{"other", "mono"}},
		"a script of a workspace":  {Server{Command: "node", Args: []string{h("mono/packages/a/server.mjs")}}, []string{"mono/packages/b"}, nil, []string{"proj"}},
		"a relative script":        {Server{Command: "python3", Args: []string{"src/server.py"}, Dir: h("py")}, []string{"py/pyproject.toml"}, []string{"py"}, []string{"proj"}},
		"a home as the directory":  {Server{Command: "npx", Args: []string{"m"}, Dir: h("")}, nil, nil, []string{"work", ".bashrc", ".aws/credentials"}},
		"a version manager":        {Server{Command: h(".nvm/versions/node/v22/bin/npx"), Args: []string{"m"}}, []string{".nvm/versions/node/v22/lib"}, nil, []string{"work"}},
		"a program in the home":    {Server{Command: h("bin/tool")}, []string{"bin/tool"}, nil, []string{".npm", "work", ".bashrc"}},
		"a word that is no path":   {Server{Command: "npx", Args: []string{"m", "work", "proj/dist"}}, nil, nil, []string{"work", "proj"}},
		"a tilde":                  {Server{Command: "npx", Args: []string{"m", "~/work"}}, nil, []string{"work/docs"}, []string{"proj"}},
		"an address of a file":     {Server{Command: "npx", Args: []string{"m", "file://" + h("work/docs")}}, nil, []string{"work/docs"}, []string{"work/notes.db"}},
		"a container":              {Server{Command: "docker", Args: []string{"run", "-v", h("work") + ":/w", "image"}}, nil, nil, []string{"work"}},
		"a bridge keeps its state": {Server{Command: "npx", Args: []string{"-y", "mcp-remote@0.1.18", "https://h/mcp"}}, nil, []string{".mcp-auth"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := m.profile(test.server, Settings{})
			both := slices.Concat(p.Read, p.Write)
			for _, path := range test.read {
				if !may(both, h(path)) {
					t.Errorf("%s cannot be read", path)
				}
			}
			for _, path := range test.write {
				if !may(p.Write, h(path)) {
					t.Errorf("%s cannot be written", path)
				}
			}
			for _, path := range append(test.beyond, ".ssh/id_rsa", "other/secret", ".cache/toolserve", "/root/x", "/var/lib/x", "/etc/sudoers") {
				if may(both, h(path)) {
					t.Errorf("%s is granted: read %q, write %q", path, p.ExtraRead, p.ExtraWrite)
				}
			}
			if !p.PrivateTemp || !p.Network.All {
				t.Errorf("temp %v, network %s", p.PrivateTemp, p.Network)
			}
		})
	}
}

// TestOwnCaches holds that a server which has caches of its own may write to no other's.
func TestOwnCaches(t *testing.T) {
	m := newMachine(t, ".npm/_npx/x", ".cache/uv/x", ".local/share/uv/python/cpython/bin/python", ".cache/pnpm/x", ".cache/ms-playwright/chromium/x")
	own := filepath.Join(m.home, ".cache/toolserve/servers/1")
	for command, variables := range map[string][]string{
		"npx": {"NPM_CONFIG_CACHE=" + own + "/npm"}, "uvx": {"UV_CACHE_DIR=" + own + "/uv", "UV_TOOL_DIR=" + own + "/uv-tools"},
		"pipx": {"PIPX_HOME=" + own + "/pipx", "PIP_CACHE_DIR=" + own + "/pip"},
	} {
		p := m.profile(Server{Command: command, Args: []string{"m"}, Cache: own}, Settings{})
		for _, name := range []string{".npm/_npx/x", ".cache/uv/x", ".local/share/uv/python/cpython", ".local/share/uv/tools", ".cache/pnpm/x", ".cache/ms-playwright/chromium/x",
			".cache/toolserve/servers/2"} {
			if may(p.Write, filepath.Join(m.home, name)) {
				t.Errorf("%s may write %s: %q", command, name, p.Write)
			}
		}
		for _, want := range variables {
			_, dir, _ := strings.Cut(want, "=")
			if !slices.Contains(p.Env, want) || !may(p.Write, dir) || !slices.Contains(p.Create, dir) {
				t.Errorf("%s: %s is not in %q, %q", command, want, p.Env, p.Create)
			}
		}
	}
	p := m.profile(Server{Command: "uvx", Args: []string{"m"}, Cache: own}, Settings{})
	if !may(p.Read, filepath.Join(m.home, ".local/share/uv/python/cpython/bin/python")) {
		t.Error("the Pythons that are there cannot be run")
	}
	p = m.profile(Server{Command: "npx", Args: []string{"m"}, Cache: own, Env: map[string]string{"npm_config_cache": m.home + "/my-cache"}}, Settings{})
	if len(p.Env) != 1 || !strings.HasPrefix(p.Env[0], "npm_package_config_node_gyp_devdir=") {
		t.Errorf("what the configuration sets is replaced: %q", p.Env)
	}
}

func TestSettingsWin(t *testing.T) {
	m := newMachine(t, "a/x", "b/x", "c/deep/x")
	a, b, c := filepath.Join(m.home, "a"), filepath.Join(m.home, "b"), filepath.Join(m.home, "c")
	p := m.profile(Server{Command: "npx", Args: []string{"m", a, b, c}}, Settings{
		Require: true, Read: []string{m.home + "/.ssh"}, Write: []string{m.home + "/none"},
		DenyRead: []string{a, m.home + "/.ssh/id_rsa"}, DenyWrite: []string{b, c + "/deep"}, Network: &sandbox.Network{Ports: []uint16{443}},
		Unenforceable: []string{"domains"},
	})
	switch {
	case !p.Require || p.Network.String() != "443" || !may(p.Read, m.home+"/.ssh"):
		t.Errorf("the settings are not in %+v", p)
	case may(slices.Concat(p.Read, p.Write), a) || may(p.Write, b) || !may(p.Read, b) || !may(p.Write, c):
		t.Errorf("read %q, write %q", p.ExtraRead, p.ExtraWrite)
	case len(p.Unenforceable) != 3 || !strings.Contains(p.Unenforceable[1], "id_rsa") || !strings.Contains(p.Unenforceable[2], "c/deep"):
		t.Errorf("not enforceable: %q", p.Unenforceable)
	case !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, "/none does not exist") }):
		t.Errorf("notes: %q", p.Notes)
	}
	p = m.profile(Server{Command: "uvx", Args: []string{"m"}}, Settings{Network: &sandbox.Network{}})
	if !slices.Equal(p.Env, []string{"UV_OFFLINE=1"}) {
		t.Errorf("without a network the variables are %q", p.Env)
	}
	p = m.profile(Server{Command: "npx", Args: []string{"m"}, Env: map[string]string{"TMPDIR": a}}, Settings{})
	if p.PrivateTemp || !may(p.Write, a) {
		t.Errorf("TMPDIR is not respected: %+v", p)
	}
}

func TestCredentialsStayOutOfNpmrc(t *testing.T) {
	m := newMachine(t)
	m.file(".npmrc", "registry=https://npm.example/\n//npm.example/:_authToken=npm_secret1\n_auth = c2VjcmV0Mg==\n"+
		"@scope:registry=https://scope.example/\nproxy=http://me:secret3@proxy:8080\nfund=false\n")
	p := m.profile(Server{Command: "npx", Args: []string{"m"}}, Settings{})
	if len(p.TempFiles) != 1 || p.TempFiles[0].Variable != "NPM_CONFIG_USERCONFIG" {
		t.Fatalf("files: %+v", p.TempFiles)
	}
	if got := string(p.TempFiles[0].Data); got != "registry=https://npm.example/\n@scope:registry=https://scope.example/\nfund=false\n" {
		t.Errorf("npm reads %q", got)
	}
	if len(p.Notes) != 1 || may(p.Read, m.home+"/.npmrc") {
		t.Errorf("notes %q", p.Notes)
	}
	p = m.profile(Server{Command: "npx", Args: []string{"m"}}, Settings{Read: []string{m.home + "/.npmrc"}})
	if len(p.TempFiles) != 0 || !may(p.Read, m.home+"/.npmrc") {
		t.Errorf("the file is not used when it is granted: %+v", p.TempFiles)
	}
}

func TestCredentialsStayOutOfGitconfig(t *testing.T) {
	m := newMachine(t)
	m.file(".gitconfig", "[user]\n\tname = A B\n\temail=a@b.example\n\tsigningkey = X\n[credential]\n\thelper = store\n[core]\n\tsshCommand = evil\n\tautocrlf = input\n"+
		"[url \"https://me:secret@h/\"]\n\tinsteadOf = https://h/\n[include]\n\tpath = ~/x\n[http] extraHeader = secret\n[safe]\n\tdirectory = /srv/\\\n\tx = y\n\tdirectory = *\n[alias]\n\tx = !sh\n")
	p := m.profile(Server{Command: "uvx", Args: []string{"mcp-server-git"}}, Settings{})
	if len(p.TempFiles) != 1 || p.TempFiles[0].Variable != "GIT_CONFIG_GLOBAL" {
		t.Fatalf("files: %+v", p.TempFiles)
	}
	if got := string(p.TempFiles[0].Data); got != "[user]\n\tname = A B\n\temail=a@b.example\n[core]\n\tautocrlf = input\n[safe]\n\tdirectory = *\n" {
		t.Errorf("git reads %q", got)
	}
	if p := m.profile(Server{Command: "uvx", Args: []string{"m"}}, Settings{Read: []string{m.home + "/.gitconfig"}}); len(p.TempFiles) != 0 {
		t.Errorf("the file is not used when it is granted: %+v", p.TempFiles)
	}
}

func TestInterpreters(t *testing.T) {
	m := newMachine(t)
	for line, want := range map[string]string{
		"#!/usr/bin/env node": "node", "#!/usr/bin/python3.12": "python", "#!/usr/bin/env -S uv run": "python",
		"#!/bin/sh": "", "": "", "#!": "", "#!/usr/bin/env": "", "\x7fELF": "",
	} {
		if got := interpreterOf(m.file("script", line+"\nrest")); got != want {
			t.Errorf("%q is run by %q, want %q", line, got, want)
		}
	}
	for command, want := range map[string]string{
		"npx": "node", "/usr/bin/node": "node", `C:\nodejs\npx.cmd`: "node", "python3.13": "python", "uvx": "python",
		"docker": "docker", "pythonic": "", "mcp-server-time": "", "": "",
	} {
		if got := runtimeOf(command); got != want {
			t.Errorf("%q is %q, want %q", command, got, want)
		}
	}
}

func TestRegistries(t *testing.T) {
	m := newMachine(t, "proj/server.py")
	some := Settings{Network: &sandbox.Network{Hosts: &egress.Options{}}}
	launch := func(s Server) string {
		var hosts []string
		for _, p := range m.profile(s, some).Network.Hosts.Rules.Launch {
			hosts = append(hosts, p.String())
		}
		return strings.Join(hosts, " ")
	}
	for _, c := range []struct{ command, want string }{
		{"npx", "registry.npmjs.org:443"}, {"/usr/local/bin/uvx", "pypi.org:443 files.pythonhosted.org:443"}, {"pipx", "pypi.org:443 files.pythonhosted.org:443"},
		{"node", ""}, {"python3", ""}, {"docker", ""},
	} {
		if got := launch(Server{Command: c.command}); got != c.want && !exists("/etc/npmrc") && !exists("/etc/pip.conf") && !exists("/etc/uv/uv.toml") {
			t.Errorf("%s: %q, want %q", c.command, got, c.want)
		}
	}
	if some.Network.Hosts.Rules.Launch != nil {
		t.Error("what was given is changed")
	}
	m.file(".npmrc", "fund=false\n; registry=https://comment.test/\nregistry = https://npm.test:8443/repo/\n@scope:registry=https://scope.test/\n//npm.test/:_authToken=x\n")
	m.file(".config/uv/uv.toml", "# url = \"https://comment.test\"\nindex-url = \"https://uv.test/simple\"\n[[index]]\nname = \"x\"\nurl = \"http://extra.test/simple\"\n")
	m.file(".config/pip/pip.conf", "[global]\nindex-url = https://user:secret@pip.test/simple\nextra-index-url = https://b.test/simple\n")
	for command, want := range map[string]string{
		"npx": "npm.test:8443 scope.test:443", "uvx": "uv.test:443 extra.test:80", "pipx": "pip.test:443 b.test:443",
	} {
		if got := launch(Server{Command: command}); got != want {
			t.Errorf("%s with settings: %q, want %q", command, got, want)
		}
	}
	m.file("work/.npmrc", "registry=http://169.254.169.254/\n")
	if got := launch(Server{Command: "npx", Dir: m.home + "/work"}); got != "npm.test:8443 scope.test:443" {
		t.Errorf("npx in a folder that the server may write to: %q", got)
	}
	if got := launch(Server{Command: "uvx", Environ: []string{"UV_DEFAULT_INDEX=main=https://env.test/simple"}}); !strings.HasPrefix(got, "env.test:443") {
		t.Errorf("uvx with a variable: %q", got)
	}
	if p := m.profile(Server{Command: "npx"}, some); slices.Contains(p.Env, "NPM_CONFIG_OFFLINE=true") {
		t.Error("npx works offline although it may reach hosts")
	}
}
