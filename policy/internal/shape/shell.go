// Package shape recognises what a piece of text is: shell syntax, a connection string, a path that
// climbs or points at secrets, the name of an environment variable. It knows nothing of rules; every
// function is pure and takes text from anyone.
package shape

import (
	"encoding/json"
	"regexp"
	"strings"
)

// HasControl says whether s holds a line break, a NUL or another control character but tab.
func HasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// InCommand returns the shell syntax that a command name holds, or "".
func InCommand(s string) string {
	for _, p := range [...]string{"&&", "||", ";", "|", "`", "$(", "${", ">", "<", "~", "&"} {
		if strings.Contains(s, p) {
			return p
		}
	}
	return ""
}

// InArgument returns the shell syntax that a command line argument holds, or "". A connection
// string may hold ';' and '|', because a password and a parameter list do.
func InArgument(s string) string {
	for _, p := range [...]string{"`", "$(", "${"} {
		if strings.Contains(s, p) {
			return p
		}
	}
	if strings.HasPrefix(s, "{") && json.Valid([]byte(s)) {
		return InValue(s)
	}
	if ConnectionString(s) || userAgent.MatchString(s[len(assignPattern.FindString(s)):]) || urlList(s) {
		return ""
	}
	for _, p := range [...]string{"&&", "||", ";", "|"} {
		if strings.Contains(s, p) {
			return p
		}
	}
	return redirection(s)
}

var (
	redirectPattern = regexp.MustCompile(`([<>])\s*[/(&]|&\s*>`)
	// chainPattern is a second command behind a chain operator. The words are those that a command
	// injection starts with, so that prose and passwords with a ';' stay what they are.
	chainPattern        = regexp.MustCompile(`(?i)(;|&&?|\|\|?)\s*(/\S*/)?(sudo|rm|sh|bash|zsh|dash|ksh|curl|wget|nc|ncat|netcat|cat|chmod|chown|touch|python[0-9.]*|perl|ruby|php|node|eval|exec|kill|mv|cp|dd|id|whoami|uname|env|printenv|base64|nohup|powershell|pwsh|cmd|ping|ssh|scp|mkfifo|telnet|osascript|open|reboot|shutdown|ls|tee|xargs|find)(\.exe)?(\s|$|[;&|<>])`)
	substitutionPattern = regexp.MustCompile("\\$\\([^)]*\\)|`[^`]+`")
)

// userAgent is the name of a program as browsers write it: words with versions, and remarks in parentheses,
// whose parts a ';' keeps apart.
var userAgent = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*/[0-9A-Za-z.]+( [A-Za-z][A-Za-z0-9_-]*(/[0-9A-Za-z.]+)?| \([A-Za-z0-9 ;:,./_+-]*\))+$`)

// urlList reports whether s is several addresses with ';' between them.
func urlList(s string) bool {
	parts := strings.Split(s, ";")
	for _, part := range parts {
		if !isURL(part) {
			return false
		}
	}
	return len(parts) > 1
}

// freeFlag is an option whose value is a secret, a header or text, by the last word of its name.
var freeFlag = regexp.MustCompile(`(?i)^--?([a-z0-9]+[-_])*(password|passwd|pass|pwd|token|secret|apikey|key|credential|credentials|headers?|cookies?|prompt|instructions?|description|query|sql|pattern|regexp?|filter|message|text|exclude|include|ignore|match|glob|expr|expression|where)$`)

// FreeFlag reports whether an argument is an option whose value may hold any sign: a password, a header, a query.
func FreeFlag(arg string) bool { return freeFlag.MatchString(arg) }

// bareOperator is an operator of a shell and nothing else.
var bareOperator = regexp.MustCompile(`^([0-9&]*[<>]{1,3}[&|]?[0-9]*|&)$`)

func redirection(s string) string {
	if bareOperator.MatchString(s) {
		return s
	}
	if m := redirectPattern.FindString(s); m != "" {
		return strings.TrimSpace(m)
	}
	if m := chainPattern.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

// InValue returns the shell syntax that an environment value holds, or "". No shell reads the
// value, so only what is a command injection and nothing else counts: a complete command
// substitution, or a chain operator with a command behind it. A password with ';' is a password.
func InValue(s string) string {
	if ConnectionString(s) {
		return ""
	}
	if m := substitutionPattern.FindString(s); m != "" {
		if m[0] == '`' {
			return "`"
		}
		return "$("
	}
	if m := chainPattern.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

var (
	assignPattern = regexp.MustCompile(`^-{0,2}[A-Za-z][A-Za-z0-9_.-]*=`)
	schemePattern = regexp.MustCompile(`^([a-z][a-z0-9+.-]*:)?[a-z][a-z0-9+.-]*://`)
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9._:,%\[\]-]*(\\[A-Za-z0-9_$-]+)?(:[0-9]+)?(;[A-Za-z][A-Za-z0-9 _-]*=[^;]*)*;?$`)
	pathPattern   = regexp.MustCompile(`^[^;|<>"']*(;[A-Za-z][A-Za-z0-9_-]*=[^;|<>"']*)*;?$`)
	pairPattern   = regexp.MustCompile(`^\s*([A-Za-z][A-Za-z0-9 _]*?)\s*=([^;<>]*)$`)
)

// adoKeys begin a connection string of the form "Server=host;Database=name".
var adoKeys = map[string]bool{
	"server": true, "data source": true, "datasource": true, "host": true, "addr": true,
	"address": true, "network address": true, "database": true, "initial catalog": true,
	"driver": true, "dsn": true, "provider": true, "accountendpoint": true, "endpoint": true,
	"defaultendpointsprotocol": true, "accountname": true, "user id": true, "uid": true,
	"username": true, "user": true,
}

// ConnectionString says whether s, or the value behind its "--flag=" or "NAME=", is a URL such as
// postgres://u:p;w|x@host/db or an ADO string such as "Server=h;Password=p". ';' and '|' count only
// where such a string has a place for them: in the credentials, the parameters and the query.
func ConnectionString(s string) bool {
	if isURL(s) || isADO(s) {
		return true
	}
	if m := assignPattern.FindString(s); m != "" {
		return isURL(s[len(m):]) || isADO(s[len(m):])
	}
	return false
}

func isURL(s string) bool {
	m := schemePattern.FindString(s)
	if m == "" || strings.ContainsAny(s, " \t\r\n\"'`<>") {
		return false
	}
	rest := s[len(m):]
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	host, path, _ := strings.Cut(rest, "/")
	return hostPattern.MatchString(host) && pathPattern.MatchString(path)
}

func isADO(s string) bool {
	pairs := 0
	for part := range strings.SplitSeq(s, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		m := pairPattern.FindStringSubmatch(part)
		if m == nil || pairs == 0 && !adoKeys[strings.ToLower(m[1])] {
			return false
		}
		pairs++
	}
	return pairs >= 2
}
