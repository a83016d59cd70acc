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
	return told(s, word, i, w)
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
	if e-v < 6 || isPlaceholder(s[v:e]) || !digit && e-v < 16 && !isUserPass(s[v:e]) {
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
	if name, _, ok := strings.Cut(s[i+1:min(len(s), i+16)], "$"); !ok || !cryptSchemes[name] {
		return i
	}
	e, dollars := i, 0
	for e < min(len(s), i+512) && (isToken(s[e]) || strings.IndexByte("$./+=,", s[e]) >= 0) {
		if s[e] == '$' {
			dollars++
		}
		e++
	}
	if dollars < 3 || e-i < 20 {
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

// maxValue bounds how far one value is followed, in bytes.
const maxValue = 4096

// lineEnd returns the end of the line that i is in, or of as much of it as is looked at.
func lineEnd(s string, i int) int {
	s = s[:min(len(s), i+maxValue)]
	if n := strings.IndexAny(s[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(s)
}

// element finds the text of an XML element with the name of a secret, <password>x</password>, and the value of one
// that is named in an attribute, <add key="Password" value="x"/>.
func element(s, word string, i, w int) (start, end int) {
	if w >= len(s) || i == 0 {
		return 0, 0
	}
	if word == "value" && s[w] == '=' {
		return valueOf(s, i, w)
	}
	before := i - 1
	for before > 0 && (s[before] == ':' || isToken(s[before])) && i-before < 32 { // a namespace
		before--
	}
	if s[before] != '<' || s[w] != '>' && s[w] != ' ' || !SecretName(word) {
		return 0, 0
	}
	open := strings.IndexByte(s[w:lineEnd(s, w)], '>')
	if open < 0 {
		return 0, 0
	}
	v := w + open + 1
	n := strings.IndexByte(s[v:min(len(s), v+512)], '<')
	if n <= 0 || strings.TrimSpace(s[v:v+n]) == "" {
		return 0, 0
	}
	return v, v + n
}

// valueOf finds the value in quotes behind "value=", where an attribute in front of it has the name of a secret.
func valueOf(s string, i, w int) (start, end int) {
	tag := s[max(0, i-200):i]
	tag = tag[strings.LastIndexByte(tag, '<')+1:]
	named := false
	for _, attribute := range [...]string{`name="`, `key="`} {
		if _, rest, ok := strings.Cut(tag, attribute); ok {
			name, _, _ := strings.Cut(rest, `"`)
			named = named || SecretName(name)
		}
	}
	if !named || w+1 >= len(s) || s[w+1] != '"' {
		return 0, 0
	}
	n := strings.IndexByte(s[w+2:lineEnd(s, w)], '"')
	if n <= 0 {
		return 0, 0
	}
	return w + 2, w + 2 + n
}

// isPlaceholder says whether a value is a word for the secret and not the secret: $TOKEN, ${TOKEN}, <token>, ****.
func isPlaceholder(v string) bool {
	name, ok := strings.CutPrefix(v, "$")
	if ok && name != "" && (name[0] == '{' || name[0] == '(' || strings.ToUpper(name) == name && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && name[0] >= 'A') {
		return true
	}
	switch strings.ToLower(v) {
	case "your", "true", "false", "null", "none", "nil", "undefined", "$":
		return true
	}
	if len(v) > 5 && strings.EqualFold(v[:4], "your") && (v[4] == '_' || v[4] == '-') {
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
	if n := operator(s, v, quoted); n > v && SecretName(word) {
		return spacedValue(s, n)
	}
	if strings.HasPrefix(s[v:], "%3D") && SecretName(word) {
		v += 2 // as a query in a query has it
	} else if v >= len(s) || s[v] != '=' && s[v] != ':' || !SecretName(word) {
		return 0, 0
	}
	sure := s[v] != ':' || quoted
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
	for e < min(len(s), v+maxValue) && strings.IndexByte(" \t\r\n\"'&;,<>()[]{}\\|`", s[e]) < 0 {
		digit = digit || s[e] >= '0' && s[e] <= '9'
		e++
	}
	if isFolder(word, s[v:e]) || authSchemes[strings.ToLower(s[v:e])] || isPlaceholder(s[v:min(e+1, len(s))]) || isPlaceholder(s[v:e]) || !sure && (e-v < 6 || !digit) {
		return 0, 0
	}
	return v, e
}

// operator returns the end of what assigns a value in code and settings, with space around it, or v: =, :=, =>, ->.
func operator(s string, v int, quoted bool) int {
	at := v
	for at < len(s) && s[at] == ' ' && at-v < 64 {
		at++
	}
	for _, op := range [...]string{"=>", ":=", "->"} {
		if strings.HasPrefix(s[at:], op) {
			return at + len(op)
		}
	}
	if at > v && !quoted && at < len(s) && s[at] == '=' {
		return at + 1
	}
	return v
}

// isFolder says whether a value is that of PWD, the working directory of a shell.
func isFolder(name, value string) bool {
	return (name == "PWD" || name == "OLDPWD") && (strings.HasPrefix(value, "/") || strings.HasPrefix(value, "~"))
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
		e, line := v, lineEnd(s, v)
		for e < line && s[e] != quote && s[e] != '\\' {
			e++
		}
		if e-v < minSecret || isPlaceholder(s[v:e]) {
			return 0, 0
		}
		return v, e
	}
	e, line := v, lineEnd(s, v)
	digit := false
	for e < line && s[e] > ' ' && strings.IndexByte("()[]{};,|&<>\"'`\\", s[e]) < 0 {
		digit = digit || s[e] >= '0' && s[e] <= '9'
		e++
	}
	if strings.Trim(s[e:line], " \t;") != "" || !digit || e-v < 6 || isPlaceholder(s[v:e]) {
		return 0, 0
	}
	return v, e
}

// told finds the value that a word in front of it announces, without a sign between: "machine h login u password p"
// of .netrc, IDENTIFIED BY 'p' and PASSWORD 'p' of SQL, "aws configure set aws_secret_access_key p".
func told(s, word string, i, w int) (start, end int) {
	if w+1 >= len(s) || s[w] != ' ' {
		return 0, 0
	}
	before := s[max(0, i-200):i]
	if quote := s[w+1]; quote == '\'' && (strings.EqualFold(word, "password") || strings.EqualFold(word, "by") && strings.HasSuffix(strings.ToLower(before), "identified ")) {
		n := strings.IndexByte(s[w+2:lineEnd(s, w+2)], quote)
		return w + 2, w + 2 + max(n, 0)
	}
	if word == "password" && strings.Contains(before, "login ") || strings.HasSuffix(before, "configure set ") && SecretName(word) ||
		word == "-p" && strings.HasSuffix(before, "sshpass ") {
		e := w + 1
		for e < len(s) && s[e] > ' ' {
			e++
		}
		return w + 1, e
	}
	return 0, 0
}
