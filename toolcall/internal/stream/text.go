package stream

import (
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// WhiteSpace is what JSON takes as such.
const WhiteSpace = " \n\t\r"

// MaxName bounds the length of a tool's name, in bytes.
const MaxName = 256

// LeadingSpace returns the length of the white space at the beginning of text.
func LeadingSpace(text string) int {
	i := 0
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// tail keeps the last bytes of the content, to judge what stands before a marker.
type tail struct {
	text [16]byte
	n    int
}

func (t *tail) add(s string) {
	if len(s) >= len(t.text) {
		t.n = copy(t.text[:], s[len(s)-len(t.text):])
		return
	}
	keep := min(t.n, len(t.text)-len(s))
	copy(t.text[:], t.text[t.n-keep:t.n])
	t.n = keep + copy(t.text[keep:], s)
}

// line returns what is kept of the last line, and whether its beginning is known.
func (t *tail) line() (string, bool) {
	s := string(t.text[:t.n])
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		return s[i+1:], true
	}
	return s, t.n < len(t.text)
}

// enterContent makes what follows content.
func (p *Parser) enterContent() {
	p.ch, p.run = &p.content, (*Parser).scanText
	p.set = &p.fam.compiled.content
	if p.opts.NoTools {
		p.set = &p.fam.compiled.quiet
	}
}

// enterReasoning makes what follows reasoning, up to the marker that closes it.
func (p *Parser) enterReasoning(closer string) {
	p.ch, p.run = &p.reasoning, (*Parser).scanText
	p.content.touch = true
	if p.reasoning.seen && len(p.reasoning.space) == 0 {
		p.reasoning.space = append(p.reasoning.space, '\n')
	}
	p.reasoning.touch = true
	p.set = p.fam.compiled.reasoning[closer]
	if p.opts.NoTools {
		p.set = p.fam.compiled.quietReasoning[closer]
	}
}

// leaveReasoning goes back to content.
func (p *Parser) leaveReasoning() {
	p.reasoning.touch = true
	p.content.touch = true
	p.fresh = true
	p.enterContent()
}

// scanText is the state of ordinary text: everything up to the next marker is content or reasoning.
func (p *Parser) scanText() bool {
	if p.In == "" {
		return false
	}
	if p.Final && p.calls > 0 && p.ch == &p.content && p.content.touch {
		p.text(p.drop(LeadingSpace(p.In)))
		if p.endsInMarker() {
			p.dropCutMarker()
			return false
		}
	}
	if p.fresh && p.ch == &p.content && !p.opts.NoTools && len(p.fam.compiled.bare) > 0 {
		if n := LeadingSpace(p.In); n > 0 {
			p.text(p.drop(n))
		}
		if got := p.startBare(); got != No {
			return got == Yes
		}
	}
	i, m := p.set.find(p, p.In)
	if len(p.specials) > 0 && p.specials[0][0] < i {
		// A special token that is no marker here.
		at := p.specials[0]
		p.text(p.drop(at[0]))
		p.drop(at[1] - at[0])
		return true
	}
	p.text(p.drop(i))
	if m == nil {
		return false
	}
	return p.meet(m)
}

// accepts reports whether marker m, which stands or begins at text[i:], is one in this place.
func (p *Parser) accepts(m *mark, text string, i int) bool {
	switch m.act {
	case actReason:
		return !p.inDebris() && (p.fresh && LeadingSpace(text[:i]) == i || strings.HasPrefix(m.text, "<|") && !p.quotedAt(text, i)) ||
			p.specialAt(i)
	case actEnd:
		// In content it closes nothing: it is left over, or somebody writes about it.
		return p.ch == &p.reasoning || p.specialAt(i) || !strings.HasPrefix(m.text, "</") ||
			!p.quotedAt(text, i)
	case actClose:
		return p.opened || p.specialAt(i)
	case actCall:
		return !m.line || !p.inDebris() && p.startsLine(text, i)
	}
	return true
}

// quotedAt reports whether what stands in front of text[i] lets one think that somebody writes about it.
func (p *Parser) quotedAt(text string, i int) bool {
	return strings.IndexByte(" `'\"", p.before(text, i)) >= 0
}

func (p *Parser) specialAt(i int) bool {
	for _, t := range p.specials {
		if t[0] == i {
			return true
		}
	}
	return false
}

// before returns the byte in front of text[i], or a newline at the beginning of the output.
func (p *Parser) before(text string, i int) byte {
	if i > 0 {
		return text[i-1]
	}
	if n := len(p.call.raw); n > 0 && p.inDebris() {
		return p.call.raw[n-1]
	}
	if n := len(p.ch.space); n > 0 {
		return p.ch.space[n-1]
	}
	if p.tail.n > 0 {
		return p.tail.text[p.tail.n-1]
	}
	return '\n'
}

// startsLine reports whether text[i] begins a line of the content that is not the first of a code block.
func (p *Parser) startsLine(text string, i int) bool {
	if p.ch != &p.content || p.before(text, i) != '\n' {
		return false
	}
	t := p.tail
	t.add(string(p.ch.space))
	t.add(text[:i])
	line, _ := (&tail{text: t.text, n: len(strings.TrimRight(string(t.text[:t.n]), WhiteSpace))}).line()
	return !strings.HasPrefix(line, "```")
}

// meet deals with marker m, at which p.In begins.
func (p *Parser) meet(m *mark) bool {
	switch m.act {
	case actCall:
		p.openCall(m)
	case actReason:
		p.drop(len(m.text))
		p.enterReasoning(m.close)
	case actEnd:
		p.drop(len(m.text))
		if p.ch == &p.reasoning {
			p.leaveReasoning()
		}
		p.content.touch = true
	case actWrapper, actClose:
		p.drop(len(m.text))
		p.content.touch = true
	case actFinal:
		rest := p.In[len(m.text):]
		if len(rest) > 64 || LeadingSpace(rest) < len(rest) && !p.endsWith(rest) {
			if p.specialAt(0) {
				p.drop(len(m.text))
			} else {
				p.text(p.drop(len(m.text)))
			}
			return true
		}
		if !p.Final && !p.specialAt(0) {
			return false
		}
		p.drop(len(m.text))
	}
	return true
}

// endsWith reports whether rest may be nothing but end-of-turn tokens and white space.
func (p *Parser) endsWith(rest string) bool {
	rest = rest[LeadingSpace(rest):]
	for _, e := range p.fam.Ends {
		if strings.HasPrefix(e, rest) && !p.Final {
			return true
		}
		if strings.HasPrefix(rest, e) {
			return p.endsWith(rest[len(e):])
		}
	}
	return rest == ""
}

// text adds text to the current channel. White space at its end waits for what follows.
func (p *Parser) text(s string) {
	if s == "" {
		return
	}
	c := p.ch
	end := len(s)
	for end > 0 && (s[end-1] == ' ' || s[end-1] == '\n' || s[end-1] == '\t' || s[end-1] == '\r') {
		end--
	}
	if end == 0 {
		if cap(c.space) < len(c.space)+len(s) {
			c.space = slices.Grow(c.space, max(len(c.space), len(s))) // twice as much
		}
		c.space = append(c.space, s...)
		return
	}
	if !c.seen && (c.touch || len(c.space) == 0) {
		if c.touch {
			n := LeadingSpace(s)
			s, end = s[n:], end-n
		}
	} else if len(c.space) > 0 {
		p.sink.bytes(c.kind, c.space)
	}
	c.space = append(c.space[:0], s[end:]...)
	c.seen, c.touch = true, false
	p.sink.text(c.kind, s[:end])
	if c == &p.content {
		p.fresh = false
		p.tail.add(s)
	}
}

// closeSpace decides about the white space at the end of the output.
func (p *Parser) closeSpace(c *channel) {
	if !c.touch && c.kind == chat.ContentDelta {
		p.sink.bytes(c.kind, c.space)
	}
	c.space = nil
}
