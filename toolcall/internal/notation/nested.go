package notation

import (
	"encoding/json"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/schema"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// Nested is a call whose arguments are tags of their own names, nested for objects, with "item" tags
// for the elements of arrays, and a token in front of every tag so that none can stand in a text.
type Nested struct{ Mark string }

func (b Nested) Literals() []string { return []string{b.Mark} }

func (b Nested) Start(p *stream.Parser, text string) stream.Match {
	_, got := stream.AnyPrefix(text, []string{b.Mark + "<invoke"}, p.Final)
	if text == "" {
		return stream.Part
	}
	return got
}

func (b Nested) Open(p *stream.Parser) stream.Machine {
	return &nestedMachine{mark: b.Mark, form: p.Form()}
}

type nestedMachine struct {
	mark string
	form *stream.Form

	name   string
	tool   *schema.Tool
	named  bool
	begun  bool
	wrote  bool
	open   []string // the tags that are open, from the argument's own
	value  []byte   // the argument's text, its inner tags included
	stream bool     // the argument is a string: its text is handed on
	quoter quoter
}

func (m *nestedMachine) Step(p *stream.Parser) stream.Step {
	for {
		if len(m.open) == 0 {
			p.Skip(stream.LeadingSpace(p.In))
		}
		i := strings.Index(p.In, m.mark)
		if i < 0 {
			i = len(p.In) - stream.Overlap(p.In, m.mark)
		}
		if i > 0 {
			if len(m.open) == 0 {
				return stream.Fail
			}
			m.text(p, i)
		}
		tag := strings.TrimPrefix(p.In, m.mark)
		end := strings.IndexByte(tag[:min(len(tag), maxHeader)], '>')
		switch {
		case end < 0 && len(tag) >= maxHeader:
			return stream.Fail
		case len(tag) == len(p.In) || end < 0:
			return stream.More
		case tag[0] != '<':
			return stream.Fail
		}
		if got := m.meet(p, tag[1:end], len(m.mark)+end+1); got != stream.Text {
			return got
		}
	}
}

// text takes n bytes of an argument.
func (m *nestedMachine) text(p *stream.Parser, n int) {
	if m.stream {
		m.quoter.write(p, p.In[:n])
	} else {
		m.value = append(m.value, p.In[:n]...)
	}
	p.Skip(n)
}

// meet deals with a tag; n is its length.
func (m *nestedMachine) meet(p *stream.Parser, tag string, n int) stream.Step {
	switch {
	case !m.named:
		m.name, m.named = strings.TrimPrefix(tag, "invoke"), true
		m.name, _ = attribute(m.name, "name")
		m.tool = p.Tool(m.name)
		p.Skip(n)
	case len(m.open) == 0 && tag == "/invoke":
		return m.finish(p, n)
	case len(m.open) == 0 && strings.HasPrefix(tag, "/"):
		return stream.Fail
	case len(m.open) == 0:
		p.Skip(n)
		m.openArgument(p, tag)
	case tag == "/"+m.open[len(m.open)-1]:
		m.open = m.open[:len(m.open)-1]
		if len(m.open) == 0 {
			p.Skip(n)
			m.closeArgument(p)
			return stream.Text
		}
		m.inner(p, n)
	case strings.HasPrefix(tag, "/"):
		return stream.Fail
	case m.stream:
		return stream.Fail
	default:
		m.open = append(m.open, tag)
		m.inner(p, n)
	}
	if len(m.open) > 64 {
		return stream.Fail
	}
	return stream.Text
}

// inner keeps a tag inside an argument.
func (m *nestedMachine) inner(p *stream.Parser, n int) {
	m.value = append(m.value, p.In[:n]...)
	p.Skip(n)
}

func (m *nestedMachine) openArgument(p *stream.Parser, key string) {
	p.SetNamed()
	if !m.begun {
		m.begun = true
		p.Begin(m.name, "")
	}
	types, _ := m.tool.Param(key)
	m.open, m.value = append(m.open[:0], key), m.value[:0]
	m.stream = types == schema.String
	if m.stream {
		m.writeKey(p, key)
		p.Args([]byte{'"'})
	}
}

func (m *nestedMachine) writeKey(p *stream.Parser, key string) {
	text := ", "
	if !m.wrote {
		text = "{"
	}
	m.wrote = true
	p.Args([]byte(text + jsonString(key) + ": "))
}

func (m *nestedMachine) closeArgument(p *stream.Parser) {
	if m.stream {
		p.Args([]byte{'"'})
		return
	}
	key := m.open[:1][0]
	m.writeKey(p, key)
	props, _ := m.tool.Properties()
	value, left := nestedValue(string(m.value), m.mark, m.tool, props[key])
	p.Args([]byte(value))
	p.LeaveOut(left)
}

func (m *nestedMachine) finish(p *stream.Parser, n int) stream.Step {
	if !m.begun {
		p.SetNamed()
		p.Begin(m.name, "")
	}
	m.close(p)
	p.Skip(n)
	p.EndCall()
	return stream.Done
}

func (m *nestedMachine) close(p *stream.Parser) {
	if !m.wrote {
		p.Args([]byte{'{'})
	}
	p.Args([]byte{'}'})
}

func (m *nestedMachine) Seal(p *stream.Parser) string {
	if m.stream && len(m.open) > 0 {
		p.Args([]byte{'"'})
	}
	m.close(p)
	if !m.stream && len(m.open) > 0 {
		return m.open[0] + " " + string(m.value)
	}
	return ""
}

// nestedValue returns the JSON text of a value: of tags if it begins with one, else of plain text. left is
// text between tags, which means nothing.
func nestedValue(text, mark string, t *schema.Tool, declared json.RawMessage) (value, left string) {
	trimmed := strings.TrimSpace(text)
	var types schema.TypeSet
	if t != nil && declared != nil {
		types = t.TypesOf(declared, 0)
	}
	if !strings.HasPrefix(trimmed, mark) {
		if trimmed == "" && types&schema.Object != 0 {
			return "{}", ""
		}
		if trimmed == "" && types&schema.Array != 0 {
			return "[]", ""
		}
		return schema.Coerce(text, types), ""
	}
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Items      json.RawMessage            `json:"items"`
	}
	_ = json.Unmarshal(declared, &s)
	var b strings.Builder
	array := strings.HasPrefix(trimmed, mark+"<item>") && types&schema.Object == 0
	for rest := trimmed; rest != ""; rest = strings.TrimSpace(rest) {
		key, inner, after, ok := cutElement(rest, mark)
		if !ok {
			return closeNested(&b, array), left + rest
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		schema := s.Items
		if !array {
			b.WriteString(jsonString(key) + ": ")
			schema = s.Properties[key]
		}
		value, lost := nestedValue(inner, mark, t, schema)
		b.WriteString(value)
		left += lost
		rest = after
	}
	return closeNested(&b, array), left
}

func closeNested(b *strings.Builder, array bool) string {
	if array {
		return "[" + b.String() + "]"
	}
	return "{" + b.String() + "}"
}

// cutElement takes the first element off text, which begins with its tag.
func cutElement(text, mark string) (key, inner, after string, ok bool) {
	if !strings.HasPrefix(text, mark+"<") {
		return "", "", "", false
	}
	tag, rest, ok := strings.Cut(text[len(mark)+1:], ">")
	if !ok {
		return "", "", "", false
	}
	depth, at := 1, 0
	for {
		i := strings.Index(rest[at:], mark+"<")
		if i < 0 {
			return "", "", "", false
		}
		at += i
		if strings.HasPrefix(rest[at:], mark+"</") {
			depth--
		} else {
			depth++
		}
		if depth == 0 {
			_, after, _ := strings.Cut(rest[at+len(mark):], ">")
			return tag, rest[:at], after, true
		}
		at += len(mark) + 1
	}
}

func (b Nested) Grammar(g *Builder, fm *stream.Form, tools []chat.Tool) (constrain.Expr, error) {
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		params, err := g.parameters(t, func(key string, value constrain.Expr) constrain.Expr {
			if value == nil {
				value = constrain.Until{Stops: []string{b.Mark}}
			}
			return constrain.Seq{constrain.Lit(b.Mark + "<" + key + ">"), value, constrain.Lit(b.Mark + "</" + key + ">")}
		})
		return constrain.Seq{constrain.Lit(b.Mark + `<invoke name="` + t.Name + `">`), params,
			constrain.Lit(b.Mark + "</invoke>\n")}, err
	})
	if err != nil {
		return nil, err
	}
	return span(fm, g.several(call, "")), nil
}
