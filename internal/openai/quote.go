package openai

import (
	"strconv"
	"unicode/utf8"
)

// quote shows a client's text in an error message: in quotes, one line, not too long.
func quote(s string) string {
	const most = 100
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}
