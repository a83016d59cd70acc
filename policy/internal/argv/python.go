package argv

import (
	"regexp"
	"slices"
	"strings"
)

const inlinePython = "inline Python execution"

var pythonGrammar = &grammar{
	cluster: true,
	bools:   set(`-u -B -s -S -E -I -O -q -v -b -P -d -t`),
	values:  set(`-W -X -m --check-hash-based-pycs`),
	refused: reasons(
		inlinePython+": -c",
		"an interactive session on standard input: -i",
	),
}

var (
	moduleName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)
	warningFilter = regexp.MustCompile(`^[a-z]+(:[^:.]*(:[A-Za-z]*Warning)?)?$`)
	xOption       = regexp.MustCompile(`^(utf8(=[01])?|dev|faulthandler|no_debug_ranges|frozen_modules(=(on|off))?|int_max_str_digits=[0-9]+|importtime|tracemalloc(=[0-9]+)?|gil=[01])$`)
)

// python wants a file or "-m module" behind its options.
func (c *checker) python(args []string, i int) {
	c.Python = true
	module := false
	for i < len(args) && !c.Refused() && !module {
		arg := args[i]
		if arg == "--" || arg == "-" || !strings.HasPrefix(arg, "-") {
			break
		}
		i = c.option(pythonGrammar, args, i, func(o option) {
			switch {
			case o.name == "-m":
				module = true
				c.module(args, o)
			case o.name == "-W" && !warningFilter.MatchString(o.value):
				c.enables(args, o.index, preload)
			case o.name == "-X" && !xOption.MatchString(o.value):
				c.enables(args, o.index, "an interpreter setting that is not known to be harmless")
			}
		})
	}
	if module || c.Refused() {
		return
	}
	if i < len(args) && args[i] == "--" {
		i++
	}
	c.script(args, i)
}

// module judges the module that python's -m runs. The standard library holds debuggers, installers
// and ways to run text as code, and no MCP server.
func (c *checker) module(args []string, o option) {
	name := o.value
	top, _, _ := strings.Cut(name, ".")
	switch {
	case !moduleName.MatchString(name):
		c.refuse(Argument, "Argument %d '%s' is not the name of a Python module.", o.index, Quote(args[o.index]))
	case stdlib[top] || moduleRunners[top] || commandRunners[strings.ToLower(strings.ReplaceAll(top, "_", "-"))] || strings.HasPrefix(top, "_"):
		c.enables(args, o.index, "the module '"+top+"', which is no MCP server and can run other code,")
	case name == "mcp" || name == "fastmcp":
		c.served(args, o.index)
	}
}

// moduleRunners are modules outside the standard library that run what they are given.
var moduleRunners = set(`
sitecustomize usercustomize pip pipx uv uvx IPython ipykernel jupyter jupyter_client notebook jupyterlab pytest py nox tox
invoke fabric coverage debugpy pudb ipdb pdbpp ptpython bpython xonsh poetry pdm hatch hatchling virtualenv setuptools
easy_install pkg_resources wheel build twine ansible conda mamba black ruff gunicorn scrapy celery locust pex shiv
django pyinstrument memray austin kedro twisted sphinx manim mypy pylint mkdocs alembic huey rq dramatiq luigi prefect airflow dask_worker bottle waitress hypercorn uvicorn daphne granian
py_spy viztracer line_profiler memory_profiler kernprof nodeenv honcho supervisor mcpo flask plumbum sh pexpect test __main__ __hello__ site`)

// stdlib are the top-level modules of Python's standard library, 3.9 to 3.14.
var stdlib = set(`
abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii binhex
bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall
compression concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm
decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch
formatter fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html
http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma
mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath
nturl2path numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform
plistlib poplib posix posixpath pprint profile profiling pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue
quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal
smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string
stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios
textwrap this threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types
typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc
zipapp zipfile zipimport zlib zoneinfo`)

const uvBools = `-q --quiet -v --verbose --offline --no-progress --no-cache -n --no-config --native-tls --system-certs --isolated
	--refresh --upgrade -U --no-python-downloads --managed-python --no-managed-python --reinstall --no-env-file --compile-bytecode
	--no-build --exact --frozen --locked --no-sync --no-dev --dev --all-extras --all-groups --active
	--no-project --all-packages --no-active --no-editable --only-dev --no-default-groups`

var uvRefused = reasons(
	registry+": --index --index-url -i --default-index --extra-index-url --find-links -f --config-file --allow-insecure-host --trusted-host "+
		"--keyring-provider --config-setting --config-settings -C --overrides --override --constraints --constraint -c --build-constraints -b "+
		"--cache-dir --no-verify-hashes --no-sources --tool-dir --python-fetch-metadata",
	preload+": --env-file --with-requirements",
	"another interpreter: --python-path",
)

var uvxGrammar = &grammar{
	plain: true,
	bools: set(uvBools),
	values: set(`--from --with -w --with-editable --python -p --python-preference --color --link-mode --prerelease --resolution
		--exclude-newer --directory --refresh-package --reinstall-package --upgrade-package -P`),
	refused: uvRefused,
}

// uvx reads its own options up to the first word that is none: a package, or a command of --from.
func (c *checker) uvx(args []string, i int) {
	c.Python = true
	if i >= len(args) {
		c.nothing()
		return
	}
	from := ""
	at := c.options(uvxGrammar, args, i, func(o option) {
		if o.name == "--from" {
			if ref, ok := c.pypiSpec(args, o.index, o.value); ok {
				from = ref.Name
			}
			return
		}
		c.uvOption(args, o)
	})
	c.pythonTool(args, at, from)
}

// pythonTool judges args[i], the command of the package from, or a package itself where from is "".
func (c *checker) pythonTool(args []string, i int, from string) {
	switch {
	case c.Refused():
	case i >= len(args):
		c.nothing()
	case from == "" && isPython(args[i]):
		c.run("python", args, i+1)
	case from != "" && isPython(from) && !isPython(args[i]):
		c.refuse(Argument, "Argument %d '%s' is to be run by a bare Python. Name the package that it belongs to.", i, Quote(args[i]))
	default:
		name := from
		if from == "" {
			ref, ok := c.pypiSpec(args, i, args[i])
			if !ok {
				return
			}
			name = ref.Name
		} else if !scriptName.MatchString(args[i]) {
			c.refuse(Argument, "Argument %d '%s' is not the name of a program.", i, Quote(args[i]))
			return
		} else {
			c.impostor(args[i], from)
		}
		c.tool(args, i, strings.ToLower(name), Base(args[i]))
	}
}

// isPython reports whether uv takes a name, with a version or without, for an interpreter.
func isPython(name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), "@")
	return runtimeOf(name) == "python" || name == "cpython" || name == "graalpy" || name == "graalpython" || name == "pyodide"
}

// tool judges what a package and the program out of it will do with the arguments behind args[i].
func (c *checker) tool(args []string, i int, pkg, program string) {
	switch {
	case commandRunners[pkg] || commandRunners[program]:
		c.enables(args, i, "the running of any command")
	case bridges[pkg]:
		c.bridge(args, i)
	case program == "mcp" || program == "fastmcp":
		c.served(args, i)
	default:
		c.program(args, i)
	}
}

// served judges what "mcp run FILE" and "fastmcp run FILE" load: a file ending in .py, and an object in it behind a ':'.
// The other commands of theirs start an inspector or change the settings of other programs.
func (c *checker) served(args []string, i int) {
	if i+1 >= len(args) {
		return
	}
	switch args[i+1] {
	case "dev", "install", "inspect", "project":
		c.enables(args, i+1, "the running of any command")
	case "run":
		for n := i + 2; n < len(args) && !c.Refused(); n++ {
			c.servedFile(args, n)
		}
	}
}

func (c *checker) servedFile(args []string, n int) {
	file, _, _ := strings.Cut(args[n], ".py:")
	switch lower := strings.ToLower(args[n]); {
	case file != args[n] || strings.HasSuffix(lower, ".py"):
		words := slices.Clone(args)
		words[n] = strings.TrimSuffix(file, ".py") + ".py"
		c.script(words, n)
	case lower == "-" || strings.HasPrefix(lower, "/dev/") || strings.HasPrefix(lower, "/proc/"):
		c.enables(args, n, "a program from standard input")
	}
}

// names reports whether the first word behind the options, which begin behind args[i], is the program of
// the package name itself: "uv run --with x x" is "uvx x".
func names(args []string, i int, name string) bool {
	for i++; i < len(args); i++ {
		switch arg := args[i]; {
		case uvGrammar.values[arg] || uvxGrammar.values[arg]:
			i++
		case !strings.HasPrefix(arg, "-"):
			return strings.EqualFold(arg, name)
		}
	}
	return false
}

// requirements splits a list of them as uv does: at a comma outside of brackets with a name behind it, so that
// "a>=1,<2" is one.
func requirements(list string) []string {
	var out []string
	start, depth := 0, 0
	for i := range len(list) {
		switch list[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			rest := strings.TrimLeft(list[i+1:], " ")
			if depth <= 0 && rest != "" && (rest[0]|0x20 >= 'a' && rest[0]|0x20 <= 'z' || rest[0] >= '0' && rest[0] <= '9') {
				out, start = append(out, list[start:i]), i+1
			}
		}
	}
	return append(out, list[start:])
}

var pythonVersion = regexp.MustCompile(`^(cpython|pypy|python|graalpy)?[-@]?([<>=!~]=?)?[0-9]+(\.[0-9]+)*(\.\*)?[a-z]*(,[<>=!~]=?[0-9.]+)*$|^(cpython|pypy)$`)

func (c *checker) uvOption(args []string, o option) {
	switch o.name {
	case "--with", "-w":
		for _, spec := range requirements(o.value) {
			if ref, ok := c.pypiSpec(args, o.index, strings.TrimSpace(spec)); ok && !c.trusted(ref.Name) && !names(args, o.index, ref.Name) {
				c.refuse(Package, "Argument %d '%s' adds the package '%s' to another one's environment for '%s', which is not allowed. "+
					"Make it a dependency of the server, or add it to allowed_packages.", o.index, Quote(args[o.index]), Quote(ref.Name), c.command)
			}
		}
	case "--python", "-p":
		if !pythonVersion.MatchString(o.value) {
			c.refuse(Argument, "Argument %d '%s' is not a version of Python. Write one such as 3.12.", o.index, Quote(args[o.index]))
		}
	case "--directory", "--project", "--with-editable", "--package-dir":
		c.dir(args, o)
	}
}

// tempDirs are where anybody may put a folder.
var tempDirs = [...]string{"/tmp/", "/var/tmp/", "/dev/shm/", "/private/tmp/", "/private/var/tmp/", "/run/shm/", "/proc/"}

// InTemp says whether a path lies where anybody may put a file.
func InTemp(p string) bool {
	p = strings.ReplaceAll(p, `\`, "/") + "/"
	for _, dir := range tempDirs {
		if strings.HasPrefix(p, dir) {
			return true
		}
	}
	return strings.Contains(strings.ToLower(p), "/windows/temp/")
}

func (c *checker) dir(args []string, o option) {
	switch {
	case strings.Contains(o.value, "://") || strings.HasPrefix(o.value, "git+"):
		c.refuse(Package, "Argument %d '%s' is not a folder of this machine.", o.index, Quote(args[o.index]))
	default:
		c.Dirs = append(c.Dirs, o.value)
	}
}

var uvGrammar = &grammar{
	plain: true,
	bools: set(uvBools + ` --module -m --script -s`),
	values: set(`--directory --project --with -w --with-editable --python -p --python-preference --color --extra --group
		--only-group --no-group --package --link-mode --prerelease --resolution --exclude-newer
		--refresh-package --reinstall-package --upgrade-package -P`),
	refused: uvRefused,
}

// uv starts servers by "uv run" and "uv tool run".
func (c *checker) uv(args []string, i int) {
	c.Python = true
	if i >= len(args) {
		c.nothing()
		return
	}
	module := false
	use := func(o option) {
		if o.name == "--module" || o.name == "-m" {
			module = true
		}
		c.uvOption(args, o)
	}
	at := c.options(uvGrammar, args, i, use)
	switch {
	case c.Refused():
	case at >= len(args):
		c.nothing()
	case args[at] == "run":
		c.uvRun(args, c.options(uvGrammar, args, at+1, use), &module)
	case args[at] == "tool" && at+1 < len(args) && args[at+1] == "run":
		c.command = "uv tool run"
		c.uvx(args, at+2)
	default:
		c.refuse(Argument, "Argument %d '%s' is not a command of uv that starts a server. Use 'run' or 'tool run'.", at, Quote(args[at]))
	}
}

func (c *checker) uvRun(args []string, i int, module *bool) {
	switch {
	case c.Refused():
	case i >= len(args):
		c.nothing()
	case *module:
		c.module(args, option{name: "-m", value: args[i], index: i})
	case args[i] == "-" || strings.ContainsAny(args[i], `/\:`) || strings.HasSuffix(strings.ToLower(args[i]), ".py"):
		if Base(args[i]) != args[i] && runtimeOf(Base(args[i])) != "" {
			c.refuse(Argument, "Argument %d '%s' names a runtime by its path. Write '%s'.", i, Quote(args[i]), Base(args[i]))
			return
		}
		if programs[Base(args[i])] {
			c.program(args, i)
			return
		}
		if lower := strings.ToLower(args[i]); !strings.HasSuffix(lower, ".py") && !strings.HasSuffix(lower, ".pyz") && args[i] != "-" {
			c.refuse(Argument, "Argument %d '%s' is a file that is no Python program. Name a .py file, or a program of the project by its name.", i, Quote(args[i]))
			return
		}
		c.script(args, i)
	case !scriptName.MatchString(args[i]):
		c.refuse(Argument, "Argument %d '%s' is not the name of a program.", i, Quote(args[i]))
	default:
		c.tool(args, i, strings.ToLower(args[i]), args[i])
	}
}

var pipxGrammar = &grammar{
	plain:   true,
	bools:   set(`-q --quiet -v --verbose --no-cache`),
	values:  set(`--spec --python --with`),
	refused: reasons(registry+": --pip-args --index-url -i --system-site-packages --suffix --editable -e --preinstall", "a local program: --path"),
}

// pipx starts servers by "pipx run".
func (c *checker) pipx(args []string, i int) {
	c.Python = true
	if i >= len(args) {
		c.nothing()
		return
	}
	if args[i] != "run" {
		c.refuse(Argument, "Argument %d '%s' is not a command of pipx that starts a server. Use 'run'.", i, Quote(args[i]))
		return
	}
	from := ""
	at := c.options(pipxGrammar, args, i+1, func(o option) {
		if o.name == "--spec" {
			if ref, ok := c.pypiSpec(args, o.index, o.value); ok {
				from = ref.Name
			}
			return
		}
		c.uvOption(args, o)
	})
	c.pythonTool(args, at, from)
}
