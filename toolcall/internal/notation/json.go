package notation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// JSON is one call as a JSON object, or a list of such: an array, or several in a row. Keys may come
// in any order and under any of their usual names; arguments may be a string that holds the JSON text.
type JSON struct {
	// Name and args are the keys that the family writes, for the grammar: "name" and "arguments" where empty.
	Name, Args string
	// Keyed says that the call's only key is its name and the value its arguments.
	Keyed bool
	// Array says that the family writes an array of calls.
	Array bool
	// Lines says that the family writes its calls one after the other into one span.
	Lines bool
	// Strict reads only what is certainly a call of one of the tools: for bodies without markers.
	Strict bool
	// LateID says that the id stands behind the arguments: the start of the call waits for it, unless
	// the arguments are long.
	LateID bool
	// Style is the notation of the values.
	Style lenient.Style
}

// maxWait is how many bytes of arguments wait for an id behind them.
const maxWait = 1024

// maxLeft is how many bytes of what is no part of a call are kept for a warning.
const maxLeft = 256

func (b JSON) Literals() []string { return nil }

func (b JSON) LineStarts() ([]string, bool) {
	if b.Strict {
		return []string{"{", "["}, true
	}
	return nil, false
}

func (b JSON) Start(_ *stream.Parser, text string) stream.Match {
	if text == "" {
		return stream.Part
	}
	if !b.Strict {
		if text[0] == '{' || text[0] == '[' {
			return stream.Yes
		}
		return stream.No
	}
	if text[0] == '[' {
		text = text[1:]
		text = text[stream.LeadingSpace(text):]
	}
	if text == "" {
		return stream.Part
	}
	if text[0] != '{' {
		return stream.No
	}
	text = text[1:]
	text = text[stream.LeadingSpace(text):]
	return startsKey(text)
}

func (b JSON) Open(*stream.Parser) stream.Machine { return &jsonMachine{body: b} }

type jsonState uint8

const (
	jsonItem   jsonState = iota // a call, or the array of calls
	jsonKey                     // a key of the call, or its end
	jsonColon                   // what separates a key from its value
	jsonMember                  // the value of a key
	jsonArgs                    // inside the arguments
	jsonSkip                    // inside a value that means nothing
	jsonNext                    // behind a call of an array
	jsonTail                    // behind the array inside an object
)

type jsonMachine struct {
	body  JSON
	state jsonState
	array bool
	depth int // of the objects around the keys: 2 inside "function"
	key   string
	// wrapped says that the array stands inside an object.
	wrapped bool

	name, id string
	sawArgs  bool
	reader   argsReader
	skipped  lenient.Scanner
	// left is the beginning of what is no part of a call: keys that mean nothing and their values.
	left []byte
}

func (m *jsonMachine) Step(p *stream.Parser) stream.Step {
	for {
		if m.state != jsonArgs && m.state != jsonSkip {
			p.Skip(stream.LeadingSpace(p.In))
		}
		if p.In == "" && m.state != jsonArgs && m.state != jsonSkip {
			return stream.More
		}
		var got stream.Step
		switch m.state {
		case jsonItem:
			got = m.item(p)
		case jsonKey:
			got = m.readKey(p)
		case jsonColon:
			if p.In[0] != ':' {
				return stream.Fail
			}
			p.Skip(1)
			m.state, got = jsonMember, stream.Text
		case jsonMember:
			got = m.member(p)
		case jsonArgs:
			got = m.arguments(p)
		case jsonSkip:
			got = m.skip(p)
		case jsonNext:
			got = m.next(p)
		case jsonTail:
			if p.In[0] == '}' {
				p.Skip(1)
			}
			return stream.Done
		}
		if got != stream.Text { // stream.Text: go on in the next state
			return got
		}
	}
}

// item reads the beginning of a call or of the array of calls.
func (m *jsonMachine) item(p *stream.Parser) stream.Step {
	switch c := p.In[0]; {
	case c == '{':
		m.state, m.depth = jsonKey, m.depth+1
	case c == '[' && !m.array:
		m.array = true
	case c == ']' && m.array:
		p.Skip(1)
		return stream.Done
	default:
		return stream.Fail
	}
	p.Skip(1)
	return stream.Text
}

func (m *jsonMachine) readKey(p *stream.Parser) stream.Step {
	switch p.In[0] {
	case '}':
		return m.endObject(p)
	case ',':
		p.Skip(1)
		return stream.Text
	}
	key, n, got := quoted(p.In)
	if got != stream.Done {
		return got
	}
	if m.body.Strict && !slices.Contains(firstKeys, key) {
		return stream.Fail
	}
	if m.body.Keyed && m.sawArgs { // another call in the same object
		p.EndCall()
		m.sawArgs = false
	}
	p.Skip(n)
	m.key, m.state = key, jsonColon
	return stream.Text
}

// member reads the beginning of the value of m.key.
func (m *jsonMachine) member(p *stream.Parser) stream.Step {
	c := p.In[0]
	switch {
	case m.body.Keyed:
		m.name = m.key
		m.state, m.reader = jsonArgs, argsReader{style: m.body.Style}
		p.SetNamed()
	case slices.Contains(argsKeys, m.key) && !m.sawArgs:
		m.state, m.reader = jsonArgs, argsReader{style: m.body.Style}
	case (slices.Contains(nameKeys, m.key) || m.key == "function") && (c == '"' || c == '\''):
		return m.readName(p)
	case slices.Contains(idKeys, m.key) && (c == '"' || c == '\''):
		id, n, got := quoted(p.In)
		if got != stream.Done {
			return got
		}
		p.Skip(n)
		m.id, m.state = id, jsonKey
	case m.key == "function" && c == '{':
		p.Skip(1)
		m.state, m.depth = jsonKey, m.depth+1
	case m.key == "tool_calls" && c == '[' && !m.array && m.depth == 1:
		p.Skip(1)
		m.array, m.wrapped, m.depth, m.state = true, true, 0, jsonItem
	default:
		m.state, m.skipped = jsonSkip, lenient.Scanner{Style: m.body.Style}
		if m.key != "type" && !slices.Contains(idKeys, m.key) {
			m.left = append(append(m.left, m.key...), ": "...)
		}
	}
	return stream.Text
}

func (m *jsonMachine) readName(p *stream.Parser) stream.Step {
	name, n, got := quoted(p.In)
	if got != stream.Done {
		return got
	}
	if m.body.Strict && !p.Knows(name) {
		return stream.Fail
	}
	p.Skip(n)
	if m.name != "" && m.name != name {
		m.left = append(append(m.left, "name: "...), m.name...)
	}
	m.name, m.state = strings.TrimPrefix(name, "functions."), jsonKey
	p.SetNamed()
	if p.Tool(name) != nil {
		m.name = name
	}
	return stream.Text
}

// arguments reads on in the arguments. They are kept until the name is known.
func (m *jsonMachine) arguments(p *stream.Parser) stream.Step {
	got := m.reader.read(p)
	waits := m.body.LateID && m.id == "" && len(m.reader.out) < maxWait
	if m.name != "" && !waits {
		m.reader.emit(p, m.name, m.id, got == stream.Done)
	}
	if got == stream.Done {
		m.sawArgs, m.state = true, jsonKey
		return stream.Text
	}
	return got
}

func (m *jsonMachine) skip(p *stream.Parser) stream.Step {
	n, got := m.skipped.Write(p.In, p.Final)
	if k := len(m.left); k > 0 && k < maxLeft {
		m.left = append(m.left, p.In[:n]...)
	}
	p.Skip(n)
	m.skipped.Take()
	switch got {
	case lenient.Bad:
		return stream.Fail
	case lenient.More:
		return stream.More
	}
	m.state = jsonKey
	return stream.Text
}

// endObject reads the brace that ends the call, or what is around its keys.
func (m *jsonMachine) endObject(p *stream.Parser) stream.Step {
	if m.depth > 1 {
		m.depth--
		p.Skip(1)
		return stream.Text
	}
	if !p.Named() || m.body.Strict && !m.sawArgs {
		return stream.Fail
	}
	if !m.sawArgs {
		m.reader.out = append(m.reader.out, "{}"...)
	}
	m.reader.emit(p, m.name, m.id, true)
	p.LeaveOut(string(m.left))
	p.Skip(1)
	p.EndCall()
	m.left = m.left[:0]
	m.name, m.id, m.sawArgs, m.depth = "", "", false, 0
	m.reader = argsReader{}
	if !m.array {
		return stream.Done
	}
	m.state = jsonNext
	return stream.Text
}

// next reads what stands between the calls of an array, and its end.
func (m *jsonMachine) next(p *stream.Parser) stream.Step {
	switch p.In[0] {
	case ',':
		p.Skip(1)
		m.state = jsonItem
	case '{':
		m.state = jsonItem
	case ']':
		p.Skip(1)
		if !m.wrapped {
			return stream.Done
		}
		m.state = jsonTail
	default:
		return stream.Done
	}
	return stream.Text
}

func (m *jsonMachine) Seal(p *stream.Parser) string {
	switch m.state {
	case jsonColon, jsonMember:
		return string(m.left) + m.key
	case jsonArgs:
	default:
		return string(m.left)
	}
	return string(m.left) + m.reader.seal(p)
}

func (b JSON) Grammar(g *Builder, fm *stream.Form, tools []chat.Tool) (constrain.Expr, error) {
	name, args := b.Name, b.Args
	if name == "" {
		name = "name"
	}
	if args == "" {
		args = "arguments"
	}
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		e, err := g.args(t)
		if b.Keyed {
			return constrain.Seq{constrain.Lit("{" + jsonString(t.Name) + ": "), e, constrain.Lit("}")}, err
		}
		head := fmt.Sprintf(`{%s: %s, %s: `, jsonString(name), jsonString(t.Name), jsonString(args))
		return constrain.Seq{constrain.Lit(head), e, constrain.Lit("}")}, err
	})
	if err != nil {
		return nil, err
	}
	if b.Array {
		return span(fm, constrain.Seq{constrain.Lit("["), g.several(call, ", "), constrain.Lit("]")}), nil
	}
	if b.Lines {
		return span(fm, g.several(call, fm.Join)), nil
	}
	return g.several(span(fm, call), fm.Join), nil
}
