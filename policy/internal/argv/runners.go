package argv

import "strings"

// nodeRunners are npm packages with the command line of node.
var nodeRunners = set(`node tsx ts-node vite-node esno jiti ts-node-esm @babel/node @swc-node/register babel-node sucrase-node ts-node-dev node-dev tsimp swc-node esbuild-runner esr`)

// commandRunners are packages whose arguments are commands.
var commandRunners = set(`
npm yarn pnpm bun deno cross-env cross-env-shell concurrently dotenv dotenv-cli env-cmd npm-run-all npm-run-all2 nodemon
zx shx shelljs pm2 forever execa-cli onchange chokidar-cli entr lerna nx turbo @modelcontextprotocol/inspector
npm-check-updates create-react-app yo degit node-gyp electron coffee coffeescript coffee-script
bunx pnpx nlx nr ni @antfu/ni @pnpm/exe dotenvx @dotenvx/dotenvx run-s run-p ttab foreman lint-staged patch-package wsrun tsc-watch watch husky
@npmcli/run-script run-script-os start-server-and-test xvfb-maybe cross-spawn-cli supervisor jest vitest mocha ava tap c8 nyc gulp gulp-cli grunt grunt-cli webpack webpack-cli rollup vite
mcpo honcho supervisor nox tox invoke fabric pytest ipython jupyter ipykernel ptpython bpython debugpy xonsh
locust watchfiles watchdog watchmedo pre-commit cookiecutter copier snakemake scons doit pyperf scalene memray py-spy viztracer coverage
pex shiv nodeenv pyinstaller papermill fire uvicorn gunicorn hypercorn flask marimo streamlit zc.buildout buildout robotframework python-dotenv
ansible ansible-core poetry pdm hatch pip virtualenv pyinfra scrapy pyinstrument kernprof line-profiler line_profiler rust-just just nuitka jupyterlab jupyter-lab jupyter-core notebook`)

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
