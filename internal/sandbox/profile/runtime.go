package profile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// runtime grants what a runtime needs to fetch and run packages: its caches, where they are shared by
// design, and the interpreters it may choose from.
func (b *builder) runtime() {
	if b.home == "" {
		return
	}
	switch b.kind {
	case "node":
		b.node()
	case "python":
		b.python()
	case "docker":
		// The client asks a service to run the container; what confines it is the service's.
		b.read(filepath.Join(b.home, ".docker"), filepath.Join(b.home, ".config/containers"))
		b.Network.Unix = true
	}
}

// cache grants a folder that is made where it is missing.
func (b *builder) cache(dir string) {
	b.write(dir)
	b.Create = append(b.Create, dir)
}

// xdg is a base directory of the XDG specification.
func (b *builder) xdg(variable, fallback string) string {
	if dir := b.variable(variable); filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return filepath.Join(b.home, fallback)
}

func (b *builder) node() {
	b.cache(filepath.Join(b.home, ".npm"))
	caches := b.xdg("XDG_CACHE_HOME", ".cache")
	b.cache(filepath.Join(caches, "node-gyp"))
	// Those that are there belong to other tools of the same runtime, and to the browsers that
	// servers drive.
	for _, dir := range []string{
		filepath.Join(caches, "node"), filepath.Join(caches, "pnpm"), filepath.Join(caches, "yarn"), filepath.Join(caches, "deno"),
		filepath.Join(caches, "ms-playwright"), filepath.Join(caches, "puppeteer"), filepath.Join(b.home, ".bun/install"),
		filepath.Join(b.xdg("XDG_DATA_HOME", ".local/share"), "pnpm"),
	} {
		if exists(dir) {
			b.write(dir)
		}
	}
	b.interpreter("node")
}

func (b *builder) python() {
	b.SharedMemory = true // the locks of its module multiprocessing
	caches, data := b.xdg("XDG_CACHE_HOME", ".cache"), b.xdg("XDG_DATA_HOME", ".local/share")
	b.cache(filepath.Join(caches, "uv"))
	b.cache(filepath.Join(data, "uv/python"))
	b.cache(filepath.Join(data, "uv/tools"))
	for _, dir := range []string{
		filepath.Join(caches, "pip"), filepath.Join(caches, "pipx"), filepath.Join(data, "pipx"), filepath.Join(b.home, ".local/pipx"),
	} {
		if exists(dir) {
			b.write(dir)
		}
	}
	settings := b.xdg("XDG_CONFIG_HOME", ".config")
	b.read(filepath.Join(settings, "uv"), filepath.Join(settings, "pip"), filepath.Join(b.home, ".local/lib"),
		filepath.Join(b.home, ".pyenv"), filepath.Join(b.home, ".local/bin"), "/etc/uv", "/etc/python3", "/etc/python3.11", "/etc/python3.12", "/etc/python3.13")
	b.interpreter("python3")
	b.interpreter("python")
}

// offline tells a package manager without a network to use what it has, or it would try for a minute.
func (b *builder) offline() {
	if n := b.Network; n.All || len(n.Ports) > 0 {
		return
	}
	switch b.kind {
	case "node":
		b.Env = append(b.Env, "NPM_CONFIG_OFFLINE=true")
	case "python":
		b.Env = append(b.Env, "UV_OFFLINE=1")
	}
}

// packages grants what well-known programs need beyond their runtime.
func (b *builder) packages() {
	for _, arg := range append([]string{filepath.Base(b.server.Command)}, b.server.Args...) {
		name := arg
		if i := strings.LastIndexByte(arg, '@'); i > 0 {
			name = arg[:i]
		}
		switch {
		case name == "mcp-remote" && b.home != "":
			b.cache(filepath.Join(b.home, ".mcp-auth"))
		case name == "tsx" && b.kind == "node":
			// Its two processes talk over a socket in the directory for temporary files.
			b.Network.Unix = true
			b.note("tsx needs sockets of the local machine, so this server may use all that its user may, such as that of Docker: compile the server to JavaScript to have them closed")
		}
	}
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// interpreter grants a program that the server's own program will look for.
func (b *builder) interpreter(name string) {
	if file, err := exec.LookPath(name); err == nil {
		b.installed(file)
	}
}
