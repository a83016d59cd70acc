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

var scriptName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:._-]*$`)

var nodeGrammar = &grammar{
	plain: true,
	bools: set(`--no-warnings --enable-source-maps --trace-warnings --trace-deprecation --no-deprecation --throw-deprecation
		--trace-uncaught --experimental-strip-types --experimental-transform-types --experimental-sqlite --experimental-fetch
		--experimental-json-modules --experimental-websocket --experimental-vm-modules --no-experimental-fetch
		--no-experimental-strip-types --use-system-ca --use-openssl-ca --use-bundled-ca --preserve-symlinks --preserve-symlinks-main
		--permission --expose-gc --pending-deprecation --experimental-permission --experimental-modules --optimize-for-size
		--no-node-snapshot --harmony --no-addons --no-global-search-paths
		--allow-worker --allow-child-process --allow-addons --allow-wasi --allow-net --tls-min-v1.2 --tls-min-v1.3 --tls-max-v1.3
		--experimental-require-module --no-experimental-require-module --experimental-detect-module --no-experimental-detect-module
		--experimental-import-meta-resolve --experimental-eventsource --no-experimental-websocket --no-experimental-sqlite
		--no-experimental-global-navigator --abort-on-uncaught-exception --trace-exit --trace-sigint --frozen-intrinsics
		--disallow-code-generation-from-strings --openssl-legacy-provider --zero-fill-buffers --no-network-family-autoselection
		--experimental-global-webcrypto --experimental-wasm-modules --trace-gc --watch --jitless --esm --transpile-only -T --swc`),
	joined: set(`--max-old-space-size --max_old_space_size --max-old-space-size-percentage --max-heap-size --initial-heap-size --max-semi-space-size --stack-trace-limit --stack-size`),
	values: set(`--unhandled-rejections --disable-warning --dns-result-order
		--max-http-header-size --allow-fs-read --allow-fs-write --v8-pool-size --secure-heap --title --disable-proto
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
