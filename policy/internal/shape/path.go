package shape

import (
	"path"
	"strings"
	"unicode/utf8"
)

// Fold undoes the disguises of a path: percent-encoding (three layers), full-width and look-alike
// dots and slashes, invisible characters, overlong UTF-8. Plain ASCII comes back as it is.
func Fold(s string) string {
	for range 3 {
		d := unescape(s)
		if d == s {
			break
		}
		s = d
	}
	if isPlain(s) {
		return s
	}
	return strings.Map(foldRune, s)
}

func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func foldRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return r
	case r >= 0xFF01 && r <= 0xFF5E: // full-width forms
		return r - 0xFF01 + '!'
	case r == 0x2024 || r == 0xFE52 || r == 0x3002 || r == 0xFF61:
		return '.'
	case r == 0x2044 || r == 0x2215 || r == 0x29F8 || r == 0x2571:
		return '/'
	case r == 0x29F5 || r == 0x2216 || r == 0x29F9 || r == 0xFE68:
		return '\\'
	case r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x2064,
		r == 0xFEFF, r == 0x00AD, r >= 0xE0000 && r <= 0xE007F:
		return -1
	}
	return r
}

// unescape decodes %XX once, the overlong %c0%ae and %c0%af included.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) {
			b = append(b, s[i])
			continue
		}
		if r := unescapeWide(s[i+1:]); r >= 0 {
			b = utf8.AppendRune(b, r)
			i += 5
			continue
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			b = append(b, s[i])
			continue
		}
		c := byte(hi<<4 | lo)
		if n := len(b); n > 0 && (b[n-1] == 0xC0 || b[n-1] == 0xC1) && c >= 0x80 && c < 0xC0 {
			b[n-1] = (b[n-1]&1)<<6 | c&0x3F
		} else {
			b = append(b, c)
		}
		i += 2
	}
	return string(b)
}

// unescapeWide reads uXXXX, which some servers of Windows take behind a '%', or returns -1.
func unescapeWide(s string) rune {
	if len(s) < 5 || s[0] != 'u' && s[0] != 'U' {
		return -1
	}
	var r rune
	for _, c := range []byte(s[1:5]) {
		n := unhex(c)
		if n < 0 {
			return -1
		}
		r = r<<4 | rune(n)
	}
	return r
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Climbs says whether s, read as a path or a list of paths, has a ".." segment in any disguise.
// Text with both spaces and the punctuation of code is code: there, only a ".." in front of the
// first space or quote counts, so that `import x from "../lib"` is not a path.
func Climbs(s string) bool {
	if !strings.Contains(s, "..") && isPlain(s) && !strings.Contains(s, "%") {
		return false
	}
	if strings.ContainsRune(s, '\u2025') { // two dot leader
		return true
	}
	if climbs(s) {
		return true
	}
	folded := Fold(s)
	return folded != s && climbs(folded) || changesTo(folded, strippedBreaks) || changesTo(folded, withoutUp)
}

// What readers of URLs take out, and what filters that are applied once do.
var (
	strippedBreaks = strings.NewReplacer("\t", "", "\r", "", "\n", "")
	withoutUp      = strings.NewReplacer("../", "", `..\`, "")
)

func changesTo(s string, r *strings.Replacer) bool {
	changed := r.Replace(s)
	return changed != s && climbs(changed)
}

func climbs(s string) bool {
	if strings.ContainsAny(s, " \t\n") && strings.ContainsAny(s, "'\"`(){};") {
		if end := strings.IndexAny(s, " \t\n'\"`"); end >= 0 {
			s = s[:end]
		}
	}
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '.' || s[i+1] != '.' {
			continue
		}
		before := i == 0 || strings.IndexByte(`/\=:,;'"( `+"\t", s[i-1]) >= 0
		after := i+2 == len(s) || strings.IndexByte(`/\:,;'") `+"\t\x00", s[i+2]) >= 0
		if before && after {
			return true
		}
		first := i
		for i+1 < len(s) && s[i+1] == '.' {
			i++
		}
		// "....//" is "../" once a filter took "../" out. Three dots are a pattern of Go.
		if i-first > 2 && i+2 < len(s) && strings.IndexByte(`/\`, s[i+1]) >= 0 && strings.IndexByte(`/\`, s[i+2]) >= 0 {
			return true
		}
	}
	return false
}

// secretDirs are the places that no tool argument may point into, with the words by which the
// guide calls them.
var secretDirs = [...]struct{ dir, pattern string }{
	{"etc", "/etc/"}, {"proc", "/proc/"}, {"sys", "/sys/"}, {"root", "/root/"},
	{"private/etc", "/etc/"}, {"private/var/root", "/root/"}, {"var/root", "/root/"},
	{"dev", "/dev/"}, {"boot", "/boot/"}, {"var/run", "/var/run/"}, {"run", "/run/"},
	{"private/var/run", "/var/run/"}, {"var/lib/docker", "/var/lib/docker/"}, {"var/spool/cron", "/var/spool/cron/"},
	{"c:/windows", "C:/Windows/"}, {"c:/users/administrator", "C:/Users/Administrator/"},
}

// Secret returns the pattern of the guarded place that the path p points into, or "". The path may
// be disguised, hold wildcards, or be a file: URL; case does not matter.
func Secret(p string) string {
	p = strings.ToLower(strings.ReplaceAll(Fold(p), `\`, "/"))
	p = LocalPath(p)
	p = strings.TrimPrefix(p, "//?/")
	p = strings.TrimPrefix(p, "//./")
	if strings.HasPrefix(p, "~root") && (len(p) == 5 || p[5] == '/') {
		return "~root"
	}
	absolute := strings.HasPrefix(p, "/") || len(p) > 1 && p[1] == ':'
	if absolute {
		clean := strings.TrimPrefix(path.Clean(p), "/")
		if pattern := secretDir(strings.TrimPrefix(clean, "system/volumes/data/")); pattern != "" { // as macOS mounts it again
			return pattern
		}
	}
	return secretName(p)
}

func secretDir(p string) string {
	switch {
	case p == "dev/null", p == "dev/zero", p == "dev/urandom", strings.HasPrefix(p, "run/media/"):
		return ""
	}
	for i := range secretDirs {
		if within(p, secretDirs[i].dir) {
			return secretDirs[i].pattern
		}
	}
	return ""
}

// within says whether p is dir or below it, where a segment of p may be a wildcard.
func within(p, dir string) bool {
	for {
		ps, prest, pmore := strings.Cut(p, "/")
		ds, drest, dmore := strings.Cut(dir, "/")
		if !sameSegment(ps, ds) {
			return false
		}
		if !dmore {
			return true
		}
		if !pmore {
			return false
		}
		p, dir = prest, drest
	}
}

// maxWildcard and maxBraces bound the work on one segment with wildcards: every pair of braces
// doubles it.
const maxWildcard, maxBraces = 255, 4

func sameSegment(pattern, name string) bool {
	if pattern == name {
		return true
	}
	if !strings.ContainsAny(pattern, "*?[{") || pattern == "**" {
		return false
	}
	if len(pattern) > maxWildcard || strings.Count(pattern, "{") > maxBraces {
		return true // no honest name; not worth the time to find out
	}
	if open, rest, ok := strings.Cut(pattern, "{"); ok {
		if list, tail, ok := strings.Cut(rest, "}"); ok {
			for alt := range strings.SplitSeq(list, ",") {
				if sameSegment(open+alt+tail, name) {
					return true
				}
			}
		}
		return false
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
