package lenient

import "strings"

// inToken reads on in a number, a word or a bare key, up to the character that ends it.
func (s *Scanner) inToken(in string) (int, Status) {
	i := 0
	for i < len(in) && !s.endsToken(in[i]) {
		i++
	}
	s.token = append(s.token, in[:i]...)
	if i == len(in) {
		return i, More
	}
	if status := s.endToken(); status == Bad {
		return i, Bad
	}
	return i, Done // go on in the new state, even where nothing was taken
}

func (s *Scanner) endsToken(c byte) bool {
	switch c {
	case ',', '}', ']':
		return true
	case ':':
		return s.state == stBareKey || !s.Style.Bare
	case ' ', '\n', '\t', '\r', '"', '{', '[', '<', ';':
		return !s.Style.Bare
	case ')':
		return s.Style.Python
	}
	return false
}

// endToken turns the token that was read into JSON.
func (s *Scanner) endToken() Status {
	token := string(s.token)
	if s.state == stBareKey {
		s.token = s.token[:0]
		s.held = append(AppendString(append(s.held, '"'), strings.TrimSpace(token)), '"')
		s.state = stColon
		return Done
	}
	text, ok := s.tokenJSON(token)
	if !ok {
		return Bad
	}
	s.token = s.token[:0]
	s.certain()
	s.out = append(s.out, text...)
	s.valueEnded()
	return Done
}

func (s *Scanner) tokenJSON(token string) (string, bool) {
	token = strings.TrimSpace(token)
	switch token {
	case "true", "True":
		return "true", true
	case "false", "False":
		return "false", true
	case "null", "None":
		return "null", true
	}
	if n, ok := Number(token); ok {
		return n, true
	}
	if s.Style.Bare {
		return Quote(token), true
	}
	return "", false
}

// Number returns the JSON number that token means, with its digits as they are. Beyond JSON it reads a
// leading plus sign and a point at either end; it refuses leading zeros, because they may be data.
func Number(token string) (string, bool) {
	t := strings.TrimPrefix(token, "+")
	if !strings.ContainsAny(t, "0123456789") {
		return "", false
	}
	if strings.HasPrefix(t, ".") {
		t = "0" + t
	} else if strings.HasPrefix(t, "-.") {
		t = "-0" + t[1:]
	}
	if strings.HasSuffix(t, ".") {
		t += "0"
	}
	rest := strings.TrimPrefix(t, "-")
	whole := digits(rest)
	if whole == 0 || whole > 1 && rest[0] == '0' {
		return "", false
	}
	rest = rest[whole:]
	if strings.HasPrefix(rest, ".") {
		n := digits(rest[1:])
		if n == 0 {
			return "", false
		}
		rest = rest[1+n:]
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		n := digits(rest)
		if n == 0 {
			return "", false
		}
		rest = rest[n:]
	}
	return t, rest == ""
}

func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
