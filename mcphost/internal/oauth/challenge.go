package oauth

import (
	"net/http"
	"strings"
)

// maxChallenge bounds how much of the WWW-Authenticate headers of a response is read, and maxParams how
// many parameters are kept.
const (
	maxChallenge = 16 << 10
	maxParams    = 64
)

// challenge is what a response says about the authorization that it wants: the parameters of its Bearer
// and DPoP challenges (RFC 6750, 9449, 9728).
type challenge struct {
	status int
	// dpop says that the server named the DPoP scheme.
	dpop bool
	// bearer says that the server named the Bearer or the DPoP scheme.
	bearer           bool
	code             string // error
	scopes           []string
	resourceMetadata string
}

// readChallenge reads the WWW-Authenticate headers of a response. What is malformed is skipped: a server
// that names a scheme that is not known here must not hide the one that is.
func readChallenge(resp *http.Response) challenge {
	ch := challenge{status: resp.StatusCode}
	room := maxChallenge
	for _, header := range resp.Header.Values("WWW-Authenticate") {
		if len(header) > room {
			break
		}
		room -= len(header)
		for _, part := range parseChallenges(header) {
			ch.add(part)
		}
	}
	return ch
}

func (ch *challenge) add(part authChallenge) {
	switch part.scheme {
	case "dpop":
		ch.dpop = true
	case "bearer":
	default:
		return
	}
	ch.bearer = true
	if ch.code == "" {
		ch.code = part.params["error"]
	}
	if ch.resourceMetadata == "" {
		ch.resourceMetadata = part.params["resource_metadata"]
	}
	if len(ch.scopes) == 0 {
		ch.scopes = splitScopes(part.params["scope"])
	}
}

// authChallenge is one challenge of a header; scheme and names are lower case.
type authChallenge struct {
	scheme string
	params map[string]string
}

// parseChallenges reads a list of challenges (RFC 9110 section 11.6.1): a word with "=" behind it is a
// parameter of the challenge before, any other word begins a challenge.
func parseChallenges(header string) []authChallenge {
	var out []authChallenge
	params := 0
	for s := header; ; {
		s = strings.TrimLeft(s, " \t,")
		word, rest := cutToken(s)
		if word == "" {
			if s == "" {
				return out
			}
			s = s[1:] // no token begins here
			continue
		}
		after := strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(after, "=") || len(out) == 0 {
			out = append(out, authChallenge{scheme: strings.ToLower(word), params: map[string]string{}})
			s = rest
			continue
		}
		var value string
		value, s = cutValue(strings.TrimLeft(after[1:], " \t"))
		last := out[len(out)-1].params
		name := strings.ToLower(word)
		if _, twice := last[name]; !twice && params < maxParams {
			last[name] = value
			params++
		}
	}
}

// cutToken splits a token (RFC 9110 section 5.6.2) off the front of s.
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && isTokenByte(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// cutValue splits a token or a quoted string off the front of s. A string that is not closed ends with s.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// The bounds of a list of scopes.
const (
	maxScopes = 100
	maxScope  = 256
)

// splitScopes reads a scope parameter. What is no scope token of RFC 6749 section 3.3 is left out.
func splitScopes(list string) []string {
	var out []string
	for scope := range strings.FieldsSeq(list) {
		out = addScope(out, scope)
	}
	return out
}

// unionScopes returns the scopes of all lists, each once, in the order of the first appearance.
func unionScopes(lists ...[]string) []string {
	var out []string
	for _, list := range lists {
		for _, scope := range list {
			out = addScope(out, scope)
		}
	}
	return out
}

func addScope(list []string, scope string) []string {
	if scope == "" || len(scope) > maxScope || len(list) == maxScopes {
		return list
	}
	for _, c := range []byte(scope) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return list
		}
	}
	for _, known := range list {
		if known == scope {
			return list
		}
	}
	return append(list, scope)
}

// holdsAll reports whether every scope of want is in have.
func holdsAll(have, want []string) bool {
	return len(unionScopes(have, want)) == len(unionScopes(have))
}
