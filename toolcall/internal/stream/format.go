// Package stream is the machine that reads a model's output while it is written. A [Format] tells it which
// markers stand around reasoning and calls, and a [Body] what is written between those of a call.
package stream

// Format is how one family of models writes tool calls and reasoning. Compile it before use.
type Format struct {
	// Forms are the ways in which the family writes calls; the first is the one that a grammar forces.
	Forms []Form
	// Reasoning are the marker pairs of the family's reasoning.
	Reasoning []Span
	// StartsReasoning says that output begins inside reasoning though nothing has opened it.
	StartsReasoning bool
	// CallsEndReasoning says that a call inside reasoning that is never closed ends it, whatever follows.
	CallsEndReasoning bool
	// Wrappers are markers around content that mean nothing to a client.
	Wrappers []string
	// Breaks are markers that end whatever message is being written: reasoning or content.
	Breaks []string
	// Ends are the end-of-turn tokens, dropped where they end the output as text.
	Ends []string
	// ShortIDs says that the family's templates take call ids of nine letters and digits only.
	ShortIDs bool

	compiled compiled
}

// Span is a pair of markers around reasoning.
type Span struct {
	Open, Close string
	// Write is what a grammar lets the model open the span with where Open does not say it all, Next
	// what it has to write behind Close.
	Write, Next string
}

// Form is one way of writing calls.
type Form struct {
	// Open are the markers that may stand before a call; none means that a call may be the beginning
	// of the answer, or of a line of it.
	Open []string
	// Close are the markers that may end the call. All may be missing.
	Close []string
	// Body is what stands between them.
	Body Body
	// Gap is the white space that the family writes behind Open and before Close, Join what it writes
	// between two calls.
	Gap, Join string
	// Header says that the marker begins a message of its own, which need not be a call: it ends
	// reasoning and holds without tools too.
	Header bool
	// Text says that the markers are ordinary text: they stay in the content where no call is read.
	Text bool
	// Once says that after the call another one needs its own opening marker.
	Once bool
}

// Body is the notation of the inside of a call span, from which one machine reads one call or a list.
type Body interface {
	// Start says whether text, which has no white space in front, can begin this body.
	Start(p *Parser, text string) Match
	// Open returns a machine that reads one body from its start.
	Open(p *Parser) Machine
	// Literals lists the pieces of markup that may occur as special tokens.
	Literals() []string
}

// BareStarter is a body that, without an opening marker, may also begin behind other content: with one of
// these texts, only at the start of a line where line is true.
type BareStarter interface {
	LineStarts() (starts []string, line bool)
}

// Machine reads one body.
type Machine interface {
	// Step reads from p.In by p.Skip as far as it is certain. It must not leave more than a bounded
	// amount of text untaken when it returns More.
	Step(p *Parser) Step
	// Seal closes the arguments of the call that has started and is broken off. It returns what was
	// read but not handed on.
	Seal(p *Parser) string
}

// Match is the answer to a question about a text that may go on.
type Match uint8

// The answers, from the weakest to the strongest.
const (
	No Match = iota
	Part
	Yes
)

// Step is how far a machine came.
type Step uint8

// The results of a step.
const (
	More Step = iota // needs more text
	Done             // the body is complete
	Fail             // the text is no such body
	Text             // no call: go on with text, the markup is dealt with
)

// Wait is the step for a match that is no, or not yet, Yes.
func (m Match) Wait() Step {
	if m == Part {
		return More
	}
	return Fail
}
