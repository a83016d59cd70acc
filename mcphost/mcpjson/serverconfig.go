package mcpjson

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
	"github.com/toolserve/toolserve/policy/trust"
)

const maxServerName = 128

func serverKeys() []string {
	return slices.Concat(readKeys(), lifeKeys(), []string{
		"command", "args", "env", "cwd", "envFile", "url", "headers", "type", "transport",
		"enabled", "disabled", "allowed_tools", "blocked_tools", "disabledTools", "autoApprove",
		"skip_security_validation", "sandbox", "trust", "oauth", "roots",
		"max_calls_per_minute", "max_parallel_calls",
		"sampling", "elicitation", "log_level",
	})
}

// Offers reports whether the entry lets a tool of this name be listed and called. Names may be globs.
func (s *ServerConfig) Offers(tool string) bool {
	return (s.AllowedTools == nil || matchesAny(s.AllowedTools, tool)) && !matchesAny(s.BlockedTools, tool)
}

func matchesAny(globs []string, name string) bool {
	for _, glob := range globs {
		if ok, err := path.Match(glob, name); ok && err == nil || glob == name {
			return true
		}
	}
	return false
}

// entry is a server's entry while it is read: what its keys set, before the whole is judged.
type entry struct {
	ServerConfig
	kind    string
	envFile string
	token   string
	// sandboxed is VS Code's switch: the root's sandbox holds for the entry, unless it has one of its own.
	sandboxed bool
	env       []jsonc.Member
	headers   []jsonc.Member
	// unread are the keys that nothing reads.
	unread []string
}

// server reads one entry. What is wrong with it ends up in its Problem.
func (p *configParser) server(m jsonc.Member) ServerConfig {
	e := &entry{ServerConfig: ServerConfig{Name: m.Key}}
	err := p.readEntry(e, m.Value)
	if err == nil {
		err = checkServerName(m)
	}
	if err == nil {
		err = p.finish(e)
	}
	if err != nil {
		e.Problem = fmt.Errorf("MCP server '%s': %w", e.Name, err)
	} else {
		p.keepWritten(e.ServerConfig, m.Value)
	}
	return e.ServerConfig
}

func checkServerName(m jsonc.Member) error {
	switch {
	case m.Key == "":
		return m.At.Errorf("the name is empty")
	case len(m.Key) > maxServerName:
		return m.At.Errorf("the name is longer than %d bytes", maxServerName)
	case strings.ContainsFunc(m.Key, func(r rune) bool { return !unicode.IsPrint(r) }):
		return m.At.Errorf("the name %q holds characters that cannot be printed", m.Key)
	}
	return nil
}

func (p *configParser) readEntry(e *entry, value jsonc.Node) error {
	members, err := value.Members()
	if err != nil {
		return err
	}
	p.local = p.localVariables(members)
	defer func() { p.local = nil }()
	// The first error wins, but every key is read: a disabled entry must stay disabled.
	var first error
	own := false // it has a sandbox of its own
	for _, m := range members {
		known, err := p.launchKey(e, m)
		if !known {
			known, err = ruleKey(e, m)
		}
		if !known {
			known, err = p.lifeKey(e, m)
		}
		if !known {
			known, err = p.asksKey(e, m)
		}
		if !known {
			known, err = readRule(&e.Reads, m)
		}
		if m.Key == "sandbox" {
			known, own = true, true
			err = p.sandboxKey(e, m.Value)
		}
		if m.Key == "oauth" || m.Key == "auth" {
			known, err = true, p.oauthKey(e, m.Value)
		}
		if !known {
			p.otherKey(e, m)
		}
		if err != nil && first == nil {
			first = inKey(m.Key, err)
		}
	}
	if e.sandboxed && !own && p.sandbox != nil && first == nil {
		if err := p.sandboxKey(e, *p.sandbox); err != nil {
			first = inKey("sandbox", err)
		}
	}
	if e.sandboxed && e.Sandbox.Level == "" {
		e.Sandbox.Level = SandboxBestEffort
	}
	return first
}

// launchKey reads a key that says how the server is started or reached.
func (p *configParser) launchKey(e *entry, m jsonc.Member) (known bool, err error) {
	switch m.Key {
	case "command":
		err = p.command(e, m.Value)
	case "args":
		var args []string
		if args, err = p.texts(m.Value); err == nil {
			e.Args = append(e.Args, args...)
		}
	case "env", "environment":
		e.env, err = m.Value.Members()
	case "cwd":
		e.Dir, err = p.text(m.Value)
	case "envFile":
		e.envFile, err = p.text(m.Value)
	case "url", "serverUrl", "httpUrl":
		e.URL, err = p.text(m.Value)
		if m.Key == "httpUrl" && e.kind == "" {
			e.kind = "http"
		}
	case "headersHelper":
		err = m.Value.Errorf("runs a command of the file to make headers, which is refused; use \"headers\" with ${VAR}, or \"oauth\"")
	case "headers":
		e.headers, err = m.Value.Members()
	case "token":
		e.token, err = p.text(m.Value)
	case "type", "transport":
		var kind string
		if kind, err = m.Value.Text(); err == nil && e.kind != "" && e.kind != kind {
			err = m.Value.Errorf("%q contradicts %q; keep one of \"type\" and \"transport\"", kind, e.kind)
		}
		e.kind = kind
	default:
		return false, nil
	}
	return true, err
}

// ruleKey reads a key that says what is done with the server.
func ruleKey(e *entry, m jsonc.Member) (known bool, err error) {
	var flag bool
	switch m.Key {
	case "enabled":
		flag, err = m.Value.Bool()
		e.Disabled = e.Disabled || err == nil && !flag
	case "disabled":
		flag, err = m.Value.Bool()
		e.Disabled = e.Disabled || flag
	case "allowed_tools", "allowedTools", "includeTools":
		e.AllowedTools, err = names(m.Value)
	case "blocked_tools", "disabledTools", "disabled_tools", "excludedTools", "excludeTools":
		var more []string
		more, err = names(m.Value)
		e.BlockedTools = append(e.BlockedTools, more...)
	case "autoApprove", "alwaysAllow":
		var more []string
		more, err = names(m.Value)
		e.AutoApprove = append(e.AutoApprove, more...)
	case "skip_security_validation":
		e.SkipSecurityValidation, err = m.Value.Bool()
	case "trust":
		e.Trust, err = oneOf(m.Value, trust.Off, trust.Warn, trust.Hold)
	case "max_calls_per_minute":
		e.CallsPerMinute, err = callsPerMinute(m.Value)
	case "max_parallel_calls":
		e.MaxParallelCalls, err = positiveInt(m.Value)
	case "sandboxEnabled":
		e.sandboxed, err = m.Value.Bool()
	default:
		return false, nil
	}
	return true, err
}

// otherKey warns of a key that is not read. Keys of other programs that change nothing pass silently.
func (p *configParser) otherKey(e *entry, m jsonc.Member) {
	switch m.Key {
	case "description", "name", "gallery", "version", "icon", "note":
	case "dev", "watchPaths":
		p.warn(e.Name, m.At, "the key %q of other programs has no effect here", m.Key)
	default:
		e.unread = append(e.unread, m.Key)
		p.warnUnknown(e.Name, m, serverKeys())
	}
}

// command reads a program, or a program and its arguments as a list.
func (p *configParser) command(e *entry, n jsonc.Node) error {
	if n.IsString() {
		var err error
		if e.Command, err = p.text(n); err != nil {
			return err
		}
		return p.checkCommand(e, n)
	}
	words, err := p.texts(n)
	if err != nil {
		return n.Errorf("must be a string or a list of strings")
	}
	if len(words) == 0 {
		return n.Errorf("must not be an empty list")
	}
	e.Command, e.Args = words[0], append(words[1:], e.Args...)
	return nil
}

// finish judges the entry as a whole.
func (p *configParser) finish(e *entry) error {
	if err := p.pickTransport(e); err != nil {
		return err
	}
	if e.Transport == TransportStdio {
		return p.finishStdio(e)
	}
	return p.finishRemote(e)
}

func (p *configParser) pickTransport(e *entry) error {
	switch e.kind {
	case "stdio", "local":
		e.Transport = TransportStdio
	case "http", "streamable-http", "streamableHttp", "streamable_http":
		e.Transport = TransportHTTP
	case "sse":
		e.Transport = TransportSSE
	case "", "remote":
		switch {
		case e.Command != "" && e.URL != "":
			return errors.New("both \"command\" and \"url\" are given; keep one, or say which with \"type\"")
		case e.Command != "":
			e.Transport = TransportStdio
		case e.URL != "":
			e.Transport = TransportAuto
		default:
			return errors.New("neither \"command\" nor \"url\" is given; a server needs one of them" + e.insteadOf("command", "url"))
		}
	default:
		return unknownKind(e.kind)
	}
	if e.Transport == TransportStdio && e.Command == "" {
		return errors.New("stdio transport requires 'command'" + e.insteadOf("command"))
	}
	if e.Transport != TransportStdio && e.URL == "" {
		mend := e.insteadOf("url")
		if mend == "" && e.Command != "" {
			mend = "; with \"command\", leave \"type\" out"
		}
		return fmt.Errorf("%s transport requires 'url'%s", e.Transport, mend)
	}
	return nil
}

func (p *configParser) finishStdio(e *entry) error {
	p.unusedOAuth(e)
	if e.Dir != "" {
		e.Dir = p.resolve(e.Dir)
	}
	env := map[string]string{}
	if e.envFile != "" {
		p.cfg.Files = append(p.cfg.Files, p.resolve(e.envFile))
		if err := jsonc.ReadEnvFile(p.resolve(e.envFile), env); err != nil {
			return fmt.Errorf("\"envFile\": %w", err)
		}
	}
	for _, m := range e.env {
		if m.Value.IsNull() {
			delete(env, m.Key)
			e.Unset = append(e.Unset, m.Key)
			continue
		}
		value, err := p.scalar(m.Value)
		if err != nil {
			return inKey("env", inKey(m.Key, err))
		}
		if m.Key == "" || strings.ContainsAny(m.Key, "=\x00") || strings.Contains(value, "\x00") {
			return inKey("env", m.At.Errorf("%q is not a variable that an environment can hold", m.Key))
		}
		env[m.Key] = value
	}
	if len(env) > 0 {
		e.Env = env
	}
	return nil
}

// checkAddress wants an address that a server can be reached at. What it leads to is for the launch rules.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"):
		return nil
	case err == nil && u.Scheme == "unix" && strings.HasPrefix(address, "unix:///"):
		return nil
	case err == nil && u.Scheme == "pipe":
		return fmt.Errorf("\"url\" %q is a named pipe of Windows, which is not supported; let the server listen on 127.0.0.1", address)
	}
	return fmt.Errorf("\"url\" must be an http:// or https:// address, or a socket such as unix:///run/mcp.sock#/mcp, not %q", address)
}

func (p *configParser) finishRemote(e *entry) error {
	if err := checkAddress(e.URL); err != nil {
		return err
	}
	headers := map[string]string{}
	for _, m := range e.headers {
		value, err := p.text(m.Value)
		if err != nil {
			return inKey("headers", inKey(m.Key, err))
		}
		if !validHeader(m.Key, value) {
			return inKey("headers", m.At.Errorf("%q is not a header that HTTP can carry", m.Key))
		}
		headers[m.Key] = value
	}
	if e.token != "" {
		headers["Authorization"] = "Bearer " + e.token
	}
	if len(headers) > 0 {
		e.Headers = headers
	}
	p.unusedOAuth(e)
	if err := e.OAuth.check(); err != nil {
		return fmt.Errorf("\"oauth\": %w", err)
	}
	return nil
}

// validHeader reports whether name is a token of RFC 9110 and value holds no line break.
func validHeader(name, value string) bool {
	if name == "" || strings.ContainsAny(value, "\r\n\x00") {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}
