package shape

import (
	"net/netip"
	"runtime"
	"strings"
	"unicode"
)

// LooksLikePath says whether a value of unknown purpose has the shape of a path.
func LooksLikePath(s string) bool {
	if s == "" || len(s) > 4096 || strings.ContainsAny(s, "\n\r") {
		return false
	}
	if strings.HasPrefix(s, "// ") || isSentence(s) || isXPath(s) {
		return false
	}
	switch s[0] {
	case '/', '\\':
		return !isJPEG(s)
	case '~': // a home, and no version such as "~1.2"
		return len(s) == 1 || strings.IndexByte("/\\_", s[1]) >= 0 || isLetter(s[1])
	}
	if len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/') || IsFileURL(s) {
		return true
	}
	if strings.Contains(s, "://") {
		return false
	}
	if strings.HasPrefix(s, "./") || strings.HasPrefix(s, "..") || strings.HasPrefix(s, `.\`) {
		return true
	}
	if strings.ContainsAny(s, " \t") {
		return false
	}
	return strings.ContainsAny(s, `/\`) || !isPlain(s) && strings.ContainsAny(Fold(s), `/\`) ||
		strings.Contains(s, "%") && strings.ContainsAny(Fold(s), `/\`)
}

// isSentence says whether a text of several words only begins like a path: "/review the change", "~two of them".
func isSentence(s string) bool {
	return (s[0] == '/' || s[0] == '~') && strings.Count(s, " ") >= 2 && !strings.ContainsAny(s[1:], `/\`)
}

// isXPath says whether a text is an expression for elements of a page: //button[@id='x'].
func isXPath(s string) bool {
	return s[0] == '/' && (strings.Contains(s, "[@") || strings.Contains(s, "text()") || strings.Contains(s, "contains("))
}

// isJPEG says whether a text is a picture in base64, which begins like a path.
func isJPEG(s string) bool {
	return strings.HasPrefix(s, "/9j/") && len(s) >= 16 && strings.IndexFunc(s, func(r rune) bool {
		return r >= 0x80 || !isLetter(byte(r)) && !unicode.IsDigit(r) && r != '+' && r != '/' && r != '='
	}) < 0
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// Bare takes off what stands around a path and what a reader may take off: space, quotes, marks that are not seen.
func Bare(s string) string {
	if s == "" || isPathRune(rune(s[0])) && isPathRune(rune(s[len(s)-1])) && strings.IndexByte("(<[", s[0]) < 0 {
		return s
	}
	s = strings.TrimFunc(s, func(r rune) bool { return !isPathRune(r) && (r < 0x80 || unicode.IsSpace(r) || foldRune(r) < 0) })
	for _, pair := range [...]string{"()", "<>", "[]"} {
		if len(s) > 2 && s[0] == pair[0] && s[len(s)-1] == pair[1] && strings.IndexByte(s[1:len(s)-1], pair[1]) < 0 {
			return s[1 : len(s)-1]
		}
	}
	return s
}

// isPathRune says whether a path may begin and end with r. NUL stays where it is.
func isPathRune(r rune) bool {
	return r > ' ' && r < 0x7f && r != '\'' && r != '"' && r != '`' || r == 0
}

// wrappers stand in front of a URL whose reader looks at the rest, and fileSchemes name files of this machine.
var (
	wrappers    = [...]string{"jar:", "view-source:", "url:", "blob:", "feed:"}
	fileSchemes = [...]string{"file:", "local_file:", "local-file:", "netdoc:"}
)

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func cutFileScheme(s string) (string, bool) {
	if strings.ContainsAny(s, "\t\r\n") {
		s = strippedBreaks.Replace(s)
	}
	if i := strings.IndexByte(s, ':'); i < 3 || i > 11 {
		return s, false
	}
	for cut := true; cut; {
		cut = false
		for _, w := range wrappers {
			if rest, ok := cutFold(s, w); ok {
				s, cut = rest, true
			}
		}
	}
	for _, scheme := range fileSchemes {
		if rest, ok := cutFold(s, scheme); ok {
			return rest, true
		}
	}
	return s, false
}

// IsFileURL says whether a value is a URL of a file, under the names that clients have for it.
func IsFileURL(s string) bool {
	_, ok := cutFileScheme(strings.TrimSpace(s))
	return ok
}

// LocalPath takes the path out of a file: URL.
func LocalPath(p string) string {
	if rest, ok := cutFileScheme(p); ok {
		p = Fold(rest)
		p = strings.TrimPrefix(strings.TrimPrefix(p, "//localhost"), "//")
		if host, path, ok := strings.Cut(p, "/"); ok && host != "" {
			if _, err := netip.ParseAddr(host); err == nil {
				return "/" + path
			}
		}
	}
	return p
}

// BeginsWithVariable says whether a path begins with a variable of a shell: $HOME/x, ${HOME}/x, %HOME%\x.
func BeginsWithVariable(p string) bool {
	if len(p) < 2 || p[0] != '$' && p[0] != '%' {
		return false
	}
	name := strings.TrimLeft(p, "${%(")
	end := strings.IndexFunc(name, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		return p[0] == '$' && strings.ToUpper(name) == name
	}
	return end > 0 && strings.IndexByte(`/\%})`, name[end]) >= 0
}

// IsForeignPath says whether a path is absolute for Windows and this is another system: a drive, a share.
func IsForeignPath(p string) bool {
	return runtime.GOOS != "windows" && (strings.HasPrefix(p, `\\`) || len(p) > 1 && p[1] == ':' && isLetter(p[0]))
}

// maxPlaces bounds into how many places one value is taken apart.
const maxPlaces = 64

// EachPlace calls f with the places that a value names, until f returns false: the value itself, the
// alternatives of its braces, {/a,/b}/c, the absolute paths in a list, x:/a,/b, and the path behind an option,
// --out=/a, -o/a. It returns what f did last.
func EachPlace(p string, f func(string) bool) bool {
	if !f(p) {
		return false
	}
	if strings.IndexByte(p, '{') >= 0 {
		left := maxPlaces
		if !eachAlternative(p, &left, f) {
			return false
		}
	}
	if slash := strings.IndexByte(p, '/'); slash > 0 && p[0] == '-' && p[slash-1] != '=' && !f(p[slash:]) {
		return false
	}
	between := ",;:="
	if strings.ContainsAny(p, "?&") {
		between = ",;:" // a query
	}
	for i, left := 0, maxPlaces; i+1 < len(p) && left > 0; i++ {
		if strings.IndexByte(between, p[i]) < 0 || p[i+1] != '/' && p[i+1] != '~' || strings.HasPrefix(p[i:], "://") {
			continue
		}
		left--
		end := strings.IndexAny(p[i+1:], ",;:")
		if end < 0 {
			end = len(p) - i - 1
		}
		if !f(p[i+1 : i+1+end]) {
			return false
		}
	}
	return true
}

// eachAlternative calls f with p for each choice of its braces.
func eachAlternative(p string, left *int, f func(string) bool) bool {
	open := strings.IndexByte(p, '{')
	length := strings.IndexByte(p[max(open, 0):], '}')
	if open < 0 || length < 0 {
		return f(p)
	}
	for choice := range strings.SplitSeq(p[open+1:open+length], ",") {
		if *left--; *left < 0 {
			return true
		}
		if !eachAlternative(p[:open]+choice+p[open+length+1:], left, f) {
			return false
		}
	}
	return true
}
