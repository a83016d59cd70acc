package mcpjson

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
	"github.com/toolserve/toolserve/policy/trust"
)

// launchSpec is how a server is started or reached, as it goes into the lock file: with variables by
// their names and without secrets, so that a new token is no change and the file gives nothing away.
type launchSpec struct {
	Transport Transport         `json:"transport"`
	Command   string            `json:"command,omitempty"`
	Args      []string          `json:"args,omitempty"`
	Dir       string            `json:"cwd,omitempty"`
	EnvFile   string            `json:"envFile,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
	URL       string            `json:"url,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	// OAuth is who is asked for access tokens, as what client and for what.
	OAuth map[string]any `json:"oauth,omitempty"`
	// Sandbox is what the entry grants. Unsafe says that the launch rules are skipped.
	Sandbox *SandboxConfig `json:"sandbox,omitempty"`
	Unsafe  bool           `json:"skip_security_validation,omitempty"`
}

// writtenEntry is an entry before its variables were filled in, and after.
type writtenEntry struct {
	spec   launchSpec
	filled ServerConfig
}

// keepWritten reads an entry once more without filling in its variables. What is wrong with it has been
// said by then.
func (p *configParser) keepWritten(filled ServerConfig, value jsonc.Node) {
	plain := *p
	plain.vars, plain.warnings, plain.dir = jsonc.Expander{Verbatim: true}, nil, ""
	e := &entry{}
	_ = plain.readEntry(e, value)
	if p.cfg.written == nil {
		p.cfg.written = map[string]writtenEntry{}
	}
	p.cfg.written[filled.Name] = writtenEntry{filled: filled, spec: launchSpec{
		Command: e.Command, Args: e.Args, Dir: e.Dir, EnvFile: e.envFile, URL: e.URL,
		Env: writtenValues(e.env), Headers: writtenHeaders(e), Sandbox: &e.Sandbox,
	}}
}

// sameLaunch reports whether two entries start or reach the same.
func sameLaunch(a, b ServerConfig) bool {
	return a.Command == b.Command && slices.Equal(a.Args, b.Args) && a.Dir == b.Dir && a.URL == b.URL &&
		maps.Equal(a.Env, b.Env) && maps.Equal(a.Headers, b.Headers) && bytes.Equal(marshal(a.Sandbox), marshal(b.Sandbox))
}

func writtenValues(members []jsonc.Member) map[string]string {
	values := map[string]string{}
	for _, m := range members {
		value, err := m.Value.Text()
		if err != nil {
			value = "null"
		}
		values[m.Key] = value
	}
	return values
}

func writtenHeaders(e *entry) map[string]string {
	headers := writtenValues(e.headers)
	if e.token != "" {
		headers["Authorization"] = "Bearer " + e.token
	}
	return headers
}

// LaunchItem is how a server is started or reached, to put trust in. Of an entry that is not as a file has
// it, the values of environment and headers are left out: nothing says whether they are secret.
func (c *Config) LaunchItem(s ServerConfig, redactor *audit.Redactor) trust.Item {
	spec := launchSpec{
		Command: s.Command, Args: s.Args, Dir: s.Dir, URL: s.URL, Env: hiddenValues(s.Env), Headers: hiddenValues(s.Headers),
		Sandbox: &s.Sandbox,
	}
	if written, ok := c.written[s.Name]; ok && sameLaunch(written.filled, s) {
		spec = written.spec
	}
	spec.Transport, spec.Unsafe, spec.OAuth = s.Transport, s.SkipSecurityValidation, s.OAuth.plain()
	if empty, _ := json.Marshal(SandboxConfig{}); bytes.Equal(marshal(spec.Sandbox), empty) {
		spec.Sandbox = nil
	}
	spec.Command, spec.Dir, spec.URL = redactor.Hide(spec.Command), redactor.Hide(spec.Dir), redactor.Hide(spec.URL)
	spec.Args = hideArgs(spec.Args, redactor)
	spec.Env, spec.Headers = hideSecrets(spec.Env, redactor), hideSecrets(spec.Headers, redactor)
	return trust.NewItem(trust.KindLaunch, "", marshal(spec))
}

// marshal encodes what always can be.
func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("mcphost: " + err.Error())
	}
	return data
}

func hiddenValues(values map[string]string) map[string]string {
	hidden := make(map[string]string, len(values))
	for name := range values {
		hidden[name] = audit.Redacted
	}
	return hidden
}

// hideSecrets leaves out the values that are secret by the name or by their shape. A reference to a
// variable is no secret.
func hideSecrets(values map[string]string, redactor *audit.Redactor) map[string]string {
	out := maps.Clone(values)
	for name, value := range out {
		switch {
		case jsonc.OnlyVariables(value):
		case audit.SecretName(name):
			out[name] = audit.Redacted
		default:
			out[name] = redactor.Hide(value)
		}
	}
	return out
}

// hideArgs hides secrets in arguments, those behind an option that names a secret included.
func hideArgs(args []string, redactor *audit.Redactor) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = redactor.Hide(arg)
		if i > 0 && len(args[i-1]) > 1 && args[i-1][0] == '-' && audit.SecretName(args[i-1]) &&
			arg != "" && arg[0] != '-' && !jsonc.OnlyVariables(arg) {
			out[i] = audit.Redacted
		}
	}
	return out
}
