// Package lenient turns what a model writes as a JSON value into valid JSON, while it arrives.
//
// A [Scanner] takes pieces of text and gives back the JSON text of which it is already certain, so that
// whatever it gave back can be completed by closing the open string and brackets ([Scanner.Seal]).
// Valid JSON comes out byte for byte as it went in, white space included. Beyond JSON it reads what
// models are known to write: single-quoted strings, True, False and None, raw control characters and
// unknown escapes in strings, trailing commas, and by [Style] the strings and keys of other notations.
// Numbers keep their digits. What it cannot read it refuses; it never guesses.
//
// The time is linear in the input and the memory that of one key, number or word.
package lenient

import (
	"strings"
	"unicode/utf8"
)

// Status says how far a Scanner is.
type Status uint8

// The states of a scan.
const (
	// More means that the value goes on.
	More Status = iota
	// Done means that the value is complete.
	Done
	// Bad means that the text is no such value.
	Bad
)

// maxDepth bounds the nesting of objects and arrays.
const maxDepth = 500

// Style says what a Scanner reads beyond lenient JSON.
type Style struct {
	// Quote, where set, opens and closes strings that have no escapes, besides the usual quotes.
	Quote string
	// Bare allows keys without quotes, and takes an unquoted word that is no literal as a string.
	Bare bool
	// Python reads tuples as arrays, string prefixes and triple quotes.
	Python bool
}

type state uint8

const (
	stValue      state = iota // a value must follow
	stFirstValue              // just after [
	stNextValue               // just after a comma in an array
	stFirstKey                // just after {
	stNextKey                 // just after a comma in an object
	stColon                   // after a key
	stAfter                   // after a value inside an object or array
	stString                  // inside a string
	stNumber
	stWord
	stBareKey
	stDone
)

// Scanner reads one value. The zero Scanner reads lenient JSON; set Style before the first Write.
type Scanner struct {
	Style Style

	out   []byte // certain, not yet taken
	held  []byte // read, but not certain: separators, a key, white space
	bare  []byte // what held and token were made from
	token []byte // the number, word or bare key being read
	stack []byte // the closing brackets still owed, in the order of their opening
	state state
	key   bool // the string being read is a key
	quote string
	raw   bool // the string being read has no escapes
	comma int  // where in held the last comma stands
}

// Write reads from in and returns how many bytes it has taken; the caller offers the rest again, with
// more behind it. final says that nothing will follow in. Bytes after the end of the value are not taken.
func (s *Scanner) Write(in string, final bool) (int, Status) {
	pos := 0
	for {
		if s.state == stDone {
			return pos, Done
		}
		if pos >= len(in) {
			if final && (s.state == stNumber || s.state == stWord) && len(s.stack) == 0 {
				return pos, s.endToken()
			}
			return pos, More
		}
		n, status := s.step(in[pos:], final)
		if len(s.held) == 0 && len(s.token) == 0 {
			s.bare = s.bare[:0]
		} else {
			s.bare = append(s.bare, in[pos:pos+n]...)
		}
		pos += n
		if status == Bad || n == 0 && status == More {
			return pos, status
		}
	}
}

// Take returns the certain JSON text since the last Take. It is valid until the next Write.
func (s *Scanner) Take() []byte {
	out := s.out
	s.out = s.out[:0]
	return out
}

// Pending returns what was taken and is not certain, as it was written.
func (s *Scanner) Pending() string { return string(s.bare) }

// Seal returns what completes everything certain to a valid value, and ends the scan. A value of which
// nothing is certain becomes null.
func (s *Scanner) Seal() string {
	if s.state == stDone {
		return ""
	}
	var b strings.Builder
	if s.state == stString && !s.key {
		b.WriteByte('"')
	} else if len(s.stack) == 0 {
		b.WriteString("null")
	}
	for i := len(s.stack) - 1; i >= 0; i-- {
		b.WriteByte(s.stack[i])
	}
	s.state, s.stack = stDone, s.stack[:0]
	return b.String()
}

// step reads one element of in, which is not empty. It returns 0 and More when it needs to see more.
func (s *Scanner) step(in string, final bool) (int, Status) {
	switch s.state {
	case stString:
		return s.inString(in)
	case stNumber, stWord, stBareKey:
		return s.inToken(in)
	}
	if n := leadingSpace(in); n > 0 {
		if len(s.stack) > 0 {
			s.held = append(s.held, in[:n]...)
		}
		return n, More
	}
	c := in[0]
	switch s.state {
	case stFirstValue, stNextValue:
		if c == ']' || c == ')' && s.Style.Python {
			s.dropComma()
			return s.closeWith(']')
		}
		return s.value(in, final)
	case stValue:
		return s.value(in, final)
	case stFirstKey, stNextKey:
		if c == '}' {
			s.dropComma()
			return s.closeWith('}')
		}
		return s.startKey(in, final)
	case stColon:
		if c != ':' {
			return 0, Bad
		}
		s.held = append(s.held, ':')
		s.state = stValue
		return 1, More
	}
	return s.after(c)
}

// after reads the separator or closing bracket behind a value.
func (s *Scanner) after(c byte) (int, Status) {
	owed := s.stack[len(s.stack)-1]
	switch {
	case c == ',':
		s.comma = len(s.held)
		s.held = append(s.held, ',')
		s.state = stNextKey
		if owed == ']' {
			s.state = stNextValue
		}
		return 1, More
	case c == owed:
		return s.closeWith(owed)
	case c == ')' && owed == ']' && s.Style.Python:
		return s.closeWith(']')
	}
	return 0, Bad
}

func (s *Scanner) dropComma() {
	if s.state == stNextKey || s.state == stNextValue {
		s.held = append(s.held[:s.comma], s.held[s.comma+1:]...)
	}
}

func (s *Scanner) closeWith(bracket byte) (int, Status) {
	if s.stack[len(s.stack)-1] != bracket {
		return 0, Bad
	}
	s.certain()
	s.out = append(s.out, bracket)
	s.stack = s.stack[:len(s.stack)-1]
	s.valueEnded()
	return 1, More
}

// certain moves what was held back to the output: a value has begun behind it.
func (s *Scanner) certain() {
	s.out = append(s.out, s.held...)
	s.held = s.held[:0]
}

func (s *Scanner) valueEnded() {
	s.state = stAfter
	if len(s.stack) == 0 {
		s.state = stDone
	}
}

func (s *Scanner) value(in string, final bool) (int, Status) {
	switch c := in[0]; {
	case c == '{':
		return s.open('{', '}', stFirstKey)
	case c == '[':
		return s.open('[', ']', stFirstValue)
	case c == '(' && s.Style.Python:
		return s.open('[', ']', stFirstValue)
	case s.Style.Quote != "" && c == s.Style.Quote[0]:
		return s.startQuote(in, false, final)
	case c == '"' || c == '\'':
		return s.startString(in, 0, false, final)
	case s.Style.Bare:
		if strings.IndexByte("}],:", c) >= 0 {
			return 0, Bad
		}
		s.state = stWord
		return 0, Done // not Bad, not waiting: go on in the new state
	case c == '-' || c == '+' || c == '.' || '0' <= c && c <= '9':
		s.state = stNumber
		return 0, Done
	case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
		if s.Style.Python && strings.IndexByte("rRbBuUfF", c) >= 0 {
			if len(in) < 2 && !final {
				return 0, More
			}
			if len(in) > 1 && (in[1] == '"' || in[1] == '\'') {
				return s.startString(in, 1, false, final)
			}
		}
		s.state = stWord
		return 0, Done
	}
	return 0, Bad
}

func (s *Scanner) open(bracket, owed byte, next state) (int, Status) {
	if len(s.stack) >= maxDepth {
		return 0, Bad
	}
	s.certain()
	s.out = append(s.out, bracket)
	s.stack = append(s.stack, owed)
	s.state = next
	return 1, More
}

func (s *Scanner) startKey(in string, final bool) (int, Status) {
	switch c := in[0]; {
	case s.Style.Quote != "" && c == s.Style.Quote[0]:
		return s.startQuote(in, true, final)
	case c == '"' || c == '\'':
		return s.startString(in, 0, true, final)
	case s.Style.Bare && strings.IndexByte("{}[],:", c) < 0:
		s.state = stBareKey
		return 0, Done
	}
	return 0, Bad
}

func leadingSpace(in string) int {
	for i := 0; i < len(in); i++ {
		if c := in[i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return i
		}
	}
	return len(in)
}

// Valid reads text as one whole value and returns its JSON text.
func Valid(text string, style Style) (string, bool) {
	s := Scanner{Style: style}
	n, status := s.Write(text, true)
	if status != Done || strings.TrimSpace(text[n:]) != "" {
		return "", false
	}
	return string(s.Take()), true
}

// AppendString appends text to dst with the escapes that a JSON string needs, without the quotes.
// Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, text string) []byte {
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, text[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, text[start:i]...)
			dst = append(dst, "\uFFFD"...)
			start = i + 1
		}
		i += size
	}
	return append(dst, text[start:]...)
}

// Quote returns text as a JSON string.
func Quote(text string) string {
	return string(append(AppendString([]byte{'"'}, text), '"'))
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
