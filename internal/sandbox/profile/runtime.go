package profile

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// runtime grants what a runtime needs to fetch and run packages: its caches, and the interpreters it may
// choose from.
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

// ownCache sets a variable of the runtime to a folder of the server's own, which is made, unless the configuration
// sets it. Without such folders it grants the user's.
func (b *builder) ownCache(variable, name, users string) {
	if b.server.Cache == "" {
		b.cache(users)
		return
	}
	for have := range b.server.Env {
		if strings.EqualFold(have, variable) {
			return // variables grants it
		}
	}
	dir := filepath.Join(b.server.Cache, name)
	b.cache(dir)
	b.Env = append(b.Env, variable+"="+dir)
}

func (b *builder) node() {
	b.ownCache("NPM_CONFIG_CACHE", "npm", filepath.Join(b.home, ".npm"))
	caches := b.xdg("XDG_CACHE_HOME", ".cache")
	b.ownCache("npm_package_config_node_gyp_devdir", "node-gyp", filepath.Join(caches, "node-gyp"))
	b.browsers(caches)
	// Each of these other tools of the runtime has the caches to itself that its own servers share.
	dirs := map[string][]string{
		"pnpm": {filepath.Join(caches, "pnpm"), filepath.Join(b.xdg("XDG_DATA_HOME", ".local/share"), "pnpm")},
		"yarn": {filepath.Join(caches, "yarn")}, "deno": {filepath.Join(caches, "deno")}, "bun": {filepath.Join(b.home, ".bun/install")},
	}
	command := strings.TrimSuffix(filepath.Base(b.server.Command), "x")
	if command == "pnp" { // pnpx
		command = "pnpm"
	}
	for _, dir := range dirs[command] {
		if exists(dir) {
			b.write(dir)
		}
	}
	b.interpreter("node")
}

// browsers grants the browsers that servers drive to be run, and what Playwright's server keeps of its
// sessions to be written.
func (b *builder) browsers(caches string) {
	for _, name := range []string{"ms-playwright", "puppeteer"} {
		b.read(filepath.Join(caches, name))
	}
	if dir := filepath.Join(caches, "ms-playwright"); exists(dir) && b.names("playwright") {
		for _, browser := range []string{"chrome", "chromium", "firefox", "webkit", "msedge"} {
			b.cache(filepath.Join(dir, "mcp-"+browser+"-profile"))
		}
	}
}

// names reports whether a word of the command line holds a text.
func (b *builder) names(text string) bool {
	for _, arg := range b.server.Args {
		if strings.Contains(arg, text) {
			return true
		}
	}
	return false
}

func (b *builder) python() {
	b.SharedMemory = true // the locks of its module multiprocessing
	caches, data := b.xdg("XDG_CACHE_HOME", ".cache"), b.xdg("XDG_DATA_HOME", ".local/share")
	b.ownCache("UV_CACHE_DIR", "uv", filepath.Join(caches, "uv"))
	b.ownCache("UV_TOOL_DIR", "uv-tools", filepath.Join(data, "uv/tools"))
	// Pythons that are there are run and not changed; where there is none, uv fetches one.
	if pythons := filepath.Join(data, "uv/python"); b.server.Cache != "" && !empty(pythons) {
		b.read(pythons)
	} else {
		b.ownCache("UV_PYTHON_INSTALL_DIR", "python", pythons)
	}
	b.ownCache("PIP_CACHE_DIR", "pip", filepath.Join(caches, "pip"))
	if b.server.Cache != "" {
		b.ownCache("PIPX_HOME", "pipx", "")
	} else {
		for _, dir := range []string{filepath.Join(caches, "pipx"), filepath.Join(data, "pipx"), filepath.Join(b.home, ".local/pipx")} {
			if exists(dir) {
				b.write(dir)
			}
		}
	}
	settings := b.xdg("XDG_CONFIG_HOME", ".config")
	b.read(filepath.Join(settings, "uv"), filepath.Join(settings, "pip"), filepath.Join(b.home, ".local/lib"),
		filepath.Join(b.home, ".pyenv"), filepath.Join(b.home, ".local/bin"), "/etc/uv", "/etc/python3", "/etc/python3.11", "/etc/python3.12", "/etc/python3.13")
	b.interpreter("python3")
	b.interpreter("python")
}

// empty reports whether a directory holds nothing that is not hidden, or is not there.
func empty(dir string) bool {
	entries, _ := os.ReadDir(dir)
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name()[0] != '.' })
}

// offline tells a package manager without a network to use what it has, or it would try for a minute.
func (b *builder) offline() {
	if n := b.Network; n.All || len(n.Ports) > 0 || n.Hosts != nil {
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
