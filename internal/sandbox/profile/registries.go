package profile

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/sandbox/egress"
)

// registries allows the hosts that packages are fetched from, until the server has started, where it may reach
// named hosts alone and its command is one that fetches. They are those of the tools' own settings, or else
// their defaults.
func (b *builder) registries() {
	if b.Network.Hosts == nil {
		return
	}
	hosts := *b.Network.Hosts
	b.Network.Hosts = &hosts
	var found []string
	switch strings.TrimSuffix(filepath.Base(b.server.Command), ".cmd") {
	case "npx", "npm", "pnpm", "pnpx", "bun", "bunx":
		found = b.addresses(b.npmSettings(), "registry.npmjs.org")
	case "yarn":
		found = b.addresses(b.npmSettings(), "registry.yarnpkg.com")
	case "deno":
		found = []string{"jsr.io", "deno.land", "registry.npmjs.org"}
	case "uv", "uvx":
		found = b.addresses(b.uvSettings(), "pypi.org", "files.pythonhosted.org")
	case "pipx", "pip", "pip3":
		found = b.addresses(b.pipSettings(), "pypi.org", "files.pythonhosted.org")
	}
	var launch []egress.Pattern
	for _, host := range found {
		if p, err := egress.ParsePattern(host); err == nil && !slices.Contains(launch, p) {
			launch = append(launch, p)
		}
	}
	hosts.Rules.Launch = launch
}

// setting finds the addresses in lines of settings that say where packages come from.
var setting = regexp.MustCompile(`(?mi)^[^#;\n]*?(?:registry|index|url)[^=\n]*=[ \t]*["']?(https?://[^\s"',]+)`)

// addresses returns the hosts of the addresses in texts of settings, or the fallback where there are none.
func (b *builder) addresses(texts []string, fallback ...string) []string {
	var hosts []string
	for _, text := range texts {
		for _, match := range setting.FindAllStringSubmatch(text, 100) {
			u, err := url.Parse(match[1])
			if err != nil || u.Host == "" {
				continue
			}
			host := u.Host
			if u.Port() == "" {
				host += ":" + strconv.Itoa(map[string]int{"http": 80, "https": 443}[u.Scheme])
			}
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		for _, host := range fallback {
			hosts = append(hosts, host+":443")
		}
	}
	return hosts
}

func (b *builder) npmSettings() []string {
	texts := []string{b.lines("NPM_CONFIG_REGISTRY", "npm_config_registry")}
	// That of the working directory is not read: the server could write there where it may go the next time.
	return append(texts, contents(filepath.Join(b.home, ".npmrc"), "/etc/npmrc")...)
}

func (b *builder) uvSettings() []string {
	texts := []string{b.lines("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")}
	return append(texts, contents(filepath.Join(b.xdg("XDG_CONFIG_HOME", ".config"), "uv/uv.toml"), "/etc/uv/uv.toml")...)
}

func (b *builder) pipSettings() []string {
	texts := []string{b.lines("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")}
	return append(texts, contents(filepath.Join(b.xdg("XDG_CONFIG_HOME", ".config"), "pip/pip.conf"), filepath.Join(b.home, ".pip/pip.conf"), "/etc/pip.conf")...)
}

// lines returns variables of the server's environment as lines of settings.
func (b *builder) lines(names ...string) string {
	var text strings.Builder
	for _, name := range names {
		for _, value := range strings.Fields(b.variable(name)) {
			// An index of uv may have a name in front.
			if i := strings.Index(value, "=http"); i >= 0 {
				value = value[i+1:]
			}
			text.WriteString("index=" + value + "\n")
		}
	}
	return text.String()
}

// contents returns what files hold that are there, up to 1 MiB each.
func contents(files ...string) (texts []string) {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(f, 1<<20))
		_ = f.Close()
		if err == nil {
			texts = append(texts, string(data))
		}
	}
	return texts
}
