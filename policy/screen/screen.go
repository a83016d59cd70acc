// Package screen looks over text that MCP servers write and models read: names, descriptions, schemas
// and instructions. It finds what a person would not see (hidden characters, terminal escapes), what
// looks like something else (letters of other alphabets), and a short list of phrases that speak to the
// model rather than about the tool.
//
// A finding is a hint for a person. A text without findings is not safe: no list of phrases is a defence
// against prompt injection.
package screen

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Code names what was found.
type Code string

// The codes of a Finding.
const (
	CodeHidden    Code = "hidden_characters"
	CodeEscape    Code = "terminal_escape"
	CodeLookAlike Code = "look_alike"
	CodeInjection Code = "injection_phrase"
)

// Mode says what is done about findings.
type Mode string

// The modes. The zero value means Warn.
const (
	Off  Mode = "off"
	Warn Mode = "warn" // they are shown and recorded
	Hold Mode = "hold" // what is new and has findings waits for approval
)

// Finding is something in a text that a person should look at.
type Finding struct {
	Code Code
	// Where is the part of the definition: "description", "inputSchema.properties.path.enum[2]".
	Where string
	// Detail says what was found, in characters that can be seen.
	Detail string
}

// String returns the finding as one line.
func (f Finding) String() string { return f.Where + ": " + f.Detail }

const (
	// maxFindings bounds the findings of one definition.
	maxFindings = 16
	// DefaultLimit is how many bytes of one definition are searched for phrases.
	DefaultLimit = 64 << 10
	// maxDepth bounds how deep JSON is walked.
	maxDepth = 64
)

// Screener collects the findings of one definition. The zero value is ready.
type Screener struct {
	// Limit bounds how many bytes are searched for phrases, which is slow where a text is made to be; 0
	// means DefaultLimit, negative none.
	Limit int

	findings []Finding
	seen     map[Finding]bool
	searched int // bytes
}

// Findings returns what was found, in order, at most 16.
func (s *Screener) Findings() []Finding { return s.findings }

// Searched returns how many bytes were searched for phrases.
func (s *Screener) Searched() int { return s.searched }

func (s *Screener) add(code Code, where, format string, args ...any) {
	f := Finding{Code: code, Where: Visible(where), Detail: fmt.Sprintf(format, args...)}
	if len(s.findings) == maxFindings || s.seen[f] {
		return
	}
	if s.seen == nil {
		s.seen = map[Finding]bool{}
	}
	s.seen[f] = true
	s.findings = append(s.findings, f)
}

// Name looks at a name: it must hold nothing hidden, and letters of one alphabet alone.
func (s *Screener) Name(where, name string) {
	s.characters(where, name)
	s.scripts(where, name)
	if strings.TrimSpace(name) != name || strings.ContainsAny(name, "\t\n\r") {
		s.add(CodeHidden, where, "the name %s has white space that is not seen", Quote(cut(name, 60)))
	}
	if norm.NFC.String(name) != norm.NFKC.String(name) {
		s.add(CodeLookAlike, where, "the name %s has letters that are read as others: %s", Quote(cut(name, 60)), Quote(cut(norm.NFKC.String(name), 60)))
	}
	s.phrases(where, name)
}

// Text looks at prose.
func (s *Screener) Text(where, text string) {
	s.characters(where, text)
	s.scripts(where, text)
	s.gaps(where, text)
	s.phrases(where, text)
}

// JSON looks at every key and every string of a JSON value, such as a schema.
func (s *Screener) JSON(where string, raw json.RawMessage) {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return
	}
	s.value(where, v, 0)
}

func (s *Screener) value(where string, v any, depth int) {
	if depth > maxDepth || len(s.findings) == maxFindings {
		return
	}
	switch v := v.(type) {
	case string:
		s.Text(where, v)
	case []any:
		for i, item := range v {
			s.value(fmt.Sprintf("%s[%d]", where, i), item, depth+1)
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			s.Name(where, key)
			s.value(where+"."+cut(key, 60), v[key], depth+1)
		}
	}
}

func (s *Screener) phrases(where, text string) {
	room := s.Limit
	if room == 0 {
		room = DefaultLimit
	}
	if room = max(room-s.searched, 0); len(text) > room {
		s.add(CodeInjection, "definition", "was too long to be searched whole")
		text = cut(text, room)
	}
	s.searched += len(text)
	flat := flatten(text)
	for i := range phrases() {
		if found := phrases()[i].find(flat); found != "" {
			s.add(CodeInjection, where, "speaks to the model: %s", Quote(cut(found, 80)))
		}
	}
}

// flatten is a text as the phrases are written: small letters, without hidden characters, letters that look like
// others and digits in place of letters, one space for all white space.
func flatten(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	space, letter := false, false
	text = withoutMarks(text)
	for i, r := range text {
		switch {
		case unicode.IsSpace(r):
			space, letter = true, false
			continue
		case isHidden(r):
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		if letter && r <= '7' {
			if n := strings.IndexByte("013457$", byte(r)); n >= 0 && nextIsLetter(text[i+1:]) {
				r = rune("oieasts"[n])
			}
		}
		r = lower(plain(r))
		letter = unicode.IsLetter(r)
		b.WriteRune(r)
	}
	return b.String()
}

func nextIsLetter(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLetter(r)
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
