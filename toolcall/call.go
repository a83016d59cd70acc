package toolcall

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// call is the state of the markup that is being read as a call.
type call struct {
	forms   []*form // the forms that the opening marker leaves possible
	form    *form
	machine machine
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
	// reason is the warning about a call that broke off.
	reason string
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
func (p *Parser) startBare() match {
	if p.in == "" {
		return matchNo
	}
	part := false
	for _, f := range p.fam.compiled.bare {
		switch f.body.start(p, p.in) {
		case matchYes:
			if part {
				return matchPart
			}
			p.beginSpan([]*form{f}, 0, false)
			return matchYes
		case matchPart:
			part = true
		}
	}
	if part && !p.final {
		return matchPart
	}
	return matchNo
}

func (p *Parser) beginSpan(forms []*form, opener int, special bool) {
	p.call = call{forms: forms, raw: p.call.raw[:0], gap: p.call.gap[:0], opener: opener, special: special}
	p.skip(opener)
	p.opened = p.opened || opener > 0
	p.run = (*Parser).chooseForm
}

// skip takes n bytes of a call's markup.
func (p *Parser) skip(n int) {
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
	p.skip(leadingSpace(p.in))
	c := &p.call
	if p.in == "" && !p.final {
		return false
	}
	part := false
	for _, f := range c.forms {
		switch f.body.start(p, p.in) {
		case matchYes:
			if part && !p.final {
				return false
			}
			if p.ch == &p.reasoning {
				if !f.header {
					p.beginHold()
					return true
				}
				p.leaveReasoning()
			}
			c.form = f
			c.machine = f.body.open(p)
			p.run = (*Parser).readBody
			return true
		case matchPart:
			part = true
		}
	}
	if part && !p.final {
		return false
	}
	switch p.closeEmpty() {
	case matchYes:
		return true
	case matchPart:
		return false
	}
	p.abandon(p.in == "" && p.final)
	return true
}

// closeEmpty drops a span in which nothing stands.
func (p *Parser) closeEmpty() match {
	if p.call.opener == 0 || p.ch != &p.content {
		return matchNo
	}
	for _, f := range p.call.forms {
		n, got := p.closing(f)
		if got == matchYes {
			p.drop(n)
			p.endSpan()
			p.warn("an empty tool call was dropped")
		}
		if got != matchNo {
			return got
		}
	}
	return matchNo
}

// closing reports whether a marker that closes form f stands here, and its length.
func (p *Parser) closing(f *form) (int, match) {
	if p.in == "" {
		return 0, matchNo
	}
	return anyPrefix(p.in, f.close, p.final)
}

// readBody is the state inside a call.
func (p *Parser) readBody() bool {
	switch p.call.machine.step(p) {
	case stepMore:
		if !p.final {
			return false
		}
		p.breakOff("the end of output")
	case stepFail:
		p.breakOff("text that its notation does not allow")
	case stepDone:
		p.run = (*Parser).afterBody
	case stepText:
		p.endSpan()
	}
	return true
}

// breakOff ends a call that cannot be completed, because of what its arguments ran into.
func (p *Parser) breakOff(reason string) {
	c := &p.call
	switch c.mode {
	case callStarted:
		lost := c.machine.seal(p)
		p.cut = true
		p.sink.event(chat.Event{Kind: chat.CallEnd, Index: p.calls})
		c.reason = fmt.Sprintf("the call of %q broke off at %s; its arguments were closed where they were", c.name, reason)
		p.calls++
		p.fresh, p.content.touch = true, true
		c.raw, c.opener = append(c.raw[:0], lost...), 0
		p.run = (*Parser).skipDebris
	case callRejected, callDropped:
		p.endSpan()
	case callOpen:
		if p.final && c.form.header {
			p.drop(len(p.in)) // a header without a message
			p.endSpan()
			return
		}
		p.abandon(p.final)
	}
}

// skipDebris is the state behind a call that broke off: what follows up to the next marker is what is left
// of the call, and goes into the warning. Without a marker it goes into the content.
func (p *Parser) skipDebris() bool {
	c := &p.call
	i, m := p.set.find(p, p.in)
	if len(c.form.close) == 0 && !p.final {
		i, m = 0, &mark{}
	}
	c.raw = append(c.raw, p.drop(i)...)
	if m == nil && !p.final {
		return false
	}
	lost := strings.TrimSpace(string(c.raw))
	c.mode, c.raw = callOpen, c.raw[:0]
	p.endSpan()
	if m != nil && len(c.form.close) > 0 {
		p.warn(c.reason + "; left out: " + shorten(lost))
	} else {
		p.warn(c.reason)
		p.text(lost)
	}
	return true
}

// inDebris reports whether the state is skipDebris.
func (p *Parser) inDebris() bool { return p.call.mode == callStarted }

// shorten quotes text, cut to what a warning should show.
func shorten(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strconv.Quote(text)
}

// abandon hands what looked like the beginning of a call back as content. cut says that the output
// ended in it.
func (p *Parser) abandon(cut bool) {
	c := &p.call
	p.run = (*Parser).scanText
	text := string(c.raw)
	shaped := (cut || c.named) && !(c.form != nil && c.form.text || c.form == nil && len(c.forms) > 0 && c.forms[0].text)
	if shaped && c.opener > 0 || c.special {
		text = text[c.opener:]
	}
	if c.any {
		text = strings.TrimLeft(text, " \n\t\r,;]}")
	}
	if shaped && c.opener > 0 {
		p.warn("text that begins like a tool call is none and was handed on as content")
	}
	if !shaped {
		p.opened = false
	}
	if text == "" || shaped {
		p.content.touch = true
	}
	c.raw = c.raw[:0]
	if text == "" && c.opener == 0 && p.in != "" {
		// Nothing was taken: at least one byte must go, or the same place is tried again.
		text = p.drop(1)
	}
	p.text(text)
	if p.ch == &p.content && text != "" {
		p.fresh = false
	}
}

// endSpan goes back to text behind the markup of calls.
func (p *Parser) endSpan() {
	p.content.touch = true
	p.run = (*Parser).scanText
	p.call.machine = nil
}

// begin starts a call: its name is known and its arguments have begun. It reports false if this is no
// call to be handed on; the machine reads on all the same.
func (p *Parser) begin(name, id string) bool {
	c := &p.call
	c.name, c.named = name, true
	switch {
	case p.Done():
		c.mode = callDropped
		p.warn(fmt.Sprintf("a further call, of %q, was dropped: the request allows one call", name))
	case name == "" || len(name) > maxName || p.opts.NoTools || !p.opts.AllowUnknownTools && p.tool(name) == nil:
		p.warn(fmt.Sprintf("the model called %q, which is not among the tools; the call was handed on as content", name))
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
	if !c.form.text {
		text = text[c.opener:]
	}
	if c.any {
		text = strings.TrimLeft(text, " \n\t\r,;]}")
	}
	c.mode = callRejected
	p.text(text)
}

// args hands on arguments of the call that has started.
func (p *Parser) args(text []byte) {
	if p.call.mode == callStarted {
		p.sink.bytes(chat.CallDelta, text)
	}
}

// endCall completes the call. The span may go on with another one.
func (p *Parser) endCall() {
	c := &p.call
	if c.mode == callStarted {
		p.sink.event(chat.Event{Kind: chat.CallEnd, Index: p.calls})
		p.calls++
		p.content.touch, p.fresh = true, true
	}
	c.mode, c.named, c.any, c.opener = callOpen, false, true, 0
	c.raw = c.raw[:0]
}

// afterBody is the state behind a body: a closing marker, another body, or text.
func (p *Parser) afterBody() bool {
	c := &p.call
	for {
		c.gap = append(c.gap, p.drop(leadingSpace(p.in))...)
		if p.in == "" && !p.final {
			return false
		}
		n, got := p.closing(c.form)
		if got == matchYes {
			p.drop(n)
			p.endSpan()
			return true
		}
		if got == matchNo && !c.form.once && !c.form.header {
			got = c.form.body.start(p, p.in)
		}
		switch {
		case got == matchPart && !p.final:
			return false
		case got == matchYes:
			c.gap = c.gap[:0]
			c.machine = c.form.body.open(p)
			p.run = (*Parser).readBody
			return true
		case p.in != "" && p.in[0] == ']' && c.list:
			c.list = false
			p.drop(1)
			c.gap = c.gap[:0]
		case p.in != "" && p.in[0] == ';':
			p.drop(1)
		case p.in != "" && strings.IndexByte(",}]", p.in[0]) >= 0:
			// Separators, and brackets too many.
			c.gap = append(c.gap, p.drop(1)...)
		default:
			p.endSpan()
			p.text(string(c.gap))
			return true
		}
	}
}

func (p *Parser) warn(text string) {
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
	if p.fam.shortIDs {
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
