package stream

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/schema"
)

// AnyPrefix returns the length of the longest of list that text begins with.
func AnyPrefix(text string, list []string, final bool) (int, Match) {
	best, part := 0, false
	for _, s := range list {
		switch {
		case s == "":
		case strings.HasPrefix(text, s):
			best = max(best, len(s))
		case strings.HasPrefix(s, text) && !final:
			part = true
		}
	}
	switch {
	case part:
		return 0, Part
	case best > 0:
		return best, Yes
	}
	return 0, No
}

// ClosingAny reports whether a closing marker of the possible forms begins text.
func (p *Parser) ClosingAny(text string) Match {
	got := No
	for _, f := range p.call.forms {
		_, m := AnyPrefix(text, f.Close, p.Final)
		got = max(got, m)
	}
	return got
}

// What follows is what machines see of the call that they read.

// Tool returns the request's tool of that name, or nil.
func (p *Parser) Tool(name string) *schema.Tool {
	if p.tools == nil {
		p.tools = make(map[string]*schema.Tool, len(p.opts.Tools))
		for i := range p.opts.Tools {
			p.tools[p.opts.Tools[i].Name] = schema.New(p.opts.Tools[i].Parameters)
		}
	}
	return p.tools[name]
}

// Knows reports whether a call of that name may be handed on.
func (p *Parser) Knows(name string) bool { return p.opts.AllowUnknownTools || p.Tool(name) != nil }

// Form returns the form of the call.
func (p *Parser) Form() *Form { return p.call.form }

// SetNamed says that a name was read: what follows is a call in its shape, even if it breaks off.
func (p *Parser) SetNamed() { p.call.named = true }

// SetName is SetNamed for a call whose name is not in the text that would be content.
func (p *Parser) SetName(name string) { p.call.name, p.call.named = name, true }

// Named reports whether SetNamed was called.
func (p *Parser) Named() bool { return p.call.named }

// Follows reports whether a call of the same span is already complete.
func (p *Parser) Follows() bool { return p.call.any }

// OpenList says that the bracket of a list of calls was read, so that its end is markup too.
func (p *Parser) OpenList() { p.call.list = true }

// Started reports whether the call is handed on.
func (p *Parser) Started() bool { return p.call.mode == callStarted }

// LeaveOut says that a part of the call that has started is no part of the notation.
func (p *Parser) LeaveOut(text string) {
	if text != "" && p.Started() {
		p.Warn(fmt.Sprintf("the call of %q has parts that mean nothing; left out: %s", p.call.name, shorten(text)))
	}
}

// DropMarkup forgets what was read of the call: it does not come back as content.
func (p *Parser) DropMarkup() { p.call.raw, p.call.opener = p.call.raw[:0], 0 }

// BeginReasoning makes what follows reasoning.
func (p *Parser) BeginReasoning() {
	p.endSpan()
	p.enterReasoning(p.fam.Reasoning[0].Close)
}
