package policy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/address"
	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/shape"
	"github.com/toolserve/toolserve/policy/internal/strictjson"
)

// argumentCheck is the walk over the arguments of one call.
type argumentCheck struct {
	gate  *Gate
	call  *Call
	roots []string
	// path and pattern are set where the walk ended: the place of the argument and what it hit.
	path, pattern string
	code          Code
	reason        string
}

// arguments judges the bytes of a call's arguments.
func (g *Gate) arguments(c *Call) (Code, string) {
	data := c.Arguments
	if len(data) == 0 {
		return "", ""
	}
	a := &argumentCheck{gate: g, call: c, roots: g.rootsOf(c.Server)}
	visit := a.visit
	if g.rules.Disabled {
		visit = nil
	}
	err := strictjson.Walk(data, strictjson.Limits{Bytes: g.rules.MaxArgumentBytes, Depth: g.rules.MaxArgumentDepth}, visit)
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
	if n.IsName && n.Depth == 1 && a.misspelt(n.Text) {
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
	use := unknownPurpose
	if !n.IsName {
		use = a.call.Profile.purposeOf(n.Member)
		if slices.Contains(a.gate.rules.PathArguments, n.Member) {
			use = pathPurpose
		}
	}
	switch use {
	case prosePurpose:
		return true
	case commandPurpose:
		return a.command(n)
	}
	if address.IsMetadataURL(n.Text) {
		return a.hit(n, "metadata address")
	}
	if strings.Contains(n.Text, "://") {
		if use != pathPurpose && (len(n.Text) < 5 || !strings.EqualFold(n.Text[:5], "file:")) {
			return true
		}
	}
	if use == pathPurpose || shape.LooksLikePath(n.Text) {
		return a.pathValue(n)
	}
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
	p := n.Text
	switch {
	case strings.ContainsRune(p, 0):
		return a.hit(n, "NUL")
	case shape.Climbs(p):
		return a.hit(n, "../")
	}
	p = shape.LocalPath(p)
	if len(a.roots) > 0 {
		return a.inRoots(n, p)
	}
	if pattern := shape.Secret(p); pattern != "" {
		return a.hit(n, pattern)
	}
	if a.gate.rules.ResolvePath == nil || !filepath.IsAbs(p) {
		return true
	}
	resolved, err := a.gate.rules.ResolvePath(p)
	if err != nil {
		return a.hit(n, "a path that cannot be resolved")
	}
	if pattern := shape.Secret(resolved); pattern != "" {
		return a.hit(n, pattern+" (through a symbolic link)")
	}
	return true
}

func (a *argumentCheck) inRoots(n strictjson.Node, p string) bool {
	if strings.HasPrefix(p, "~") {
		return a.hit(n, "~ (write the absolute path)")
	}
	if !filepath.IsAbs(p) {
		if pattern := shape.Secret(p); pattern != "" {
			return a.hit(n, pattern)
		}
		return true // below the server's own working directory
	}
	p = filepath.Clean(p)
	if a.gate.rules.ResolvePath != nil {
		resolved, err := a.gate.rules.ResolvePath(p)
		if err != nil {
			return a.hit(n, "a path that cannot be resolved")
		}
		p = resolved
	}
	for _, root := range a.roots {
		rel, err := filepath.Rel(root, p)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			if pattern := shape.Secret(rel); pattern != "" {
				return a.hit(n, pattern)
			}
			return true
		}
	}
	return a.hit(n, "a path outside the allowed roots")
}

// unquote takes the quotes of a shell out of a word.
var unquote = strings.NewReplacer(`'`, "", `"`, "", `\`, "", "$HOME", "~", "${HOME}", "~")

// command judges the words of a command line. It finds the plain ways to name a guarded place; a
// shell has more of them than any rule, so a tool that runs commands belongs behind RiskBlock or a
// sandbox.
func (a *argumentCheck) command(n strictjson.Node) bool {
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

// ResolveSymlinks returns an absolute path without symbolic links. Parts that do not exist stay as
// they are; a link that leads nowhere is still followed.
func ResolveSymlinks(p string) (string, error) {
	if resolved, err := filepath.EvalSymlinks(p); err == nil {
		return resolved, nil
	}
	p = filepath.Clean(p)
	done := filepath.VolumeName(p) + string(filepath.Separator)
	rest := strings.TrimPrefix(p, done)
	for links := 0; rest != ""; {
		name, tail, _ := strings.Cut(rest, string(filepath.Separator))
		rest = tail
		switch name {
		case "", ".":
			continue
		case "..":
			done = filepath.Dir(done)
			continue
		}
		next := filepath.Join(done, name)
		info, err := os.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			return filepath.Join(next, rest), nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > 40 {
			return "", errors.New("too many symbolic links")
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			done = filepath.VolumeName(target) + string(filepath.Separator)
		}
		rest = strings.TrimPrefix(target, done) + string(filepath.Separator) + rest
	}
	return done, nil
}
