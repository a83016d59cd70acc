package policy

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeMachine is a machine of a few files.
type fakeMachine struct {
	path  map[string]string // command to path
	files map[string]FileInfo
	texts map[string]string
	dot   bool
}

func (m fakeMachine) LookPath(command string) (string, error) {
	if m.dot {
		return "./" + command, &exec.Error{Name: command, Err: exec.ErrDot}
	}
	if p, ok := m.path[command]; ok {
		return p, nil
	}
	return "", exec.ErrNotFound
}

func (m fakeMachine) Stat(p string) (FileInfo, error) {
	if info, ok := m.files[p]; ok {
		if info.Path == "" {
			info.Path = p
		}
		return info, nil
	}
	if _, ok := m.texts[p]; ok {
		return FileInfo{Path: p, Mode: 0o644}, nil
	}
	return FileInfo{}, fs.ErrNotExist
}

func (m fakeMachine) ReadFile(p string) ([]byte, error) {
	if text, ok := m.texts[p]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func TestMachine(t *testing.T) {
	sane := map[string]FileInfo{
		"/usr/bin/npx": {Mode: 0o755, Path: "/usr/lib/npm/npx-cli.js"}, "/usr/bin": {Mode: fs.ModeDir | 0o755}, "/usr/lib/npm": {Mode: fs.ModeDir | 0o755},
		"/usr/bin/python3": {Mode: 0o755}, "/srv/app/server.py": {Mode: 0o644}, "/srv/app": {Mode: fs.ModeDir | 0o755},
		"/tmp": {Mode: fs.ModeDir | fs.ModeSticky | 0o777}, "/tmp/own.py": {Mode: 0o644}, "/tmp/other.py": {Mode: 0o644, Foreign: true},
		"/open/npx": {Mode: 0o755}, "/open": {Mode: fs.ModeDir | 0o777}, "/usr/bin/node": {Mode: 0o777}, "/srv/link": {Mode: 0o644, Path: "/open/npx"}, "/srv": {Mode: fs.ModeDir | 0o755},
		"/tmp/own": {Mode: fs.ModeDir | 0o755}, "/tmp/others": {Mode: fs.ModeDir | 0o755, Foreign: true}, "/tmp/others/own": {Mode: fs.ModeDir | 0o755}, "/tmp/others/own/x.py": {Mode: 0o644},
		"/open/a": {Mode: fs.ModeDir | 0o755}, "/open/a/x.py": {Mode: 0o644}, "/home/u/bin/npx": {Mode: 0o755}, "/home/u/bin": {Mode: fs.ModeDir | 0o775},
	}
	commands := map[string]string{"npx": "/usr/bin/npx", "python3": "/usr/bin/python3", "node": "/usr/bin/node"}
	npx := []string{"-y", "@scope/pkg@1.0.0"}
	for _, c := range []struct {
		name    string
		machine fakeMachine
		spec    ServerSpec
		code    Code
		warn    string
	}{
		{"sane", fakeMachine{path: commands}, ServerSpec{Command: "npx", Args: npx}, "", ""},
		{"not installed", fakeMachine{}, ServerSpec{Command: "uvx", Args: []string{"x==1.0"}}, "", "not found in PATH"},
		{"shadowed", fakeMachine{dot: true}, ServerSpec{Command: "npx", Args: npx}, CodeCommand, ""},
		{"open folder", fakeMachine{path: map[string]string{"npx": "/open/npx"}}, ServerSpec{Command: "npx", Args: npx}, CodeCommand, ""},
		{"group's folder", fakeMachine{path: map[string]string{"npx": "/home/u/bin/npx"}}, ServerSpec{Command: "npx", Args: npx}, "", ""},
		{"open file", fakeMachine{path: commands}, ServerSpec{Command: "node", Args: []string{"x.js"}}, CodeCommand, ""},
		{"a link into an open folder", fakeMachine{path: map[string]string{"npx": "/srv/link"}}, ServerSpec{Command: "npx", Args: npx}, CodeCommand, ""},
		{"script", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"server.py"}, Cwd: "/srv/app"}, "", ""},
		{"no script", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"/srv/app/none.py"}}, "", "is not there yet"},
		{"own script in /tmp", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"/tmp/own.py"}}, "", ""},
		{"other's script in /tmp", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"/tmp/other.py"}}, CodeArgument, ""},
		{"no script in an open folder", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"/open/none.py"}}, CodeArgument, "is not there yet"},
		{"served from an open folder", fakeMachine{path: map[string]string{"uvx": "/usr/bin/npx"}}, ServerSpec{Command: "uvx", Args: []string{"--from", "mcp==1.0.0", "mcp", "run", "/open/none.py:app"}}, CodeArgument, "is not there yet"},
		{"open working directory", fakeMachine{path: commands}, ServerSpec{Command: "npx", Args: npx, Cwd: "/open"}, CodeDirectory, ""},
		{"npmrc shell", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "# x\nscript-shell = /tmp/evil\n"}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w"}, CodeDirectory, ""},
		{"npmrc registry", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "registry=http://evil/"}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w"}, CodeDirectory, ""},
		{"npmrc scope", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "@scope:registry=https://evil"}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w"}, CodeDirectory, ""},
		{"npmrc harmless", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "fund=false\nregistry=https://registry.npmjs.org/\n;git=x\n"}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w"}, "", ""},
		{"npmrc allowed host", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "registry=https://npm.corp/repo/"}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w"}, "", ""},
		{"npmrc for python", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "script-shell=/x"}},
			ServerSpec{Command: "python3", Args: []string{"/srv/app/server.py"}, Cwd: "/w"}, "", ""},
		{"project in the package's place", fakeMachine{path: commands, texts: map[string]string{"/w/package.json": `{"name":"@scope/pkg","bin":"x"}`}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w"}, CodeDirectory, ""},
		{"npmrc of the project above", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "registry=http://evil/", "/w/package.json": "{}"}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w/a/b"}, CodeDirectory, ""},
		{"npmrc above a project", fakeMachine{path: commands, texts: map[string]string{"/w/.npmrc": "registry=http://evil/", "/w/a/package.json": "{}"}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w/a/b"}, "", ""},
		{"no folder in /tmp yet", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"/tmp/a/b/none.py"}}, CodeArgument, "is not there yet"},
		{"a folder of others above", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"/tmp/others/own/x.py"}}, CodeArgument, ""},
		{"an open folder above", fakeMachine{path: commands}, ServerSpec{Command: "python3", Args: []string{"/open/a/x.py"}}, CodeArgument, ""},
		{"a project that anybody may add to", fakeMachine{path: map[string]string{"uv": "/usr/bin/npx"}}, ServerSpec{Command: "uv", Args: []string{"--directory", "/tmp", "run", "x"}}, CodeArgument, ""},
		{"own project in /tmp", fakeMachine{path: map[string]string{"uv": "/usr/bin/npx"}}, ServerSpec{Command: "uv", Args: []string{"--directory", "/tmp/own", "run", "x"}}, "", ""},
		{"another project", fakeMachine{path: commands, texts: map[string]string{"/w/package.json": `{"name":"mine"}`}},
			ServerSpec{Command: "npx", Args: npx, Cwd: "/w"}, "", ""},
		{"sitecustomize", fakeMachine{path: commands, texts: map[string]string{"/w/sitecustomize.py": ""}},
			ServerSpec{Command: "python3", Args: []string{"-m", "my_server"}, Cwd: "/w"}, CodeDirectory, ""},
		{"working directory upwards", fakeMachine{path: commands}, ServerSpec{Command: "npx", Args: npx, Cwd: "/w/../etc"}, CodeDirectory, ""},
	} {
		c.machine.files = sane
		c.spec.Name = "x"
		v := (&LaunchRules{Machine: c.machine, AllowedHosts: []string{"npm.corp"}}).CheckServer(c.spec)
		if v.Code != c.code {
			t.Errorf("%s: code %q, want %q (%s)", c.name, v.Code, c.code, v.Reason)
		}
		if got := strings.Join(v.Warnings, "; "); !strings.Contains(got, c.warn) || c.warn == "" && got != "" {
			t.Errorf("%s: warnings %q, want %q", c.name, got, c.warn)
		}
	}
}

func TestLocalMachine(t *testing.T) {
	m := LocalMachine()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file, link := filepath.Join(dir, "f"), filepath.Join(dir, "l")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 100<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	info, err := m.Stat(link)
	if err != nil || info.Path != file || info.Foreign {
		t.Errorf("%+v, %v", info, err)
	}
	if data, err := m.ReadFile(link); err != nil || len(data) != 64<<10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := m.ReadFile(dir); err == nil {
		t.Error("a folder is read")
	}
	if _, err := m.Stat(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if p, err := m.LookPath("go"); err != nil || !filepath.IsAbs(p) {
		t.Errorf("go is at %q, %v", p, err)
	}
}
