package argv

import "strings"

// grammar is the options that a runtime may be given. Names carry their dashes.
type grammar struct {
	bools  map[string]bool // take no value, or "=true" and "=false"
	values map[string]bool // take a value: "=v", or the next argument
	joined map[string]bool // take a value, "=v" and no other way
	// refused says why an option that is known is refused; what is in no table is refused too.
	refused map[string]string
	// cluster says that short options may be written together, the last one with its value.
	cluster bool
	// plain says that a value in the next argument never begins with a '-'.
	plain bool
}

// option is one option of a command line.
type option struct {
	name, value string
	// index is the argument that holds the value, or the option where it has none.
	index int
}

// options reads args[i:] up to the first word that is no option, and returns its index; len(args)
// where there is none. use is called for each option; the walk ends at the first refusal.
func (c *checker) options(g *grammar, args []string, i int, use func(option)) int {
	for i < len(args) && !c.Refused() {
		arg := args[i]
		if arg == "--" {
			return i + 1
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			return i
		}
		i = c.option(g, args, i, use)
	}
	return len(args)
}

// option reads the option at args[i] and returns the index behind it.
func (c *checker) option(g *grammar, args []string, i int, use func(option)) int {
	name, value, given := strings.Cut(args[i], "=")
	switch {
	case g.bools[name]:
		if given && value != "true" && value != "false" {
			c.unknown(g, args, i, name)
		} else if value != "false" {
			use(option{name: name, index: i})
		}
		return i + 1
	case g.values[name]:
		if given {
			use(option{name: name, value: value, index: i})
			return i + 1
		}
		return c.separate(g, args, i, name, use)
	case g.joined[name] && given:
		use(option{name: name, value: value, index: i})
		return i + 1
	case g.cluster && !strings.HasPrefix(args[i], "--"):
		return c.clustered(g, args, i, use)
	}
	c.unknown(g, args, i, name)
	return i + 1
}

// separate takes the next argument as the value of the option at args[i].
func (c *checker) separate(g *grammar, args []string, i int, name string, use func(option)) int {
	if i+1 >= len(args) {
		c.refuse(Argument, "Argument %d '%s' of '%s' wants a value and is the last one.", i, Quote(args[i]), c.command)
		return i + 1
	}
	if g.plain && strings.HasPrefix(args[i+1], "-") {
		c.refuse(Argument, "Argument %d '%s' of '%s' wants a value and is followed by '%s'.", i, Quote(args[i]), c.command, Quote(args[i+1]))
		return i + 2
	}
	use(option{name: name, value: args[i+1], index: i + 1})
	return i + 2
}

func (c *checker) clustered(g *grammar, args []string, i int, use func(option)) int {
	letters := args[i][1:]
	for n := range len(letters) {
		name := "-" + letters[n:n+1]
		switch {
		case g.bools[name]:
			use(option{name: name, index: i})
		case g.values[name]:
			if value := letters[n+1:]; value != "" {
				use(option{name: name, value: strings.TrimPrefix(value, "="), index: i})
				return i + 1
			}
			return c.separate(g, args, i, name, use)
		default:
			c.unknown(g, args, i, name)
			return i + 1
		}
	}
	return i + 1
}

func (c *checker) unknown(g *grammar, args []string, i int, name string) {
	for n := name; n != ""; {
		if why := g.refused[n]; why != "" {
			c.enables(args, i, why)
			return
		}
		if cut := strings.LastIndexByte(n, '-'); cut > 1 {
			n = n[:cut]
			continue
		}
		break
	}
	if !strings.HasPrefix(name, "--") { // letters written together, or with the value attached
		for _, letter := range name[1:] {
			if why := g.refused["-"+string(letter)]; why != "" {
				c.enables(args, i, why)
				return
			}
		}
	}
	c.refuse(Argument, "Argument %d '%s' is not an option of '%s' that is known to be harmless. "+
		"Leave it out, or put the server's own options behind the server's name.", i, Quote(args[i]), c.command)
}

// reasons builds the table of refused options from lines of "why: option option ...".
func reasons(lines ...string) map[string]string {
	m := make(map[string]string)
	for _, line := range lines {
		why, names, _ := strings.Cut(line, ": ")
		for name := range strings.FieldsSeq(names) {
			m[name] = why
		}
	}
	return m
}
