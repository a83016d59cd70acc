package policy

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/address"
	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/place"
	"github.com/toolserve/toolserve/policy/internal/purpose"
	"github.com/toolserve/toolserve/policy/internal/shape"
	"github.com/toolserve/toolserve/policy/internal/strictjson"
)

// argumentCheck is the walk over the arguments of one call.
type argumentCheck struct {
	gate  *Gate
	call  *Call
	rules place.Rules
	// path and pattern are set where the walk ended: the place of the argument and what it hit.
	path, pattern string
	code          Code
	reason        string
	// dirs and rests are the absolute and the relative paths of the call, at most maxDirs and maxRests.
	dirs, rests []named
}

// named is a path of a call, with the member that holds it.
type named struct{ path, member string }

// maxDirs and maxRests bound how many paths of a call are judged beneath one another.
const maxDirs, maxRests = 4, 256

// arguments judges the bytes of a call's arguments.
func (g *Gate) arguments(c *Call) (Code, string) {
	data := c.Arguments
	if len(data) == 0 {
		return "", ""
	}
	a := &argumentCheck{gate: g, call: c, rules: g.placesOf(c.Server)}
	visit := a.visit
	if g.rules.Disabled {
		visit = nil
	}
	err := strictjson.Walk(data, strictjson.Limits{Bytes: g.rules.MaxArgumentBytes, Depth: g.rules.MaxArgumentDepth}, visit)
	if err == nil && a.pattern == "" {
		a.joined()
	}
	var bad *strictjson.Error
	switch {
	case errors.As(err, &bad):
		return CodeBadArguments, "Tool '" + argv.Quote(c.Tool) + "' arguments must be one JSON object: " + bad.Error()
	case a.pattern != "":
		return CodeArgument, "Tool '" + argv.Quote(c.Tool) + "' argument '" + argv.Quote(a.path) + "' contains blocked pattern: " + a.pattern
	}
	return a.code, a.reason
}

func (a *argumentCheck) visit(n strictjson.Node) bool {
	if n.IsName && (a.pollutes(n) || n.Depth == 1 && a.misspelt(n.Text)) {
		return false
	}
	for _, re := range a.gate.patterns {
		if !n.IsName && re.MatchString(n.Text) {
			return a.hit(n, re.String())
		}
	}
	if a.gate.rules.NoPathRules {
		return true
	}
	use := purpose.Unknown
	if !n.IsName {
		use = a.call.Profile.purposeOf(n.Member)
		if slices.Contains(a.gate.rules.PathArguments, n.Member) {
			use = purpose.Path
		}
	}
	switch use {
	case purpose.Prose:
		return true
	case purpose.Command:
		return a.command(n)
	}
	switch {
	case address.IsMetadataURL(n.Text):
		return a.hit(n, "metadata address")
	case address.IsRawURL(n.Text):
		return a.hit(n, "gopher:// or dict://")
	case shape.IsFileURL(n.Text):
		return a.pathValue(n)
	case use == purpose.Remote || use != purpose.Path && strings.Contains(n.Text, "://"):
		return true
	case use == purpose.Path || shape.LooksLikePath(shape.Bare(n.Text)):
		return a.pathValue(n)
	}
	return true
}

// pollutes refuses the members by which a server in JavaScript that merges objects has all of its objects changed.
func (a *argumentCheck) pollutes(n strictjson.Node) bool {
	if strings.IndexByte(n.Text, 0) >= 0 {
		a.code = CodeBadArguments
		a.reason = "Tool '" + argv.Quote(a.call.Tool) + "' argument '" + argv.Quote(n.Path()) + "' has a NUL in its name"
		return true
	}
	if n.Text != "__proto__" && (n.Text != "prototype" || !strings.HasSuffix(n.Path(), "constructor.prototype")) {
		return false
	}
	a.code = CodeBadArguments
	a.reason = "Tool '" + argv.Quote(a.call.Tool) + "' argument '" + argv.Quote(n.Path()) + "' would change the objects of a server in JavaScript"
	return true
}

// misspelt refuses a member that the tool's schema knows in another case: a lenient server would
// take the one for the other, and the policy saw a name without a meaning.
func (a *argumentCheck) misspelt(name string) bool {
	p := a.call.Profile
	if p == nil || slices.Contains(p.top, name) {
		return false
	}
	for _, known := range p.top {
		if strictjson.SameFolded(known, name) {
			a.code = CodeBadArguments
			a.reason = "Tool '" + argv.Quote(a.call.Tool) + "' argument '" + argv.Quote(name) + "' is written '" + argv.Quote(known) + "' in the tool's schema"
			return true
		}
	}
	return false
}

func (a *argumentCheck) hit(n strictjson.Node, pattern string) bool {
	a.path, a.pattern = n.Path(), pattern
	return false
}

// pathValue judges a path: no way up, no guarded place, inside the roots.
func (a *argumentCheck) pathValue(n strictjson.Node) bool {
	p := shape.Bare(n.Text)
	if strings.ContainsRune(p, 0) {
		return a.hit(n, "NUL")
	}
	if file, ok := strings.CutPrefix(p, "@"); ok { // as curl reads it; else it is the name of a package or of a user
		if pattern := shape.Secret(file); pattern != "" {
			return a.hit(n, pattern)
		}
		if shape.Climbs(file) {
			return a.hit(n, "../")
		}
	}
	if shape.Climbs(p) {
		return a.hit(n, "../")
	}
	return shape.EachPlace(shape.LocalPath(p), func(p string) bool {
		if shape.Climbs(p) {
			return a.hit(n, "../")
		}
		if pattern := a.rules.Judge(p); pattern != "" {
			return a.hit(n, pattern)
		}
		if filepath.IsAbs(p) {
			if len(a.dirs) < maxDirs {
				a.dirs = append(a.dirs, named{p, n.Member})
			}
		} else if p != "" && len(a.rests) < maxRests {
			a.rests = append(a.rests, named{p, n.Member})
		}
		return true
	})
}

// joined judges the relative paths of the call beneath the absolute ones, since a tool may take a folder and a
// name apart.
func (a *argumentCheck) joined() {
	for _, rest := range a.rests {
		for _, dir := range a.dirs {
			if pattern := a.rules.Beneath(dir.path, rest.path); pattern != "" {
				a.path, a.pattern = rest.member, pattern+" (beneath '"+argv.Quote(dir.member)+"')"
				return
			}
		}
	}
}

// unquote takes the quotes of a shell out of a word.
var unquote = strings.NewReplacer(`'`, "", `"`, "", `\`, "", "$HOME", "~", "${HOME}", "~")

// command judges the words of a command line. It finds the plain ways to name a guarded place; a
// shell has more of them than any rule, so a tool that runs commands belongs behind RiskBlock or a
// sandbox.
func (a *argumentCheck) command(n strictjson.Node) bool {
	if strings.HasPrefix(n.Text, "{") && a.document(n) {
		return a.pattern == "" && a.code == ""
	}
	text := shape.Fold(n.Text)
	if address.IsMetadataURL(text) {
		return a.hit(n, "metadata address")
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n;|&<>()=`", r) }) {
		if address.IsMetadataURL(strings.Trim(word, `'"`)) {
			return a.hit(n, "metadata address")
		}
		bare := unquote.Replace(word)
		for _, w := range [...]string{word, bare} {
			if shape.Climbs(w) {
				return a.hit(n, "../")
			}
			if pattern := shape.Secret(w); pattern != "" {
				return a.hit(n, pattern)
			}
		}
	}
	return true
}

// placesOf are the rules for the paths of a server.
func (g *Gate) placesOf(server string) place.Rules {
	return place.Rules{Roots: g.rootsOf(server), Resolve: g.rules.ResolvePath}
}

// document judges arguments that stand in a string, as tools take them that call others. It says whether the
// string holds any.
func (a *argumentCheck) document(n strictjson.Node) bool {
	lim := strictjson.Limits{Bytes: a.gate.rules.MaxArgumentBytes, Depth: a.gate.rules.MaxArgumentDepth}
	err := strictjson.Walk([]byte(n.Text), lim, func(inner strictjson.Node) bool {
		if inner.Depth > 1 || !inner.IsName {
			inner.Depth++ // the names of the outermost members are those of another tool
		}
		return a.visit(inner)
	})
	if a.pattern != "" {
		a.path = n.Path() + "." + a.path
	}
	return err == nil
}

// ResolveSymlinks returns an absolute path without symbolic links. Parts that do not exist stay as
// they are; a link that leads nowhere is still followed.
func ResolveSymlinks(p string) (string, error) { return place.ResolveSymlinks(p) }
