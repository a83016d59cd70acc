package mcpjson

import (
	"net/url"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// Secrets returns the literal values of the configuration's secrets: what environment and headers hold under
// the name of a secret, what stands behind an option of such a name, the passwords and secret parameters of
// addresses, and the variables of such names that were filled in anywhere.
func (c *Config) Secrets() []string {
	f := secretFinder{}
	f.add(c.lookedUp...)
	for _, s := range c.Servers {
		f.add(s.OAuth.secrets()...)
		f.named(s.Env)
		f.named(s.Headers)
		f.address(s.URL)
		for i, arg := range s.Args {
			name, value, assigned := strings.Cut(arg, "=")
			switch {
			case assigned && !strings.ContainsAny(name, ":/ ") && audit.SecretName(strings.TrimLeft(name, "-")):
				f.add(value)
			case i > 0 && strings.HasPrefix(s.Args[i-1], "-") && !strings.HasPrefix(arg, "-") && audit.SecretName(strings.TrimLeft(s.Args[i-1], "-")):
				f.add(arg)
			}
			f.header(arg)
			f.address(arg)
		}
	}
	slices.Sort(f.values)
	return slices.Compact(f.values)
}

// lookUp finds a variable, among those of the entry first, and remembers its value where the name says that
// it is a secret.
func (p *configParser) lookUp(name string) (string, bool) {
	value, ok := p.local[name]
	if !ok {
		value, ok = p.opts.LookupEnv(name)
	}
	if ok && audit.SecretName(name) {
		p.cfg.lookedUp = append(p.cfg.lookedUp, value)
	}
	return value, ok
}

// localVariables returns what an entry's own env sets, for the entry's other texts: mcp-remote is commonly
// given "Authorization:${AUTH_HEADER}" and AUTH_HEADER this way.
func (p *configParser) localVariables(members []jsonc.Member) map[string]string {
	local := map[string]string{}
	for _, m := range members {
		variables, err := m.Value.Members()
		if m.Key != "env" || err != nil {
			continue
		}
		for _, v := range variables {
			if text, err := v.Value.Text(); err == nil {
				if text, err = p.vars.Expand(text); err == nil {
					local[v.Key] = text
				}
			}
		}
	}
	return local
}

// secretFinder collects literal secrets.
type secretFinder struct{ values []string }

func (f *secretFinder) add(values ...string) {
	for _, value := range values {
		if value != "" {
			f.values = append(f.values, value)
		}
		// What is said of it later may leave out the first word.
		switch scheme, rest, _ := strings.Cut(value, " "); strings.ToLower(scheme) {
		case "bearer", "basic", "token", "apikey", "digest":
			f.values = append(f.values, strings.TrimSpace(rest))
		}
	}
}

func (f *secretFinder) named(values map[string]string) {
	for name, value := range values {
		if audit.SecretName(name) {
			f.add(value)
		}
		f.address(value)
	}
}

// header reads an argument such as "Authorization: Bearer x".
func (f *secretFinder) header(arg string) {
	name, value, ok := strings.Cut(arg, ":")
	if ok && !strings.ContainsAny(name, " /=") && audit.SecretName(name) {
		f.add(strings.TrimSpace(value))
	}
}

// address reads the password and the secret parameters of a URL, also behind "--name=".
func (f *secretFinder) address(text string) {
	before, rest, ok := strings.Cut(text, "://")
	if !ok {
		return
	}
	scheme := before[strings.LastIndexByte(before, '=')+1:]
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil {
		// A password may hold what no URL may.
		if at := strings.LastIndexByte(rest, '@'); at > 0 {
			if _, password, ok := strings.Cut(rest[:at], ":"); ok {
				f.add(password)
			}
		}
		return
	}
	if password, ok := u.User.Password(); ok {
		f.add(password)
	}
	for name, values := range u.Query() {
		if audit.SecretName(name) {
			f.add(values...)
		}
	}
}
