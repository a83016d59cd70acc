package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/argv"
)

// Machine is how the rules look at files. [LocalMachine] is the real one.
type Machine interface {
	// LookPath finds a program as the child would be started: an absolute path.
	LookPath(command string) (string, error)
	// Stat describes the file at a path with its symbolic links followed.
	Stat(path string) (FileInfo, error)
	// ReadFile returns at most the first 64 KiB of a file.
	ReadFile(path string) ([]byte, error)
}

// FileInfo is what the rules want to know about a file.
type FileInfo struct {
	// Path is the file's own path, without symbolic links.
	Path string
	Mode fs.FileMode
	// Foreign says that the file belongs to a user who is neither this one nor root.
	Foreign bool
}

// LocalMachine returns the machine that this process runs on.
func LocalMachine() Machine { return localMachine{} }

type localMachine struct{}

func (localMachine) LookPath(command string) (string, error) {
	p, err := exec.LookPath(command)
	if err != nil {
		return "", err
	}
	return filepath.Abs(p)
}

func (localMachine) Stat(p string) (FileInfo, error) {
	own, err := filepath.EvalSymlinks(p)
	if err != nil {
		return FileInfo{}, err
	}
	info, err := os.Stat(own)
	if err != nil {
		return FileInfo{}, err
	}
	return FileInfo{Path: own, Mode: info.Mode(), Foreign: isForeign(info)}, nil
}

func (localMachine) ReadFile(p string) ([]byte, error) {
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

// machine judges the files behind a line whose text is allowed.
func (c *launchCheck) machine(report argv.Report) {
	m := c.rules.Machine
	p, err := m.LookPath(c.spec.Command)
	switch {
	case errors.Is(err, exec.ErrDot):
		c.refuse(CodeCommand, "Command '%s' is shadowed by a file in the working directory. Take '.' out of PATH.", argv.Quote(c.spec.Command))
		return
	case err != nil:
		c.warn("command '%s' is not found in PATH: install it, or write its absolute path", argv.Quote(c.spec.Command))
	default:
		c.owned(CodeCommand, "Command", p)
	}
	if c.refused() {
		return
	}
	for _, given := range slices.Concat(report.Scripts, report.Dirs) {
		script := given
		if !filepath.IsAbs(script) && c.spec.Cwd != "" {
			script = filepath.Join(c.spec.Cwd, script)
		}
		if _, err := m.Stat(script); err != nil {
			c.warn("'%s' is not there yet", argv.Quote(script))
			c.openFolder(CodeArgument, "The server's code", script, true)
			continue
		}
		c.owned(CodeArgument, "The server's code", script)
		if slices.Contains(report.Dirs, given) { // nor may anybody add a file
			c.openFolder(CodeArgument, "The server's code", filepath.Join(script, "*"), true)
		}
	}
	c.workingDirectory(report)
}

// owned refuses a file of code that somebody else can change: itself or the folder it lies in.
func (c *launchCheck) owned(code Code, what, p string) {
	info, err := c.rules.Machine.Stat(p)
	if err != nil {
		c.refuse(code, "%s '%s' cannot be looked at: %v.", what, argv.Quote(p), err)
		return
	}
	if info.Mode.Perm()&0o002 != 0 && (!info.Mode.IsDir() || info.Mode&fs.ModeSticky == 0) {
		c.refuse(code, "%s '%s' may be changed by anybody on this machine. Take the write permission for others away.", what, argv.Quote(info.Path))
		return
	}
	if info.Foreign && argv.InTemp(info.Path) {
		c.refuse(code, "%s '%s' belongs to another user and lies in a folder that anybody may write to.", what, argv.Quote(info.Path))
		return
	}
	c.openFolder(code, what, p, false)
	c.openFolder(code, what, info.Path, false)
}

// openFolder refuses a file of which somebody else can change a folder above it. In a folder with the sticky bit,
// such as /tmp, what is there is safe from others, and what is still missing is not.
func (c *launchCheck) openFolder(code Code, what, p string, missing bool) {
	for dir := filepath.Dir(p); ; dir = filepath.Dir(dir) {
		if d, err := c.rules.Machine.Stat(dir); err == nil {
			open := d.Mode.Perm()&0o002 != 0 && (missing || d.Mode&fs.ModeSticky == 0)
			if open || d.Foreign && argv.InTemp(d.Path) {
				c.refuse(code, "%s '%s' lies in a folder that anybody may write to.", what, argv.Quote(p))
				return
			}
			missing = false
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// workingDirectory refuses files that change what npm or Python runs from there.
func (c *launchCheck) workingDirectory(report argv.Report) {
	cwd := c.spec.Cwd
	if cwd == "" {
		cwd = "."
	} else if _, err := c.rules.Machine.Stat(cwd); err == nil && (report.Node || report.Python) {
		c.owned(CodeDirectory, "The working directory", cwd)
	}
	if report.Node {
		project := c.npmProject(cwd)
		if data, err := c.rules.Machine.ReadFile(filepath.Join(project, ".npmrc")); err == nil {
			c.npmrc(data)
		}
		if data, err := c.rules.Machine.ReadFile(filepath.Join(project, "package.json")); err == nil {
			c.packageJSON(data, report.Packages)
		}
	}
	if report.Python {
		for _, name := range []string{"sitecustomize.py", "usercustomize.py"} {
			if _, err := c.rules.Machine.Stat(filepath.Join(cwd, name)); err == nil {
				c.refuse(CodeDirectory, "The working directory holds '%s', which Python may run before the server. Remove it, or set another cwd.", name)
			}
		}
	}
}

// npmProject is the folder whose settings npm takes: the nearest one upwards with a package.json or node_modules.
func (c *launchCheck) npmProject(cwd string) string {
	for dir := cwd; ; dir = filepath.Dir(dir) {
		for _, name := range [...]string{"package.json", "node_modules"} {
			if _, err := c.rules.Machine.Stat(filepath.Join(dir, name)); err == nil {
				return dir
			}
		}
		if dir == filepath.Dir(dir) {
			return cwd
		}
	}
}

// npmrcKeys are settings of npm that run something or change where packages come from.
var npmrcKeys = map[string]bool{
	"script-shell": true, "shell": true, "node-options": true, "git": true, "onload-script": true, "init-module": true,
	"userconfig": true, "globalconfig": true, "prefix": true, "cafile": true, "ca": true, "proxy": true, "https-proxy": true,
	"strict-ssl": true, "editor": true, "viewer": true, "call": true, "package": true, "cache": true, "global": true, "location": true,
}

func (c *launchCheck) npmrc(data []byte) {
	for line := range bytes.Lines(data) {
		key, value, ok := strings.Cut(string(line), "=")
		key = strings.ToLower(strings.Trim(strings.TrimSpace(key), `"'[]`))
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		if !ok || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
			continue
		}
		changed := npmrcKeys[key] && !(key == "strict-ssl" && value == "true")
		if key == "registry" || strings.HasSuffix(key, ":registry") {
			host := strings.TrimSuffix(strings.TrimPrefix(value, "https://"), "/")
			changed = host != "registry.npmjs.org" && !c.rules.hostAllowed(strings.Split(host, "/")[0])
		}
		if changed {
			c.refuse(CodeDirectory, "The working directory's .npmrc sets '%s', which changes what npm runs. "+
				"Move the setting to the user's own .npmrc, or set another cwd.", argv.Quote(key))
		}
	}
}

// packageJSON refuses a project that calls itself like the package: npx would run the project.
func (c *launchCheck) packageJSON(data []byte, refs []argv.Ref) {
	var project struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(data, &project) != nil || project.Name == "" {
		return
	}
	for _, ref := range refs {
		if ref.Registry == "npm" && ref.Name == project.Name {
			c.refuse(CodeDirectory, "The working directory is a project named '%s' itself and would run in place of the package. Set another cwd.",
				argv.Quote(ref.Name))
		}
	}
}
