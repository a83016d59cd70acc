// Package place judges where a path leads: into a guarded place, out of the roots, through a symbolic link.
package place

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/shape"
)

// Rules say where the paths of one call may lead.
type Rules struct {
	// Roots, unless empty, hold every path: absolute directories.
	Roots []string
	// Resolve returns an absolute path without symbolic links, as far as it exists; nil judges the text alone.
	Resolve func(path string) (string, error)

	resolved int // paths so far
}

// maxResolved bounds the paths of a call that are looked up in the file system.
const maxResolved = 10_000

const (
	outside = "a path outside the allowed roots"
	tooMany = "more paths than can be judged"
)

// Judge returns what refuses a path, or "".
func (r *Rules) Judge(p string) string {
	if r.resolved >= maxResolved {
		return tooMany
	}
	if len(r.Roots) > 0 {
		return r.inRoots(p)
	}
	if pattern := shape.Secret(p); pattern != "" {
		return pattern
	}
	resolved, ok := r.resolve(p)
	if !ok {
		return "a path that cannot be resolved"
	}
	if pattern := shape.Secret(resolved); pattern != "" {
		return pattern + " (through a symbolic link)"
	}
	return ""
}

// resolve takes the symbolic links out of an absolute path, where that can be done.
func (r *Rules) resolve(p string) (string, bool) {
	if r.Resolve == nil || !filepath.IsAbs(p) {
		return p, true
	}
	r.resolved++
	resolved, err := r.Resolve(p)
	return resolved, err == nil
}

func (r *Rules) inRoots(p string) string {
	switch {
	case strings.HasPrefix(p, "~"):
		return "~ (write the absolute path)"
	case shape.BeginsWithVariable(p):
		return "a variable (write the absolute path)"
	case filepath.IsAbs(p):
		return r.absoluteInRoots(p)
	case shape.IsForeignPath(p):
		return outside
	}
	if pattern := shape.Secret(p); pattern != "" {
		return pattern
	}
	// It is meant below the server's own working directory, which is a root if it is known at all: no link there
	// may lead out.
	for _, root := range r.Roots {
		switch pattern := r.Beneath(root, p); pattern {
		case outside:
			return outside + " (through a symbolic link)"
		case tooMany:
			return tooMany
		}
	}
	return ""
}

func (r *Rules) absoluteInRoots(p string) string {
	resolved, ok := r.resolve(filepath.Clean(p))
	if !ok {
		return "a path that cannot be resolved"
	}
	return r.resolvedInRoots(resolved)
}

func (r *Rules) resolvedInRoots(p string) string {
	for _, root := range r.Roots {
		rel, err := filepath.Rel(root, p)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return shape.Secret(rel)
		}
	}
	return outside
}

// Beneath returns what refuses the relative path rest beneath dir, or "". What cannot be there is not refused:
// the two may have nothing to do with each other.
func (r *Rules) Beneath(dir, rest string) string {
	if r.resolved >= maxResolved {
		return tooMany
	}
	p := filepath.Join(dir, rest)
	resolved, ok := r.resolve(p)
	switch {
	case !ok:
		return ""
	case len(r.Roots) > 0:
		return r.resolvedInRoots(resolved)
	}
	return r.Judge(p)
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
