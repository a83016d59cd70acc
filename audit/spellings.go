package audit

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// spellings are the ways in which secrets may stand in a text: as they are, in URLs, in JSON and source code, in
// HTML, in hexadecimal digits, and in base64, also in the middle of it.
func spellings(secrets []string) []string {
	var out []string
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		quoted := strconv.Quote(s)
		query, path := url.QueryEscape(s), url.PathEscape(s)
		digits := hex.EncodeToString([]byte(s))
		out = append(out, s, query, path, lowerEscapes(query), lowerEscapes(path), quoted[1:len(quoted)-1], strings.ReplaceAll(s, "/", `\/`),
			html.EscapeString(s), digits, strings.ToUpper(digits),
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)))
		if text, err := json.Marshal(s); err == nil {
			out = append(out, string(text[1:len(text)-1]))
		}
		out = append(out, insideBase64(s)...)
		out = append(out, longLines(s)...)
	}
	return out
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// insideBase64 returns what a secret looks like in the base64 of a longer text, "user:secret": that depends on
// how many bytes stand in front of it. The digits at both ends, which its neighbours share, are left out.
func insideBase64(s string) []string {
	if len(s) < 8 {
		return nil
	}
	var out []string
	for _, enc := range [...]*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := enc.EncodeToString([]byte(strings.Repeat("x", before) + s))
			first := (before*8 + 5) / 6
			last := (before + len(s)) * 8 / 6
			out = append(out, text[first:last])
		}
	}
	return out
}

// longLines are the lines of a secret that has several: a log shows each for itself.
func longLines(s string) []string {
	if !strings.Contains(s, "\n") {
		return nil
	}
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(line); len(line) >= 8 && !strings.HasPrefix(line, "-----") {
			out = append(out, line)
		}
	}
	return out
}

// unescape takes the escapes \u0020 to \u007e out of a text, which JSON allows for every character.
func unescape(s string) string {
	if !strings.Contains(s, `\u00`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+6 <= len(s) && s[i+1] == 'u' && s[i+2] == '0' && s[i+3] == '0' {
			if n, err := strconv.ParseUint(s[i+4:i+6], 16, 8); err == nil && n >= ' ' && n < utf8.RuneSelf-1 {
				b.WriteByte(byte(n))
				i += 5
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hideDocument redacts a text that is one JSON value, by the names of its members too. Where it holds no secret, it
// stays as it is written.
func (r *Redactor) hideDocument(s string) (string, bool) {
	if len(s) > maxScan {
		return "", false
	}
	w := rewriter{r: r, in: s, nested: true}
	if !w.value(0, false) {
		return "", false
	}
	if w.space(); w.pos != len(s) {
		return "", false
	}
	if !w.hid {
		return s, true
	}
	return string(w.out), true
}
