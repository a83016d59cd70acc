package toolcall

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/lenient"
)

// The keys that models use for the parts of a call, whatever their template says.
var (
	nameKeys = []string{"name", "tool_name", "function_name"}
	argsKeys = []string{"arguments", "parameters", "args"}
	idKeys   = []string{"id", "tool_call_id", "call_id"}
	// wrapKeys hold a whole call, or the list of calls.
	wrapKeys = []string{"function", "tool_calls"}
)

// jsonBody is one call as a JSON object, or a list of such: an array, or several in a row. Keys may come
// in any order and under any of their usual names; arguments may be a string that holds the JSON text.
type jsonBody struct {
	// name and args are the keys that the family writes, for the grammar: "name" and "arguments" where empty.
	name, args string
	// keyed says that the call's only key is its name and the value its arguments.
	keyed bool
	// array says that the family writes an array of calls.
	array bool
	// lines says that the family writes its calls one after the other into one span.
	lines bool
	// strict reads only what is certainly a call of one of the tools: for bodies without markers.
	strict bool
	// lateID says that the id stands behind the arguments: the start of the call waits for it, unless
	// the arguments are long.
	lateID bool
	// style is the notation of the values.
	style lenient.Style
}

// maxWait is how many bytes of arguments wait for an id behind them.
const maxWait = 1024

func (b jsonBody) literals() []string { return nil }

func (b jsonBody) lineStarts() ([]string, bool) {
	if b.strict {
		return []string{"{", "["}, true
	}
	return nil, false
}

func (b jsonBody) start(_ *Parser, text string) match {
	if text == "" {
		return matchPart
	}
	if !b.strict {
		if text[0] == '{' || text[0] == '[' {
			return matchYes
		}
		return matchNo
	}
	if text[0] == '[' {
		text = text[1:]
		text = text[leadingSpace(text):]
	}
	if text == "" {
		return matchPart
	}
	if text[0] != '{' {
		return matchNo
	}
	text = text[1:]
	text = text[leadingSpace(text):]
	return startsKey(text)
}

// startsKey reports whether text begins with a quoted key that a call may begin with.
func startsKey(text string) match {
	if text == "" {
		return matchPart
	}
	if text[0] != '"' && text[0] != '\'' {
		return matchNo
	}
	quote, text := text[:1], text[1:]
	got := matchNo
	for _, keys := range [][]string{nameKeys, argsKeys, idKeys, wrapKeys, {"type"}} {
		for _, key := range keys {
			if strings.HasPrefix(text, key+quote) {
				return matchYes
			}
			if strings.HasPrefix(key+quote, text) {
				got = matchPart
			}
		}
	}
	return got
}

func (b jsonBody) open(*Parser) machine { return &jsonMachine{body: b} }

type jsonState uint8

const (
	jsonItem   jsonState = iota // a call, or the array of calls
	jsonKey                     // a key of the call, or its end
	jsonMember                  // the value of a key
	jsonArgs                    // inside the arguments
	jsonSkip                    // inside a value that means nothing
	jsonNext                    // behind a call of an array
	jsonTail                    // behind the array inside an object
)

type jsonMachine struct {
	body  jsonBody
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
}

func (m *jsonMachine) step(p *Parser) stepResult {
	for {
		if m.state != jsonArgs && m.state != jsonSkip {
			p.skip(leadingSpace(p.in))
		}
		if p.in == "" && m.state != jsonArgs && m.state != jsonSkip {
			return stepMore
		}
		var got stepResult
		switch m.state {
		case jsonItem:
			got = m.item(p)
		case jsonKey:
			got = m.readKey(p)
		case jsonMember:
			got = m.member(p)
		case jsonArgs:
			got = m.arguments(p)
		case jsonSkip:
			got = m.skip(p)
		case jsonNext:
			got = m.next(p)
		case jsonTail:
			if p.in[0] == '}' {
				p.skip(1)
			}
			return stepDone
		}
		if got != stepText { // stepText: go on in the next state
			return got
		}
	}
}

// item reads the beginning of a call or of the array of calls.
func (m *jsonMachine) item(p *Parser) stepResult {
	switch c := p.in[0]; {
	case c == '{':
		m.state, m.depth = jsonKey, m.depth+1
	case c == '[' && !m.array:
		m.array = true
	case c == ']' && m.array:
		p.skip(1)
		return stepDone
	default:
		return stepFail
	}
	p.skip(1)
	return stepText
}

func (m *jsonMachine) readKey(p *Parser) stepResult {
	switch p.in[0] {
	case '}':
		return m.endObject(p)
	case ',':
		p.skip(1)
		return stepText
	}
	key, n, got := quoted(p.in)
	if got != stepDone {
		return got
	}
	rest := p.in[n:]
	rest = rest[leadingSpace(rest):]
	if rest == "" {
		return stepMore
	}
	if rest[0] != ':' || m.body.strict && !m.knows(key) {
		return stepFail
	}
	p.skip(len(p.in) - len(rest) + 1)
	m.key, m.state = key, jsonMember
	return stepText
}

func (m *jsonMachine) knows(key string) bool {
	return key == "type" || slices.Contains(nameKeys, key) || slices.Contains(argsKeys, key) ||
		slices.Contains(idKeys, key) || slices.Contains(wrapKeys, key)
}

// member reads the beginning of the value of m.key.
func (m *jsonMachine) member(p *Parser) stepResult {
	c := p.in[0]
	switch {
	case m.body.keyed:
		m.name = m.key
		m.state, m.reader = jsonArgs, argsReader{style: m.body.style}
		p.call.named = true
	case slices.Contains(argsKeys, m.key) && !m.sawArgs:
		m.state, m.reader = jsonArgs, argsReader{style: m.body.style}
	case (slices.Contains(nameKeys, m.key) || m.key == "function") && (c == '"' || c == '\''):
		return m.readName(p)
	case slices.Contains(idKeys, m.key) && (c == '"' || c == '\''):
		id, n, got := quoted(p.in)
		if got != stepDone {
			return got
		}
		p.skip(n)
		m.id, m.state = id, jsonKey
	case m.key == "function" && c == '{':
		p.skip(1)
		m.state, m.depth = jsonKey, m.depth+1
	case m.key == "tool_calls" && c == '[' && !m.array && m.depth == 1:
		p.skip(1)
		m.array, m.wrapped, m.depth, m.state = true, true, 0, jsonItem
	default:
		m.state, m.skipped = jsonSkip, lenient.Scanner{Style: m.body.style}
	}
	return stepText
}

func (m *jsonMachine) readName(p *Parser) stepResult {
	name, n, got := quoted(p.in)
	if got != stepDone {
		return got
	}
	if m.body.strict && p.tool(name) == nil {
		return stepFail
	}
	p.skip(n)
	m.name, m.state = strings.TrimPrefix(name, "functions."), jsonKey
	p.call.named = true
	if p.tool(name) != nil {
		m.name = name
	}
	return stepText
}

// arguments reads on in the arguments. They are kept until the name is known.
func (m *jsonMachine) arguments(p *Parser) stepResult {
	got := m.reader.read(p)
	waits := m.body.lateID && m.id == "" && len(m.reader.out) < maxWait
	if m.name != "" && !waits {
		m.reader.emit(p, m.name, m.id, got == stepDone)
	}
	if got == stepDone {
		m.sawArgs, m.state = true, jsonKey
		return stepText
	}
	return got
}

func (m *jsonMachine) skip(p *Parser) stepResult {
	n, got := m.skipped.Write(p.in, p.final)
	p.skip(n)
	m.skipped.Take()
	switch got {
	case lenient.Bad:
		return stepFail
	case lenient.More:
		return stepMore
	}
	m.state = jsonKey
	return stepText
}

// endObject reads the brace that ends the call, or what is around its keys.
func (m *jsonMachine) endObject(p *Parser) stepResult {
	if m.depth > 1 {
		m.depth--
		p.skip(1)
		return stepText
	}
	if !p.call.named || m.body.strict && !m.sawArgs {
		return stepFail
	}
	if !m.sawArgs {
		m.reader.out = append(m.reader.out, "{}"...)
	}
	m.reader.emit(p, m.name, m.id, true)
	p.skip(1)
	p.endCall()
	m.name, m.id, m.sawArgs, m.depth = "", "", false, 0
	m.reader = argsReader{}
	if !m.array {
		return stepDone
	}
	m.state = jsonNext
	return stepText
}

// next reads what stands between the calls of an array, and its end.
func (m *jsonMachine) next(p *Parser) stepResult {
	switch p.in[0] {
	case ',':
		p.skip(1)
		m.state = jsonItem
	case '{':
		m.state = jsonItem
	case ']':
		p.skip(1)
		if !m.wrapped {
			return stepDone
		}
		m.state = jsonTail
	default:
		return stepDone
	}
	return stepText
}

func (m *jsonMachine) seal(p *Parser) string {
	if m.state != jsonArgs {
		return ""
	}
	return m.reader.seal(p)
}

// quoted reads the string in quotes at the beginning of text, and returns its meaning and its length.
func quoted(text string) (string, int, stepResult) {
	if text == "" {
		return "", 0, stepMore
	}
	quote := text[0]
	if quote != '"' && quote != '\'' {
		return "", 0, stepFail
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return unquote(text[:i+1]), i + 1, stepDone
		}
	}
	if len(text) > 4*maxName {
		return "", 0, stepFail
	}
	return "", 0, stepMore
}

func unquote(text string) string {
	valid, ok := lenient.Valid(text, lenient.Style{})
	var s string
	if !ok || json.Unmarshal([]byte(valid), &s) != nil {
		return text[1 : len(text)-1]
	}
	return s
}
