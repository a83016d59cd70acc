package mcpjson

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// elsewhere are words for our keys that are spelled too differently to be taken for a slip, in lower case
// and without dashes and underscores.
func elsewhere(key string) string {
	switch strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key)) {
	case "uri", "endpoint", "address", "baseurl", "httpurl", "serverurl", "sseurl", "host":
		return "url"
	case "cmd", "executable", "exec", "program", "binary", "run":
		return "command"
	case "arguments", "argv", "params", "parameters", "commandargs":
		return "args"
	case "workdir", "workingdir", "workingdirectory", "dir", "directory":
		return "cwd"
	case "envvars", "variables", "environmentvariables":
		return "env"
	case "httpheaders", "requestheaders":
		return "headers"
	case "apikey", "bearer", "bearertoken", "accesstoken", "authtoken":
		return "token"
	case "timeoutms", "requesttimeout", "calltimeout":
		return "timeout"
	case "startuptimeout", "startuptimeoutsec", "inittimeout", "handshaketimeout":
		return "connect_timeout"
	}
	return ""
}

// meant is the key of an entry that a person most likely meant by another, or "".
func meant(key string, known []string) string {
	if word := elsewhere(key); word != "" && slices.Contains(known, word) {
		return word
	}
	return jsonc.Nearest(key, known)
}

// insteadOf says which of the keys that were not read may stand for one of those that are missing.
func (e *entry) insteadOf(missing ...string) string {
	for _, key := range e.unread {
		if word := meant(key, serverKeys()); slices.Contains(missing, word) {
			return fmt.Sprintf("; did you mean %q by %q?", word, key)
		}
	}
	return ""
}

// unknownKind is the error of a "type" that there is none of.
func unknownKind(kind string) error {
	if near := jsonc.Nearest(kind, []string{"stdio", "http", "sse", "streamable-http"}); near != "" {
		return fmt.Errorf("\"type\" %q is not known; did you mean %q? There are \"stdio\", \"http\" and \"sse\"", kind, near)
	}
	return fmt.Errorf("\"type\" %q is not known; use \"stdio\", \"http\" or \"sse\"", kind)
}

// checkCommand complains of a command that is something else.
func (p *configParser) checkCommand(e *entry, n jsonc.Node) error {
	if u, err := url.Parse(e.Command); err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
		return n.Errorf("%q is an address; write it as \"url\"", e.Command)
	}
	if words := strings.Fields(e.Command); len(words) > 1 && len(e.Args) == 0 && !strings.ContainsAny(words[0], `/\`) {
		p.warn(e.Name, n, "\"command\" is one program; write \"command\": %q and its arguments as \"args\"", words[0])
	}
	return nil
}
