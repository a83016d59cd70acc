package stream

import (
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/toolcall/internal/schema"
)

// Options says how one output is to be read. The zero Options knows no tools, so that every call is
// unknown.
type Options struct {
	// Tools are the tools of the request.
	Tools []chat.Tool
	// ReasoningOpen says that the prompt ended inside a reasoning block.
	ReasoningOpen bool
	// AllowUnknownTools hands on calls of names that are not in Tools.
	AllowUnknownTools bool
	// SingleCall is parallel_tool_calls:false: calls after the first are dropped with a Warning, and
	// Parser.Done says that the generation may stop.
	SingleCall bool
	// NewID makes the id of a call whose id is not in the output; nil makes "call_" and 24 characters,
	// or what the family's templates take.
	NewID func() string
	// NoTools reads no calls at all, as for tool_choice none: call markup is text, reasoning is still split.
	NoTools bool
}

// Parser reads one output of a model. It is for one goroutine.
type Parser struct {
	fam  *Format
	opts Options
	sink sink
	run  func(p *Parser) bool // the current state: false when it needs more text

	In    string // read, not yet taken
	part  string // the beginning of a character that was cut
	Final bool   // nothing will follow in
	// specials are the places in in that came as special tokens, as offsets of begin and end.
	specials [][2]int

	content, reasoning channel
	ch                 *channel // where text goes
	set                *markSet // the markers of text
	tail               tail     // the last bytes of content
	fresh              bool     // no content since the beginning, the last call or reasoning
	opened             bool     // a call marker has been seen

	call  call
	hold  hold
	tools map[string]*schema.Tool
	ids   map[string]bool
	calls int
	cut   bool
}

// channel is one of the two kinds of text, content and reasoning.
type channel struct {
	kind chat.EventKind
	// space is white space that may turn out to stand next to markup.
	space []byte
	// seen says that text has come; touch that space stands next to markup.
	seen, touch bool
}

// NewParser returns a parser of one output.
func (f *Format) NewParser(opts Options) *Parser {
	p := &Parser{fam: f, opts: opts, fresh: true}
	p.content.kind, p.reasoning.kind = chat.ContentDelta, chat.ReasoningDelta
	p.enterContent()
	if (opts.ReasoningOpen || f.StartsReasoning) && len(f.Reasoning) > 0 {
		p.enterReasoning(f.Reasoning[0].Close)
		if !opts.ReasoningOpen {
			p.run = (*Parser).startUndecided
		}
	}
	return p
}

// Write reads more of the output. The events are valid until the next call of a method. Text may be cut
// anywhere, even inside a character.
func (p *Parser) Write(text string) []chat.Event {
	p.sink.events = p.sink.events[:0]
	p.feed(text)
	p.sink.flush()
	return p.sink.events
}

// WriteSpecial reads one special token, given by its text. A token that is no markup of the family is
// dropped.
func (p *Parser) WriteSpecial(token string) []chat.Event {
	p.sink.events = p.sink.events[:0]
	if token != "" && strings.Contains(p.fam.compiled.pieces, token) {
		at := len(p.In)
		p.specials = append(p.specials, [2]int{at, at + len(token)})
		p.feed(token)
	}
	p.sink.flush()
	return p.sink.events
}

// Close ends the output. The caller emits the Finish event.
func (p *Parser) Close() []chat.Event {
	p.sink.events = p.sink.events[:0]
	if p.Final {
		return nil
	}
	rest := p.part
	p.part = ""
	p.Final = true
	p.In += replaceInvalid(rest)
	p.loop()
	p.closeSpace(&p.reasoning)
	p.closeSpace(&p.content)
	p.sink.flush()
	return p.sink.events
}

// Calls returns how many calls are complete.
func (p *Parser) Calls() int { return p.calls }

// Done reports that the rest of the output is not wanted: Options.SingleCall was set and the call is
// complete.
func (p *Parser) Done() bool { return p.opts.SingleCall && p.calls > 0 }

// Incomplete reports that a call broke off after it had started, and was closed where it was.
func (p *Parser) Incomplete() bool { return p.cut }

func (p *Parser) feed(text string) {
	if p.part != "" {
		text = p.part + text
		p.part = ""
	}
	if n := len(text) - cutCharacter(text); n < len(text) {
		p.part, text = text[n:], text[:n]
	}
	if !utf8.ValidString(text) {
		text = replaceInvalid(text)
	}
	if p.In == "" {
		p.In = text
	} else {
		p.In += text
	}
	p.loop()
}

// loop runs the states until one needs more text.
func (p *Parser) loop() {
	for p.In != "" || p.Final {
		if !p.run(p) {
			break
		}
		if p.In == "" && !p.Final {
			return
		}
	}
}

// drop takes n bytes without a trace and returns them. Places of special tokens move along.
func (p *Parser) drop(n int) string {
	s := p.In[:n]
	p.In = p.In[n:]
	if len(p.specials) > 0 {
		keep := p.specials[:0]
		for _, t := range p.specials {
			if t[1] > n {
				keep = append(keep, [2]int{max(0, t[0]-n), t[1] - n})
			}
		}
		p.specials = keep
	}
	return s
}

// cutCharacter returns the length of the incomplete character at the end of text.
func cutCharacter(text string) int {
	for n := 1; n <= 3 && n <= len(text); n++ {
		c := text[len(text)-n]
		if c < utf8.RuneSelf {
			return 0
		}
		if utf8.RuneStart(c) {
			if utf8.FullRuneInString(text[len(text)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}

// replaceInvalid puts U+FFFD for each invalid byte, so that the result does not depend on the cuts.
func replaceInvalid(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteRune(r)
	}
	return b.String()
}
