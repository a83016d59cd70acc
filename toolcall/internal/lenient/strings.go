package lenient

import "strings"

// startQuote reads the opening quote of a string in the style's own quotes.
func (s *Scanner) startQuote(in string, key, final bool) (int, Status) {
	q := s.Style.Quote
	if !strings.HasPrefix(in, q) {
		if strings.HasPrefix(q, in) && !final {
			return 0, More
		}
		if s.Style.Bare && !key {
			s.state = stWord
			return 0, Done
		}
		return 0, Bad
	}
	s.beginString(q, key, true)
	return len(q), More
}

// startString reads the opening quote of a string, which stands behind prefix bytes.
func (s *Scanner) startString(in string, prefix int, key, final bool) (int, Status) {
	q := in[prefix : prefix+1]
	raw := prefix > 0 && (in[0] == 'r' || in[0] == 'R')
	if s.Style.Python {
		rest := in[prefix:]
		triple := strings.Repeat(q, 3)
		if strings.HasPrefix(rest, triple) {
			s.beginString(triple, key, raw)
			return prefix + 3, More
		}
		if len(rest) < 3 && strings.HasPrefix(triple, rest) && !final {
			return 0, More
		}
	}
	s.beginString(q, key, raw)
	return prefix + 1, More
}

func (s *Scanner) beginString(quote string, key, raw bool) {
	s.quote, s.key, s.raw, s.state = quote, key, raw, stString
	if !key {
		s.certain()
	}
	s.put('"')
}

// put adds bytes of the string being read.
func (s *Scanner) put(b ...byte) {
	if s.key {
		s.held = append(s.held, b...)
	} else {
		s.out = append(s.out, b...)
	}
}

func (s *Scanner) putText(t string) {
	if s.key {
		s.held = append(s.held, t...)
	} else {
		s.out = append(s.out, t...)
	}
}

// inString reads a run of plain characters, one escape, or the closing quote.
func (s *Scanner) inString(in string) (int, Status) {
	q := s.quote[0]
	i := 0
	for i < len(in) && in[i] >= ' ' && in[i] != '"' && in[i] != '\\' && in[i] != q {
		i++
	}
	if i > 0 {
		s.putText(in[:i])
		return i, More
	}
	switch c := in[0]; {
	case c == q:
		return s.maybeClose(in)
	case c == '\\' && !s.raw:
		return s.escape(in)
	default:
		if s.key {
			s.held = appendEscape(s.held, c)
		} else {
			s.out = appendEscape(s.out, c)
		}
		return 1, More
	}
}

func (s *Scanner) maybeClose(in string) (int, Status) {
	if !strings.HasPrefix(in, s.quote) {
		if strings.HasPrefix(s.quote, in) {
			return 0, More
		}
		// Only the beginning of a longer quote: data.
		if in[0] == '"' {
			s.put('\\')
		}
		s.put(in[0])
		return 1, More
	}
	s.put('"')
	if s.key {
		s.state = stColon
	} else {
		s.valueEnded()
	}
	return len(s.quote), More
}

// escape reads one escape sequence, which begins in.
func (s *Scanner) escape(in string) (int, Status) {
	if len(in) < 2 {
		return 0, More
	}
	switch c := in[1]; c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.put('\\', c)
		return 2, More
	case '\'':
		s.put('\'')
		return 2, More
	case '\n':
		if s.Style.Python {
			return 2, More // a continued line
		}
		s.put('\\', 'n')
		return 2, More
	case 'u':
		return s.hexEscape(in, 4)
	case 'x':
		return s.hexEscape(in, 2)
	default:
		// An escape that JSON does not know stands for itself: \d is a backslash and a d.
		s.put('\\', '\\')
		return 1, More
	}
}

// hexEscape reads \uXXXX or \xXX; without the digits the backslash stands for itself.
func (s *Scanner) hexEscape(in string, digits int) (int, Status) {
	for i := 2; i < 2+digits; i++ {
		if i >= len(in) {
			return 0, More
		}
		if strings.IndexByte("0123456789abcdefABCDEF", in[i]) < 0 {
			s.put('\\', '\\')
			return 1, More
		}
	}
	s.put('\\', 'u')
	if digits == 2 {
		s.put('0', '0')
	}
	s.putText(in[2 : 2+digits])
	return 2 + digits, More
}
