package notation

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// Header is a message that begins with a header, which says whether the message is reasoning, content
// or the arguments of a call.
type Header struct {
	// Ends are the markers that end the header.
	Ends []string
	// Read tells what the message is from the header, without its end, and the marker that ended it.
	Read func(header, end string) Message
	// Write is the header of a call, with its markers but without the form's opening marker, for a
	// grammar.
	Write func(name string) string
	// ArgsKey is the key of the arguments where the body holds the name too.
	ArgsKey string
	// Starts, where set, are the only texts that the header may begin with.
	Starts []string
}

// Message is what a header announces.
type Message struct {
	Kind MessageKind
	// Name is the tool of a call.
	Name string
}

type MessageKind uint8

const (
	MessageContent MessageKind = iota
	MessageReasoning
	MessageCall
	// MessageNamed is a call whose body holds the name too.
	MessageNamed
)

func (b Header) Literals() []string { return b.Ends }

func (b Header) Start(p *stream.Parser, text string) stream.Match {
	if b.Starts == nil {
		return stream.Yes
	}
	_, got := stream.AnyPrefix(text, b.Starts, p.Final)
	return got
}

func (b Header) Open(p *stream.Parser) stream.Machine { return &headerMachine{body: b, form: p.Form()} }

type headerMachine struct {
	body   Header
	form   *stream.Form
	msg    Message
	called bool
	reader argsReader
	inner  stream.Machine
}

func (m *headerMachine) Step(p *stream.Parser) stream.Step {
	switch {
	case m.inner != nil:
		return m.inner.Step(p)
	case m.called:
		return m.arguments(p)
	}
	text := p.In
	for i := 0; i < min(len(text), maxHeader); i++ {
		n, got := stream.AnyPrefix(text[i:], m.body.Ends, p.Final)
		if got == stream.Part {
			return stream.More
		}
		if got == stream.Yes {
			if !isHeader(text[:i], true) {
				return stream.Fail
			}
			return m.begin(p, text[:i], text[i:i+n])
		}
	}
	if len(text) >= maxHeader || !isHeader(text, p.Final) {
		return stream.Fail
	}
	return stream.More
}

// maxWords bounds the words of a header.
const maxWords = 8

// isHeader reports whether text may be a header, or the beginning of one, and is no prose; ended says that
// nothing follows its last word.
func isHeader(text string, ended bool) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; !isNameByte(c) && strings.IndexByte(" \n=:<|>", c) < 0 {
			return false
		}
	}
	words := strings.Fields(text)
	if len(words) > maxWords {
		return false
	}
	for i, w := range words {
		if strings.HasSuffix(w, ".") && (ended || i < len(words)-1 || !strings.HasSuffix(text, w)) {
			return false
		}
	}
	return true
}

// begin goes on with the message that the header announces.
func (m *headerMachine) begin(p *stream.Parser, header, end string) stream.Step {
	m.msg = m.body.Read(header, end)
	p.Skip(len(header) + len(end))
	if m.msg.Kind != MessageCall || strings.TrimSpace(end) != "" {
		// The header is markup: it does not come back as content. A line of text may yet be no header.
		p.DropMarkup()
		if m.msg.Kind == MessageCall {
			p.SetName(m.msg.Name)
		}
	}
	switch m.msg.Kind {
	case MessageReasoning:
		p.BeginReasoning()
		return stream.Text
	case MessageContent:
		return stream.Text
	case MessageNamed:
		m.inner = JSON{}.Open(p)
	}
	m.called = true
	return m.Step(p)
}

// arguments reads the body of a call.
func (m *headerMachine) arguments(p *stream.Parser) stream.Step {
	if !m.reader.begun {
		p.Skip(stream.LeadingSpace(p.In))
		if _, got := p.Closing(m.form); got == stream.Part {
			return stream.More
		} else if got == stream.Yes {
			m.reader.out = append(m.reader.out, "{}"...)
			m.reader.emit(p, m.msg.Name, "", true)
			p.EndCall()
			return stream.Done
		}
		if p.In == "" {
			return stream.More
		}
		if p.In[0] == '{' || p.In[0] == '"' {
			p.SetName(m.msg.Name)
		}
	}
	got := m.reader.read(p)
	m.reader.emit(p, m.msg.Name, "", got == stream.Done)
	if got == stream.Done {
		p.EndCall()
	}
	return got
}

func (m *headerMachine) Seal(p *stream.Parser) string {
	if m.inner != nil {
		return m.inner.Seal(p)
	}
	return m.reader.seal(p)
}

func (b Header) Grammar(g *Builder, fm *stream.Form, tools []chat.Tool) (constrain.Expr, error) {
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		args, err := g.args(t)
		head, tail := b.Write(t.Name), ""
		if b.ArgsKey != "" {
			head, tail = head+`{"name": `+jsonString(t.Name)+`, "`+b.ArgsKey+`": `, "}"
		}
		return constrain.Seq{constrain.Lit(head), args, constrain.Lit(tail)}, err
	})
	if err != nil {
		return nil, err
	}
	return g.several(span(fm, call), fm.Join), nil
}
