package prompt

import (
	"strings"

	"github.com/toolserve/toolserve/jinja"
)

// A control token that a message, a tool result or a tool's definition spells out is text: it must not
// become the token, or who writes the text could end the turn and open another one as the system. What the
// template itself writes does become tokens. The two look the same in the rendered text, so a mark is put
// into every such spelling before rendering and taken out afterwards, and its place is remembered: a
// tokeniser that splits the text there sees no control token.

// seam is the mark: a noncharacter, which no text has a use for. One in a request is lost in the prompt.
const seam = "\U0010FFFE"

// escapedSeam is the mark as a template's ASCII-only JSON writes it.
const escapedSeam = `\udbff\udffe`

// seamer puts seams into the control tokens that a request spells. A nil seamer puts none.
type seamer struct{ marks *strings.Replacer }

// newSeamer returns a seamer for the control tokens. Those around reasoning are left alone, because
// templates look for them in the messages.
func newSeamer(control []string) *seamer {
	var pairs []string
	for _, token := range control {
		_, first, rest := cutFirstRune(token)
		if rest != "" && !reasoningMark(token) {
			pairs = append(pairs, token, first+seam+rest)
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	return &seamer{strings.NewReplacer(pairs...)}
}

func cutFirstRune(s string) (r rune, first, rest string) {
	for i, c := range s {
		if i > 0 {
			return r, s[:i], s[i:]
		}
		r = c
	}
	return r, s, ""
}

func reasoningMark(token string) bool {
	for _, marks := range reasoningMarks {
		if token == marks[0] || token == marks[1] {
			return true
		}
	}
	return false
}

// mark puts seams into every string of vars but those under the keys of base, which are not the client's.
func (s *seamer) mark(vars, base *jinja.Dict) {
	if s == nil {
		return
	}
	for i := range vars.Len() {
		key, v := vars.At(i)
		name, ok := key.(jinja.String)
		if !ok {
			continue
		}
		if own, ok := base.Lookup(string(name)); ok && own == v {
			continue
		}
		vars.Set(string(name), s.value(v))
	}
}

// value returns v with seams. What needs none is returned as it is, and nothing is changed in place.
func (s *seamer) value(v jinja.Value) jinja.Value {
	switch v := v.(type) {
	case jinja.String:
		return jinja.String(s.marks.Replace(string(v)))
	case *jinja.List:
		items := make([]jinja.Value, len(v.Items))
		for i, item := range v.Items {
			items[i] = s.value(item)
		}
		return jinja.NewList(items...)
	case *jinja.Dict:
		d := jinja.NewDict(v.Len())
		for i := range v.Len() {
			key, item := v.At(i)
			if name, ok := key.(jinja.String); ok {
				d.Set(s.marks.Replace(string(name)), s.value(item))
				continue
			}
			d.Put(key, s.value(item))
		}
		return d
	}
	return v
}

// cutSeams takes the seams out of a rendered text and returns their places in what is left.
func (s *seamer) cutSeams(text string) (clean string, places []int) {
	if s == nil || !strings.Contains(text, seam) && !strings.Contains(text, escapedSeam) {
		return text, nil
	}
	var b strings.Builder
	for {
		i, n := nextSeam(text)
		if i < 0 {
			break
		}
		b.WriteString(text[:i])
		places = append(places, b.Len())
		text = text[i+n:]
	}
	b.WriteString(text)
	return b.String(), places
}

// nextSeam finds the first seam and its length; -1 if there is none.
func nextSeam(text string) (at, n int) {
	at, n = strings.Index(text, seam), len(seam)
	if i := strings.Index(text, escapedSeam); i >= 0 && (at < 0 || i < at) {
		return i, len(escapedSeam)
	}
	return at, n
}
