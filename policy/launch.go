package policy

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/address"
	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/shape"
)

// Pins says what is done about a package or an image without an exact version.
type Pins string

// The modes of Pins. The zero value means PinsWarn.
const (
	PinsOff     Pins = "off"
	PinsWarn    Pins = "warn"
	PinsRequire Pins = "require"
)

// LaunchRules judge what a config asks to be started. The zero value is the guide's default: its
// command whitelist, no extra commands, loopback only. A LaunchRules is not changed by use and may
// be shared.
type LaunchRules struct {
	// AllowedCommands replaces the whitelist; nil keeps it. An entry is a program name, a glob such
	// as "mcp-server-*", or an absolute path that must match exactly.
	AllowedCommands []string
	// ExtraCommands are added to the whitelist.
	ExtraCommands []string
	// AllowUnsafe lets skip_security_validation work although Exposed is set.
	AllowUnsafe bool
	// Exposed says that the HTTP server listens on an address other than loopback.
	Exposed bool
	// Pins is what is done about unpinned packages; an unknown mode is PinsRequire.
	Pins Pins
	// AllowedPackages may be added to another package's environment (npx --package, uv --with).
	AllowedPackages []string
	// AllowedEnv are names of environment variables that are taken although the rules refuse them.
	AllowedEnv []string
	// AllowedHosts are internal hosts that a URL may name although they are private or spoken to without
	// TLS: "name", "name:port", all below a name ("*.name"), or the addresses of a network ("10.1.0.0/16").
	AllowedHosts []string
	// PublicOnly refuses URLs of this machine too, unless AllowedHosts names it.
	PublicOnly bool
	// Machine looks at the files of this machine; nil judges the text alone.
	Machine Machine
}

// DefaultCommands returns the guide's whitelist.
func DefaultCommands() []string {
	return []string{
		"npx", "npm", "node",
		"uvx", "uv", "python", "python3", "pip", "pipx",
		"docker",
		"mcp-server-*",
	}
}

// CheckServer judges one entry of a config. An entry with skip_security_validation is allowed with
// a warning, unless the server is Exposed without AllowUnsafe.
func (r *LaunchRules) CheckServer(s ServerSpec) Verdict {
	c := &launchCheck{rules: r, spec: s}
	switch {
	case s.Command == "" && s.URL == "":
		c.refuse(CodeSpec, "The entry has neither a command nor a url.")
	case s.Command != "" && s.URL != "":
		c.refuse(CodeSpec, "The entry has both a command and a url; a server is one or the other.")
	case s.SkipSecurityValidation:
		c.unsafe()
	case s.URL != "":
		c.remote()
	default:
		c.local()
	}
	c.verdict.Allowed = c.verdict.Reason == ""
	return c.verdict
}

// launchCheck is one run of CheckServer.
type launchCheck struct {
	rules   *LaunchRules
	spec    ServerSpec
	verdict Verdict
}

// refuse keeps the first refusal.
func (c *launchCheck) refuse(code Code, format string, v ...any) {
	if c.verdict.Reason == "" {
		c.verdict.Code = code
		c.verdict.Reason = fmt.Sprintf("MCP server '%s': ", argv.Quote(c.spec.Name)) + fmt.Sprintf(format, v...)
	}
}

func (c *launchCheck) refused() bool { return c.verdict.Reason != "" }

func (c *launchCheck) warn(format string, v ...any) {
	c.verdict.Warnings = append(c.verdict.Warnings, fmt.Sprintf(format, v...))
}

func (c *launchCheck) unsafe() {
	if c.rules.Exposed && !c.rules.AllowUnsafe {
		c.refuse(CodeUnsafe, "skip_security_validation is refused while toolserve listens on an address other than loopback. "+
			"Listen on 127.0.0.1, or start with --allow-unsafe-mcp.")
		return
	}
	c.verdict.Unsafe = true
	c.warn("SECURITY VALIDATION IS SKIPPED for MCP server '%s' (skip_security_validation): '%s' runs unchecked. Never use this in production.",
		argv.Quote(c.spec.Name), argv.Quote(c.spec.Command+c.spec.URL))
}

// connectionHeaders say where a request goes and how its connection is used: the transport's own affair.
var connectionHeaders = map[string]bool{
	"host": true, "content-length": true, "transfer-encoding": true, "connection": true, "keep-alive": true, "upgrade": true,
	"te": true, "trailer": true, "proxy-connection": true, "proxy-authorization": true, "expect": true,
}

// remote judges a server that is dialled.
func (c *launchCheck) remote() {
	if err := c.rules.CheckURL(c.spec.URL); err != nil {
		c.refuse(CodeURL, "%s", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.spec.Headers)) {
		if !isToken(name) || connectionHeaders[strings.ToLower(name)] {
			c.refuse(CodeURL, "Header '%s' is not one that can be set.", argv.Quote(name))
		} else if shape.HasControl(c.spec.Headers[name]) {
			c.refuse(CodeURL, "Header '%s' contains newline characters. Potential header injection blocked.", argv.Quote(name))
		}
	}
	c.environment()
}

// local judges a server that is started.
func (c *launchCheck) local() {
	c.command()
	if c.refused() {
		return
	}
	report := argv.Check(c.spec.Command, c.spec.Args, argv.Options{AllowedPackages: c.rules.AllowedPackages})
	c.arguments(report.EnvArgs)
	if report.Refused() {
		c.refuse(Code(report.Class), "%s", report.Reason)
	}
	for _, w := range report.Warnings {
		c.warn("%s", w)
	}
	c.pins(report.Packages)
	for _, ref := range report.Packages {
		c.verdict.Packages = append(c.verdict.Packages, Package(ref))
	}
	c.environment()
	c.directory()
	if c.rules.Machine == nil {
		c.places(report)
	} else if !c.refused() {
		c.machine(report)
	}
}

// places judges by its path where the server's code lies, where the machine's files are not looked at.
func (c *launchCheck) places(report argv.Report) {
	for _, p := range slices.Concat(report.Scripts, report.Dirs) {
		if argv.InTemp(path.Clean(strings.ReplaceAll(p, `\`, "/"))) {
			c.refuse(CodeArgument, "'%s' is code in a folder that anybody may write to. Move the server to a folder of your own.", argv.Quote(p))
		}
	}
}

// command judges the program's name by the guide's rules, in the guide's order.
func (c *launchCheck) command() {
	cmd := c.spec.Command
	shown := argv.Quote(cmd)
	exact := c.exactPath(cmd)
	switch pattern := shape.InCommand(cmd); {
	case shape.HasControl(cmd):
		c.refuse(CodeCommand, "Command contains newline characters. Potential command injection blocked.")
	case shape.Climbs(cmd):
		c.refuse(CodeCommand, "Command contains path traversal: '%s'.", shown)
	case pattern != "" && !exact && !windowsShortName(cmd, pattern):
		c.refuse(CodeCommand, "Command contains dangerous pattern: '%s'. Command injection attempt blocked.", shown)
	case exact:
	case !c.listed(argv.Base(cmd)):
		c.refuse(CodeCommand, "Command '%s' is not in the allowed commands whitelist. Allowed commands: %s. "+
			"Use one of these, add the command to security.extra_commands, or set skip_security_validation for development.",
			shown, strings.Join(c.rules.commands(), ", "))
	default:
		c.location(cmd)
	}
	if strings.HasPrefix(argv.Base(cmd), "mcp-server-") {
		if known := argv.LookAlike(argv.Base(cmd)); known != "" {
			c.warn("'%s' looks like '%s' and is another program", shown, known)
		} else if !argv.IsKnown(argv.Base(cmd)) {
			c.warn("'%s' is none of the well-known servers: its name alone vouches for nothing", shown)
		}
	}
}

func windowsShortName(cmd, pattern string) bool {
	return runtime.GOOS == "windows" && pattern == "~" && !strings.HasPrefix(cmd, "~")
}

func (r *LaunchRules) commands() []string {
	list := r.AllowedCommands
	if list == nil {
		list = DefaultCommands()
	}
	return append(slices.Clone(list), r.ExtraCommands...)
}

// exactPath says whether the whitelist names this very path.
func (c *launchCheck) exactPath(cmd string) bool {
	return strings.ContainsAny(cmd, `/\`) && slices.Contains(c.rules.commands(), cmd)
}

func (c *launchCheck) listed(name string) bool {
	for _, entry := range c.rules.commands() {
		if entry == name {
			return true
		}
		if ok, err := path.Match(entry, name); ok && err == nil && len(name) >= len(entry) && programName.MatchString(name) {
			return true
		}
	}
	m := versioned.FindStringSubmatch(name)
	return m != nil && c.listed(m[1]) // the same runtime, with the same grammar
}

// versioned is a Python under the name that says its version.
var versioned = regexp.MustCompile(`^(python3)\.[0-9]{1,2}$`)

// programName is what a glob may stand for: no space, nothing that a shell reads.
var programName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+@-]*$`)

// location judges a whitelisted name that is written with a folder. Only the name was vouched for,
// so the folder must be one where programs are installed.
func (c *launchCheck) location(cmd string) {
	slashed := strings.ReplaceAll(cmd, `\`, "/")
	if !strings.Contains(slashed, "/") {
		return
	}
	dir := path.Dir(slashed)
	absolute := strings.HasPrefix(slashed, "/") && !strings.HasPrefix(slashed, "//") || len(slashed) > 2 && slashed[1:3] == ":/"
	switch base := strings.ToLower(path.Base(dir)); {
	case !absolute:
		c.refuse(CodeCommand, "Command '%s' is not in the allowed commands whitelist: it is found relative to the working directory. "+
			"Write '%s' or an absolute path.", argv.Quote(cmd), argv.Quote(path.Base(slashed)))
	case base != "bin" && base != "sbin" && base != "shims" && base != "scripts" && base != ".bin" && base != "nodejs":
		c.refuse(CodeCommand, "Command '%s' is not in the allowed commands whitelist: '%s' is no folder of installed programs. "+
			"Write '%s', or add the whole path to security.extra_commands.", argv.Quote(cmd), argv.Quote(dir), argv.Quote(path.Base(slashed)))
	case argv.InTemp(slashed) && c.rules.Machine == nil:
		c.refuse(CodeCommand, "Command '%s' is not in the allowed commands whitelist: it lies in a folder that anybody may write to.", argv.Quote(cmd))
	}
}

// arguments applies the guide's patterns to every argument. Those that set a variable are judged as
// such; a connection string keeps its ';' and '|'.
func (c *launchCheck) arguments(envArgs []int) {
	for i, arg := range c.spec.Args {
		shown := argv.Quote(arg)
		if shape.HasControl(arg) {
			c.refuse(CodeArgument, "Argument %d contains newline characters. Potential command injection blocked.", i)
			continue
		}
		if slices.Contains(envArgs, i) {
			if name, value, ok := strings.Cut(arg, "="); ok {
				c.envValue(strings.TrimLeft(name, "-"), value)
			}
			continue
		}
		if address.IsMetadataURL(arg) {
			c.refuse(CodeArgument, "Argument %d '%s' leads to the credentials of this machine.", i, shown)
		}
		if shape.Climbs(arg) {
			c.refuse(CodeArgument, "Argument %d contains path traversal: '%s'.", i, shown)
		}
		inArgument := shape.InArgument
		if name, _, _ := strings.Cut(arg, "="); name != arg && shape.FreeFlag(name) || i > 0 && shape.FreeFlag(c.spec.Args[i-1]) {
			inArgument = shape.InValue
		}
		if p := inArgument(arg); p != "" {
			c.refuse(CodeArgument, "Argument %d contains dangerous pattern: '%s' in '%s'. Potential command injection blocked.", i, p, shown)
		}
	}
}

func (c *launchCheck) environment() {
	for _, name := range slices.Sorted(maps.Keys(c.spec.Env)) {
		if slices.Contains(c.rules.AllowedEnv, name) && !strings.ContainsAny(name, "=\x00") {
			continue
		}
		if why := argv.EnvName(name, c.spec.Env[name]); why != "" {
			c.refuse(CodeEnvironment, "%s", why)
		}
		c.envValue(name, c.spec.Env[name])
	}
}

func (c *launchCheck) envValue(name, value string) {
	refused, warning := argv.EnvValue(name, value)
	if refused != "" {
		c.refuse(CodeEnvironment, "%s", refused)
	}
	if warning != "" {
		c.warn("%s", warning)
	}
}

func (c *launchCheck) pins(refs []argv.Ref) {
	for _, ref := range refs {
		if ref.Exact || c.rules.Pins == PinsOff {
			continue
		}
		mend := map[string]string{"npm": "@1.2.3", "pypi": "==1.2.3", "image": "@sha256:..."}[ref.Registry]
		if c.rules.Pins == PinsWarn || c.rules.Pins == "" {
			c.warn("'%s' is not pinned: write %s%s, so that the same code runs tomorrow", ref.Name, ref.Name, mend)
			continue
		}
		c.refuse(CodePackage, "Package '%s' is not pinned to an exact version, which the setting pins=require asks for. Write %s%s.",
			ref.Name, ref.Name, mend)
	}
}

// directory judges the working directory's path.
func (c *launchCheck) directory() {
	switch cwd := c.spec.Cwd; {
	case cwd == "":
	case shape.HasControl(cwd):
		c.refuse(CodeDirectory, "The working directory contains newline characters.")
	case shape.Climbs(cwd):
		c.refuse(CodeDirectory, "The working directory contains path traversal: '%s'.", argv.Quote(cwd))
	}
}
