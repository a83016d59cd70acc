package profile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/toolserve/toolserve/internal/sandbox"
)

// gitKeys are the settings of git, by section, that hold no credential and start no program.
func gitKeys() map[string]string {
	return map[string]string{
		"user": " name email ", "init": " defaultbranch ", "safe": " directory ",
		"core": " autocrlf eol filemode quotepath ignorecase precomposeunicode symlinks longpaths ",
		"pull": " rebase ff ", "push": " default autosetupremote ", "merge": " ff conflictstyle ", "color": " ui ", "commit": " verbose ",
	}
}

// gitconfig gives git the user's settings without those that hold credentials or start programs. One that it
// finds and may not read would end git.
func (b *builder) gitconfig() {
	if b.home == "" {
		return
	}
	var kept []byte
	found := false
	for _, name := range []string{filepath.Join(b.xdg("XDG_CONFIG_HOME", ".config"), "git/config"), filepath.Join(b.home, ".gitconfig")} {
		for _, list := range [][]string{b.settings.Read, b.settings.Write} {
			for _, granted := range list {
				if within(name, clean(granted)) {
					return // as the user wants it
				}
			}
		}
		data, err := os.ReadFile(name)
		if err != nil || len(data) > 1<<20 {
			continue
		}
		found = true
		kept = append(kept, plainGit(data)...)
	}
	if found {
		b.TempFiles = append(b.TempFiles, sandbox.TempFile{Name: "gitconfig", Variable: "GIT_CONFIG_GLOBAL", Data: kept})
	}
}

// plainGit returns the lines of a configuration of git that are kept.
func plainGit(data []byte) []byte {
	keys := gitKeys()
	var out []byte
	section, continued := "", false
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		goesOn := strings.HasSuffix(text, `\`)
		switch {
		case continued || goesOn:
		case strings.HasPrefix(text, "["):
			name, rest, closed := strings.Cut(text[1:], "]")
			section = strings.ToLower(name)
			if _, ok := keys[section]; ok && closed && strings.TrimSpace(rest) == "" {
				out = append(out, "["+section+"]\n"...)
			} else {
				section = ""
			}
		case section != "":
			key, _, _ := strings.Cut(text, "=")
			if key = strings.ToLower(strings.TrimSpace(key)); key != "" && strings.Contains(keys[section], " "+key+" ") {
				out = append(out, "\t"+text+"\n"...)
			}
		}
		continued = goesOn
	}
	return out
}
