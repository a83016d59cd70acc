// Package confine says how a server's process is confined: what its entry asks for, and what the system does
// of it.
package confine

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/internal/sandbox/egress"
	"github.com/toolserve/toolserve/internal/sandbox/profile"
	"github.com/toolserve/toolserve/mcphost/internal/packages"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

// Summary is how a server's process is confined, or would be.
type Summary struct {
	// Level is what is in force: "enforced", "partial", "process-group" for a process that is not
	// confined, and "none" for a remote server.
	Level string `json:"level"`
	// Setting is what the configuration asks for.
	Setting string `json:"setting,omitempty"`
	// Landlock is the version of the kernel's interface in use. Seccomp says that system calls are filtered.
	Landlock int  `json:"landlock,omitempty"`
	Seccomp  bool `json:"seccomp,omitempty"`
	// Namespaces are those that the process has of its own.
	Namespaces []string `json:"namespaces,omitempty"`
	// Net is "all", "none", or the ports, hosts and sockets that are allowed; "!" stands before a denied host.
	Net string `json:"net,omitempty"`
	// Launch are hosts that are allowed besides until the server has answered for the first time: where its
	// packages come from.
	Launch []string `json:"launch,omitempty"`
	// Refused are the hosts, with their ports, that the process wanted to reach and may not, oldest first.
	Refused []string `json:"refused,omitempty"`
	// Read and Write are the granted paths, without those of the system and the runtime.
	Read  []string `json:"read,omitempty"`
	Write []string `json:"write,omitempty"`
	// Hidden are files that are not granted although a granted folder holds them: the configuration's, the
	// approvals, the audit log, and keys.
	Hidden []string `json:"hidden,omitempty"`
	// Missing is what was asked for and is not enforced.
	Missing []string `json:"missing,omitempty"`
	// Notes are hints about what was not granted.
	Notes []string `json:"notes,omitempty"`
}

// Of is what a server's process is held to, or nil, and what there is to say about it. The files of private are
// not granted with a folder that holds them, and neither are those of the configuration.
func Of(cfg *mcpjson.Config, s *mcpjson.ServerConfig, environ []string, private ...string) (*sandbox.Confinement, Summary) {
	summary := Summary{Level: sandbox.LevelProcessGroup, Setting: s.SandboxSetting(cfg.Security.Sandbox)}
	if summary.Setting == mcpjson.SandboxOff {
		return nil, summary
	}
	settings := profile.Settings{
		Require: summary.Setting == mcpjson.SandboxRequire, Read: s.Sandbox.Read, Write: s.Sandbox.Write,
		DenyRead: s.Sandbox.DenyRead, DenyWrite: s.Sandbox.DenyWrite,
		Limits: limits(cfg.SandboxLimits(s)),
	}
	if n := s.Sandbox.Net; n != nil {
		settings.Network = &sandbox.Network{All: n.All, Ports: n.Ports, DNS: n.DNS, Unix: n.Unix}
	}
	hosts(cfg, s, &settings)
	p := profile.New(profile.Server{Command: s.Command, Args: s.Args, Dir: s.Dir, Env: s.Env, Environ: environ, Cache: cacheOf(s)}, settings)
	p.Hide = hidden(cfg, private)
	summary.Hidden = within(p.Hide, slices.Concat(p.Read, p.Write))
	summary.Net, summary.Read, summary.Write, summary.Notes = p.Network.String(), p.ExtraRead, p.ExtraWrite, p.Notes
	if p.Network.Hosts != nil {
		for _, host := range p.Network.Hosts.Rules.Launch {
			summary.Launch = append(summary.Launch, host.String())
		}
	}
	return &p.Confinement, summary
}

// hidden are the files of the configuration, with its secrets and approvals, the audit log, and the others that are
// given, as absolute paths.
func hidden(cfg *mcpjson.Config, private []string) (hide []string) {
	files := slices.Concat([]string{cfg.Path, cfg.LockFile(), cfg.Security.AuditFile}, cfg.Files, private)
	if cfg.Security.AuditFile != "" {
		rotated, _ := filepath.Glob(globQuoted(cfg.Security.AuditFile) + ".*")
		files = append(files, rotated...)
	}
	for _, file := range files {
		if path, err := filepath.Abs(file); err == nil && file != "" && !slices.Contains(hide, path) {
			hide = append(hide, path)
		}
	}
	return hide
}

// globQuoted returns a pattern of package filepath that means a path and no other.
func globQuoted(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}

// within returns the paths that lie in one of some folders and are not among them.
func within(paths, dirs []string) []string {
	var found []string
	for _, path := range paths {
		inside := func(dir string) bool { return dir != path && strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") }
		if slices.ContainsFunc(dirs, inside) && !slices.Contains(dirs, path) {
			found = append(found, path)
		}
	}
	return found
}

// hosts sets which hosts may be reached, where the entry names some.
func hosts(cfg *mcpjson.Config, s *mcpjson.ServerConfig, settings *profile.Settings) {
	rules, err := s.Sandbox.Hosts()
	if err != nil {
		settings.Unenforceable = append(settings.Unenforceable, err.Error())
	}
	if rules == nil {
		return
	}
	if settings.Network == nil {
		settings.Network = &sandbox.Network{}
	}
	// A name must lead to a public address, unless it is among the allowed hosts: this machine is another
	// server's, and its network is inside.
	launch := cfg.LaunchRules()
	launch.PublicOnly = true
	settings.Network.Hosts = &egress.Options{Rules: *rules, CheckAddr: launch.CheckDial}
}

func limits(l mcpjson.SandboxLimits) sandbox.Limits {
	return sandbox.Limits{
		Files: uint64(l.OpenFiles), FileSize: uint64(l.FileMB) << 20,
		Memory: uint64(l.MemoryMB) << 20, Processes: uint64(l.Processes),
	}
}

// cacheOf is the folder for what a server's runtime fetches, or "" for the user's own. It belongs to the
// server's name and to the words of its command line that are no paths, addresses or settings: those that say
// what is fetched.
func cacheOf(s *mcpjson.ServerConfig) string {
	base, err := os.UserCacheDir()
	if s.Sandbox.SharedCache || err != nil {
		return ""
	}
	words := []string{s.Name, s.Command}
	for _, arg := range s.Args {
		if setting := strings.Contains(arg, "=") && !strings.Contains(arg, "=="); !setting && !strings.ContainsAny(arg, `:\ `) && !strings.HasPrefix(arg, "/") && !strings.HasPrefix(arg, ".") && !strings.HasPrefix(arg, "~") {
			words = append(words, arg)
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return filepath.Join(base, "toolserve", "servers", hex.EncodeToString(sum[:10]))
}

// Caches are where a server's runtimes keep what they fetch.
func Caches(cfg *mcpjson.Config, s *mcpjson.ServerConfig) packages.Caches {
	home, _ := os.UserHomeDir()
	shared, err := os.UserCacheDir()
	if own := cacheOf(s); own != "" && s.SandboxSetting(cfg.Security.Sandbox) != mcpjson.SandboxOff {
		return packages.Caches{NPM: filepath.Join(own, "npm"), UV: filepath.Join(own, "uv")}
	}
	if home == "" || err != nil {
		return packages.Caches{}
	}
	return packages.Caches{NPM: filepath.Join(home, ".npm"), UV: filepath.Join(shared, "uv")}
}

// Environ is the environment of a server's process: the least that every program needs, and what its entry
// sets, without what the entry takes away.
func Environ(s *mcpjson.ServerConfig) []string {
	return slices.DeleteFunc(sandbox.MinimalEnv(os.Environ(), s.Env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(s.Unset, name) && s.Env[name] == ""
	})
}

// Preview is the summary of a server's sandbox as it would be, and why it could not be had.
func Preview(cfg *mcpjson.Config, s *mcpjson.ServerConfig) (Summary, error) {
	if s.Transport != mcpjson.TransportStdio {
		return Summary{Level: "none"}, nil
	}
	c, summary := Of(cfg, s, Environ(s))
	report, err := sandbox.Preview(c)
	summary.InForce(report)
	return summary, err
}

// InForce notes what the system does of what was asked for.
func (s *Summary) InForce(r sandbox.Report) {
	if r.Level != "" {
		s.Level = r.Level
	}
	s.Landlock, s.Seccomp, s.Namespaces, s.Missing = r.Landlock, r.Seccomp, r.Namespaces, r.Missing
}

// Covers reports whether hidden files lie in folders that may be written: they are covered only until other files
// take their place.
func (s Summary) Covers() bool { return len(within(s.Hidden, s.Write)) > 0 }

// Hide returns the summary with secrets taken out of its texts.
func (s Summary) Hide(hide func(string) string) Summary {
	for _, list := range []*[]string{&s.Read, &s.Write, &s.Missing, &s.Notes, &s.Refused, &s.Hidden} {
		*list = slices.Clone(*list)
		for i, text := range *list {
			(*list)[i] = hide(text)
		}
	}
	return s
}
