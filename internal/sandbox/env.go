package sandbox

import (
	"runtime"
	"slices"
	"strings"
)

// baseNames are the variables that a child gets from this process without being asked: where
// programs, the home and temporary files are, the language, and which certificates to trust. None
// carries a secret, and none changes what code a runtime loads.
func baseNames() []string {
	if runtime.GOOS == "windows" {
		return []string{"PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TEMP", "TMP",
			"USERPROFILE", "HOMEDRIVE", "HOMEPATH", "USERNAME", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA",
			"PROGRAMFILES", "PROGRAMFILES(X86)", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS",
			"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"}
	}
	return []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TMPDIR", "TZ", "TERM",
		"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"}
}

// MinimalEnv returns the variables of environ (NAME=value each) that any program needs to run, and
// drops all others, so that a secret in the environment of this process stays there. Variables in
// extra are added and win over those of the same name.
func MinimalEnv(environ []string, extra map[string]string) []string {
	base := baseNames()
	env := make(map[string]string, len(base)+len(extra))
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			continue
		}
		if slices.Contains(base, envKey(name)) || strings.HasPrefix(name, "LC_") {
			env[name] = value
		}
	}
	for name, value := range extra {
		if runtime.GOOS == "windows" {
			for have := range env {
				if strings.EqualFold(have, name) {
					delete(env, have)
				}
			}
		}
		env[name] = value
	}
	out := make([]string, 0, len(env))
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}

// envKey is the name under which a variable is compared: Windows ignores case.
func envKey(name string) string {
	if runtime.GOOS == "windows" {
		return strings.ToUpper(name)
	}
	return name
}
