package notation

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
	"github.com/toolserve/toolserve/toolcall/internal/schema"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// Python is a list of calls as Python writes them: [f(a=1, b='x'), g()].
type Python struct {
	// Bracket says that the calls stand in brackets. Without, they stand by themselves.
	Bracket bool
	// List says that the family writes brackets, which may be missing.
	List bool
	// Known accepts only the names of tools: for calls without markers.
	Known bool
}

func (b Python) Literals() []string { return nil }

func (b Python) LineStarts() ([]string, bool) {
	if b.Known && b.Bracket {
		return []string{"["}, true
	}
	return nil, false
}

func (b Python) Start(p *stream.Parser, text string) stream.Match {
	if strings.HasPrefix(text, "[") {
		text = text[1:]
		text = text[stream.LeadingSpace(text):]
	} else if b.Bracket && !p.Follows() {
		if text == "" {
			return stream.Part
		}
		return stream.No
	}
	_, n, got := pythonName(text, p.Final)
	if got == stream.Yes && b.Known && !p.Knows(toolName(p, text[:n])) {
		return stream.No
	}
	return got
}

// pythonName returns the name of the function called at the beginning of text, and the length of the
// name and the opening parenthesis.
func pythonName(text string, final bool) (name string, n int, got stream.Match) {
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	rest := text[n:]
	space := stream.LeadingSpace(rest)
	rest = rest[space:]
	switch {
	case n > stream.MaxName || space > maxGap || n == 0 && text != "":
		return "", 0, stream.No
	case rest == "" && !final:
		return "", 0, stream.Part
	case rest == "" || rest[0] != '(':
		return "", 0, stream.No
	}
	return text[:n], n + space + 1, stream.Yes
}

// toolName returns the name of the tool that a function name means.
func toolName(p *stream.Parser, text string) string {
	name := strings.TrimRight(strings.TrimSuffix(text, "("), stream.WhiteSpace)
	for _, short := range []string{strings.TrimPrefix(name, "functions."), strings.TrimSuffix(name, ".call")} {
		if p.Tool(name) == nil && p.Tool(short) != nil {
			return short
		}
	}
	return name
}

func (b Python) Open(*stream.Parser) stream.Machine { return &pythonMachine{} }

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
	tool   *schema.Tool
	key    string
	keyed  bool // the key was written
	count  int
	wrote  bool
	began  bool
	reader lenient.Scanner
}

func (m *pythonMachine) Step(p *stream.Parser) stream.Step {
	for {
		if m.state != pythonValue {
			p.Skip(stream.LeadingSpace(p.In))
			if p.In == "" {
				return stream.More
			}
		}
		var got stream.Step
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
		if got != stream.Text { // stream.Text: go on in the next state
			return got
		}
	}
}

func (m *pythonMachine) head(p *stream.Parser) stream.Step {
	if p.In[0] == '[' {
		p.OpenList()
		p.Skip(1)
		return stream.Text
	}
	name, n, got := pythonName(p.In, p.Final)
	if got != stream.Yes {
		return got.Wait()
	}
	m.name = toolName(p, name)
	m.tool = p.Tool(m.name)
	p.Skip(n)
	m.state = pythonArg
	return stream.Text
}

func (m *pythonMachine) argument(p *stream.Parser) stream.Step {
	if p.In[0] == ')' {
		return m.finish(p)
	}
	n := 0
	for n < len(p.In) && isNameByte(p.In[n]) {
		n++
	}
	rest := p.In[n:]
	space := stream.LeadingSpace(rest)
	rest = rest[space:]
	near := space <= maxGap
	switch {
	case n > stream.MaxName:
		return stream.Fail
	case near && !p.Final && (rest == "" || n > 0 && rest == "="):
		return stream.More
	case near && n > 0 && strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "=="):
		m.key, m.keyed = p.In[:n], true
		p.Skip(len(p.In) - len(rest) + 1)
		p.Skip(stream.LeadingSpace(p.In))
	default:
		// Without a name the argument is the parameter in its place of the schema.
		key, ok := m.tool.At(m.count)
		if !ok {
			return stream.Fail
		}
		m.key, m.keyed = key, false
	}
	m.count++
	m.state, m.reader = pythonValue, lenient.Scanner{Style: lenient.Style{Python: true}}
	return stream.Text
}

func (m *pythonMachine) value(p *stream.Parser) stream.Step {
	if p.In == "" {
		return stream.More
	}
	n, got := m.reader.Write(p.In, p.Final)
	p.Skip(n)
	if out := m.reader.Take(); len(out) > 0 {
		m.writeKey(p)
		p.Args(out)
	}
	switch got {
	case lenient.Bad:
		return stream.Fail
	case lenient.More:
		return stream.More
	}
	m.key, m.state = "", pythonSep
	return stream.Text
}

// writeKey hands on the key in front of the first of its value.
func (m *pythonMachine) writeKey(p *stream.Parser) {
	if m.key == "" {
		return
	}
	m.start(p)
	text := ", "
	if !m.wrote {
		text = "{"
	}
	m.wrote = true
	p.Args([]byte(text + jsonString(m.key) + ": "))
	m.key = ""
}

func (m *pythonMachine) start(p *stream.Parser) {
	p.SetNamed()
	if !m.began {
		m.began = true
		p.Begin(m.name, "")
	}
}

func (m *pythonMachine) separator(p *stream.Parser) stream.Step {
	switch p.In[0] {
	case ')':
		return m.finish(p)
	case ',':
		p.Skip(1)
		m.state = pythonArg
		return stream.Text
	}
	return stream.Fail
}

func (m *pythonMachine) finish(p *stream.Parser) stream.Step {
	m.start(p)
	m.close(p)
	p.Skip(1)
	p.EndCall()
	return stream.Done
}

func (m *pythonMachine) close(p *stream.Parser) {
	if !m.wrote {
		p.Args([]byte{'{'})
	}
	p.Args([]byte{'}'})
}

func (m *pythonMachine) Seal(p *stream.Parser) string {
	lost := m.reader.Pending()
	if m.state == pythonValue && m.key == "" {
		p.Args([]byte(m.reader.Seal()))
	}
	m.close(p)
	if m.state == pythonValue && m.key != "" && m.keyed {
		return m.key + "=" + lost
	}
	return lost
}

func (b Python) Grammar(g *Builder, fm *stream.Form, tools []chat.Tool) (constrain.Expr, error) {
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
	if b.Bracket || b.List {
		return span(fm, constrain.Seq{constrain.Lit("["), g.several(call, ", "), constrain.Lit("]")}), nil
	}
	return span(fm, g.several(call, fm.Join)), nil
}
