package toolcall

import (
	"encoding/json"
	"fmt"
	"strings"
)

type tagState uint8

const (
	tagName  tagState = iota // the tag of the name
	tagNext                  // an argument, or the end
	tagOpen                  // what stands before a value
	tagValue                 // inside a value
)

// taggedMachine reads one call of a taggedBody.
type taggedMachine struct {
	body  taggedBody
	form  *form
	state tagState

	skipped bool // the name before the tag has been read

	name  string
	id    string
	tool  *tool
	begun bool // the call has started
	wrote bool // an argument has been handed on
	seen  map[string]bool

	key     string
	types   typeSet
	first   bool   // nothing of the value has been read
	stream  bool   // the value is a string and is handed on as it comes
	dropped bool   // the value is of a key that came before
	value   []byte // the value where it does not stream
	closers []string
}

func (m *taggedMachine) step(p *Parser) stepResult {
	for {
		if m.state != tagValue && (m.state != tagOpen || m.body.valOpen != "") {
			p.skip(leadingSpace(p.in))
		}
		var got stepResult
		switch m.state {
		case tagName:
			got = m.readName(p)
		case tagNext:
			got = m.next(p)
		case tagOpen:
			got = m.openValue(p)
		case tagValue:
			got = m.readValue(p)
		}
		if got != stepText { // stepText: go on in the next state
			return got
		}
	}
}

func (m *taggedMachine) readName(p *Parser) stepResult {
	n, got := anyPrefix(p.in, m.body.lead, p.final)
	if got == matchPart {
		return stepMore
	}
	if got == matchYes {
		p.skip(n)
		return stepText
	}
	if len(m.body.nameOpen) == 0 {
		name, n, got := m.body.bareName(p, p.in)
		if got != matchYes {
			return wait(got)
		}
		p.skip(n)
		return m.named(p, name)
	}
	if m.body.skipName && !m.skipped {
		n := m.body.skipped(p.in)
		if n == len(p.in) && n < maxHeader {
			return stepMore
		}
		p.skip(n)
		m.skipped = true
	}
	n, got = anyPrefix(p.in, m.body.nameOpen, p.final)
	if got != matchYes {
		return wait(got)
	}
	end := strings.Index(p.in[n:], m.body.nameTagEnd())
	if end < 0 {
		if len(p.in) > maxHeader {
			return stepFail
		}
		return stepMore
	}
	tag := p.in[n : n+end]
	p.skip(n + end + len(m.body.nameTagEnd()))
	return m.named(p, m.body.tagValue(tag, m.body.attr))
}

// wait is the step for a match that is no, or not yet, yes.
func wait(m match) stepResult {
	if m == matchPart {
		return stepMore
	}
	return stepFail
}

func (m *taggedMachine) named(p *Parser, name string) stepResult {
	m.name, m.tool, m.state = name, p.tool(name), tagNext
	return stepText
}

// next reads the tag of an argument, or the end of the call.
func (m *taggedMachine) next(p *Parser) stepResult {
	if p.in == "" {
		return stepMore
	}
	n, got := anyPrefix(p.in, m.body.key, p.final)
	if got == matchPart {
		return stepMore
	}
	if got == matchYes {
		end := strings.Index(p.in[n:], m.body.keyTagEnd())
		if end < 0 {
			if len(p.in) > maxHeader {
				return stepFail
			}
			return stepMore
		}
		m.readKey(p.in[n : n+end])
		p.skip(n + end + len(m.body.keyTagEnd()))
		m.state = tagOpen
		return stepText
	}
	if n, got := anyPrefix(p.in, m.body.end, p.final); got != matchNo {
		if got == matchPart {
			return stepMore
		}
		return m.finish(p, n)
	}
	if n, got := anyPrefix(p.in, m.body.valClose, p.final); got == matchYes && m.begun {
		p.skip(n) // a closing tag too many
		return stepText
	} else if got == matchPart && m.begun {
		return stepMore
	}
	_, got = p.closing(m.form)
	if another, part := anyPrefix(p.in, m.body.nameOpen, p.final); another > 0 || part == matchPart {
		got = max(got, part)
	}
	switch {
	case got == matchPart:
		return stepMore
	case got == matchYes:
		return m.finish(p, 0)
	}
	return stepFail
}

// finish completes the call; n is the length of the tag that ends it.
func (m *taggedMachine) finish(p *Parser, n int) stepResult {
	p.call.named = true
	if !m.begun {
		p.begin(m.name, m.id)
	}
	m.close(p)
	p.skip(n)
	p.endCall()
	return stepDone
}

// readKey takes the key, and the type where it is written, from the text of the tag.
func (m *taggedMachine) readKey(tag string) {
	m.key = m.body.tagValue(tag, m.body.keyAttr)
	m.types, _ = m.tool.param(m.key)
	if m.body.wireType == "" {
		return
	}
	if kind, ok := attribute(tag, m.body.wireType); ok {
		m.types = 0
		if kind == m.body.wireString {
			m.types = typeString
		} else {
			m.types = typeNames[kind]
		}
		if m.types == 0 {
			m.types = typeNumber | typeBoolean | typeNull | typeObject | typeArray
		}
	}
}

// openValue reads up to the first character of a value.
func (m *taggedMachine) openValue(p *Parser) stepResult {
	if m.body.valOpen != "" {
		if !strings.HasPrefix(p.in, m.body.valOpen) {
			if strings.HasPrefix(m.body.valOpen, p.in) {
				return stepMore
			}
			return stepFail
		}
		p.skip(len(m.body.valOpen))
	}
	m.begin(p)
	return stepText
}

// begin hands on the key.
func (m *taggedMachine) begin(p *Parser) {
	p.call.named = true
	m.state, m.first, m.value = tagValue, true, m.value[:0]
	m.stream = m.types == typeString
	m.dropped = m.seen[m.key]
	if m.dropped {
		p.warn(fmt.Sprintf("the argument %q came twice; the first was kept", m.key))
		return
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[m.key] = true
	if !m.begun {
		m.begun = true
		p.begin(m.name, m.id)
	}
	if m.stream {
		m.writeKey(p)
		p.args([]byte{'"'})
	}
}

// writeKey hands on the key of the argument, and what separates it from the one before.
func (m *taggedMachine) writeKey(p *Parser) {
	text := ", "
	if !m.wrote {
		text = "{"
	}
	m.wrote = true
	p.args([]byte(text + jsonString(m.key) + ": "))
}

// close ends the object of the arguments.
func (m *taggedMachine) close(p *Parser) {
	if !m.wrote {
		p.args([]byte{'{'})
	}
	p.args([]byte{'}'})
}

// seal closes the arguments, and the string in which they broke off.
func (m *taggedMachine) seal(p *Parser) string {
	if m.state == tagValue && m.stream && !m.dropped {
		p.args([]byte{'"'})
	}
	m.close(p)
	return string(m.value)
}

// readValue reads on in a value, up to the tag that plausibly ends it.
func (m *taggedMachine) readValue(p *Parser) stepResult {
	if m.first {
		if p.in == "" || m.body.trim && p.in == "\r" && !p.final {
			return stepMore
		}
		if got := m.openCDATA(p); got != stepText {
			return got
		}
		m.first = false
		if m.body.trim {
			p.skip(len(p.in) - len(strings.TrimPrefix(strings.TrimPrefix(p.in, "\r"), "\n")))
		}
	}
	text := p.in
	for i := 0; ; i++ {
		k := strings.IndexByte(text[i:], m.closers[0][0])
		if k < 0 {
			m.take(p, m.keep(text, len(text), p.final))
			return stepMore
		}
		i += k
		n, got := m.ends(p, text, i)
		switch got {
		case matchPart:
			m.take(p, m.keep(text, i, false))
			return stepMore
		case matchYes:
			body := m.keep(text, i, false)
			m.take(p, body)
			p.skip(i - body + n)
			m.endValue(p)
			return stepText
		}
	}
}

const cdataOpen, cdataClose = "<![CDATA[", "]]>"

// openCDATA reads what may stand around the text of a value.
func (m *taggedMachine) openCDATA(p *Parser) stepResult {
	m.closers = m.body.valClose
	if !m.body.cdata {
		return stepText
	}
	n, got := anyPrefix(p.in, []string{cdataOpen}, p.final)
	switch got {
	case matchPart:
		return stepMore
	case matchYes:
		p.skip(n)
		m.closers = nil
		for _, c := range m.body.valClose {
			m.closers = append(m.closers, cdataClose+c)
		}
	}
	return stepText
}

// keep returns how much of text[:end] is certainly part of the value: not the newline before its end.
func (m *taggedMachine) keep(text string, end int, final bool) int {
	if !m.body.trim || final || end == 0 || text[end-1] != '\n' && text[end-1] != '\r' {
		return end
	}
	end--
	if end > 0 && text[end] == '\n' && text[end-1] == '\r' {
		end--
	}
	return end
}

// take hands on n bytes of the value.
func (m *taggedMachine) take(p *Parser, n int) {
	text := p.in[:n]
	switch {
	case m.dropped:
	case m.stream:
		quoteInto(p, text)
	default:
		m.value = append(m.value, text...)
	}
	p.skip(n)
}

func (m *taggedMachine) endValue(p *Parser) {
	m.state = tagNext
	switch {
	case m.dropped:
	case m.stream:
		p.args([]byte{'"'})
	default:
		m.writeKey(p)
		p.args([]byte(coerce(string(m.value), m.types)))
	}
	m.value = m.value[:0]
}

// ends reports whether the value ends at text[i], and the length of the tag that ends it. A closing tag
// counts only where another tag of the notation follows; without one the value ends before such a tag
// if that is beyond doubt.
func (m *taggedMachine) ends(p *Parser, text string, i int) (int, match) {
	at := text[i:]
	n, got := anyPrefix(at, m.closers, p.final)
	switch got {
	case matchPart:
		return 0, matchPart
	case matchYes:
		return n, m.follows(p, at[n:], true)
	}
	got = m.missing(p, at)
	return 0, got
}

// follows reports whether behind a closing tag the markup of the call goes on.
func (m *taggedMachine) follows(p *Parser, rest string, key bool) match {
	space := leadingSpace(rest)
	rest = rest[space:]
	switch {
	case rest == "" && !p.final && space <= maxGap:
		return matchPart
	case rest == "" || space > maxGap:
		return matchYes
	}
	n, best := anyPrefix(rest, m.form.close, p.final)
	if best == matchYes && len(m.body.end) > 0 && key {
		best = m.atOutputEnd(p, rest[n:])
	}
	lists := [][]string{m.body.nameOpen}
	if key {
		lists = append(lists, m.body.key, m.body.end, m.body.valClose)
	}
	for _, list := range lists {
		_, got := anyPrefix(rest, list, p.final)
		best = max(best, got)
	}
	return best
}

// missing reports whether the value ends at text though its closing tag is missing: before the end of
// the call, or before an argument that the schema names and that has not come yet.
func (m *taggedMachine) missing(p *Parser, text string) match {
	ends := m.body.end
	if len(ends) == 0 {
		ends = m.form.close
	}
	n, got := anyPrefix(text, ends, p.final)
	switch {
	case got == matchPart:
		return matchPart
	case got == matchYes && len(m.body.end) > 0:
		return m.follows(p, text[n:], false)
	case got == matchYes:
		return m.atOutputEnd(p, text[n:])
	}
	n, got = anyPrefix(text, m.body.key, p.final)
	if got != matchYes {
		return got
	}
	window := text[n:min(len(text), n+maxHeader)]
	end := strings.Index(window, m.body.keyTagEnd())
	if line := strings.IndexByte(window, '\n'); line >= 0 && (end < 0 || line < end) {
		return matchNo
	}
	if end < 0 {
		if p.final || len(window) == maxHeader {
			return matchNo
		}
		return matchPart
	}
	key := m.body.tagValue(text[n:n+end], m.body.keyAttr)
	if _, known := m.tool.param(key); known && !m.seen[key] {
		return matchYes
	}
	return matchNo
}

// atOutputEnd reports whether behind a closing marker the output ends or another call begins.
func (m *taggedMachine) atOutputEnd(p *Parser, rest string) match {
	space := leadingSpace(rest)
	rest = rest[space:]
	switch {
	case space > maxGap || rest == "" && p.final:
		return matchYes
	case rest == "":
		return matchPart
	}
	_, got := anyPrefix(rest, m.form.open, p.final)
	return got
}

// properties returns the schemas of the tool's parameters and which of them are required.
func (t *tool) properties() (map[string]json.RawMessage, map[string]bool) {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	_ = json.Unmarshal(t.schema, &schema)
	required := map[string]bool{}
	for _, name := range schema.Required {
		required[name] = true
	}
	return schema.Properties, required
}
