package audit

import (
	"math"
	"strings"
)

// hidePatterns returns s with everything hidden that has the shape of a secret. Text without any
// comes back as it is, without a copy.
func hidePatterns(s string) string {
	var out []byte
	done := 0 // s[:done] is in out
	for i := 0; i < len(s); {
		if e := digestEnd(s, i); e > i {
			i = e
			continue
		}
		start, end := secretAt(s, i)
		if end <= start {
			i = next(s, i)
			continue
		}
		if s[start:end] != Redacted {
			out = append(append(out, s[done:start]...), Redacted...)
			done = end
		}
		i = end
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

// next skips to the next place where a word begins or a separator stands.
func next(s string, i int) int {
	if !isToken(s[i]) {
		return i + 1
	}
	for i < len(s) && isToken(s[i]) {
		i++
	}
	return i
}

// isToken says whether c stands in tokens.
func isToken(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// secretAt returns where the secret lies that is announced at s[i], which is the beginning of a
// word or a separator; an empty range where there is none.
func secretAt(s string, i int) (start, end int) {
	switch c := s[i]; {
	case c == ':' && strings.HasPrefix(s[i:], "://"):
		return userinfo(s, i+3)
	case c == '-' && strings.HasPrefix(s[i:], "-----BEGIN "):
		return pemBlock(s, i)
	case c == '$':
		return i, crypted(s, i)
	case !isToken(c):
		return 0, 0
	}
	w := i
	for w < len(s) && isToken(s[w]) {
		w++
	}
	word := s[i:w]
	if start, end = namedAt(s, word, i, w); end > start {
		return start, end
	}
	if strings.HasPrefix(word, "eyJ") && w < len(s) && s[w] == '.' {
		if e := jwtEnd(s, w); e > w {
			return i, e
		}
	}
	if e := known(s, word, i); e > i {
		return i, e
	}
	if len(word) >= 24 {
		if e := tokenEnd(s[:min(len(s), i+maxRandom+1)], i); random(s[i:e]) {
			return i, e
		}
	}
	if w < len(s) && (s[w] == '/' || s[w] == '+') && (i == 0 || s[i-1] != '/') {
		if e := base64End(s, i); e-i >= 32 && random(s[i:e]) {
			return i, e
		}
	}
	return 0, 0
}

// tokenEnd returns the end of a token that begins at or before i: token characters, with single
// dots, slashes, pluses and the padding of base64 inside.
func tokenEnd(s string, i int) int {
	for i < len(s) && (isToken(s[i]) || (s[i] == '.' || s[i] == '+' || s[i] == '=' || s[i] == '~') && i > 0 && (isToken(s[i-1]) || s[i-1] == '=')) {
		i++
	}
	for i > 0 && s[i-1] == '.' {
		i--
	}
	return i
}

// base64End returns the end of a run of base64 that begins at i, slashes included, or i where it is
// too long to be a key.
func base64End(s string, i int) int {
	e := i
	for e < len(s) && (isToken(s[e]) || s[e] == '/' || s[e] == '+' || s[e] == '=') {
		if e++; e-i > 128 {
			return i
		}
	}
	return e
}

func jwtEnd(s string, dot int) int {
	end := tokenEnd(s, dot+1)
	if end-dot < 12 {
		return 0
	}
	return end
}

// userinfo finds the credentials of a URL whose authority begins at i. They end at the last '@' in
// front of the query; a path without a ':' in front of it ends the search.
func userinfo(s string, i int) (start, end int) {
	at, colon, digits := -1, false, false // digits: only digits stand behind the last ':'
	for n := i; n < len(s) && n < i+maxUserinfo; n++ {
		c := s[n]
		if c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '?' || c == '#' || c == '/' && (!colon || digits) {
			break
		}
		digits = c == ':' || digits && c >= '0' && c <= '9'
		colon = colon || c == ':'
		if c == '@' {
			at = n
		}
	}
	if at <= i || strings.IndexByte(s[i:at], '/') >= 0 && strings.IndexByte(s[i:at], ':') > strings.IndexByte(s[i:at], '/') {
		return 0, 0
	}
	if !colon && at-i <= 16 && strings.IndexFunc(s[i:at], func(r rune) bool { return r < 'a' || r > 'z' }) < 0 {
		return 0, 0 // the name of a user alone, as in ssh://git@host
	}
	return i, at
}

// maxUserinfo bounds the search for the credentials of a URL, in bytes.
const maxUserinfo = 1024

func pemBlock(s string, i int) (start, end int) {
	head := strings.Index(s[i+11:min(len(s), i+80)], "-----")
	if head < 0 || !strings.Contains(s[i:i+11+head], "PRIVATE KEY") {
		return 0, 0
	}
	if tail := strings.Index(s[i+11+head+5:], "-----END "); tail >= 0 {
		end = i + 11 + head + 5 + tail + 9
		if close := strings.Index(s[end:], "-----"); close >= 0 {
			return i, end + close + 5
		}
	}
	return i, len(s)
}

// maxRandom bounds a text that may be drawn by lot, in bytes.
const maxRandom = 512

// random says whether a text looks drawn by lot: letters of both cases and digits, well mixed, with
// a high entropy. Words, camelCase names, UUIDs and hexadecimal digests do not.
func random(s string) bool {
	if len(s) < 24 || len(s) > maxRandom {
		return false
	}
	var count [128]int
	var kinds [3]int
	changes, last := 0, -1
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 128 {
			return false
		}
		count[c]++
		kind := -1
		switch {
		case c >= '0' && c <= '9':
			kind = 0
		case c >= 'a' && c <= 'z':
			kind = 1
		case c >= 'A' && c <= 'Z':
			kind = 2
		}
		if kind >= 0 {
			kinds[kind]++
			if last >= 0 && kind != last {
				changes++
			}
			last = kind
		}
	}
	if kinds[0] < 2 && changes*9 < len(s)*4 || kinds[1] < 3 || kinds[2] < 3 || changes*5 < len(s)*2 {
		return false
	}
	entropy := 0.0
	for _, n := range &count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			entropy -= p * math.Log2(p)
		}
	}
	return entropy >= 3.8
}
