package argv

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/shape"
)

// nodeEnv is the grammar of NODE_OPTIONS: that of the command line, without files.
var nodeEnv = &grammar{plain: true, bools: nodeGrammar.bools, joined: nodeGrammar.joined, values: nodeGrammar.values}

var (
	versionValue  = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*([-+.][0-9A-Za-z]+)*$`)
	windowsFolder = regexp.MustCompile(`(?i)^[a-z]:\\+windows(\\+system32\\+cmd\.exe)?\\*$`)
	ownProxy      = regexp.MustCompile(`^(https?|socks[45][ah]?)://(127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|localhost|\[::1\])(:[0-9]{1,5})?/?$`)
	runtimeDir    = regexp.MustCompile(`^/run/user/[0-9]+$`)
)

// harmlessEnv says whether a variable that can change what code is loaded does not do so with this value: memory limits
// in NODE_OPTIONS, a version of Python, the public registry, a proxy or Docker of this machine.
func harmlessEnv(name, value string) bool {
	up := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	switch up {
	case "NODE_OPTIONS":
		return harmlessNode(value)
	case "PYTHONWARNINGS":
		for filter := range strings.SplitSeq(value, ",") {
			if !warningFilter.MatchString(strings.TrimSpace(filter)) {
				return false
			}
		}
		return true
	case "UV_PYTHON":
		return pythonVersion.MatchString(value)
	case "NPM_CONFIG_REGISTRY":
		return isPublicRegistry(value)
	case "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX":
		return isPublicIndex(value)
	case "SYSTEMROOT", "WINDIR", "COMSPEC":
		return windowsFolder.MatchString(value)
	case "XDG_RUNTIME_DIR":
		return runtimeDir.MatchString(value)
	case "DOCKER_HOST":
		socket, ok := strings.CutPrefix(value, "unix://")
		return ok && strings.HasPrefix(socket, "/") && !InTemp(path.Clean(socket))
	case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY":
		return ownProxy.MatchString(value)
	case "JAVA_HOME": // a program, see EnvValue
		return strings.HasPrefix(value, "/") && !InTemp(path.Clean(value))
	}
	return strings.HasSuffix(up, "_VERSION") && !strings.HasPrefix(up, "NPM_CONFIG_") && versionValue.MatchString(value)
}

func harmlessNode(value string) bool {
	if strings.ContainsAny(value, `"\`) {
		return false
	}
	words := strings.Fields(value)
	c := &checker{command: "node"}
	for i := 0; i < len(words) && !c.Refused(); {
		if !strings.HasPrefix(words[i], "-") || words[i] == "-" || words[i] == "--" {
			return false
		}
		i = c.option(nodeEnv, words, i, func(option) {})
	}
	return !c.Refused()
}

func isPublicRegistry(url string) bool {
	return strings.TrimSuffix(url, "/") == "https://registry.npmjs.org"
}

func isPublicIndex(url string) bool { return strings.TrimSuffix(url, "/") == "https://pypi.org/simple" }

// EnvName returns why a variable of this name may not have this value, or "".
func EnvName(name, value string) string {
	if !shape.EnvName(name) || harmlessEnv(name, value) {
		return ""
	}
	return fmt.Sprintf("Setting '%s' environment variable is not allowed for security reasons. "+
		"It can change what code runs, where packages come from or whom the server talks to. "+
		"Leave it out, or name it in security.allowed_env.", Quote(name))
}

// EnvValue returns why a value may not be set, under a name that may be, or what the operator should know of it.
func EnvValue(name, value string) (refused, warning string) {
	switch {
	case strings.Contains(value, "\x00") || shape.HasControl(value) && !isDocument(value):
		refused = "contains newline characters. Potential injection blocked."
	case !shape.ConnectionString(value) && !isDocument(value) && shape.Climbs(value):
		refused = "contains path traversal."
	case !isDocument(value) && shape.InValue(value) != "":
		refused = "contains dangerous pattern. Potential injection blocked."
	case shape.NamesCode(name, value):
		refused = "names code to load or a program to start. Leave it out, make it part of the server, or name it in security.allowed_env."
	case shape.NamesProgram(name) && InTemp(path.Clean(value)):
		refused = "names a program in a folder that anybody may write to."
	case shape.NamesProgram(name) && strings.ContainsAny(value, `/\`):
		return "", "environment variable '" + Quote(name) + "' names a program that the server will start"
	default:
		return "", ""
	}
	return "Environment variable '" + Quote(name) + "' " + refused, ""
}

// isDocument says whether a value is a PEM block or a JSON document, which hold line breaks.
func isDocument(value string) bool {
	v := strings.TrimSpace(value)
	return strings.HasPrefix(v, "-----BEGIN ") && strings.HasSuffix(v, "-----") ||
		strings.HasPrefix(v, "{") && strings.HasSuffix(v, "}") && json.Valid([]byte(v))
}
