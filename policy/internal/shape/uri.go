package shape

import (
	"path"
	"strings"
)

// PlainURI undoes the other spellings of a URI: the case of its scheme, percent-encoding and look-alikes
// and, of a file, its host and dots.
func PlainURI(uri string) string {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return Fold(uri)
	}
	scheme = strings.ToLower(scheme)
	if scheme == "file" {
		return "file://" + path.Clean("/"+LocalPath(uri))
	}
	return scheme + ":" + Fold(rest)
}

// Glob compares a name with a pattern in which '*' stands for any text, in time that is at most the
// product of their lengths: names come from servers and clients.
func Glob(pattern, name string, fold bool) bool {
	if fold {
		pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	}
	p, n := 0, 0
	star, retry := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			retry++
			p, n = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
