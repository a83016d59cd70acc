package argv

import (
	"regexp"
	"strings"
)

const (
	inlineJS = "inline JavaScript evaluation"
	preload  = "the loading of other code before the program"
	shellRun = "shell command execution"
	registry = "another source of packages or another configuration"
	inspect  = "a debugger port"
)

var npxGrammar = &grammar{
	bools: set(`-y --yes -q --quiet -s --silent --no-install --no --prefer-offline --prefer-online --offline
		--no-audit --no-fund --no-update-notifier --ignore-scripts --no-progress --no-color --verbose -d
		--no-optional --legacy-peer-deps`),
	values: set(`--loglevel --package -p --omit --fetch-timeout --fetch-retries`),
	refused: reasons(
		shellRun+": -c --call --shell --script-shell --shell-auto-fallback",
		preload+": --node-arg --node-options -n --npm",
		registry+": --registry --userconfig --globalconfig --prefix -C --cache --workspace -w --include-workspace-root "+
			"--strict-ssl --proxy --https-proxy --cafile --ca --git --location -g --global --before --tag --init-module --"),
}

// npmGrammar is that of npm: it may be told in which folder the project is.
var npmGrammar = &grammar{bools: npxGrammar.bools, values: set(`--loglevel --package -p --omit --fetch-timeout --fetch-retries --prefix -C`), refused: npxGrammar.refused}

// npx reads its own options up to the first word that is none; that word is the package, and what
// is behind it belongs to the server.
func (c *checker) npx(args []string, i int) {
	c.Node = true
	if i >= len(args) {
		c.nothing()
		return
	}
	c.npmPackage(args, c.options(npxGrammar, args, i, c.npmOption(args)))
}

func (c *checker) npmOption(args []string) func(option) {
	return func(o option) {
		if o.name == "--package" || o.name == "-p" {
			if ref, ok := c.npmSpec(args, o.index, o.value); ok && !c.trusted(ref.Name) {
				c.refuse(Package, "Argument %d '%s' adds the package '%s' to another one's environment for '%s', which is not allowed. "+
					"Name the package itself, or add it to allowed_packages.", o.index, Quote(args[o.index]), Quote(ref.Name), c.command)
			}
		}
	}
}

// npmPackage judges the package at args[i] and the arguments behind it.
func (c *checker) npmPackage(args []string, i int) {
	if c.Refused() {
		return
	}
	if i >= len(args) {
		c.nothing()
		return
	}
	ref, ok := c.npmSpec(args, i, args[i])
	if !ok {
		return
	}
	switch {
	case nodeRunners[ref.Name]:
		c.command = ref.Name
		c.node(args, i+1)
	case commandRunners[ref.Name] || programs[ref.Name]:
		c.enables(args, i, "the running of any command")
	case bridges[ref.Name]:
		c.bridge(args, i)
	case runtimeOf(ref.Name) != "":
		c.run(ref.Name, args, i+1)
	}
}

// nodeRunners are npm packages with the command line of node.
var nodeRunners = set(`node tsx ts-node vite-node esno jiti ts-node-esm @babel/node @swc-node/register babel-node sucrase-node ts-node-dev node-dev tsimp swc-node`)

// commandRunners are packages whose arguments are commands.
var commandRunners = set(`
npm yarn pnpm bun deno cross-env cross-env-shell concurrently dotenv dotenv-cli env-cmd npm-run-all npm-run-all2 nodemon
zx shx shelljs pm2 forever execa-cli onchange chokidar-cli entr lerna nx turbo @modelcontextprotocol/inspector
npm-check-updates create-react-app yo degit node-gyp electron coffee coffeescript coffee-script
bunx pnpx nlx nr ni @antfu/ni @pnpm/exe dotenvx @dotenvx/dotenvx run-s run-p ttab foreman lint-staged patch-package wsrun tsc-watch watch husky
@npmcli/run-script supervisor jest vitest mocha ava tap c8 nyc gulp gulp-cli grunt grunt-cli webpack webpack-cli rollup vite
mcpo honcho supervisor nox tox invoke fabric pytest ipython jupyter ipykernel ptpython bpython debugpy xonsh
locust watchfiles watchdog watchmedo pre-commit cookiecutter copier snakemake scons doit pyperf scalene memray py-spy viztracer coverage
pex shiv nodeenv pyinstaller papermill fire uvicorn gunicorn hypercorn flask marimo streamlit zc.buildout buildout robotframework python-dotenv
ansible ansible-core poetry pdm hatch pip virtualenv jupyterlab jupyter-lab jupyter-core notebook`)

// bridges join a remote server to standard input, or run a command behind a port: only the first is
// a server that the command line shows.
var bridges = set(`supergateway mcp-proxy @modelcontextprotocol/proxy`)

func (c *checker) bridge(args []string, i int) {
	remote := false
	for n := i + 1; n < len(args); n++ {
		if args[n] == "--" || strings.HasPrefix(args[n], "--stdio") {
			c.enables(args, n, "the running of any command")
			return
		}
		remote = remote || strings.HasPrefix(args[n], "https://") || strings.HasPrefix(args[n], "http://")
	}
	if !remote && i+1 < len(args) {
		c.enables(args, i, "the running of any command")
	}
}

// npm reads its options anywhere before "--".
func (c *checker) npm(args []string, i int) {
	c.Node = true
	words, rest, project := c.npmWords(args, i)
	if c.Refused() {
		return
	}
	if len(words) == 0 {
		c.nothing()
		return
	}
	switch args[words[0]] {
	case "exec", "x":
		if len(words) > 1 {
			rest = words[1]
		}
		if project >= 0 {
			c.enables(args, project, registry)
		}
		c.npmPackage(args, rest)
	case "start":
		c.warn("'npm start' runs a script of package.json through a shell")
	case "run", "run-script":
		if len(words) < 2 || !scriptName.MatchString(args[words[1]]) {
			c.refuse(Argument, "'npm run' wants the name of a script of package.json.")
			return
		}
		c.warn("'npm run' runs a script of package.json through a shell")
	default:
		c.refuse(Argument, "Argument %d '%s' is not a command of npm that starts a server. Use 'exec', 'start' or 'run'.",
			words[0], Quote(args[words[0]]))
	}
}

// npmWords returns the indexes of the words that are no options, where what follows "--" begins, and the
// index of the option that names the project's folder, or -1.
func (c *checker) npmWords(args []string, i int) (words []int, rest, project int) {
	rest, project = len(args), -1
	use := func(o option) {
		if o.name == "--prefix" || o.name == "-C" {
			project = o.index
			c.dir(args, o)
			return
		}
		c.npmOption(args)(o)
	}
	for i < len(args) && !c.Refused() {
		if args[i] == "--" {
			return words, i + 1, project
		}
		if !strings.HasPrefix(args[i], "-") {
			words = append(words, i)
			i++
			continue
		}
		next := c.option(npmGrammar, args, i, use)
		if next == i+1 && next < len(args) && (args[next] == "true" || args[next] == "false" || args[next] == "null") {
			c.refuse(Argument, "Argument %d '%s' would be taken for the value of '%s'. Leave it out.", next, args[next], Quote(args[i]))
		}
		i = next
	}
	return words, rest, project
}

var scriptName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:._-]*$`)

var nodeGrammar = &grammar{
	bools: set(`--no-warnings --enable-source-maps --trace-warnings --trace-deprecation --no-deprecation --throw-deprecation
		--trace-uncaught --experimental-strip-types --experimental-transform-types --experimental-sqlite --experimental-fetch
		--experimental-json-modules --experimental-websocket --experimental-vm-modules --no-experimental-fetch
		--no-experimental-strip-types --use-system-ca --use-openssl-ca --use-bundled-ca --preserve-symlinks --preserve-symlinks-main
		--permission --expose-gc --pending-deprecation --experimental-permission --experimental-modules --optimize-for-size
		--no-node-snapshot --harmony --no-addons --no-global-search-paths --watch --jitless --esm --transpile-only -T --swc`),
	joined: set(`--max-old-space-size --max_old_space_size --max-semi-space-size --stack-trace-limit --stack-size`),
	values: set(`--unhandled-rejections --disable-warning --dns-result-order
		--max-http-header-size --allow-fs-read --allow-fs-write --v8-pool-size --secure-heap
		--experimental-specifier-resolution --network-family-autoselection-attempt-timeout`),
	refused: reasons(
		inlineJS+": -e --eval -pe -ep -i --interactive --input-type --test --run -c --check --experimental-eval-module",
		"JavaScript evaluation/print: -p --print",
		preload+": -r --require --import --loader --experimental-loader --env-file --env-file-if-exists -C --conditions "+
			"--snapshot-blob --build-snapshot --experimental-sea-config --experimental-config-file --experimental-default-config-file "+
			"--openssl-config --icu-data-dir --experimental-policy -P --project --tsconfig --cwd --compiler --script-mode",
		inspect+": --inspect --inspect-brk --inspect-port --debug-port --inspect-wait --inspect-publish-uid --debug"),
}

// node wants a file behind its options; without one it reads code from standard input.
func (c *checker) node(args []string, i int) {
	c.Node = true
	at := c.options(nodeGrammar, args, i, func(option) {})
	if at == i+1 && args[i] == "watch" { // tsx watch server.ts
		at = c.options(nodeGrammar, args, at, func(option) {})
	}
	c.script(args, at)
}

// script judges the file of code at args[i].
func (c *checker) script(args []string, i int) {
	if c.Refused() {
		return
	}
	if i >= len(args) {
		c.refuse(Argument, "'%s' is given no file to run and would read its program from standard input, which is not allowed. "+
			"Name the server's file.", c.command)
		return
	}
	file := args[i]
	lower := strings.ToLower(file)
	switch {
	case file == "-" || file == "" || strings.HasPrefix(lower, "/dev/") || strings.HasPrefix(lower, "/proc/"):
		c.enables(args, i, "a program from standard input")
	case strings.Contains(lower, "://") || strings.HasPrefix(lower, "data:") || strings.HasPrefix(lower, "file:") || strings.HasPrefix(lower, `\\`) ||
		strings.HasPrefix(lower, "//"):
		c.enables(args, i, "a program from another machine")
	case c.command == "node" && (file == "inspect" || file == "debug"):
		c.enables(args, i, inspect)
	default:
		c.Scripts = append(c.Scripts, file)
	}
}
