package audit

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// namedAt returns where the secret lies that the word s[i:w] names, or an empty range.
func namedAt(s, word string, i, w int) (start, end int) {
	if start, end = scheme(s, word, w); end > start {
		return start, end
	}
	if start, end = header(s, word, w); end > start {
		return start, end
	}
	if start, end = assigned(s, word, w); end > start {
		return start, end
	}
	if start, end = element(s, word, i, w); end > start {
		return start, end
	}
	if start, end = flagged(s, word, w); end > start {
		return start, end
	}
	return netrc(s, word, i, w)
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
	if word[0] != '-' || w+1 >= len(s) || s[w] != ' ' || s[w+1] == '-' {
		return 0, 0
	}
	v := w + 1
	if s[v] == '"' || s[v] == '\'' {
		v++
	}
	e := v
	for e < len(s) && s[e] > ' ' && s[e] != '"' && s[e] != '\'' {
		e++
	}
	if word == "-u" || word == "--user" || word == "--proxy-user" { // of curl; docker's has numbers
		name, pass, ok := strings.Cut(s[v:e], ":")
		if !ok || pass == "" || strings.Trim(pass, "0123456789") == "" || strings.Contains(pass, "/") {
			return 0, 0
		}
		return v + len(name) + 1, e
	}
	if !SecretName(word) || isPlaceholder(s[v:e]) {
		return 0, 0
	}
	return v, e
}

// crypted returns the end of a hashed password as crypt(3) writes it, $6$salt$hash, or i.
func crypted(s string, i int) int {
	e, dollars := i, 0
	for e < len(s) && (isToken(s[e]) || strings.IndexByte("$./+=,", s[e]) >= 0) {
		if s[e] == '$' {
			dollars++
		}
		e++
	}
	scheme, rest, _ := strings.Cut(s[i+1:max(e, i+1)], "$")
	if dollars < 3 || len(rest) < 16 || !cryptSchemes[scheme] {
		return i
	}
	return e
}

var cryptSchemes = set(`1 2a 2b 2y 5 6 7 y gy sha1 apr1 argon2i argon2d argon2id scrypt pbkdf2-sha256 pbkdf2-sha512 P H`)

// authSchemes are those that stand between the name and the value of a header of credentials.
var authSchemes = set(`basic bearer digest token apikey api-key key hawk ntlm negotiate oauth bot splunk aws4-hmac-sha256 sharedkey sso-key`)

// header finds the value of a header of credentials behind its scheme: "Authorization: Digest ...".
func header(s, word string, w int) (start, end int) {
	if w+1 >= len(s) || s[w] != ':' || !strings.EqualFold(word, "authorization") && !strings.EqualFold(word, "proxy-authorization") {
		return 0, 0
	}
	v := w + 1
	for v < len(s) && (s[v] == ' ' || s[v] == '\t') {
		v++
	}
	name := v
	for v < len(s) && isToken(s[v]) {
		v++
	}
	if v+1 >= len(s) || s[v] != ' ' || !authSchemes[strings.ToLower(s[name:v])] {
		return 0, 0
	}
	v++
	e := lineEnd(s, v)
	if line := s[v:e]; !strings.Contains(line, "=") || !strings.Contains(line, ",") { // no list of parameters
		if n := strings.IndexAny(line, " \t'\"`\\,<>"); n >= 0 {
			e = v + n
		}
	}
	if isPlaceholder(s[v:e]) {
		return 0, 0
	}
	return v, e
}

// lineEnd returns the end of the line that i is in.
func lineEnd(s string, i int) int {
	if n := strings.IndexAny(s[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(s)
}

// element finds the text of an XML element with the name of a secret.
func element(s, word string, i, w int) (start, end int) {
	if i == 0 || s[i-1] != '<' || w >= len(s) || s[w] != '>' || !SecretName(word) {
		return 0, 0
	}
	n := strings.IndexByte(s[w+1:], '<')
	if n <= 0 || n > 512 || strings.TrimSpace(s[w+1:w+1+n]) == "" {
		return 0, 0
	}
	return w + 1, w + 1 + n
}

// isPlaceholder says whether a value is a word for the secret and not the secret: $TOKEN, ${TOKEN}, <token>, ****.
func isPlaceholder(v string) bool {
	name, ok := strings.CutPrefix(v, "$")
	if ok && name != "" && (name[0] == '{' || name[0] == '(' || strings.ToUpper(name) == name && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && name[0] >= 'A') {
		return true
	}
	switch strings.ToLower(v) {
	case "true", "false", "null", "none", "nil", "undefined", "$":
		return true
	}
	return v != "" && (strings.Trim(v, "*") == "" || len(v) > 2 && strings.Trim(v, "x") == "" || v[0] == '<')
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
	spaced := false
	if !quoted {
		for v < len(s) && s[v] == ' ' {
			v++
			spaced = true
		}
		spaced = spaced && v < len(s) && s[v] == '='
	}
	if v >= len(s) || s[v] != '=' && (s[v] != ':' || v > w && !quoted) || !SecretName(word) {
		return 0, 0
	}
	if spaced {
		return spacedValue(s, v+1)
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
	if authSchemes[strings.ToLower(s[v:e])] || isPlaceholder(s[v:min(e+1, len(s))]) || isPlaceholder(s[v:e]) || !sure && (e-v < 6 || !digit) {
		return 0, 0
	}
	return v, e
}

// spacedValue finds the value behind "name = ", of a settings file or a line of code: in quotes, or to the end of
// the line where it can be no expression.
func spacedValue(s string, v int) (start, end int) {
	for v < len(s) && s[v] == ' ' {
		v++
	}
	if v >= len(s) || s[v] == '=' {
		return 0, 0 // a comparison
	}
	for v < len(s) && s[v] == '\\' {
		v++
	}
	if quote := s[min(v, len(s)-1)]; quote == '"' || quote == '\'' || quote == '`' {
		v++
		e := v
		for e < lineEnd(s, v) && s[e] != quote && s[e] != '\\' {
			e++
		}
		if e-v < minSecret || isPlaceholder(s[v:e]) {
			return 0, 0
		}
		return v, e
	}
	e := v
	digit := false
	for e < len(s) && s[e] > ' ' && strings.IndexByte("()[]{};,|&<>\"'`\\", s[e]) < 0 {
		digit = digit || s[e] >= '0' && s[e] <= '9'
		e++
	}
	if e < lineEnd(s, v) && strings.Trim(s[e:lineEnd(s, v)], " \t;") != "" || !digit || e-v < 6 || isPlaceholder(s[v:e]) {
		return 0, 0
	}
	return v, e
}

// netrc finds the password of a line of .netrc: "machine h login u password p".
func netrc(s, word string, i, w int) (start, end int) {
	if word != "password" || w >= len(s) || s[w] != ' ' || !strings.Contains(s[max(0, i-200):i], "login ") {
		return 0, 0
	}
	e := w + 1
	for e < len(s) && s[e] > ' ' {
		e++
	}
	return w + 1, e
}
