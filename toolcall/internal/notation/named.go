package notation

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// maxHeader bounds what stands between an opening marker and the arguments.
const maxHeader = 2 * stream.MaxName

// Named is a call as a name, a separator and the arguments as JSON.
type Named struct {
	// Lead are markers and words that may stand before the name, any number of them.
	Lead []string
	// Seps end the name; the first is the one that the family writes. The brace that begins the
	// arguments ends it too.
	Seps []string
	// IDMark stands between the name and the id of the call; seps end the id.
	IDMark string
	// Split takes the name and the id out of what stands before the separator; nil takes it as the name.
	Split func(header string) (name, id string)
	// Wire is what the family writes around name and arguments, for a grammar, where it is more than
	// markers, Lead, name and separator.
	Wire *Wire
	// Style is the notation of the arguments, where it is not JSON.
	Style lenient.Style
	// Fence says that the arguments may stand in a code block.
	Fence bool
	// Known accepts only the names of tools: for bodies whose markers may be ordinary text.
	Known bool
}

func (b Named) Literals() []string {
	return append(append([]string{b.IDMark}, b.Lead...), b.Seps...)
}

// LineStarts are the beginnings of a call that stands without an opening marker.
func (b Named) LineStarts() ([]string, bool) {
	if b.Known && len(b.Lead) > 0 {
		return b.Lead[:1], false
	}
	return nil, false
}

func (b Named) Start(p *stream.Parser, text string) stream.Match {
	for {
		n, got := stream.AnyPrefix(text, b.Lead, p.Final)
		if got == stream.Part {
			return stream.Part
		}
		if got == stream.No {
			break
		}
		text = text[n:]
		text = text[stream.LeadingSpace(text):]
	}
	if text == "" {
		return stream.Part
	}
	if !b.Known {
		if isNameByte(text[0]) {
			return stream.Yes
		}
		return stream.No
	}
	name, got := b.knownName(p, text)
	if got != stream.Yes {
		return got
	}
	rest := text[len(name):]
	n, got := stream.AnyPrefix(rest, b.Seps, p.Final)
	if got != stream.Yes {
		return got
	}
	rest = rest[n:]
	rest = rest[stream.LeadingSpace(rest):]
	switch {
	case rest == "":
		return stream.Part
	case rest[0] == '{' || b.Fence && strings.HasPrefix(rest, "```"):
		return stream.Yes
	}
	return stream.No
}

// knownName returns the tool's name at the beginning of text.
func (b Named) knownName(p *stream.Parser, text string) (string, stream.Match) {
	n := 0
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	switch {
	case n == 0 || n > stream.MaxName:
		return "", stream.No
	case n == len(text) && !p.Final:
		return "", stream.Part
	case !p.Knows(text[:n]):
		return "", stream.No
	}
	return text[:n], stream.Yes
}

// isNameByte reports whether c can be part of a tool's name.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '-' || c == '.' || c == '/' || c >= 0x80
}

func (b Named) Open(p *stream.Parser) stream.Machine {
	return &namedMachine{body: b, form: p.Form(), reader: argsReader{style: b.Style}}
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
	body     Named
	form     *stream.Form
	state    namedState
	name, id string
	fenced   bool
	reader   argsReader
}

func (m *namedMachine) Step(p *stream.Parser) stream.Step {
	for {
		if m.state != namedArgs {
			p.Skip(stream.LeadingSpace(p.In))
		}
		var got stream.Step
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
		if got != stream.Text { // stream.Text: go on in the next state
			return got
		}
	}
}

func (m *namedMachine) lead(p *stream.Parser) stream.Step {
	n, got := stream.AnyPrefix(p.In, m.body.Lead, p.Final)
	switch got {
	case stream.Part:
		return stream.More
	case stream.No:
		m.state = namedHeader
	}
	p.Skip(n)
	return stream.Text
}

// header reads the name, up to a separator or the arguments.
func (m *namedMachine) header(p *stream.Parser) stream.Step {
	text := p.In
	stops := m.body.Seps
	if m.body.IDMark != "" {
		stops = append([]string{m.body.IDMark}, stops...)
	}
	for i := 0; i < min(len(text), maxHeader); i++ {
		n, got := stream.AnyPrefix(text[i:], stops, p.Final)
		if got == stream.Part {
			return stream.More
		}
		brace := text[i] == '{'
		if got == stream.No && !brace {
			continue
		}
		if isProse(text[:i], false) {
			return stream.Fail
		}
		m.name = strings.TrimSpace(text[:i])
		if m.body.Split != nil {
			m.name, m.id = m.body.Split(m.name)
		}
		if m.name == "" || strings.ContainsAny(m.name, stream.WhiteSpace) {
			return stream.Fail
		}
		m.state = namedFence
		if got == stream.Yes && m.body.IDMark != "" && strings.HasPrefix(text[i:], m.body.IDMark) {
			m.state = namedID
		}
		p.Skip(i + n)
		return stream.Text
	}
	if len(text) >= maxHeader || isProse(text, p.Final) {
		return stream.Fail
	}
	return stream.More
}

// isProse reports whether text, which should be a name, is of several words; final says that it ends here.
func isProse(text string, final bool) bool {
	words := strings.Fields(text)
	return len(words) > 1 || final && len(words) == 1 && strings.HasSuffix(words[0], ".")
}

// readID reads the id that stands behind the name.
func (m *namedMachine) readID(p *stream.Parser) stream.Step {
	n := 0
	for n < len(p.In) && isNameByte(p.In[n]) && n < maxHeader {
		n++
	}
	if n == len(p.In) && !p.Final {
		return stream.More
	}
	k, got := stream.AnyPrefix(p.In[n:], m.body.Seps, p.Final)
	if got == stream.Part {
		return stream.More
	}
	m.id = p.In[:n]
	p.Skip(n + k)
	m.state = namedFence
	return stream.Text
}

// fence reads the beginning of a code block around the arguments, and decides whether there are any.
func (m *namedMachine) fence(p *stream.Parser) stream.Step {
	if p.In == "" {
		return stream.More
	}
	if n, got := stream.AnyPrefix(p.In, []string{"```json", "```"}, p.Final); !m.fenced && got != stream.No {
		if got == stream.Part {
			return stream.More
		}
		p.Skip(n)
		m.fenced = true
		return stream.Text
	}
	if p.In[0] == '{' || p.In[0] == '"' {
		p.SetNamed()
		m.state = namedArgs
		return stream.Text
	}
	if _, got := p.Closing(m.form); got != stream.No {
		if got == stream.Part {
			return stream.More
		}
		m.reader.out = append(m.reader.out, "{}"...)
		m.reader.emit(p, m.name, m.id, true)
		p.EndCall()
		return stream.Done
	}
	if strings.HasPrefix(p.In, "null") || strings.HasPrefix("null", p.In) && !p.Final {
		m.state = namedArgs
		return stream.Text
	}
	return stream.Fail
}

func (m *namedMachine) arguments(p *stream.Parser) stream.Step {
	got := m.reader.read(p)
	m.reader.emit(p, m.name, m.id, got == stream.Done)
	if got == stream.Done {
		m.state = namedEnd
		return stream.Text
	}
	return got
}

// end reads the end of the code block.
func (m *namedMachine) end(p *stream.Parser) stream.Step {
	if m.fenced {
		n, got := stream.AnyPrefix(p.In, []string{"```"}, p.Final)
		if got == stream.Part || p.In == "" && !p.Final {
			return stream.More
		}
		if p.Final && strings.HasPrefix("```", p.In) {
			n = len(p.In)
		}
		p.Skip(n)
	}
	p.EndCall()
	return stream.Done
}

func (m *namedMachine) Seal(p *stream.Parser) string {
	if m.state != namedArgs {
		return ""
	}
	return m.reader.seal(p)
}

// Wire is the markup of calls: begin (head NAME mid ARGUMENTS tail) join (...) end.
type Wire struct {
	Begin     string
	Head, Mid constrain.Expr
	Tail      string
	Join, End string
}

func (b Named) Grammar(g *Builder, fm *stream.Form, tools []chat.Tool) (constrain.Expr, error) {
	w := b.Wire
	if w == nil {
		w = &Wire{
			Head: constrain.Lit(first(fm.Open) + fm.Gap + strings.Join(b.Lead, "")), Mid: constrain.Lit(first(b.Seps)),
			Tail: fm.Gap + first(fm.Close), Join: fm.Join,
		}
	}
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		args, err := g.args(t)
		if b.Style.Quote != "" {
			args, err = b.barePairs(g, t)
		}
		return constrain.Seq{w.Head, constrain.Lit(t.Name), w.Mid, args, constrain.Lit(w.Tail)}, err
	})
	if err != nil {
		return nil, err
	}
	return constrain.Seq{constrain.Lit(w.Begin), g.several(call, w.Join), constrain.Lit(w.End)}, nil
}

// barePairs returns the expression of arguments in a notation with bare keys and quotes of its own.
func (b Named) barePairs(g *Builder, t chat.Tool) (constrain.Expr, error) {
	quote := constrain.Lit(b.Style.Quote)
	pairs, err := g.pairs(t, ",", func(key string, value constrain.Expr) constrain.Expr {
		if value == nil {
			value = constrain.Seq{quote, constrain.Until{Stops: []string{b.Style.Quote}}, quote}
		}
		return constrain.Seq{constrain.Lit(key + ":"), value}
	})
	return constrain.Seq{constrain.Lit("{"), pairs, constrain.Lit("}")}, err
}
