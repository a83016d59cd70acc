package argv

import (
	"slices"
	"strings"
)

const (
	npmBools = `-y --yes -q --quiet -s --silent --no-install --no --prefer-offline --prefer-online --offline
		--no-audit --no-fund --no-update-notifier --ignore-scripts --no-progress --no-color --verbose -d
		--no-optional --legacy-peer-deps --no-timing --no-package-lock`
	npmValues = `--loglevel --package --omit --fetch-timeout --fetch-retries --registry --min-release-age`
)

var npxGrammar = &grammar{
	plain:  true,
	bools:  set(npmBools + ` --ignore-existing`),
	values: set(npmValues + ` -p`),
	refused: reasons(
		shellRun+": -c --call --shell --script-shell --shell-auto-fallback",
		preload+": --node-arg --node-options -n --npm",
		registry+": --registry --userconfig --globalconfig --prefix -C --cache --workspace -w --include-workspace-root "+
			"--strict-ssl --proxy --https-proxy --cafile --ca --git --location -g --global --before --tag --init-module --",
	),
}

// npmGrammar is that of npm: it may be told in which folder the project is, and its -p is another option.
var npmGrammar = &grammar{plain: true, bools: set(npmBools), values: set(npmValues + ` --prefix -C`), refused: npxGrammar.refused}

// npmLine is what a line of npx or npm says.
type npmLine struct {
	words    []int    // indexes of the arguments that are no options of npm
	packages []option // --package
	// project is the index of the option that names the project's folder, or -1.
	project int
}

// npx reads its own options up to the first word that is none; that word is the package, and what
// is behind it belongs to the server.
func (c *checker) npx(args []string, i int) {
	c.Node = true
	line := c.npmRead(npxGrammar, args, i)
	if !c.Refused() {
		c.npmExec(args, line.words, line.packages)
	}
}

// npmRead finds the options and words of args[i:]. npm reads options up to "--", npx up to the first word.
func (c *checker) npmRead(g *grammar, args []string, i int) npmLine {
	line := npmLine{project: -1}
	use := func(o option) { c.npmOption(args, o, &line) }
	for ; i < len(args) && !c.Refused(); i++ {
		switch {
		case args[i] == "--":
			return line.behind(args, i+1)
		case !strings.HasPrefix(args[i], "-"):
			if line.words = append(line.words, i); g == npxGrammar {
				return line.behind(args, i+1)
			}
		default:
			before := i
			i = c.option(g, args, i, use) - 1
			if i == before && i+1 < len(args) && g.bools[args[i]] {
				c.npmSwallowed(g, args, i)
			}
		}
	}
	return line
}

// behind adds all words from args[i] on.
func (l npmLine) behind(args []string, i int) npmLine {
	for ; i < len(args); i++ {
		l.words = append(l.words, i)
	}
	return l
}

// npmSwallowed refuses a word that follows a switch at args[i] and that npm takes for its value. npx itself takes
// any word behind "--no-..." for a value, while npm does not, and then hands the options of the server to npm.
func (c *checker) npmSwallowed(g *grammar, args []string, i int) {
	next, unknown := args[i+1], strings.HasPrefix(args[i], "--no") && args[i] != "--no-install"
	switch {
	case g == npxGrammar && !unknown:
	case slices.Contains([]string{"true", "false", "null", "always"}, next):
		c.refuse(Argument, "Argument %d '%s' would be taken for the value of '%s'. Leave it out.", i+1, next, Quote(args[i]))
	case g == npxGrammar && !strings.HasPrefix(next, "-") && i+2 < len(args) && strings.HasPrefix(args[i+2], "-") && args[i+2] != "--":
		c.refuse(Argument, "Argument %d '%s' would be read as an option of npx, because '%s' stands right before '%s'. Put '-y' between them.",
			i+2, Quote(args[i+2]), args[i], Quote(next))
	}
}

func (c *checker) npmOption(args []string, o option, line *npmLine) {
	switch o.name {
	case "--package", "-p":
		line.packages = append(line.packages, o)
	case "--prefix", "-C":
		line.project = o.index
		c.dir(args, o)
	case "--registry":
		if !isPublicRegistry(o.value) {
			c.enables(args, o.index, registry)
		}
	}
}

// npmExec judges what "npm exec" runs: a program of the given packages, or the package that the first word names.
func (c *checker) npmExec(args []string, words []int, packages []option) {
	if len(words) == 0 {
		c.refuse(Argument, "'%s' is given no package and would start a shell on standard input, which is not allowed. Name the server's package.", c.command)
		return
	}
	program := words[0]
	for _, o := range packages {
		ref, ok := c.npmSpec(args, o.index, o.value)
		switch {
		case !ok:
			return
		case !c.trusted(ref.Name) && (len(packages) > 1 || !namedAfter(args[program], ref.Name)):
			c.refuse(Package, "Argument %d '%s' adds the package '%s' to another one's environment for '%s', which is not allowed. "+
				"Name the package itself, or add it to allowed_packages.", o.index, Quote(args[o.index]), Quote(ref.Name), c.command)
			return
		}
		c.impostor(args[program], ref.Name)
	}
	if len(packages) == 0 {
		c.npmPackage(args, program)
		return
	}
	if !scriptName.MatchString(args[program]) {
		c.npmPackage(args, program)
		return
	}
	c.npmProgram(args, program, args[program])
}

// npmPackage judges the package at args[i] and the arguments behind it.
func (c *checker) npmPackage(args []string, i int) {
	if ref, ok := c.npmSpec(args, i, args[i]); ok {
		c.npmProgram(args, i, ref.Name)
	}
}

// npmProgram judges a program out of npm packages, named at args[i], and the arguments behind it.
func (c *checker) npmProgram(args []string, i int, name string) {
	switch {
	case nodeRunners[name]:
		c.command = name
		c.node(args, i+1)
	case commandRunners[name] || programs[name]:
		c.enables(args, i, "the running of any command")
	case bridges[name]:
		c.bridge(args, i)
	case runtimeOf(name) != "":
		c.run(name, args, i+1)
	}
}

// npm reads its options anywhere before "--".
func (c *checker) npm(args []string, i int) {
	c.Node = true
	line := c.npmRead(npmGrammar, args, i)
	if c.Refused() {
		return
	}
	words := line.words
	if len(words) == 0 {
		c.nothing()
		return
	}
	switch args[words[0]] {
	case "exec", "x":
		if line.project >= 0 {
			c.enables(args, line.project, registry)
			return
		}
		c.npmExec(args, words[1:], line.packages)
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
