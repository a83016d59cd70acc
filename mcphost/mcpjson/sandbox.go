package mcpjson

import (
	"cmp"
	"errors"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/sandbox/egress"
	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// The settings of how much a stdio server's process is confined.
const (
	SandboxOff        = "off"
	SandboxBestEffort = "best-effort" // as much as the system can; the default on Linux
	SandboxRequire    = "require"     // all of it, or the server is not started
)

// SandboxConfig is what a server's entry says about its sandbox. What it leaves out is inferred from
// the server's command line.
type SandboxConfig struct {
	// Level is one of the settings above; "" is that of the security block.
	Level string
	// Read and Write are absolute paths that the server may read, and change as well.
	Read, Write []string
	// DenyRead and DenyWrite are absolute paths that it is not granted although its command line names them.
	DenyRead, DenyWrite []string
	// Net, when not nil, is which connections it may make.
	Net *SandboxNet
	// Domains, when there are any, are the hosts that it may reach and DeniedDomains those of them that it may
	// not, as "example.com", "*.example.com" or "*", each with ":port" where one is meant. Net then says no
	// more than whether sockets of the local machine are allowed.
	Domains       []string
	DeniedDomains []string `json:",omitempty"`
	// SharedCache lets its runtime use the user's own caches, which other servers may write as well.
	SharedCache bool `json:",omitempty"`
	// Limits bound what it may use; 0 is what the security block says, or the default.
	Limits SandboxLimits `json:",omitzero"`
}

// SandboxLimits bound what a server's process, and all that it starts, may use.
type SandboxLimits struct {
	// MemoryMB bounds the data of each process, FileMB each file that is written, in units of 1024 * 1024 bytes.
	MemoryMB, FileMB int `json:",omitempty"`
	// Processes bounds processes and threads, OpenFiles the files of each process.
	Processes, OpenFiles int `json:",omitempty"`
}

// or returns the limits with those of fallback where there is none.
func (l SandboxLimits) or(fallback SandboxLimits) SandboxLimits {
	return SandboxLimits{
		MemoryMB: cmp.Or(l.MemoryMB, fallback.MemoryMB), FileMB: cmp.Or(l.FileMB, fallback.FileMB),
		Processes: cmp.Or(l.Processes, fallback.Processes), OpenFiles: cmp.Or(l.OpenFiles, fallback.OpenFiles),
	}
}

// sandboxLimits reads the limits of an object.
func (p *configParser) sandboxLimits(server string, n jsonc.Node) (l SandboxLimits, err error) {
	members, err := n.Members()
	if err != nil {
		return l, err
	}
	for _, m := range members {
		switch m.Key {
		case "memory_mb":
			l.MemoryMB, err = positiveInt(m.Value)
		case "file_mb":
			l.FileMB, err = positiveInt(m.Value)
		case "processes":
			l.Processes, err = positiveInt(m.Value)
		case "open_files":
			l.OpenFiles, err = positiveInt(m.Value)
		default:
			p.warnUnknown(server, m, []string{"memory_mb", "file_mb", "processes", "open_files"})
		}
		if err != nil {
			return l, inKey(m.Key, err)
		}
	}
	return l, nil
}

// SandboxLimits are the limits of a server: its own, or those of the security block.
func (c *Config) SandboxLimits(s *ServerConfig) SandboxLimits {
	return s.Sandbox.Limits.or(c.Security.SandboxLimits)
}

// SandboxNet is which connections a server may make; the zero value is none.
type SandboxNet struct {
	// All allows all of IP.
	All bool
	// Ports are those that TCP connections may go to.
	Ports []uint16
	// DNS allows UDP, for the lookup of names.
	DNS bool
	// Unix allows the sockets of the local machine.
	Unix bool
}

// sandboxKey reads an entry's sandbox: a level, or an object with grants, those of VS Code included.
func (p *configParser) sandboxKey(e *entry, n jsonc.Node) (err error) {
	if n.IsString() {
		e.Sandbox.Level, err = oneOf(n, SandboxOff, SandboxBestEffort, SandboxRequire)
		return err
	}
	members, err := n.Members()
	if err != nil {
		return n.Errorf("must be \"off\", \"best-effort\", \"require\" or an object")
	}
	s := &e.Sandbox
	var rules domainRules
	for _, m := range members {
		switch m.Key {
		case "level":
			s.Level, err = oneOf(m.Value, SandboxOff, SandboxBestEffort, SandboxRequire)
		case "read":
			err = p.sandboxPaths(&s.Read, m.Value)
		case "write":
			err = p.sandboxPaths(&s.Write, m.Value)
		case "net":
			s.Net, s.Domains, err = sandboxNet(m.Value)
		case "limits":
			s.Limits, err = p.sandboxLimits(e.Name, m.Value)
		case "cache":
			var word string
			word, err = oneOf(m.Value, "own", "shared")
			s.SharedCache = word == "shared"
		case "filesystem":
			err = p.vscodeFiles(e, m.Value)
		case "network":
			err = p.vscodeNetwork(e, &rules, m.Value)
		default:
			p.warnUnknown(e.Name, m, []string{"level", "read", "write", "net", "cache", "limits", "filesystem", "network"})
		}
		if err != nil {
			return inKey(m.Key, err)
		}
	}
	if err := rules.settle(s); err != nil {
		return n.Errorf("%v", err)
	}
	return nil
}

// sandboxPaths adds the paths of a list: "~" is the home, and relative ones start at the file's folder.
func (p *configParser) sandboxPaths(paths *[]string, n jsonc.Node) error {
	texts, err := p.texts(n)
	if err != nil {
		return err
	}
	for _, text := range texts {
		if text == "" || strings.Contains(text, "\x00") {
			return n.Errorf("must not hold an empty path")
		}
		if text == "~" || strings.HasPrefix(text, "~/") {
			home, err := os.UserHomeDir()
			if err != nil {
				return n.Errorf("%q: the home directory is not known", text)
			}
			text = home + text[1:]
		}
		*paths = append(*paths, p.resolve(text))
	}
	return nil
}

// sandboxNet reads true, false, "all", "none", or a list of ports, "dns" and "unix", or one of domains and "unix".
func sandboxNet(n jsonc.Node) (net *SandboxNet, domains []string, err error) {
	if all, err := n.Bool(); err == nil {
		return &SandboxNet{All: all}, nil, nil
	}
	items, err := n.Items()
	if err != nil {
		items = []jsonc.Node{n}
	}
	net = &SandboxNet{}
	for _, item := range items {
		if port, err := item.Number(); err == nil {
			if port < 1 || port > 65535 || port != math.Trunc(port) {
				return nil, nil, item.Errorf("must be a port from 1 to 65535, not %s", item.Raw())
			}
			net.Ports = append(net.Ports, uint16(port))
			continue
		}
		if text, err := item.Text(); err == nil && (strings.ContainsAny(text, ".:*") || text == "localhost") {
			domain, err := readDomain(item, text)
			if err != nil {
				return nil, nil, err
			}
			domains = append(domains, domain)
			continue
		}
		word, err := oneOf(item, "all", "none", "dns", "unix")
		if err != nil {
			return nil, nil, item.Errorf("must be true, false, \"all\", \"none\", or a list of ports, \"dns\" and \"unix\", or of domains as in \"api.example.com\"")
		}
		net.All = net.All || word == "all"
		net.DNS = net.DNS || word == "dns"
		net.Unix = net.Unix || word == "unix"
	}
	if domains != nil && (net.All || net.DNS || net.Ports != nil) {
		return nil, nil, n.Errorf("must not name domains beside ports, \"dns\" or \"all\": write \"host:port\" for one port of a domain")
	}
	return net, domains, nil
}

// readDomain returns a domain in its plain spelling.
func readDomain(n jsonc.Node, text string) (string, error) {
	p, err := egress.ParsePattern(text)
	if err != nil {
		return "", n.Errorf("%v", err)
	}
	return p.String(), nil
}

// domainRules are VS Code's rules about domains. What is not given is nil.
type domainRules struct{ allowed, denied []string }

// vscodeNetwork reads rules about domains.
func (p *configParser) vscodeNetwork(e *entry, rules *domainRules, n jsonc.Node) error {
	members, err := n.Members()
	if err != nil {
		return err
	}
	for _, m := range members {
		list := map[string]*[]string{"allowedDomains": &rules.allowed, "deniedDomains": &rules.denied}[m.Key]
		if list == nil {
			p.warnUnknown(e.Name, m, []string{"allowedDomains", "deniedDomains"})
			continue
		}
		texts, err := names(m.Value)
		if err != nil {
			return inKey(m.Key, err)
		}
		*list = []string{}
		for _, text := range texts {
			domain, err := readDomain(m.Value, text)
			if err != nil {
				return inKey(m.Key, err)
			}
			*list = append(*list, domain)
		}
	}
	return nil
}

// settle puts the rules into a sandbox: no domain is no network, and every domain all of it.
func (r *domainRules) settle(s *SandboxConfig) error {
	if r.allowed == nil && len(r.denied) == 0 {
		return nil
	}
	if r.allowed != nil && s.Domains != nil || s.Net != nil && s.Domains == nil && (s.Net.All || s.Net.DNS || s.Net.Ports != nil || !s.Net.Unix) {
		return errors.New("\"net\" and \"network\" must not both say which connections are allowed; leave one of them out")
	}
	every := slices.Contains(r.allowed, "*") || r.allowed == nil && s.Domains == nil
	switch {
	case slices.Contains(r.denied, "*"), r.allowed != nil && len(r.allowed) == 0:
		s.Domains = nil
		if s.Net == nil {
			s.Net = &SandboxNet{}
		}
		return nil
	case every && len(r.denied) == 0:
		return nil
	case every:
		s.Domains = []string{"*"}
	case r.allowed != nil:
		s.Domains = r.allowed
	}
	s.DeniedDomains = r.denied
	return nil
}

// Hosts returns the rules about the hosts that a server may reach, or nil where there are none.
func (s *SandboxConfig) Hosts() (*egress.Rules, error) {
	if len(s.Domains) == 0 && len(s.DeniedDomains) == 0 {
		return nil, nil
	}
	rules := &egress.Rules{}
	var errs []error
	read := func(to *[]egress.Pattern, texts []string) {
		for _, text := range texts {
			p, err := egress.ParsePattern(text)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			*to = append(*to, p)
		}
	}
	read(&rules.Allow, s.Domains)
	read(&rules.Deny, s.DeniedDomains)
	return rules, errors.Join(errs...)
}

func (p *configParser) vscodeFiles(e *entry, n jsonc.Node) error {
	members, err := n.Members()
	if err != nil {
		return err
	}
	for _, m := range members {
		switch m.Key {
		case "denyRead":
			err = p.sandboxPaths(&e.Sandbox.DenyRead, m.Value)
		case "allowRead":
			err = p.sandboxPaths(&e.Sandbox.Read, m.Value)
		case "allowWrite":
			err = p.sandboxPaths(&e.Sandbox.Write, m.Value)
		case "denyWrite":
			err = p.sandboxPaths(&e.Sandbox.DenyWrite, m.Value)
		default:
			p.warnUnknown(e.Name, m, []string{"denyRead", "allowRead", "allowWrite", "denyWrite"})
		}
		if err != nil {
			return inKey(m.Key, err)
		}
	}
	return nil
}

// SandboxSetting is what the configuration asks for. Only on Linux is a sandbox tried where it asks
// for nothing.
func (s *ServerConfig) SandboxSetting(general string) string {
	fallback := SandboxOff
	if runtime.GOOS == "linux" {
		fallback = SandboxBestEffort
	}
	return cmp.Or(s.Sandbox.Level, general, fallback)
}
