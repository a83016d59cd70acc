package stream

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// maxHeaderLeft is how long a header may be that is dropped because the output ends in it.
const maxHeaderLeft = 96

// atEnd is where a call breaks off whose output was cut.
const atEnd = "the end of output"

// breakOff ends a call that cannot be completed, because of what its arguments ran into.
func (p *Parser) breakOff(reason string) {
	c := &p.call
	switch c.mode {
	case callStarted:
		lost := c.machine.Seal(p)
		p.cut = true
		p.sink.event(chat.Event{Kind: chat.CallEnd, Index: p.calls})
		c.reason = fmt.Sprintf("the call of %q broke off at %s; its arguments were closed where they were", c.name, reason)
		c.ended = reason == atEnd
		p.calls++
		p.fresh, p.content.touch = true, true
		c.raw, c.opener = append(c.raw[:0], lost...), 0
		p.run = (*Parser).skipDebris
	case callRejected, callDropped:
		p.endSpan()
	case callOpen:
		if p.Final && c.form.Header && !c.named && len(strings.TrimSpace(string(c.raw))) <= c.opener &&
			len(p.In) <= maxHeaderLeft && !strings.ContainsAny(p.In, "{\"\n") {
			if rest := strings.TrimSpace(p.drop(len(p.In))); rest != "" {
				p.Warn("the output ended in the header of a message; left out: " + shorten(rest))
			}
			p.endSpan()
			return
		}
		p.abandon(p.Final)
	}
}

// skipDebris is the state behind a call that broke off: what follows up to the next marker is what is left
// of the call, and goes into the warning. Without a marker it goes into the content, unless the output
// was cut inside the call.
func (p *Parser) skipDebris() bool {
	c := &p.call
	i, m := p.set.find(p, p.In)
	if len(c.form.Close) == 0 && !p.Final {
		i, m = 0, &mark{}
	}
	c.raw = append(c.raw, p.drop(i)...)
	if m == nil && !p.Final {
		return false
	}
	lost := strings.TrimSpace(string(c.raw))
	c.mode, c.raw = callOpen, c.raw[:0]
	p.endSpan()
	switch {
	case c.ended && lost == "":
		p.Warn(c.reason)
	case c.ended, m != nil && len(c.form.Close) > 0:
		p.Warn(c.reason + "; left out: " + shorten(lost))
	default:
		p.Warn(c.reason)
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

// endsInMarker reports whether the output ends with the beginning of a marker.
func (p *Parser) endsInMarker() bool {
	if !p.Final || p.In == "" || len(p.specials) > 0 {
		return false
	}
	for i := range p.fam.compiled.content.marks {
		m := &p.fam.compiled.content.marks[i]
		if len(p.In) < len(m.text) && strings.HasPrefix(m.text, p.In) && strings.IndexByte("<[]>`", p.In[0]) >= 0 {
			return true
		}
	}
	return false
}

// dropCutMarker drops the beginning of a marker behind a call, where the output ends.
func (p *Parser) dropCutMarker() {
	p.Warn("the output ends in the middle of a marker; left out: " + shorten(p.drop(len(p.In))))
}

// abandon hands what looked like the beginning of a call back as content. cut says that the output
// ended in it.
func (p *Parser) abandon(cut bool) {
	c := &p.call
	p.run = (*Parser).scanText
	text := string(c.raw)
	shaped := (cut || c.named) && !(c.form != nil && c.form.Text || c.form == nil && len(c.forms) > 0 && c.forms[0].Text)
	if shaped && c.opener > 0 || c.special {
		text = text[c.opener:]
	}
	if c.any {
		text = strings.TrimLeft(text, " \n\t\r,;]}")
	}
	if shaped && (c.opener > 0 || c.form != nil && c.form.Header && c.named) {
		if c.name != "" {
			p.Warn(fmt.Sprintf("the call of %q cannot be read and was handed on as content", c.name))
		} else {
			p.Warn("text that begins like a tool call is none and was handed on as content")
		}
	}
	if !shaped {
		p.opened = false
	}
	if text == "" || shaped {
		p.content.touch = true
	}
	c.raw = c.raw[:0]
	if text == "" && c.opener == 0 && p.In != "" {
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
