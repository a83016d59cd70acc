package profile

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/sandbox"
)

// home is the home directory that the server will see.
func home(s Server) string {
	for _, entry := range s.Environ {
		if dir, ok := strings.CutPrefix(entry, "HOME="); ok && filepath.IsAbs(dir) {
			return filepath.Clean(dir)
		}
	}
	dir, _ := os.UserHomeDir()
	return dir
}

// system grants what every program needs: the installed software, how names and certificates are
// found, harmless devices and facts about the machine. Nothing of it belongs to a user.
func (b *builder) system() {
	b.read("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/nix/store", "/run/current-system/sw")
	for _, name := range []string{
		"ssl", "pki", "ca-certificates", "ca-certificates.conf", "crypto-policies",
		"resolv.conf", "hosts", "host.conf", "gai.conf", "services", "protocols", "networks", "nsswitch.conf",
		"passwd", "group", "localtime", "timezone", "os-release", "lsb-release", "debian_version", "alpine-release", "mime.types", "magic",
		"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld-musl-x86_64.path", "ld-musl-aarch64.path",
		"alternatives", "locale.alias", "locale.conf", "fonts", "npmrc", "pip.conf", "gitconfig", "static/ssl",
	} {
		b.read("/etc/" + name)
	}
	b.read("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf")
	b.write("/dev/null", "/dev/zero", "/dev/full")
	b.read("/dev/random", "/dev/urandom")
	// What a process would read of itself in /proc cannot be told apart from what it would read of
	// others; these are about the machine.
	for _, name := range []string{
		"cpuinfo", "meminfo", "stat", "loadavg", "uptime", "version", "filesystems",
		"sys/vm/overcommit_memory", "sys/vm/max_map_count", "sys/vm/mmap_min_addr", "sys/fs/file-max", "sys/fs/nr_open", "sys/fs/pipe-max-size",
		"sys/kernel/osrelease", "sys/kernel/ostype", "sys/kernel/version", "sys/kernel/hostname",
		"sys/kernel/pid_max", "sys/kernel/threads-max", "sys/kernel/ngroups_max", "sys/kernel/cap_last_cap", "sys/kernel/random",
		"sys/net/core/somaxconn", "sys/net/ipv4/ip_local_port_range", "sys/net/ipv6/conf/all/disable_ipv6", "sys/crypto/fips_enabled",
	} {
		b.read("/proc/" + name)
	}
	b.read("/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage")
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"} {
		b.read(b.variable(name))
	}
	if runtime.GOOS == "darwin" {
		b.read("/System", "/Library", "/Applications", "/opt/homebrew", "/private/etc/ssl", "/private/etc/hosts",
			"/private/etc/resolv.conf", "/private/etc/localtime", "/private/var/db/timezone", "/private/var/select", "/dev")
	}
}

// variable is the value of a variable in the server's environment.
func (b *builder) variable(name string) string {
	for _, entry := range b.server.Environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// program grants the program itself: each link on the way to it, and what is installed around it.
func (b *builder) program() {
	command := b.server.Command
	if strings.ContainsAny(command, `/\`) {
		command = b.absolute(command)
	}
	file, err := exec.LookPath(command)
	b.kind = runtimeOf(command)
	if err != nil {
		return
	}
	b.file, _ = filepath.Abs(file)
	if b.kind == "" {
		b.kind = interpreterOf(b.file)
	}
	b.installed(b.file)
	// What a link among the installed programs leads to may be a script of a project.
	if own, err := filepath.EvalSymlinks(b.file); err == nil && isCode(own) {
		b.project(own)
	}
}

// interpreterOf names the runtime that the first line of a script asks for, or is "".
func interpreterOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) == 0 {
		return ""
	}
	if path.Base(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") || strings.Contains(w, "=") })
	}
	if len(words) == 0 {
		return ""
	}
	return runtimeOf(words[0])
}

// installed grants a program's folder, and the tree it was installed into where that is a tree of its own.
func (b *builder) installed(file string) {
	for range 10 {
		file, _ = filepath.Abs(file)
		dir := filepath.Dir(file)
		switch root := b.manager(file); {
		case root != "":
			b.read(root)
		case b.broad(dir):
			b.read(file)
		default:
			b.read(dir)
			tree := filepath.Dir(dir)
			if base := filepath.Base(dir); (base == "bin" || base == "Scripts") && !b.broad(tree) {
				b.read(tree)
			}
		}
		target, err := os.Readlink(file)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		file = target
	}
	// The folders on the way may be links themselves.
	if own, err := filepath.EvalSymlinks(file); err == nil && own != file {
		b.installed(own)
	}
}

// manager returns the root of the version manager that a program belongs to, or "".
func (b *builder) manager(file string) string {
	if b.home == "" {
		return ""
	}
	for _, name := range []string{
		".nvm", ".volta", ".asdf", ".fnm", ".nodenv", ".n", ".bun", ".deno", ".pyenv", ".rye",
		".local/share/fnm", ".local/share/mise", ".local/share/rtx", ".local/share/pnpm", ".npm-global",
		"miniconda3", "anaconda3", "miniforge3", ".linuxbrew",
	} {
		if root := filepath.Join(b.home, name); within(file, root) {
			return root
		}
	}
	return ""
}

// broad reports whether a directory holds files of more than one purpose, so that it is granted only
// where the user names it: the home and what is above it, folders of settings, of temporary files, and
// the top of the system.
func (b *builder) broad(dir string) bool {
	dir = filepath.Clean(dir)
	if strings.Count(dir, "/") < 2 { // "/", "/etc"
		return true
	}
	switch dir {
	case "/var/tmp", "/dev/shm", "/var/lib", "/var/log", "/var/run", "/var/cache", "/run/user":
		return true
	}
	if within(dir, "/etc") || within(dir, "/proc") || within(dir, "/sys") || within(dir, "/dev") {
		return true
	}
	real, _ := os.UserHomeDir()
	for _, home := range []string{b.home, real} {
		if home == "" {
			continue
		}
		if within(home, dir) {
			return true
		}
		rest, beneath := strings.CutPrefix(dir, home+"/")
		if !beneath {
			continue
		}
		first, deeper, _ := strings.Cut(rest, "/")
		switch {
		case slices.Contains([]string{"Documents", "Desktop", "Downloads", "Library"}, first) && deeper == "":
			return true
		case first[0] == '.' && deeper == "":
			return true
		case first == ".config" || first == ".local" || first == ".cache":
			return strings.Count(deeper, "/") == 0 && (first == ".local" || deeper == "")
		case slices.Contains([]string{".ssh", ".aws", ".gnupg", ".kube", ".azure", ".docker"}, first):
			return true
		}
	}
	return false
}

// npmrc gives npm the user's settings without the credentials in them.
func (b *builder) npmrc() {
	name := filepath.Join(b.home, ".npmrc")
	if b.home == "" || slices.Contains(b.settings.Read, name) || slices.Contains(b.settings.Write, name) {
		return
	}
	data, err := os.ReadFile(name)
	if err != nil || len(data) > 1<<20 {
		return
	}
	var kept []byte
	secret := false
	for line := range bytes.Lines(data) {
		if secretSetting(string(line)) {
			secret = true
			continue
		}
		kept = append(kept, line...)
	}
	b.TempFiles = append(b.TempFiles, sandbox.TempFile{Name: ".npmrc", Variable: "NPM_CONFIG_USERCONFIG", Data: kept})
	if secret {
		b.note("npm gets the settings in %s without the credentials: add it to sandbox.read where the server's package needs them", name)
	}
}

// secretSetting reports whether a line of an .npmrc holds a credential.
func secretSetting(line string) bool {
	key, _, _ := strings.Cut(line, "=")
	key = strings.ToLower(strings.Trim(strings.TrimSpace(key), `"'`))
	if i := strings.LastIndexByte(key, ':'); i >= 0 {
		key = key[i+1:]
	}
	switch key {
	case "_auth", "_authtoken", "_password", "username", "email", "certfile", "keyfile", "cert", "key", "otp":
		return true
	}
	// A user and password may also stand in an address.
	return strings.Contains(line, "@") && strings.Contains(line, "://") && strings.Contains(line[strings.Index(line, "://"):], "@") &&
		!strings.HasPrefix(strings.TrimSpace(line), "@")
}
