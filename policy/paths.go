package policy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/shape"
	"github.com/toolserve/toolserve/policy/internal/strictjson"
)

// paths are the first few paths of a call, with the members that hold them.
type paths struct {
	text, member [4]string
	n            int
}

func (p *paths) add(text, member string) {
	if p.n < len(p.text) {
		p.text[p.n], p.member[p.n] = text, member
		p.n++
	}
}

// pathValue judges a path: no way up, no guarded place, inside the roots.
func (a *argumentCheck) pathValue(n strictjson.Node) bool {
	p := shape.Bare(n.Text)
	switch {
	case strings.ContainsRune(p, 0):
		return a.hit(n, "NUL")
	case shape.Climbs(p):
		return a.hit(n, "../")
	}
	return shape.EachPlace(shape.LocalPath(p), func(place string) bool {
		pattern := a.place(place)
		if pattern != "" {
			return a.hit(n, pattern)
		}
		if filepath.IsAbs(place) {
			a.dirs.add(place, n.Member)
		} else if place != "" {
			a.rests.add(place, n.Member)
		}
		return true
	})
}

// joined judges the relative paths of the call beneath the absolute ones, since a tool may take a folder and a
// name apart.
func (a *argumentCheck) joined() {
	for i := range a.rests.n {
		for k := range a.dirs.n {
			pattern := a.beneath(a.dirs.text[k], a.rests.text[i])
			if pattern != "" {
				a.path, a.pattern = a.rests.member[i], pattern+" (beneath '"+a.dirs.member[k]+"')"
				return
			}
		}
	}
}

// place returns what refuses one place, or "".
func (a *argumentCheck) place(p string) string {
	if len(a.roots) > 0 {
		return a.inRoots(p)
	}
	if pattern := shape.Secret(p); pattern != "" {
		return pattern
	}
	resolved, ok := a.resolve(p)
	if !ok {
		return "a path that cannot be resolved"
	}
	if pattern := shape.Secret(resolved); pattern != "" {
		return pattern + " (through a symbolic link)"
	}
	return ""
}

// resolve takes the symbolic links out of an absolute path, where that can be done.
func (a *argumentCheck) resolve(p string) (string, bool) {
	if a.gate.rules.ResolvePath == nil || !filepath.IsAbs(p) {
		return p, true
	}
	resolved, err := a.gate.rules.ResolvePath(p)
	return resolved, err == nil
}

const outsideRoots = "a path outside the allowed roots"

func (a *argumentCheck) inRoots(p string) string {
	switch {
	case strings.HasPrefix(p, "~"):
		return "~ (write the absolute path)"
	case shape.BeginsWithVariable(p):
		return "a variable (write the absolute path)"
	case filepath.IsAbs(p):
		return a.absoluteInRoots(p)
	case shape.IsForeignPath(p):
		return outsideRoots
	}
	if pattern := shape.Secret(p); pattern != "" {
		return pattern
	}
	// It is meant below the server's own working directory, which is a root if it is known at all: no link there
	// may lead out.
	for _, root := range a.roots {
		if a.beneath(root, p) == outsideRoots {
			return outsideRoots + " (through a symbolic link)"
		}
	}
	return ""
}

func (a *argumentCheck) absoluteInRoots(p string) string {
	p, ok := a.resolve(filepath.Clean(p))
	if !ok {
		return "a path that cannot be resolved"
	}
	for _, root := range a.roots {
		rel, err := filepath.Rel(root, p)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return shape.Secret(rel)
		}
	}
	return outsideRoots
}

// beneath returns what refuses the relative path rest beneath dir, or "". What cannot be there is not refused:
// the two may have nothing to do with each other.
func (a *argumentCheck) beneath(dir, rest string) string {
	p := filepath.Join(dir, rest)
	if _, ok := a.resolve(p); !ok {
		return ""
	}
	if len(a.roots) > 0 {
		return a.absoluteInRoots(p)
	}
	return a.place(p)
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
