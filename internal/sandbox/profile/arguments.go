package profile

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// arguments grants the files that the command line names: data to be changed, and code, with the
// project around it, to be read.
func (b *builder) arguments() {
	if b.kind == "docker" {
		return // they name files to another service
	}
	code := b.kind == "node" || b.kind == "python"
	for _, arg := range b.server.Args {
		p := b.pathIn(arg)
		if p == "" {
			continue
		}
		if code && isCode(p) {
			b.project(p)
			continue
		}
		b.data(p, p)
	}
}

// pathIn returns the absolute path that an argument names, or "": the argument itself, or the value of
// an option or an address of a file. A bare word is no path.
func (b *builder) pathIn(arg string) string {
	if name, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(name, "-") {
		arg = value
	}
	if strings.HasPrefix(arg, "file://") {
		if u, err := url.Parse(arg); err == nil && (u.Host == "" || u.Host == "localhost") {
			arg = u.Path
		}
	}
	switch {
	case len(arg) > 4096 || strings.ContainsAny(arg, "\x00\n"):
		return ""
	case filepath.IsAbs(arg) && !strings.HasPrefix(arg, "//"), arg == "~", strings.HasPrefix(arg, "~/"):
		return b.absolute(arg)
	case strings.Contains(arg, "://"):
		return ""
	case arg == ".", arg == "..", strings.HasPrefix(arg, "./"), strings.HasPrefix(arg, "../"):
		return b.absolute(arg)
	case strings.Contains(arg, "/") || isCode(arg):
		// A name such as @scope/package is a path only where there is one.
		if p := b.absolute(arg); exists(p) {
			return p
		}
	}
	return ""
}

func isCode(p string) bool {
	switch strings.ToLower(filepath.Ext(p)) {
	case ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx", ".py", ".pyz", ".pyw":
		return true
	}
	return false
}

// data grants a file or directory to be changed. For one that is still to be made, and for a database,
// which keeps files of its own beside it, that takes the folder.
func (b *builder) data(p, what string) {
	info, err := os.Stat(p)
	if err == nil && info.IsDir() {
		b.write(p)
		return
	}
	if err == nil {
		b.write(p)
		if !isDatabase(p) {
			return
		}
	}
	dir := filepath.Dir(p)
	if parent, statErr := os.Stat(dir); statErr != nil || !parent.IsDir() {
		return
	}
	if b.broad(dir) {
		if dir != "/" {
			b.note("%s is not granted, so %s cannot be made there: make it before, put it into a folder of its own, or name the folder in sandbox.write", dir, what)
		}
		return
	}
	b.write(dir)
}

func isDatabase(p string) bool {
	switch strings.ToLower(filepath.Ext(p)) {
	case ".db", ".sqlite", ".sqlite3", ".db3", ".duckdb", ".kuzu", ".mdb":
		return true
	}
	return false
}

// project grants the code around a script to be read.
func (b *builder) project(script string) {
	b.read(script)
	// A script may be a link into a project; its code is looked for where it really lies.
	own, err := filepath.EvalSymlinks(script)
	if err != nil {
		return
	}
	b.read(own)
	if dir := filepath.Dir(own); !b.broad(dir) {
		b.read(dir)
	}
	found := false
	for dir := filepath.Dir(own); !b.broad(dir); dir = filepath.Dir(dir) {
		if modules := filepath.Join(dir, "node_modules"); exists(modules) {
			b.read(modules)
		}
		if !found && isProject(dir) || isWorkspace(dir) {
			b.read(dir)
			found = true
		}
	}
}

func isProject(dir string) bool {
	return slices.ContainsFunc([]string{"package.json", "pyproject.toml", "setup.py", "requirements.txt", "deno.json"},
		func(name string) bool { return exists(filepath.Join(dir, name)) })
}

// isWorkspace reports whether a directory holds several packages that use each other.
func isWorkspace(dir string) bool {
	if exists(filepath.Join(dir, "pnpm-workspace.yaml")) {
		return true
	}
	data, err := os.ReadFile(filepath.Join(dir, "package.json"))
	return err == nil && bytes.Contains(data, []byte(`"workspaces"`))
}

// variables grants the files that the variables of the configuration name.
func (b *builder) variables() {
	for name, value := range b.server.Env {
		switch name {
		case "PATH", "SHELL", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "NODE_PATH", "PYTHONPATH":
			continue
		}
		if !filepath.IsAbs(value) && !strings.HasPrefix(value, "~/") || strings.Contains(value, ":") {
			continue
		}
		p := b.absolute(value)
		switch {
		case name == "HOME" && b.broad(p) && !b.isOwnHome(p):
			b.write(p)
		case name == "HOME" || strings.HasPrefix(name, "XDG_"):
			b.data(p, "the folder of the variable "+name)
		case isCredential(name):
			if exists(p) {
				b.read(p)
			}
		default:
			b.data(p, "the file of the variable "+name)
		}
	}
}

func (b *builder) isOwnHome(p string) bool {
	real, _ := os.UserHomeDir()
	return within(real, p)
}

// isCredential reports whether a variable by its name points to a file that is only read.
func isCredential(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"CREDENTIAL", "CERT", "_CA", "KEY", "SECRET", "TOKEN", "KUBECONFIG", "CONFIG", "EXECUTABLE"},
		func(word string) bool { return strings.Contains(name, word) })
}
