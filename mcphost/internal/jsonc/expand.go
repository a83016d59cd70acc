package jsonc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	maxEnvFile  = 1 << 20
	maxExpanded = 1 << 20
)

// Expander fills in the variables of strings.
type Expander struct {
	// Lookup finds a variable of the environment.
	Lookup func(string) (string, bool)
	// Dir is the folder of the file.
	Dir string
	// Inputs are the defaults of ${input:ID}.
	Inputs map[string]string
	// Verbatim leaves every text as it is.
	Verbatim bool
}

// Expand replaces ${...}. What a variable holds is not expanded again.
func (x Expander) Expand(s string) (string, error) {
	if x.Verbatim {
		return s, nil
	}
	var out strings.Builder
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			out.WriteString(s)
			return out.String(), nil
		}
		end := strings.IndexByte(s[start:], '}')
		if end < 0 {
			return "", fmt.Errorf("%q opens a variable and does not close it", s[start:])
		}
		value, err := x.variable(s[start+2 : start+end])
		if err != nil {
			return "", err
		}
		out.WriteString(s[:start])
		out.WriteString(value)
		if out.Len() > maxExpanded {
			return "", fmt.Errorf("longer than %d bytes once its variables are filled in", maxExpanded)
		}
		s = s[start+end+1:]
	}
}

// OnlyVariables reports whether s is made of references to variables without defaults, and at most a word
// in front of them, such as "Bearer ${TOKEN}".
func OnlyVariables(s string) bool {
	found := false
	if _, rest, ok := strings.Cut(s, " "); ok && strings.HasPrefix(rest, "${") {
		s = rest
	}
	for s != "" {
		end := strings.IndexByte(s, '}')
		if !strings.HasPrefix(s, "${") || end < 0 || strings.Contains(s[:end], ":-") {
			return false
		}
		s, found = s[end+1:], true
	}
	return found
}

// variable returns what ${name} stands for: VAR, VAR:-default, env:VAR, env://VAR, input:ID,
// userHome or workspaceFolder, which is the folder of the file.
func (x Expander) variable(name string) (string, error) {
	switch {
	case name == "userHome":
		return os.UserHomeDir()
	case name == "workspaceFolder":
		return x.Dir, nil
	case name == "workspaceFolderBasename":
		return filepath.Base(x.Dir), nil
	case name == "pathSeparator" || name == "/":
		return string(filepath.Separator), nil
	case strings.HasPrefix(name, "input:"):
		return x.input(strings.TrimPrefix(name, "input:"))
	}
	ref := strings.TrimPrefix(strings.TrimPrefix(name, "env:"), "//")
	ref, fallback, hasFallback := strings.Cut(ref, ":-")
	if !IsVariable(ref) {
		return "", fmt.Errorf("${%s} does not name a variable", name)
	}
	value, ok := x.Lookup(ref)
	if hasFallback && value == "" {
		return fallback, nil
	}
	if !ok {
		return "", fmt.Errorf("the variable %s is not set; set it, or give a default as in ${%s:-value}", ref, ref)
	}
	return value, nil
}

// input returns what stands for ${input:ID}: a variable whose name has the ID in it, or the default.
func (x Expander) input(id string) (string, error) {
	variable := "TOOLSERVE_INPUT_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, id)
	if value, ok := x.Lookup(variable); ok && value != "" {
		return value, nil
	}
	if value, ok := x.Inputs[id]; ok {
		return value, nil
	}
	return "", fmt.Errorf("${input:%s} asks for input while starting, which a server cannot; set the variable %s, or use ${env:NAME}", id, variable)
}

// IsVariable reports whether s can be the name of a variable.
func IsVariable(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// ReadEnvFile adds the NAME=value lines of a file to env. Blank lines and lines that start with # are
// skipped, "export " before a name and quotes around a value are dropped.
func ReadEnvFile(path string, env map[string]string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxEnvFile+1))
	lines.Buffer(nil, maxEnvFile)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || !IsVariable(name) {
			return fmt.Errorf("%s, line %d: must be NAME=value", path, number)
		}
		env[name] = dequote(strings.TrimSpace(value))
	}
	return lines.Err()
}

// dequote drops one pair of quotes around s, or a comment after a value without quotes.
func dequote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		inner := s[1 : len(s)-1]
		if s[0] == '"' {
			return strings.NewReplacer(`\n`, "\n", `\"`, `"`, `\\`, `\`).Replace(inner)
		}
		return inner
	}
	if i := strings.Index(s, " #"); i >= 0 {
		return strings.TrimSpace(s[:i])
	}
	return s
}
