package stream

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// hold is reasoning that is kept back because it looks like a call, until the reasoning is closed (then
// it was a draft) or the output ends (then it may be a call).
type hold struct {
	pieces []piece
	closer string
	// start says that the output began with it: without a closing marker it is no reasoning.
	start bool
}

// piece is held text, or one special token.
type piece struct {
	text    []byte
	special bool
}

func (h *hold) add(text string, special bool) {
	if n := len(h.pieces); !special && n > 0 && !h.pieces[n-1].special {
		h.pieces[n-1].text = append(h.pieces[n-1].text, text...)
		return
	}
	h.pieces = append(h.pieces, piece{[]byte(text), special})
}

// beginHold keeps back what was read since the call marker, and everything behind it.
func (p *Parser) beginHold() {
	c := &p.call
	p.hold = hold{closer: p.closer()}
	p.hold.add(string(c.raw[:c.opener]), c.special)
	p.hold.add(string(c.raw[c.opener:]), false)
	c.raw = c.raw[:0]
	p.run = (*Parser).holdText
}

// startUndecided is the state at the beginning of output that may be reasoning without an opening marker.
// Only its end tells, unless it begins with a marker.
func (p *Parser) startUndecided() bool {
	space := LeadingSpace(p.In)
	text := p.In[space:]
	if text == "" && space < MaxName && !p.Final {
		return false
	}
	set := &p.fam.compiled.content
	if text != "" && set.first[text[0]] != nil {
		switch _, got := set.at(p, text, 0); got {
		case Yes:
			p.enterContent()
			p.content.touch = false
			return true
		case Part:
			return false
		}
	}
	p.hold = hold{closer: p.closer(), start: true}
	p.run = (*Parser).holdText
	return true
}

// closer returns the marker that closes the current reasoning.
func (p *Parser) closer() string {
	for _, m := range p.set.marks {
		if m.act == actEnd {
			return m.text
		}
	}
	return ""
}

// holdText is the state inside reasoning that is kept back.
func (p *Parser) holdText() bool {
	closer := p.hold.closer
	i := strings.Index(p.In, closer)
	closed := i >= 0
	if !closed {
		i = len(p.In)
		if !p.Final {
			i -= Overlap(p.In, closer)
		}
	}
	for i > 0 {
		n, special := i, false
		if len(p.specials) > 0 && p.specials[0][0] < i {
			if n = p.specials[0][0]; n == 0 {
				n, special = min(i, p.specials[0][1]), true
			}
		}
		i -= n
		p.hold.add(p.drop(n), special)
	}
	switch {
	case closed:
		p.run = (*Parser).scanText
		p.releaseHold()
		p.drop(len(closer))
		p.leaveReasoning()
		return true
	case p.Final:
		p.run = (*Parser).scanText
		if p.hold.start {
			p.ch = &p.content
		}
		if !p.promote() {
			p.releaseHold()
		}
	}
	return false
}

// releaseHold hands what was kept back on as reasoning.
func (p *Parser) releaseHold() {
	for _, piece := range p.hold.pieces {
		if !piece.special {
			p.text(string(piece.text))
		}
	}
	p.hold = hold{}
}

// promote reads what was kept back as the calls that the output ends with.
func (p *Parser) promote() bool {
	opts := p.opts
	opts.ReasoningOpen = false
	sub := p.fam.NewParser(opts)
	sub.run, sub.ids, sub.calls, sub.tools = (*Parser).scanText, p.ids, p.calls, p.tools
	if sub.ch == &sub.reasoning {
		sub.enterContent()
		sub.content.touch = false
	}
	var events []chat.Event
	for _, piece := range p.hold.pieces {
		if piece.special {
			events = append(events, sub.WriteSpecial(string(piece.text))...)
		} else {
			events = append(events, sub.Write(string(piece.text))...)
		}
	}
	events = append(events, sub.Close()...)
	switch {
	case p.hold.start:
		p.content, p.cut = sub.content, sub.cut
	case sub.calls == p.calls || sub.cut || !p.fam.CallsEndReasoning && sub.content.seen:
		return false
	}
	for _, e := range events {
		p.sink.event(e)
	}
	p.calls, p.ids = sub.calls, sub.ids
	p.content.touch = true
	p.reasoning.touch = true
	p.hold = hold{}
	return true
}

// Overlap returns the length of the longest end of text that is a beginning of marker.
func Overlap(text, marker string) int {
	for n := min(len(text), len(marker)-1); n > 0; n-- {
		if strings.HasSuffix(text, marker[:n]) {
			return n
		}
	}
	return 0
}
