package toolcall

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
)

// headerBody is a message that begins with a header, which says whether the message is reasoning, content
// or the arguments of a call.
type headerBody struct {
	// ends are the markers that end the header.
	ends []string
	// read tells what the message is from the header, without its end, and the marker that ended it.
	read func(header, end string) message
	// write is the header of a call, with its markers but without the form's opening marker, for a
	// grammar.
	write func(name string) string
	// argsKey is the key of the arguments where the body holds the name too.
	argsKey string
	// starts, where set, are the only texts that the header may begin with.
	starts []string
}

// message is what a header announces.
type message struct {
	kind messageKind
	// name is the tool of a call.
	name string
}

type messageKind uint8

const (
	messageContent messageKind = iota
	messageReasoning
	messageCall
	// messageNamed is a call whose body holds the name too.
	messageNamed
)

func (b headerBody) literals() []string { return b.ends }

func (b headerBody) start(p *Parser, text string) match {
	if b.starts == nil {
		return matchYes
	}
	_, got := anyPrefix(text, b.starts, p.final)
	return got
}

func (b headerBody) open(p *Parser) machine { return &headerMachine{body: b, form: p.call.form} }

type headerMachine struct {
	body   headerBody
	form   *form
	msg    message
	called bool
	ended  bool
	reader argsReader
	inner  machine
}

func (m *headerMachine) step(p *Parser) stepResult {
	switch {
	case m.inner != nil:
		return m.inner.step(p)
	case m.called:
		return m.arguments(p)
	}
	text := p.in
	for i := 0; i < min(len(text), maxHeader); i++ {
		n, got := anyPrefix(text[i:], m.body.ends, p.final)
		if got == matchPart {
			return stepMore
		}
		if got == matchYes {
			return m.begin(p, text[:i], text[i:i+n])
		}
	}
	if len(text) >= maxHeader {
		return stepFail
	}
	return stepMore
}

// begin goes on with the message that the header announces.
func (m *headerMachine) begin(p *Parser, header, end string) stepResult {
	m.msg = m.body.read(header, end)
	p.skip(len(header) + len(end))
	// The header is markup: it does not come back as content.
	p.call.raw, p.call.opener = p.call.raw[:0], 0
	switch m.msg.kind {
	case messageReasoning:
		p.endSpan()
		p.enterReasoning(p.fam.reasoning[0].close)
		return stepText
	case messageContent:
		return stepText
	case messageNamed:
		m.inner = jsonBody{}.open(p)
	}
	m.called = true
	return m.step(p)
}

// arguments reads the body of a call.
func (m *headerMachine) arguments(p *Parser) stepResult {
	if !m.reader.begun {
		p.skip(leadingSpace(p.in))
		if _, got := p.closing(m.form); got == matchPart {
			return stepMore
		} else if got == matchYes {
			m.reader.out = append(m.reader.out, "{}"...)
			m.reader.emit(p, m.msg.name, "", true)
			p.endCall()
			return stepDone
		}
		if p.in == "" {
			return stepMore
		}
		p.call.named = true
	}
	got := m.reader.read(p)
	m.reader.emit(p, m.msg.name, "", got == stepDone)
	if got == stepDone {
		p.endCall()
	}
	return got
}

func (m *headerMachine) seal(p *Parser) string {
	if m.inner != nil {
		return m.inner.seal(p)
	}
	return m.reader.seal(p)
}

func (b headerBody) grammar(g *grammarBuilder, fm *form, tools []chat.Tool) (constrain.Expr, error) {
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		args, err := g.args(t)
		head, tail := b.write(t.Name), ""
		if b.argsKey != "" {
			head, tail = head+`{"name": `+jsonString(t.Name)+`, "`+b.argsKey+`": `, "}"
		}
		return constrain.Seq{constrain.Lit(head), args, constrain.Lit(tail)}, err
	})
	if err != nil {
		return nil, err
	}
	return g.several(fm.span(call), fm.join), nil
}

// harmonyHeader reads the header of a message of gpt-oss: a role, a channel and a recipient, which may
// stand in either part, and the type of the content.
func harmonyHeader(header, _ string) message {
	channel, rest := header, ""
	if i := strings.Index(header, "<|channel|>"); i >= 0 {
		channel, rest = header[i+len("<|channel|>"):], header[:i]
	}
	for _, part := range []string{channel, rest} {
		_, to, ok := strings.Cut(part, "to=")
		if !ok {
			continue
		}
		to = strings.TrimSpace(to)
		if i := strings.IndexAny(to, " \n\t<"); i >= 0 {
			to = to[:i]
		}
		if to != "" && to != "assistant" && to != "user" && to != "all" {
			return message{kind: messageCall, name: strings.TrimPrefix(to, "functions.")}
		}
	}
	if strings.HasPrefix(strings.TrimSpace(channel), "analysis") {
		return message{kind: messageReasoning}
	}
	return message{kind: messageContent}
}

// recipientHeader reads a header that names whom the message is for: "all" or the user for content,
// "self" for reasoning, else a tool.
func recipientHeader(header, _ string) message {
	name := strings.TrimSpace(header)
	if _, to, ok := strings.Cut(name, "to="); ok {
		name = strings.TrimSpace(to)
	}
	switch name {
	case "all", "user", "assistant", "":
		return message{kind: messageContent}
	case "self":
		return message{kind: messageReasoning}
	}
	return message{kind: messageCall, name: strings.TrimPrefix(name, "functions.")}
}
