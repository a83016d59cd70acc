package toolcall

import "github.com/toolserve/toolserve/toolcall/internal/lenient"

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

// read takes arguments from p.in and adds what is certain to out.
func (r *argsReader) read(p *Parser) stepResult {
	if !r.begun {
		if got := r.begin(p); got != stepText {
			return got
		}
	}
	if r.text != nil {
		return r.readString(p)
	}
	n, got := r.inner.Write(p.in, p.final)
	p.skip(n)
	r.out = append(r.out, r.inner.Take()...)
	switch got {
	case lenient.Bad:
		return stepFail
	case lenient.Done:
		return stepDone
	}
	return stepMore
}

// begin looks at the first character of the arguments.
func (r *argsReader) begin(p *Parser) stepResult {
	p.skip(leadingSpace(p.in))
	if p.in == "" {
		return stepMore
	}
	switch p.in[0] {
	case '{':
	case '"', '\'':
		r.text = &lenient.Unquoter{Quote: p.in[0]}
		p.skip(1)
	case 'n', 'N':
		if len(p.in) < 4 && !p.final {
			return stepMore
		}
		if len(p.in) < 4 || p.in[:4] != "null" && p.in[:4] != "None" {
			return stepFail
		}
		p.skip(4)
		r.out = append(r.out, "{}"...)
		r.begun = true
		return stepDone
	default:
		return stepFail
	}
	r.inner.Style = r.style
	r.begun = true
	return stepText
}

// readString reads arguments that are the text of an object in a string.
func (r *argsReader) readString(p *Parser) stepResult {
	n, text, got := r.text.Write(p.in, p.final)
	p.skip(n)
	r.rest = append(r.rest, text...)
	ended := got == lenient.Done
	if !r.object {
		r.rest = r.rest[leadingSpace(string(r.rest)):]
		switch {
		case len(r.rest) == 0 && ended: // an empty string
			r.out = append(r.out, "{}"...)
			return stepDone
		case len(r.rest) == 0:
			return stepMore
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
		return stepDone
	case ended: // a string is read to its end even when its meaning is no object

		return stepFail
	}
	return stepMore
}

// emit hands on what is certain. The call begins with the first of its arguments.
func (r *argsReader) emit(p *Parser, name, id string, done bool) {
	if !r.start {
		if len(r.out) < 2 && !done {
			return
		}
		r.start = true
		p.begin(name, id)
	}
	p.args(r.out)
	r.out = r.out[:0]
}

func (r *argsReader) seal(p *Parser) string {
	p.args(r.out)
	lost := r.inner.Pending() + string(r.rest)
	p.args([]byte(r.inner.Seal()))
	return lost
}

// jsonString returns text as a JSON string.
func jsonString(text string) string { return lenient.Quote(text) }
