package pytext

import (
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// SplitSpace cuts at runs of whitespace, at most most times unless that is negative.
func SplitSpace(b *value.Budget, s string, most int) []string {
	var out []string
	s = strings.TrimLeftFunc(s, value.IsSpace)
	for s != "" {
		end := strings.IndexFunc(s, value.IsSpace)
		if end < 0 || most >= 0 && len(out) >= most {
			break
		}
		b.AllocItems(3)
		out = append(out, s[:end])
		s = strings.TrimLeftFunc(s[end:], value.IsSpace)
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}

// RSplitSpace cuts from the right at runs of whitespace and returns the last part first.
func RSplitSpace(b *value.Budget, s string, most int) []string {
	var parts []string
	s = strings.TrimRightFunc(s, value.IsSpace)
	for s != "" {
		i := strings.LastIndexFunc(s, value.IsSpace)
		if i < 0 || len(parts) >= most {
			break
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		b.AllocItems(3)
		parts = append(parts, s[i+size:])
		s = strings.TrimRightFunc(s[:i], value.IsSpace)
	}
	if s != "" {
		parts = append(parts, s)
	}
	return parts
}

// SplitLines cuts at the line boundaries of Python's str.splitlines.
func SplitLines(b *value.Budget, s string, keepEnds bool) []string {
	var out []string
	for s != "" {
		i := strings.IndexFunc(s, isLineEnd)
		if i < 0 {
			return append(out, s)
		}
		b.AllocItems(3)
		_, size := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			size = 2
		}
		if keepEnds {
			out = append(out, s[:i+size])
		} else {
			out = append(out, s[:i])
		}
		s = s[i+size:]
	}
	return out
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}
