// Package profile decides what an MCP server's process may do when nobody said: which files its
// runtime needs, which files its arguments and variables name, and what of a user's own files stays
// out of its reach. Grants that the user wrote are added, and switches that the user set win.
package profile

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/sandbox"
)

// Server is what will be started.
type Server struct {
	// Command is the program as written, Args its arguments and Dir its working directory, which is
	// absolute or empty.
	Command string
	Args    []string
	Dir     string
	// Env are the variables that the configuration sets; Environ is the complete environment.
	Env     map[string]string
	Environ []string
	// Cache is an absolute folder for what its runtime fetches, which no other server may write to. "" is
	// the user's own caches, in which one server can change what another one runs.
	Cache string
}

// Settings are what the user said about the sandbox.
type Settings struct {
	// Require fails the start where a part cannot be enforced.
	Require bool
	// Read and Write are absolute paths to grant.
	Read, Write []string
	// DenyRead and DenyWrite are absolute paths that must not be granted.
	DenyRead, DenyWrite []string
	// Network, when set, replaces the runtime's own.
	Network *sandbox.Network
	// Limits bound what it may use.
	Limits sandbox.Limits
	// Unenforceable names what was asked for and that no kernel can enforce.
	Unenforceable []string
}

// Profile is the outcome.
type Profile struct {
	sandbox.Confinement
	// Read and Write are the grants beyond the system's own files and those of the runtime, for people
	// to look at.
	ExtraRead, ExtraWrite []string
	// Notes say what was not granted although it may be needed, and how to grant it.
	Notes []string
}

// builder collects a profile.
type builder struct {
	Profile
	server   Server
	settings Settings
	home     string
	// own marks the grants that belong to the system and the runtime.
	own bool
	// file is the program, or "" when it is not found; kind is its runtime, or "".
	file, kind string
}

// New decides what a server may do.
func New(server Server, settings Settings) Profile {
	b := &builder{server: server, settings: settings, home: home(server)}
	b.Require, b.Limits, b.Unenforceable = settings.Require, settings.Limits, slices.Clone(settings.Unenforceable)
	b.Network = sandbox.Network{All: true}
	b.own = true
	b.system()
	b.program()
	b.runtime()
	b.packages()
	b.own = false
	if settings.Network != nil {
		b.Network = *settings.Network
	}
	b.registries()
	b.offline()
	b.temporary()
	b.directory()
	b.arguments()
	b.variables()
	b.read(settings.Read...)
	b.write(settings.Write...)
	for _, p := range slices.Concat(settings.Read, settings.Write) {
		if !exists(p) {
			b.note("%s does not exist, so that granting it grants nothing", p)
		}
	}
	b.deny()
	b.tidy()
	return b.Profile
}

func (b *builder) read(paths ...string) {
	for _, p := range paths {
		if p = clean(p); p == "" {
			continue
		}
		b.Read = append(b.Read, p)
		if !b.own {
			b.ExtraRead = append(b.ExtraRead, p)
		}
	}
}

func (b *builder) write(paths ...string) {
	for _, p := range paths {
		if p = clean(p); p == "" {
			continue
		}
		b.Write = append(b.Write, p)
		if !b.own {
			b.ExtraWrite = append(b.ExtraWrite, p)
		}
	}
}

func (b *builder) note(format string, v ...any) { b.Notes = append(b.Notes, fmt.Sprintf(format, v...)) }

// clean returns an absolute path in its shortest form, or "" for one that is not absolute.
func clean(p string) string {
	if !filepath.IsAbs(p) {
		return ""
	}
	return filepath.Clean(p)
}

// expand replaces a leading "~" by the home directory.
func (b *builder) expand(p string) string {
	if rest, ok := strings.CutPrefix(p, "~"); ok && (rest == "" || rest[0] == '/') && b.home != "" {
		return b.home + rest
	}
	return p
}

// absolute is expand for a path that may be relative to the server's working directory.
func (b *builder) absolute(p string) string {
	p = b.expand(p)
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	dir := b.server.Dir
	if dir == "" {
		dir = "."
	}
	if abs, err := filepath.Abs(filepath.Join(dir, p)); err == nil {
		return abs
	}
	return ""
}

// temporary gives a private directory, unless the configuration names one.
func (b *builder) temporary() {
	b.PrivateTemp = true
	if b.kind == "node" {
		b.npmrc()
	}
	b.gitconfig()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		if dir := b.server.Env[name]; dir != "" {
			b.PrivateTemp = false
			b.TempFiles = nil
			b.write(b.absolute(dir))
		}
	}
}

// directory grants a working directory that the configuration names.
func (b *builder) directory() {
	dir := b.server.Dir
	switch {
	case dir == "":
	case b.broad(dir):
		b.note("the working directory %s holds more than one server's files and is not granted: name the folders with sandbox.read and sandbox.write", dir)
	default:
		b.write(dir)
	}
}

// deny takes grants back. What lies inside a grant cannot be taken out of it.
func (b *builder) deny() {
	for _, p := range b.settings.DenyRead {
		p = clean(p)
		b.Read, b.Write = b.without(b.Read, p), b.without(b.Write, p)
		b.refuse("denyRead", p, slices.Concat(b.Read, b.Write))
	}
	for _, p := range b.settings.DenyWrite {
		p = clean(p)
		var kept []string
		for _, w := range b.Write {
			if b.denied(w, p) {
				b.Read = append(b.Read, w)
			} else {
				kept = append(kept, w)
			}
		}
		b.Write = kept
		b.refuse("denyWrite", p, b.Write)
	}
}

// refuse notes that p lies inside something that is granted.
func (b *builder) refuse(key, p string, granted []string) {
	for _, g := range granted {
		if p != "" && within(p, g) {
			b.Unenforceable = append(b.Unenforceable, fmt.Sprintf("%s %s inside of the granted %s", key, p, g))
			return
		}
	}
}

func (b *builder) without(list []string, p string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(have string) bool { return b.denied(have, p) })
}

// denied reports whether a grant falls with the denial of p. One that the user wrote for a place
// beneath p is an exception from it.
func (b *builder) denied(grant, p string) bool {
	if grant != p && (slices.Contains(b.settings.Read, grant) || slices.Contains(b.settings.Write, grant)) {
		return false
	}
	return within(grant, p)
}

// within reports whether p is dir or lies beneath it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

func (b *builder) tidy() {
	for _, list := range []*[]string{&b.Read, &b.Write, &b.ExtraRead, &b.ExtraWrite, &b.Create} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	b.ExtraRead = slices.DeleteFunc(b.ExtraRead, func(p string) bool { return !slices.Contains(b.Read, p) })
	b.ExtraWrite = slices.DeleteFunc(b.ExtraWrite, func(p string) bool { return !slices.Contains(b.Write, p) })
}

// runtimeOf names the runtime that a command starts, or is "".
func runtimeOf(command string) string {
	base := path.Base(strings.ReplaceAll(command, `\`, "/"))
	for _, suffix := range []string{".exe", ".cmd", ".bat"} {
		base = strings.TrimSuffix(base, suffix)
	}
	switch base {
	case "npx", "npm", "pnpm", "pnpx", "yarn", "bun", "bunx", "deno", "node", "nodejs", "tsx":
		return "node"
	case "uvx", "uv", "pipx":
		return "python"
	case "docker", "podman", "nerdctl":
		return "docker"
	}
	for _, p := range []string{"python", "pypy", "pip"} {
		if rest, ok := strings.CutPrefix(base, p); ok && strings.Trim(rest, "0123456789.w") == "" {
			return "python"
		}
	}
	return ""
}
