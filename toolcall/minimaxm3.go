package toolcall

import (
	"encoding/json"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
)

// nestedBody is a call whose arguments are tags of their own names, nested for objects, with "item" tags
// for the elements of arrays, and a token in front of every tag so that none can stand in a text.
type nestedBody struct{ mark string }

func (b nestedBody) literals() []string { return []string{b.mark} }

func (b nestedBody) start(p *Parser, text string) match {
	_, got := anyPrefix(text, []string{b.mark + "<invoke"}, p.final)
	if text == "" {
		return matchPart
	}
	return got
}

func (b nestedBody) open(p *Parser) machine { return &nestedMachine{mark: b.mark, form: p.call.form} }

type nestedMachine struct {
	mark string
	form *form

	name   string
	tool   *tool
	named  bool
	begun  bool
	wrote  bool
	open   []string // the tags that are open, from the argument's own
	value  []byte   // the argument's text, its inner tags included
	stream bool     // the argument is a string: its text is handed on
}

func (m *nestedMachine) step(p *Parser) stepResult {
	for {
		if len(m.open) == 0 {
			p.skip(leadingSpace(p.in))
		}
		i := strings.Index(p.in, m.mark)
		if i < 0 {
			i = len(p.in)
			if !p.final {
				i -= overlap(p.in, m.mark)
			}
		}
		if i > 0 {
			if len(m.open) == 0 {
				return stepFail
			}
			m.text(p, i)
		}
		tag := strings.TrimPrefix(p.in, m.mark)
		end := strings.IndexByte(tag[:min(len(tag), maxHeader)], '>')
		switch {
		case end < 0 && len(tag) >= maxHeader:
			return stepFail
		case len(tag) == len(p.in) || end < 0:
			return stepMore
		case tag[0] != '<':
			return stepFail
		}
		if got := m.meet(p, tag[1:end], len(m.mark)+end+1); got != stepText {
			return got
		}
	}
}

// text takes n bytes of an argument.
func (m *nestedMachine) text(p *Parser, n int) {
	if m.stream {
		quoteInto(p, p.in[:n])
	} else {
		m.value = append(m.value, p.in[:n]...)
	}
	p.skip(n)
}

// meet deals with a tag; n is its length.
func (m *nestedMachine) meet(p *Parser, tag string, n int) stepResult {
	switch {
	case !m.named:
		m.name, m.named = strings.TrimPrefix(tag, "invoke"), true
		m.name, _ = attribute(m.name, "name")
		m.tool = p.tool(m.name)
		p.skip(n)
	case len(m.open) == 0 && tag == "/invoke":
		return m.finish(p, n)
	case len(m.open) == 0 && strings.HasPrefix(tag, "/"):
		return stepFail
	case len(m.open) == 0:
		p.skip(n)
		m.openArgument(p, tag)
	case tag == "/"+m.open[len(m.open)-1]:
		m.open = m.open[:len(m.open)-1]
		if len(m.open) == 0 {
			p.skip(n)
			m.closeArgument(p)
			return stepText
		}
		m.inner(p, n)
	case strings.HasPrefix(tag, "/"):
		return stepFail
	case m.stream:
		return stepFail
	default:
		m.open = append(m.open, tag)
		m.inner(p, n)
	}
	if len(m.open) > 64 {
		return stepFail
	}
	return stepText
}

// inner keeps a tag inside an argument.
func (m *nestedMachine) inner(p *Parser, n int) {
	m.value = append(m.value, p.in[:n]...)
	p.skip(n)
}

func (m *nestedMachine) openArgument(p *Parser, key string) {
	p.call.named = true
	if !m.begun {
		m.begun = true
		p.begin(m.name, "")
	}
	types, _ := m.tool.param(key)
	m.open, m.value = append(m.open[:0], key), m.value[:0]
	m.stream = types == typeString
	if m.stream {
		m.writeKey(p, key)
		p.args([]byte{'"'})
	}
}

func (m *nestedMachine) writeKey(p *Parser, key string) {
	text := ", "
	if !m.wrote {
		text = "{"
	}
	m.wrote = true
	p.args([]byte(text + jsonString(key) + ": "))
}

func (m *nestedMachine) closeArgument(p *Parser) {
	if m.stream {
		p.args([]byte{'"'})
		return
	}
	key := m.open[:1][0]
	m.writeKey(p, key)
	props, _ := m.tool.propertiesOf()
	p.args([]byte(nestedValue(string(m.value), m.mark, m.tool, props[key])))
}

func (m *nestedMachine) finish(p *Parser, n int) stepResult {
	if !m.begun {
		p.call.named = true
		p.begin(m.name, "")
	}
	m.close(p)
	p.skip(n)
	p.endCall()
	return stepDone
}

func (m *nestedMachine) close(p *Parser) {
	if !m.wrote {
		p.args([]byte{'{'})
	}
	p.args([]byte{'}'})
}

func (m *nestedMachine) seal(p *Parser) string {
	if m.stream && len(m.open) > 0 {
		p.args([]byte{'"'})
	}
	m.close(p)
	return string(m.value)
}

// propertiesOf is properties for a tool that may be nil.
func (t *tool) propertiesOf() (map[string]json.RawMessage, map[string]bool) {
	if t == nil {
		return nil, nil
	}
	return t.properties()
}

// nestedValue returns the JSON text of a value: of tags if it begins with one, else of plain text.
func nestedValue(text, mark string, t *tool, schema json.RawMessage) string {
	trimmed := strings.TrimSpace(text)
	var types typeSet
	if t != nil && schema != nil {
		types = t.typesOf(schema, 0)
	}
	if !strings.HasPrefix(trimmed, mark) {
		if trimmed == "" && types&typeObject != 0 {
			return "{}"
		}
		if trimmed == "" && types&typeArray != 0 {
			return "[]"
		}
		return coerce(text, types)
	}
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Items      json.RawMessage            `json:"items"`
	}
	_ = json.Unmarshal(schema, &s)
	var b strings.Builder
	array := strings.HasPrefix(trimmed, mark+"<item>") && types&typeObject == 0
	for rest := trimmed; strings.HasPrefix(rest, mark+"<"); rest = strings.TrimSpace(rest) {
		key, inner, after, ok := cutElement(rest, mark)
		if !ok {
			break
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		if array {
			b.WriteString(nestedValue(inner, mark, t, s.Items))
		} else {
			b.WriteString(jsonString(key) + ": " + nestedValue(inner, mark, t, s.Properties[key]))
		}
		rest = after
	}
	if array {
		return "[" + b.String() + "]"
	}
	return "{" + b.String() + "}"
}

// cutElement takes the first element off text, which begins with its tag.
func cutElement(text, mark string) (key, inner, after string, ok bool) {
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

func (b nestedBody) grammar(g *grammarBuilder, fm *form, tools []chat.Tool) (constrain.Expr, error) {
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		params, err := g.parameters(t, func(key string, value constrain.Expr) constrain.Expr {
			if value == nil {
				value = constrain.Until{Stops: []string{b.mark}}
			}
			return constrain.Seq{constrain.Lit(b.mark + "<" + key + ">"), value, constrain.Lit(b.mark + "</" + key + ">")}
		})
		return constrain.Seq{constrain.Lit(b.mark + `<invoke name="` + t.Name + `">`), params,
			constrain.Lit(b.mark + "</invoke>\n")}, err
	})
	if err != nil {
		return nil, err
	}
	return fm.span(g.several(call, "")), nil
}
