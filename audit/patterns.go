package audit

import (
	"bytes"
	"encoding/base64"
	"math"
	"strings"
)

// prefixes begin the tokens of well-known issuers; min is how many token characters must follow.
var prefixes = [...]struct {
	text string
	min  int
}{
	{"sk-", 12}, {"sk_live_", 8}, {"sk_test_", 8}, {"rk_live_", 8}, {"rk_test_", 8}, {"whsec_", 8},
	{"ghp_", 12}, {"gho_", 12}, {"ghu_", 12}, {"ghs_", 12}, {"ghr_", 12}, {"github_pat_", 12}, {"glpat-", 12},
	{"xoxb-", 8}, {"xoxp-", 8}, {"xoxa-", 8}, {"xoxr-", 8}, {"xoxs-", 8}, {"xapp-", 8},
	{"AKIA", 16}, {"ASIA", 16}, {"AIza", 30}, {"ya29.", 12}, {"npm_", 20}, {"pypi-", 20}, {"hf_", 20}, {"SG.", 20},
	{"dop_v1_", 20}, {"shpat_", 16}, {"sq0atp-", 16}, {"lin_api_", 16}, {"gsk_", 16}, {"xai-", 16}, {"r8_", 20},
	{"tvly-", 12}, {"nvapi-", 16}, {"figd_", 16}, {"ntn_", 16}, {"pplx-", 16}, {"dapi", 32}, {"AGE-SECRET-KEY-", 16},
	{"ATATT3", 20}, {"tsk_", 20}, {"glsa_", 16}, {"key-", 28}, {"EAAC", 32}, {"BSA", 24},
}

// prefixesAt are the indexes in prefixes by first byte, so that nearly every word is passed quickly.
var prefixesAt = func() (at [128][]int) {
	for i, p := range prefixes {
		at[p.text[0]] = append(at[p.text[0]], i)
	}
	return at
}()

// hidePatterns returns s with everything hidden that has the shape of a secret. Text without any
// comes back as it is, without a copy.
func hidePatterns(s string) string {
	var out []byte
	done := 0 // s[:done] is in out
	for i := 0; i < len(s); {
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
	case !isToken(c):
		return 0, 0
	}
	w := i
	for w < len(s) && isToken(s[w]) {
		w++
	}
	word := s[i:w]
	if start, end = scheme(s, word, w); end > start {
		return start, end
	}
	if start, end = assigned(s, word, w); end > start {
		return start, end
	}
	if start, end = flagged(s, word, w); end > start {
		return start, end
	}
	if strings.HasPrefix(word, "eyJ") && w < len(s) && s[w] == '.' {
		if e := jwtEnd(s, w); e > w {
			return i, e
		}
	}
	for _, n := range prefixesAt[word[0]] {
		if p := &prefixes[n]; strings.HasPrefix(s[i:], p.text) {
			if e := tokenEnd(s, i+len(p.text)); e-i-len(p.text) >= p.min {
				return i, e
			}
		}
	}
	if len(word) >= 24 {
		if e := tokenEnd(s, i); random(s[i:e]) {
			return i, e
		}
	}
	if w < len(s) && s[w] == '/' && (i == 0 || s[i-1] != '/') {
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

// scheme finds the credentials behind "Bearer" or "Basic".
func scheme(s, word string, w int) (start, end int) {
	if !(len(word) == 6 && strings.EqualFold(word, "bearer")) && !(len(word) == 5 && strings.EqualFold(word, "basic")) {
		return 0, 0
	}
	v := w
	for v < len(s) && (s[v] == ' ' || s[v] == '\t') {
		v++
	}
	if v == w {
		return 0, 0
	}
	e := v
	digit := false
	for e < len(s) && (isToken(s[e]) || strings.IndexByte(".~+/=", s[e]) >= 0) {
		digit = digit || s[e] < 'A' || s[e] == '_'
		e++
	}
	if e-v < 6 || !digit && e-v < 16 && !isUserPass(s[v:e]) {
		return 0, 0 // prose: "bearer of news"
	}
	return v, e
}

// isUserPass says whether s is "user:password" in base64.
func isUserPass(s string) bool {
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return err == nil && bytes.IndexByte(text, ':') > 0
}

// flagged finds the value behind an option: "--password x".
func flagged(s, word string, w int) (start, end int) {
	if word[0] != '-' || w+1 >= len(s) || s[w] != ' ' || s[w+1] == '-' || !SecretName(word) {
		return 0, 0
	}
	e := w + 1
	for e < len(s) && s[e] > ' ' && s[e] != '"' && s[e] != '\'' {
		e++
	}
	return w + 1, e
}

// assigned finds the value that stands behind a secret's name: "password=x", "token: x1y2z3w4",
// `"api_key":"x"`, "?key=x".
func assigned(s, word string, w int) (start, end int) {
	v := w
	quoted := false
	for v < len(s) && (s[v] == '"' || s[v] == '\'' || s[v] == '\\') {
		v++
		quoted = true
	}
	if v >= len(s) || s[v] != '=' && s[v] != ':' || !SecretName(word) {
		return 0, 0
	}
	sure := s[v] == '=' || quoted
	v++
	for v < len(s) && (s[v] == ' ' || s[v] == '"' || s[v] == '\'' || s[v] == '\\' || s[v] == '=') {
		if s[v] == '=' && s[v-1] == '=' {
			return 0, 0 // a comparison
		}
		sure = sure || s[v] != ' '
		v++
	}
	e := v
	digit := false
	for e < len(s) && strings.IndexByte(" \t\r\n\"'&;,<>()[]{}\\|`", s[e]) < 0 {
		digit = digit || s[e] >= '0' && s[e] <= '9'
		e++
	}
	if strings.EqualFold(s[v:e], "bearer") || strings.EqualFold(s[v:e], "basic") || !sure && (e-v < 6 || !digit) {
		return 0, 0
	}
	return v, e
}

// random says whether a text looks drawn by lot: letters of both cases and digits, well mixed, with
// a high entropy. Words, camelCase names, UUIDs and hexadecimal digests do not.
func random(s string) bool {
	if len(s) < 24 || len(s) > 512 {
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
	if kinds[0] < 2 || kinds[1] < 3 || kinds[2] < 3 || changes*5 < len(s)*2 {
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
