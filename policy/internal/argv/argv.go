// Package argv judges the command line of an MCP server by the grammar of the runtime that will
// read it: npx, npm, node, uvx, uv, python, pip, pipx and docker. Options are known or refused; an
// option that runs inline code, loads other code, opens a debugger, changes where packages come
// from or opens the machine to a container is refused with the reason.
//
// It looks at text alone. What is behind the server's own name belongs to the server and is not
// read as options here.
package argv

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Class says which kind of rule refused.
type Class string

// The classes of a refusal.
const (
	Argument    Class = "argument"
	Package     Class = "package"
	Environment Class = "environment"
)

// Options are the operator's exemptions.
type Options struct {
	// AllowedPackages may be added to another package's environment.
	AllowedPackages []string
}

// Ref is a package or image that the line names.
type Ref struct {
	Registry string // "npm", "pypi" or "image"
	Name     string
	// Spec is the package as the line names it, with its version.
	Spec string
	// Exact says that the version is pinned: it always means the same code.
	Exact bool
}

// Report is what a command line amounts to.
type Report struct {
	// Class and Reason are set when the line is refused. The reason is a sentence of its own.
	Class  Class
	Reason string
	// Packages are the packages and images that will be run.
	Packages []Ref
	// Scripts are files of code and Dirs folders of code that the line names, as written.
	Scripts, Dirs []string
	// EnvArgs are the indexes of arguments that set an environment variable.
	EnvArgs  []int
	Warnings []string
	// Node and Python say that the line starts such an interpreter, which looks at its working directory.
	Node, Python bool
}

// Refused says whether the line was refused.
func (r *Report) Refused() bool { return r.Reason != "" }

type checker struct {
	Report
	opts    Options
	command string // as written, for reasons
	depth   int
}

// Check judges a command, given by its name or path, with its arguments. A command that is none of
// the runtimes above is not refused: its arguments are its own.
func Check(command string, args []string, opts Options) Report {
	c := &checker{opts: opts, command: Base(command)}
	c.run(c.command, args, 0)
	return c.Report
}

// Base returns the name of a program from its path, without the suffix of a Windows program.
func Base(command string) string {
	base := path.Base(strings.ReplaceAll(command, `\`, "/"))
	for _, suffix := range [...]string{".exe", ".cmd", ".bat"} {
		if n := len(base) - len(suffix); n > 0 && strings.EqualFold(base[n:], suffix) {
			return base[:n]
		}
	}
	return base
}

// run judges args[i:] as the arguments of a program.
func (c *checker) run(program string, args []string, i int) {
	if c.depth++; c.depth > 4 {
		c.refuse(Argument, "The command line starts one runtime from another too many times.")
		return
	}
	c.command = program
	switch name := runtimeOf(program); name {
	case "npx":
		c.npx(args, i)
	case "npm":
		c.npm(args, i)
	case "node":
		c.node(args, i)
	case "uvx":
		c.uvx(args, i)
	case "uv":
		c.uv(args, i)
	case "python":
		c.python(args, i)
	case "pipx":
		c.pipx(args, i)
	case "pip":
		if i < len(args) && args[i] != "--version" {
			c.enables(args, i, "the installation of packages")
		}
	case "docker":
		c.docker(args, i)
	}
}

// runtimeOf returns the runtime whose grammar a program has, or "".
func runtimeOf(program string) string {
	switch program {
	case "npx", "npm", "uvx", "uv", "pipx", "docker":
		return program
	case "node", "nodejs":
		return "node"
	case "podman", "nerdctl":
		return "docker"
	}
	for _, p := range [...]string{"python", "pip", "pypy"} {
		if rest, ok := strings.CutPrefix(program, p); ok && strings.Trim(rest, "0123456789.w") == "" {
			if p == "pypy" {
				return "python"
			}
			return p
		}
	}
	return ""
}

func (c *checker) refuse(class Class, format string, v ...any) {
	if c.Reason == "" {
		c.Class, c.Reason = class, fmt.Sprintf(format, v...)
	}
}

// enables refuses an argument for what it makes the program do.
func (c *checker) enables(args []string, i int, what string) {
	c.refuse(Argument, "Argument %d '%s' enables %s for '%s', which is not allowed.", i, Quote(args[i]), what, c.command)
}

func (c *checker) warn(format string, v ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, v...))
}

// nothing judges a line without arguments, which prints help and exits.
func (c *checker) nothing() {
	c.warn("'%s' is given nothing to run", c.command)
}

// Quote makes a value safe to show: control characters escaped, at most 200 bytes.
func Quote(s string) string {
	const limit = 200
	cut := len(s) > limit
	if cut {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	if needsEscape(s) {
		q := strconv.QuoteToASCII(s)
		s = q[1 : len(q)-1]
	}
	if cut {
		s += "..."
	}
	return s
}

func needsEscape(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xFFFD || r >= 0x200B && r <= 0x200F ||
			r >= 0x202A && r <= 0x202E || r >= 0x2060 && r <= 0x206F || r == 0xFEFF || r >= 0xE0000 {
			return true
		}
	}
	return false
}

// programs are commands that run any command or fetch anything: no server is behind such a name.
var programs = set(`
sh bash zsh dash ksh csh tcsh fish ash busybox toybox env printenv xargs sudo su doas nohup setsid timeout time nice
watch script expect exec eval source command curl wget fetch nc ncat netcat socat telnet ssh scp sftp rsync ftp tftp
perl ruby php lua tclsh awk gawk sed find tar zip unzip dd cat tee cp mv rm ln chmod chown kill pkill killall
make cmake gcc cc go cargo rustc java javac git hg svn crontab at batch systemctl service mount umount chroot nsenter
unshare strace gdb ltrace apt apt-get apk yum dnf brew pacman powershell pwsh cmd wscript cscript mshta rundll32
osascript open xdg-open screen tmux kubectl helm ansible ansible-playbook terraform touch tr base64 openssl printf echo ls
head tail less more vi vim nano ed emacs`)

// program judges the word of a project or container that names what to run, at args[i].
func (c *checker) program(args []string, i int) {
	name := Base(args[i])
	if dir := path.Base(path.Dir(args[i])); name != args[i] && dir != "bin" && dir != "sbin" {
		return // a file or a URL, not a program
	}
	switch {
	case programs[name]:
		c.enables(args, i, "the program '"+name+"', which runs or fetches anything,")
	case runtimeOf(name) != "":
		c.run(name, args, i+1)
	}
}

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
