package notation

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/schema"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

type tagState uint8

const (
	tagName  tagState = iota // the tag of the name
	tagNext                  // an argument, or the end
	tagOpen                  // what stands before a value
	tagValue                 // inside a value
)

// taggedMachine reads one call of a Tagged.
type taggedMachine struct {
	body  Tagged
	form  *stream.Form
	state tagState

	skipped bool // the name before the tag has been read

	name  string
	id    string
	tool  *schema.Tool
	begun bool // the call has started
	wrote bool // an argument has been handed on
	seen  map[string]bool

	key     string
	types   schema.TypeSet
	first   bool   // nothing of the value has been read
	stream  bool   // the value is a string and is handed on as it comes
	dropped bool   // the value is of a key that came before
	value   []byte // the value where it does not stream
	quoter  quoter
	closers []string
}

func (m *taggedMachine) Step(p *stream.Parser) stream.Step {
	for {
		if m.state != tagValue && (m.state != tagOpen || m.body.ValOpen != "") {
			p.Skip(stream.LeadingSpace(p.In))
		}
		var got stream.Step
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
		if got != stream.Text { // stream.Text: go on in the next state
			return got
		}
	}
}

func (m *taggedMachine) readName(p *stream.Parser) stream.Step {
	n, got := stream.AnyPrefix(p.In, m.body.Lead, p.Final)
	if got == stream.Part {
		return stream.More
	}
	if got == stream.Yes {
		p.Skip(n)
		return stream.Text
	}
	if len(m.body.NameOpen) == 0 {
		name, n, got := m.body.bareName(p, p.In)
		if got != stream.Yes {
			return got.Wait()
		}
		p.Skip(n)
		return m.named(p, name)
	}
	if m.body.SkipName && !m.skipped {
		n := m.body.skipped(p.In)
		if n == len(p.In) && n < maxHeader {
			return stream.More
		}
		p.Skip(n)
		m.skipped = true
	}
	n, got = stream.AnyPrefix(p.In, m.body.NameOpen, p.Final)
	if got != stream.Yes {
		return got.Wait()
	}
	end := strings.Index(p.In[n:], m.body.nameTagEnd())
	if end < 0 {
		if len(p.In) > maxHeader {
			return stream.Fail
		}
		return stream.More
	}
	tag := p.In[n : n+end]
	p.Skip(n + end + len(m.body.nameTagEnd()))
	return m.named(p, m.body.tagValue(tag, m.body.Attr))
}

func (m *taggedMachine) named(p *stream.Parser, name string) stream.Step {
	m.name, m.tool, m.state = name, p.Tool(name), tagNext
	return stream.Text
}

// next reads the tag of an argument, or the end of the call.
func (m *taggedMachine) next(p *stream.Parser) stream.Step {
	if p.In == "" {
		return stream.More
	}
	n, got := stream.AnyPrefix(p.In, m.body.Key, p.Final)
	if got == stream.Part {
		return stream.More
	}
	if got == stream.Yes {
		end := strings.Index(p.In[n:], m.body.keyTagEnd())
		if end < 0 {
			if len(p.In) > maxHeader {
				return stream.Fail
			}
			return stream.More
		}
		if !m.readKey(p.In[n : n+end]) {
			return stream.Fail
		}
		p.Skip(n + end + len(m.body.keyTagEnd()))
		m.state = tagOpen
		return stream.Text
	}
	if n, got := stream.AnyPrefix(p.In, m.body.End, p.Final); got != stream.No {
		if got == stream.Part {
			return stream.More
		}
		return m.finish(p, n)
	}
	if n, got := stream.AnyPrefix(p.In, m.body.ValClose, p.Final); got == stream.Yes && m.begun {
		p.Skip(n) // a closing tag too many
		return stream.Text
	} else if got == stream.Part && m.begun {
		return stream.More
	}
	_, got = p.Closing(m.form)
	if another, part := stream.AnyPrefix(p.In, m.body.NameOpen, p.Final); another > 0 || part == stream.Part {
		got = max(got, part)
	}
	switch {
	case got == stream.Part:
		return stream.More
	case got == stream.Yes:
		return m.finish(p, 0)
	}
	return stream.Fail
}

// finish completes the call; n is the length of the tag that ends it.
func (m *taggedMachine) finish(p *stream.Parser, n int) stream.Step {
	p.SetNamed()
	if !m.begun {
		p.Begin(m.name, m.id)
	}
	m.close(p)
	p.Skip(n)
	p.EndCall()
	return stream.Done
}

// readKey takes the key, and the type where it is written, from the text of the tag. It reports false
// for a text without a key.
func (m *taggedMachine) readKey(tag string) bool {
	key := m.body.tagValue(tag, m.body.KeyAttr)
	if key == "" {
		return false
	}
	m.key = key
	m.types, _ = m.tool.Param(m.key)
	if m.body.WireType == "" {
		return true
	}
	if kind, ok := attribute(tag, m.body.WireType); ok {
		m.types = 0
		if kind == m.body.WireString {
			m.types = schema.String
		} else {
			m.types = schema.TypeNames[kind]
		}
		if m.types == 0 {
			m.types = schema.Number | schema.Boolean | schema.Null | schema.Object | schema.Array
		}
	}
	return true
}

// openValue reads up to the first character of a value.
func (m *taggedMachine) openValue(p *stream.Parser) stream.Step {
	if m.body.ValOpen != "" {
		if !strings.HasPrefix(p.In, m.body.ValOpen) {
			if strings.HasPrefix(m.body.ValOpen, p.In) {
				return stream.More
			}
			return stream.Fail
		}
		p.Skip(len(m.body.ValOpen))
	}
	m.begin(p)
	return stream.Text
}

// begin hands on the key.
func (m *taggedMachine) begin(p *stream.Parser) {
	p.SetNamed()
	m.state, m.first, m.value = tagValue, true, m.value[:0]
	m.stream = m.types == schema.String
	m.dropped = m.seen[m.key]
	if m.dropped {
		p.Warn(fmt.Sprintf("the argument %q came twice; the first was kept", m.key))
		return
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[m.key] = true
	if !m.begun {
		m.begun = true
		p.Begin(m.name, m.id)
	}
	if m.stream {
		m.writeKey(p)
		p.Args([]byte{'"'})
	}
}

// writeKey hands on the key of the argument, and what separates it from the one before.
func (m *taggedMachine) writeKey(p *stream.Parser) {
	text := ", "
	if !m.wrote {
		text = "{"
	}
	m.wrote = true
	p.Args([]byte(text + jsonString(m.key) + ": "))
}

// close ends the object of the arguments.
func (m *taggedMachine) close(p *stream.Parser) {
	if !m.wrote {
		p.Args([]byte{'{'})
	}
	p.Args([]byte{'}'})
}

// seal closes the arguments, and the string in which they broke off.
func (m *taggedMachine) Seal(p *stream.Parser) string {
	if m.state == tagValue && m.stream && !m.dropped {
		p.Args([]byte{'"'})
	}
	m.close(p)
	if m.state == tagOpen || m.state == tagValue && !m.stream && !m.dropped {
		return m.key + " " + string(m.value)
	}
	return ""
}

// readValue reads on in a value, up to the tag that plausibly ends it.
func (m *taggedMachine) readValue(p *stream.Parser) stream.Step {
	if m.first {
		if p.In == "" || m.body.Trim && p.In == "\r" && !p.Final {
			return stream.More
		}
		if got := m.openCDATA(p); got != stream.Text {
			return got
		}
		m.first = false
		if m.body.Trim {
			p.Skip(len(p.In) - len(strings.TrimPrefix(strings.TrimPrefix(p.In, "\r"), "\n")))
		}
	}
	text := p.In
	for i := 0; ; i++ {
		k := strings.IndexByte(text[i:], m.closers[0][0])
		if k < 0 {
			m.take(p, m.keep(text, len(text)))
			return stream.More
		}
		i += k
		n, got := m.ends(p, text, i)
		switch got {
		case stream.Part:
			m.take(p, m.keep(text, i))
			return stream.More
		case stream.Yes:
			body := m.keep(text, i)
			m.take(p, body)
			p.Skip(i - body + n)
			m.endValue(p)
			return stream.Text
		}
	}
}

const cdataOpen, cdataClose = "<![CDATA[", "]]>"

// openCDATA reads what may stand around the text of a value.
func (m *taggedMachine) openCDATA(p *stream.Parser) stream.Step {
	m.closers = m.body.ValClose
	if !m.body.CDATA {
		return stream.Text
	}
	n, got := stream.AnyPrefix(p.In, []string{cdataOpen}, false)
	switch got {
	case stream.Part:
		return stream.More
	case stream.Yes:
		p.Skip(n)
		m.closers = nil
		for _, c := range m.body.ValClose {
			m.closers = append(m.closers, cdataClose+c)
		}
	}
	return stream.Text
}

// keep returns how much of text[:end] is certainly part of the value: not the newline before its end.
func (m *taggedMachine) keep(text string, end int) int {
	if !m.body.Trim || end == 0 || text[end-1] != '\n' && text[end-1] != '\r' {
		return end
	}
	end--
	if end > 0 && text[end] == '\n' && text[end-1] == '\r' {
		end--
	}
	return end
}

// take hands on n bytes of the value.
func (m *taggedMachine) take(p *stream.Parser, n int) {
	text := p.In[:n]
	switch {
	case m.dropped:
	case m.stream:
		m.quoter.write(p, text)
	default:
		m.value = append(m.value, text...)
	}
	p.Skip(n)
}

func (m *taggedMachine) endValue(p *stream.Parser) {
	m.state = tagNext
	switch {
	case m.dropped:
	case m.stream:
		p.Args([]byte{'"'})
	default:
		m.writeKey(p)
		p.Args([]byte(schema.Coerce(string(m.value), m.types)))
	}
	m.value = m.value[:0]
}
