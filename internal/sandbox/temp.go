package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// prepared is a confinement made ready for one process: what it names exists.
type prepared struct {
	Confinement
	env  []string
	temp string // the private directory for temporary files, or ""
}

// prepare makes the directories and files that c asks for. tempName is a pattern for the name of the private
// directory.
func prepare(c *Confinement, env []string, tempName string) (*prepared, error) {
	p := &prepared{Confinement: *c, env: env}
	for _, entry := range c.Env {
		name, value, _ := strings.Cut(entry, "=")
		p.setenv(name, value)
	}
	for _, dir := range c.Create {
		// Where it cannot be made, the process itself will say what it lacks.
		_ = os.MkdirAll(dir, 0o700)
	}
	if !c.PrivateTemp && len(c.TempFiles) > 0 {
		return nil, errNoDirectory
	}
	if !c.PrivateTemp {
		return p, nil
	}
	temp, err := os.MkdirTemp("", tempName)
	if err != nil {
		return nil, fmt.Errorf("sandbox: make a directory for temporary files: %w", err)
	}
	p.temp = temp
	p.Write = append(slices.Clone(p.Write), temp)
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		p.setenv(name, temp)
	}
	for _, file := range c.TempFiles {
		path := filepath.Join(temp, filepath.Base(file.Name))
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			p.remove()
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		if file.Variable != "" {
			p.setenv(file.Variable, path)
		}
	}
	return p, nil
}

func (p *prepared) setenv(name, value string) {
	p.env = slices.DeleteFunc(slices.Clone(p.env), func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	p.env = append(p.env, name+"="+value)
}

// private returns the directory for temporary files, or "".
func (p *prepared) private() string {
	if p == nil {
		return ""
	}
	return p.temp
}

// remove takes the private directory away.
func (p *prepared) remove() {
	if p != nil && p.temp != "" {
		os.RemoveAll(p.temp)
	}
}
