package stream

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// maxStart bounds what may stand between an opening marker and the place that tells a call from text.
const maxStart = 1024

// call is the state of the markup that is being read as a call.
type call struct {
	forms   []*Form // the forms that the opening marker leaves possible
	form    *Form
	machine Machine
	// raw is what has been read since the opening marker, for the case that it is no call; opener is
	// the length of the marker in it, special says that the marker was a special token.
	raw     []byte
	opener  int
	special bool
	// gap is white space and stray brackets behind the body, in front of the closing marker.
	gap []byte

	name string
	mode callMode
	// named says that a name was read: the markup is a call in its shape.
	named bool
	// any says that a call of this span is complete.
	any bool
	// list says that the bracket of a list of calls is open.
	list bool
	// reason is the warning about a call that broke off, ended says that it did so at the end of output.
	reason string
	ended  bool
}

// callMode says where the bytes of the call go.
type callMode uint8

const (
	callOpen     callMode = iota // undecided: kept in raw
	callStarted                  // a call: its arguments are handed on
	callRejected                 // no call: handed on as content
	callDropped                  // a call too many: dropped
)

// openCall begins to read the call that marker m announces.
func (p *Parser) openCall(m *mark) {
	special := p.specialAt(0)
	n := len(m.text)
	if m.bare {
		n = 0
	}
	p.beginSpan(m.forms, n, special)
}

// startBare begins to read a call that needs no marker.
func (p *Parser) startBare() Match {
	if p.In == "" {
		return No
	}
	part := false
	for _, f := range p.fam.compiled.bare {
		switch p.starts(f) {
		case Yes:
			if part {
				return Part
			}
			p.beginSpan([]*Form{f}, 0, false)
			return Yes
		case Part:
			part = true
		}
	}
	if part && !p.Final {
		return Part
	}
	return No
}

// starts reports whether a body of form f begins here. What has not shown itself within maxStart bytes is
// none.
func (p *Parser) starts(f *Form) Match {
	got := f.Body.Start(p, p.In[:min(len(p.In), maxStart)])
	if got == Part && len(p.In) >= maxStart {
		return No
	}
	return got
}

func (p *Parser) beginSpan(forms []*Form, opener int, special bool) {
	p.call = call{forms: forms, raw: p.call.raw[:0], gap: p.call.gap[:0], opener: opener, special: special}
	p.Skip(opener)
	p.opened = p.opened || opener > 0
	p.run = (*Parser).chooseForm
}

// Skip takes n bytes of a call's markup.
func (p *Parser) Skip(n int) {
	c := &p.call
	switch c.mode {
	case callOpen:
		for len(p.specials) > 0 && p.specials[0][0] < n && c.opener != n {
			// A special token inside: it must not come back as text.
			t := p.specials[0]
			c.raw = append(c.raw, p.drop(t[0])...)
			p.drop(t[1] - t[0])
			n -= t[1]
		}
		c.raw = append(c.raw, p.drop(max(0, n))...)
	case callRejected:
		p.text(p.drop(n))
	default:
		p.drop(n)
	}
}

// chooseForm is the state behind an opening marker: which body begins here?
func (p *Parser) chooseForm() bool {
	p.Skip(LeadingSpace(p.In))
	c := &p.call
	if p.In == "" && !p.Final {
		return false
	}
	part := false
	for _, f := range c.forms {
		switch p.starts(f) {
		case Yes:
			if part && !p.Final {
				return false
			}
			if p.ch == &p.reasoning {
				if !f.Header {
					p.beginHold()
					return true
				}
				p.leaveReasoning()
			}
			c.form = f
			c.machine = f.Body.Open(p)
			p.run = (*Parser).readBody
			return true
		case Part:
			part = true
		}
	}
	if part && !p.Final {
		return false
	}
	switch p.closeEmpty() {
	case Yes:
		return true
	case Part:
		return false
	}
	p.abandon(p.In == "" && p.Final)
	return true
}

// closeEmpty drops a span in which nothing stands.
func (p *Parser) closeEmpty() Match {
	if p.call.opener == 0 || p.ch != &p.content {
		return No
	}
	for _, f := range p.call.forms {
		n, got := p.Closing(f)
		if got == Yes {
			p.drop(n)
			p.endSpan()
			p.Warn("an empty tool call was dropped")
		}
		if got != No {
			return got
		}
	}
	return No
}

// Closing reports whether a marker that closes form f stands here, and its length.
func (p *Parser) Closing(f *Form) (int, Match) {
	if p.In == "" {
		return 0, No
	}
	return AnyPrefix(p.In, f.Close, p.Final)
}

// readBody is the state inside a call.
func (p *Parser) readBody() bool {
	switch p.call.machine.Step(p) {
	case More:
		if !p.Final {
			return false
		}
		p.breakOff(atEnd)
	case Fail:
		switch {
		case p.call.mode == callOpen:
			p.abandon(false)
		case p.Final: // what is left is only what was waiting for more
			p.breakOff(atEnd)
		default:
			p.breakOff("text that its notation does not allow")
		}
	case Done:
		p.run = (*Parser).afterBody
	case Text:
		p.endSpan()
	}
	return true
}

// Begin starts a call: its name is known and its arguments have begun. It reports false if this is no
// call to be handed on; the machine reads on all the same.
func (p *Parser) Begin(name, id string) bool {
	c := &p.call
	c.name, c.named = name, true
	switch {
	case p.Done():
		c.mode = callDropped
		p.Warn(fmt.Sprintf("a further call, of %q, was dropped: the request allows one call", name))
	case name == "" || len(name) > MaxName || p.opts.NoTools || !p.opts.AllowUnknownTools && p.Tool(name) == nil:
		p.Warn(fmt.Sprintf("the model called %q, which is not among the tools; the call was handed on as content", name))
		p.reject()
	default:
		c.mode = callStarted
		p.content.touch = true
		p.sink.index = p.calls
		p.sink.event(chat.Event{Kind: chat.CallStart, Index: p.calls, ID: p.callID(id), Name: name})
	}
	c.raw = c.raw[:0]
	return c.mode == callStarted
}

// reject hands on what was read of the call as content, and what follows of it too.
func (p *Parser) reject() {
	c := &p.call
	text := string(c.raw)
	if !c.form.Text {
		text = text[c.opener:]
	}
	if c.any {
		text = strings.TrimLeft(text, " \n\t\r,;]}")
	}
	c.mode = callRejected
	p.text(text)
}

// Args hands on arguments of the call that has started.
func (p *Parser) Args(text []byte) {
	if p.call.mode == callStarted {
		p.sink.bytes(chat.CallDelta, text)
	}
}

// EndCall completes the call. The span may go on with another one.
func (p *Parser) EndCall() {
	c := &p.call
	if c.mode == callStarted {
		p.sink.event(chat.Event{Kind: chat.CallEnd, Index: p.calls})
		p.calls++
		p.content.touch, p.fresh = true, true
	}
	c.mode, c.name, c.named, c.any, c.opener = callOpen, "", false, true, 0
	c.raw = c.raw[:0]
}

// afterBody is the state behind a body: a closing marker, another body, or text.
func (p *Parser) afterBody() bool {
	c := &p.call
	for {
		c.gap = append(c.gap, p.drop(LeadingSpace(p.In))...)
		if p.In == "" && !p.Final {
			return false
		}
		n, got := p.Closing(c.form)
		if got == Yes {
			p.drop(n)
			p.endSpan()
			return true
		}
		_, opens := AnyPrefix(p.In, c.form.Open, p.Final)
		switch {
		case got == No && opens == Yes: // another span, not another body
			p.endSpan()
			p.text(string(c.gap))
			return true
		case got == No && opens == Part:
			got = Part
		case got == No && !c.form.Once && !c.form.Header:
			got = p.starts(c.form)
		}
		switch {
		case got == Part && !p.Final:
			return false
		case got != Yes && p.endsInMarker():
			p.endSpan()
			p.dropCutMarker()
			return true
		case got == Yes:
			c.gap = c.gap[:0]
			c.machine = c.form.Body.Open(p)
			p.run = (*Parser).readBody
			return true
		case !p.separator():
			p.endSpan()
			p.text(string(c.gap))
			return true
		}
	}
}

// separator takes what may stand between two bodies of a span, and brackets too many; false if none stands
// here.
func (p *Parser) separator() bool {
	c := &p.call
	switch {
	case p.In == "" || strings.IndexByte(",;}]", p.In[0]) < 0:
		return false
	case p.In[0] == ']' && c.list:
		c.list = false
		p.drop(1)
		c.gap = c.gap[:0]
	case p.In[0] == ';':
		p.drop(1)
	default:
		c.gap = append(c.gap, p.drop(1)...)
	}
	return true
}

// Warn says something that an operator or a client should know.
func (p *Parser) Warn(text string) {
	p.sink.event(chat.Event{Kind: chat.Warning, Text: text})
}

// callID returns the id of a call: the one in the output where it is fit, else a new one.
func (p *Parser) callID(native string) string {
	if p.ids == nil {
		p.ids = map[string]bool{}
	}
	id := native
	if !fitID(id) || p.ids[id] {
		id = p.newID()
	}
	p.ids[id] = true
	return id
}

func (p *Parser) newID() string {
	if p.opts.NewID != nil {
		return p.opts.NewID()
	}
	if p.fam.ShortIDs {
		return rand.Text()[:9]
	}
	return "call_" + rand.Text()[:24]
}

func fitID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c == '"' || c == '<' || c == '>' || c >= 0x7f {
			return false
		}
	}
	return true
}
