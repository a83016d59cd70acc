package toolcall

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
)

// pythonBody is a list of calls as Python writes them: [f(a=1, b='x'), g()].
type pythonBody struct {
	// bracket says that the calls stand in brackets. Without, they stand by themselves.
	bracket bool
	// list says that the family writes brackets, which may be missing.
	list bool
	// known accepts only the names of tools: for calls without markers.
	known bool
}

func (b pythonBody) literals() []string { return nil }

func (b pythonBody) lineStarts() ([]string, bool) {
	if b.known && b.bracket {
		return []string{"["}, true
	}
	return nil, false
}

func (b pythonBody) start(p *Parser, text string) match {
	if strings.HasPrefix(text, "[") {
		text = text[1:]
		text = text[leadingSpace(text):]
	} else if b.bracket && !p.call.any {
		if text == "" {
			return matchPart
		}
		return matchNo
	}
	_, n, got := pythonName(text, p.final)
	if got == matchYes && b.known && p.tool(toolName(p, text[:n])) == nil && !p.opts.AllowUnknownTools {
		return matchNo
	}
	return got
}

// pythonName returns the name of the function called at the beginning of text, and the length of the
// name and the opening parenthesis.
func pythonName(text string, final bool) (name string, n int, got match) {
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	rest := text[n:]
	space := leadingSpace(rest)
	rest = rest[space:]
	switch {
	case n > maxName || space > maxGap || n == 0 && text != "":
		return "", 0, matchNo
	case rest == "" && !final:
		return "", 0, matchPart
	case rest == "" || rest[0] != '(':
		return "", 0, matchNo
	}
	return text[:n], n + space + 1, matchYes
}

// toolName returns the name of the tool that a function name means.
func toolName(p *Parser, text string) string {
	name := strings.TrimRight(strings.TrimSuffix(text, "("), whiteSpace)
	for _, short := range []string{strings.TrimPrefix(name, "functions."), strings.TrimSuffix(name, ".call")} {
		if p.tool(name) == nil && p.tool(short) != nil {
			return short
		}
	}
	return name
}

func (b pythonBody) open(*Parser) machine { return &pythonMachine{} }

type pythonState uint8

const (
	pythonHead  pythonState = iota // the name
	pythonArg                      // an argument or the closing parenthesis
	pythonValue                    // inside a value
	pythonSep                      // behind a value
)

type pythonMachine struct {
	state  pythonState
	name   string
	tool   *tool
	key    string
	count  int
	wrote  bool
	began  bool
	reader lenient.Scanner
}

func (m *pythonMachine) step(p *Parser) stepResult {
	for {
		if m.state != pythonValue {
			p.skip(leadingSpace(p.in))
			if p.in == "" {
				return stepMore
			}
		}
		var got stepResult
		switch m.state {
		case pythonHead:
			got = m.head(p)
		case pythonArg:
			got = m.argument(p)
		case pythonValue:
			got = m.value(p)
		case pythonSep:
			got = m.separator(p)
		}
		if got != stepText { // stepText: go on in the next state
			return got
		}
	}
}

func (m *pythonMachine) head(p *Parser) stepResult {
	if p.in[0] == '[' {
		p.call.list = true
		p.skip(1)
		return stepText
	}
	name, n, got := pythonName(p.in, p.final)
	if got != matchYes {
		return wait(got)
	}
	m.name = toolName(p, name)
	m.tool = p.tool(m.name)
	p.skip(n)
	m.state = pythonArg
	return stepText
}

func (m *pythonMachine) argument(p *Parser) stepResult {
	if p.in[0] == ')' {
		return m.finish(p)
	}
	n := 0
	for n < len(p.in) && isNameByte(p.in[n]) {
		n++
	}
	rest := p.in[n:]
	rest = rest[leadingSpace(rest):]
	switch {
	case n > maxName:
		return stepFail
	case rest == "" && !p.final, n > 0 && rest == "=" && !p.final:
		return stepMore
	case n > 0 && strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "=="):
		m.key = p.in[:n]
		p.skip(len(p.in) - len(rest) + 1)
		p.skip(leadingSpace(p.in))
	default:
		// Without a name the argument is the parameter in its place of the schema.
		key, ok := m.tool.at(m.count)
		if !ok {
			return stepFail
		}
		m.key = key
	}
	m.count++
	m.state, m.reader = pythonValue, lenient.Scanner{Style: lenient.Style{Python: true}}
	return stepText
}

func (m *pythonMachine) value(p *Parser) stepResult {
	if p.in == "" {
		return stepMore
	}
	n, got := m.reader.Write(p.in, p.final)
	p.skip(n)
	if out := m.reader.Take(); len(out) > 0 {
		m.writeKey(p)
		p.args(out)
	}
	switch got {
	case lenient.Bad:
		return stepFail
	case lenient.More:
		return stepMore
	}
	m.key, m.state = "", pythonSep
	return stepText
}

// writeKey hands on the key in front of the first of its value.
func (m *pythonMachine) writeKey(p *Parser) {
	if m.key == "" {
		return
	}
	m.start(p)
	text := ", "
	if !m.wrote {
		text = "{"
	}
	m.wrote = true
	p.args([]byte(text + jsonString(m.key) + ": "))
	m.key = ""
}

func (m *pythonMachine) start(p *Parser) {
	p.call.named = true
	if !m.began {
		m.began = true
		p.begin(m.name, "")
	}
}

func (m *pythonMachine) separator(p *Parser) stepResult {
	switch p.in[0] {
	case ')':
		return m.finish(p)
	case ',':
		p.skip(1)
		m.state = pythonArg
		return stepText
	}
	return stepFail
}

func (m *pythonMachine) finish(p *Parser) stepResult {
	m.start(p)
	m.close(p)
	p.skip(1)
	p.endCall()
	return stepDone
}

func (m *pythonMachine) close(p *Parser) {
	if !m.wrote {
		p.args([]byte{'{'})
	}
	p.args([]byte{'}'})
}

func (m *pythonMachine) seal(p *Parser) string {
	lost := m.reader.Pending()
	if m.state == pythonValue && m.key == "" {
		p.args([]byte(m.reader.Seal()))
	}
	m.close(p)
	return lost
}

func (b pythonBody) grammar(g *grammarBuilder, fm *form, tools []chat.Tool) (constrain.Expr, error) {
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		text, err := g.JSONSchema([]byte(`{"type": "string"}`))
		if err != nil {
			return nil, err
		}
		pairs, err := g.pairs(t, ", ", func(key string, value constrain.Expr) constrain.Expr {
			if value == nil {
				value = text
			}
			return constrain.Seq{constrain.Lit(key + "="), value}
		})
		return constrain.Seq{constrain.Lit(t.Name + "("), pairs, constrain.Lit(")")}, err
	})
	if err != nil {
		return nil, err
	}
	if b.bracket || b.list {
		return fm.span(constrain.Seq{constrain.Lit("["), g.several(call, ", "), constrain.Lit("]")}), nil
	}
	return fm.span(g.several(call, fm.join)), nil
}
