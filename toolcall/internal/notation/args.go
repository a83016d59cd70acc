package notation

import (
	"slices"

	"github.com/toolserve/toolserve/toolcall/internal/lenient"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// argsReader reads the arguments of a call as a JSON object, as a string that holds the text of one, or
// as null, and gives them out as they become certain.
type argsReader struct {
	style lenient.Style
	// out is read but not handed on: all of it until the name is known.
	out []byte

	begun bool
	inner lenient.Scanner
	text  *lenient.Unquoter // arguments in a string
	rest  []byte            // of the string's meaning: not yet taken by inner
	// object says that the string's meaning begins like an object, full that inner is complete, bad that
	// the meaning is no object after all.
	object, full, bad bool
	start             bool // the call has begun
}

// read takes arguments from p.In and adds what is certain to out.
func (r *argsReader) read(p *stream.Parser) stream.Step {
	if !r.begun {
		if got := r.begin(p); got != stream.Text {
			return got
		}
	}
	if r.text != nil {
		return r.readString(p)
	}
	n, got := r.inner.Write(p.In, p.Final)
	p.Skip(n)
	r.out = append(r.out, r.inner.Take()...)
	switch got {
	case lenient.Bad:
		return stream.Fail
	case lenient.Done:
		return stream.Done
	}
	return stream.More
}

// begin looks at the first character of the arguments.
func (r *argsReader) begin(p *stream.Parser) stream.Step {
	p.Skip(stream.LeadingSpace(p.In))
	if p.In == "" {
		return stream.More
	}
	switch p.In[0] {
	case '{':
	case '"', '\'':
		r.text = &lenient.Unquoter{Quote: p.In[0]}
		p.Skip(1)
	case 'n', 'N':
		if len(p.In) < 4 && !p.Final {
			return stream.More
		}
		if len(p.In) < 4 || p.In[:4] != "null" && p.In[:4] != "None" {
			return stream.Fail
		}
		p.Skip(4)
		r.out = append(r.out, "{}"...)
		r.begun = true
		return stream.Done
	default:
		return stream.Fail
	}
	r.inner.Style = r.style
	r.begun = true
	return stream.Text
}

// readString reads arguments that are the text of an object in a string.
func (r *argsReader) readString(p *stream.Parser) stream.Step {
	n, text, got := r.text.Write(p.In, p.Final)
	p.Skip(n)
	r.rest = append(r.rest, text...)
	ended := got == lenient.Done
	if !r.object {
		r.rest = r.rest[stream.LeadingSpace(string(r.rest)):]
		switch {
		case len(r.rest) == 0 && ended: // an empty string
			r.out = append(r.out, "{}"...)
			return stream.Done
		case len(r.rest) == 0:
			return stream.More
		}
		r.object, r.bad = true, r.rest[0] != '{'
	}
	if !r.full && !r.bad {
		took, inner := r.inner.Write(string(r.rest), ended)
		r.rest = append(r.rest[:0], r.rest[took:]...)
		r.out = append(r.out, r.inner.Take()...)
		r.bad, r.full = inner == lenient.Bad, inner == lenient.Done
	}
	switch {
	case r.full && ended:
		return stream.Done
	case ended: // a string is read to its end even when its meaning is no object

		return stream.Fail
	}
	return stream.More
}

// emit hands on what is certain. The call begins with the first of its arguments.
func (r *argsReader) emit(p *stream.Parser, name, id string, done bool) {
	if !r.start {
		if len(r.out) < 2 && !done {
			return
		}
		r.start = true
		p.Begin(name, id)
	}
	p.Args(r.out)
	r.out = r.out[:0]
}

func (r *argsReader) seal(p *stream.Parser) string {
	p.Args(r.out)
	lost := r.inner.Pending() + string(r.rest)
	p.Args([]byte(r.inner.Seal()))
	return lost
}

// jsonString returns text as a JSON string.
func jsonString(text string) string { return lenient.Quote(text) }

// The keys that models use for the parts of a call, whatever their template says.
var (
	nameKeys = []string{"name", "tool_name", "function_name"}
	argsKeys = []string{"arguments", "parameters", "args"}
	idKeys   = []string{"id", "tool_call_id", "call_id"}
	// wrapKeys hold a whole call, or the list of calls.
	wrapKeys = []string{"function", "tool_calls"}
	// firstKeys are those that a call may begin with.
	firstKeys = slices.Concat(nameKeys, argsKeys, idKeys, wrapKeys, []string{"type"})
)

// startsKey reports whether text begins with a quoted key that a call may begin with.
func startsKey(text string) stream.Match {
	if text == "" {
		return stream.Part
	}
	if text[0] != '"' && text[0] != '\'' {
		return stream.No
	}
	quote, text := text[0], text[1:]
	got := stream.No
	for _, key := range firstKeys {
		n := min(len(text), len(key))
		switch {
		case text[:n] != key[:n]:
		case len(text) <= len(key):
			got = stream.Part
		case text[n] == quote:
			return stream.Yes
		}
	}
	return got
}

// quoted reads the string in quotes at the beginning of text, and returns its meaning and its length.
func quoted(text string) (string, int, stream.Step) {
	if text == "" {
		return "", 0, stream.More
	}
	quote := text[0]
	if quote != '"' && quote != '\'' {
		return "", 0, stream.Fail
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return lenient.Unquote(text[:i+1]), i + 1, stream.Done
		}
	}
	if len(text) > 4*stream.MaxName {
		return "", 0, stream.Fail
	}
	return "", 0, stream.More
}
