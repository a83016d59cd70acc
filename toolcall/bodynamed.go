package toolcall

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
)

// maxHeader bounds what stands between an opening marker and the arguments.
const maxHeader = 2 * maxName

// namedBody is a call as a name, a separator and the arguments as JSON.
type namedBody struct {
	// lead are markers and words that may stand before the name, any number of them.
	lead []string
	// seps end the name; the first is the one that the family writes. The brace that begins the
	// arguments ends it too.
	seps []string
	// idMark stands between the name and the id of the call; seps end the id.
	idMark string
	// split takes the name and the id out of what stands before the separator; nil takes it as the name.
	split func(header string) (name, id string)
	// wire is what the family writes around name and arguments, for a grammar, where it is more than
	// markers, lead, name and separator.
	wire *wire
	// style is the notation of the arguments, where it is not JSON.
	style lenient.Style
	// fence says that the arguments may stand in a code block.
	fence bool
	// known accepts only the names of tools: for bodies whose markers may be ordinary text.
	known bool
}

func (b namedBody) literals() []string {
	return append(append([]string{b.idMark}, b.lead...), b.seps...)
}

// lineStarts are the beginnings of a call that stands without an opening marker.
func (b namedBody) lineStarts() ([]string, bool) {
	if b.known && len(b.lead) > 0 {
		return b.lead[:1], false
	}
	return nil, false
}

func (b namedBody) start(p *Parser, text string) match {
	for {
		n, got := anyPrefix(text, b.lead, p.final)
		if got == matchPart {
			return matchPart
		}
		if got == matchNo {
			break
		}
		text = text[n:]
		text = text[leadingSpace(text):]
	}
	if text == "" {
		return matchPart
	}
	if !b.known {
		if isNameByte(text[0]) {
			return matchYes
		}
		return matchNo
	}
	name, got := b.knownName(p, text)
	if got != matchYes {
		return got
	}
	rest := text[len(name):]
	n, got := anyPrefix(rest, b.seps, p.final)
	if got != matchYes {
		return got
	}
	rest = rest[n:]
	rest = rest[leadingSpace(rest):]
	switch {
	case rest == "":
		return matchPart
	case rest[0] == '{' || b.fence && strings.HasPrefix(rest, "```"):
		return matchYes
	}
	return matchNo
}

// knownName returns the tool's name at the beginning of text.
func (b namedBody) knownName(p *Parser, text string) (string, match) {
	n := 0
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	switch {
	case n == 0 || n > maxName:
		return "", matchNo
	case n == len(text) && !p.final:
		return "", matchPart
	case p.tool(text[:n]) == nil && !p.opts.AllowUnknownTools:
		return "", matchNo
	}
	return text[:n], matchYes
}

// isNameByte reports whether c can be part of a tool's name.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '-' || c == '.' || c == '/' || c >= 0x80
}

// anyPrefix returns the length of the longest of list that text begins with.
func anyPrefix(text string, list []string, final bool) (int, match) {
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
		return 0, matchPart
	case best > 0:
		return best, matchYes
	}
	return 0, matchNo
}

func (b namedBody) open(p *Parser) machine {
	return &namedMachine{body: b, form: p.call.form, reader: argsReader{style: b.style}}
}

type namedState uint8

const (
	namedLead namedState = iota
	namedHeader
	namedID
	namedFence
	namedArgs
	namedEnd
)

type namedMachine struct {
	body     namedBody
	form     *form
	state    namedState
	name, id string
	fenced   bool
	reader   argsReader
}

func (m *namedMachine) step(p *Parser) stepResult {
	for {
		if m.state != namedArgs {
			p.skip(leadingSpace(p.in))
		}
		var got stepResult
		switch m.state {
		case namedLead:
			got = m.lead(p)
		case namedHeader:
			got = m.header(p)
		case namedID:
			got = m.readID(p)
		case namedFence:
			got = m.fence(p)
		case namedArgs:
			got = m.arguments(p)
		case namedEnd:
			got = m.end(p)
		}
		if got != stepText { // stepText: go on in the next state
			return got
		}
	}
}

func (m *namedMachine) lead(p *Parser) stepResult {
	n, got := anyPrefix(p.in, m.body.lead, p.final)
	switch got {
	case matchPart:
		return stepMore
	case matchNo:
		m.state = namedHeader
	}
	p.skip(n)
	return stepText
}

// header reads the name, up to a separator or the arguments.
func (m *namedMachine) header(p *Parser) stepResult {
	text := p.in
	stops := m.body.seps
	if m.body.idMark != "" {
		stops = append([]string{m.body.idMark}, stops...)
	}
	for i := 0; i < min(len(text), maxHeader); i++ {
		n, got := anyPrefix(text[i:], stops, p.final)
		if got == matchPart {
			return stepMore
		}
		brace := text[i] == '{'
		if got == matchNo && !brace {
			continue
		}
		m.name = strings.TrimSpace(text[:i])
		if m.body.split != nil {
			m.name, m.id = m.body.split(m.name)
		}
		if m.name == "" || strings.ContainsAny(m.name, whiteSpace) {
			return stepFail
		}
		m.state = namedFence
		if got == matchYes && m.body.idMark != "" && strings.HasPrefix(text[i:], m.body.idMark) {
			m.state = namedID
		}
		p.skip(i + n)
		return stepText
	}
	if len(text) >= maxHeader {
		return stepFail
	}
	return stepMore
}

// readID reads the id that stands behind the name.
func (m *namedMachine) readID(p *Parser) stepResult {
	n := 0
	for n < len(p.in) && isNameByte(p.in[n]) && n < maxHeader {
		n++
	}
	if n == len(p.in) && !p.final {
		return stepMore
	}
	k, got := anyPrefix(p.in[n:], m.body.seps, p.final)
	if got == matchPart {
		return stepMore
	}
	m.id = p.in[:n]
	p.skip(n + k)
	m.state = namedFence
	return stepText
}

// fence reads the beginning of a code block around the arguments, and decides whether there are any.
func (m *namedMachine) fence(p *Parser) stepResult {
	if p.in == "" {
		return stepMore
	}
	if n, got := anyPrefix(p.in, []string{"```json", "```"}, p.final); !m.fenced && got != matchNo {
		if got == matchPart {
			return stepMore
		}
		p.skip(n)
		m.fenced = true
		return stepText
	}
	if p.in[0] == '{' || p.in[0] == '"' {
		p.call.named = true
		m.state = namedArgs
		return stepText
	}
	if _, got := p.closing(m.form); got != matchNo {
		if got == matchPart {
			return stepMore
		}
		m.reader.out = append(m.reader.out, "{}"...)
		m.reader.emit(p, m.name, m.id, true)
		p.endCall()
		return stepDone
	}
	if strings.HasPrefix(p.in, "null") || strings.HasPrefix("null", p.in) && !p.final {
		m.state = namedArgs
		return stepText
	}
	return stepFail
}

func (m *namedMachine) arguments(p *Parser) stepResult {
	got := m.reader.read(p)
	m.reader.emit(p, m.name, m.id, got == stepDone)
	if got == stepDone {
		m.state = namedEnd
		return stepText
	}
	return got
}

// end reads the end of the code block.
func (m *namedMachine) end(p *Parser) stepResult {
	if m.fenced {
		n, got := anyPrefix(p.in, []string{"```"}, p.final)
		if got == matchPart || p.in == "" && !p.final {
			return stepMore
		}
		p.skip(n)
	}
	p.endCall()
	return stepDone
}

func (m *namedMachine) seal(p *Parser) string {
	if m.state != namedArgs {
		return ""
	}
	return m.reader.seal(p)
}

// wire is the markup of calls: begin (head NAME mid ARGUMENTS tail) join (...) end.
type wire struct {
	begin     string
	head, mid constrain.Expr
	tail      string
	join, end string
}

func (b namedBody) grammar(g *grammarBuilder, fm *form, tools []chat.Tool) (constrain.Expr, error) {
	w := b.wire
	if w == nil {
		w = &wire{
			head: constrain.Lit(first(fm.open) + fm.gap + strings.Join(b.lead, "")), mid: constrain.Lit(first(b.seps)),
			tail: fm.gap + first(fm.close), join: fm.join,
		}
	}
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		args, err := g.args(t)
		if b.style.Quote != "" {
			args, err = b.barePairs(g, t)
		}
		return constrain.Seq{w.head, constrain.Lit(t.Name), w.mid, args, constrain.Lit(w.tail)}, err
	})
	if err != nil {
		return nil, err
	}
	return constrain.Seq{constrain.Lit(w.begin), g.several(call, w.join), constrain.Lit(w.end)}, nil
}

// barePairs returns the expression of arguments in a notation with bare keys and quotes of its own.
func (b namedBody) barePairs(g *grammarBuilder, t chat.Tool) (constrain.Expr, error) {
	quote := constrain.Lit(b.style.Quote)
	pairs, err := g.pairs(t, ",", func(key string, value constrain.Expr) constrain.Expr {
		if value == nil {
			value = constrain.Seq{quote, constrain.Until{Stops: []string{b.style.Quote}}, quote}
		}
		return constrain.Seq{constrain.Lit(key + ":"), value}
	})
	return constrain.Seq{constrain.Lit("{"), pairs, constrain.Lit("}")}, err
}
