package toolcall

import (
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
)

// Family is how one family of models writes tool calls and reasoning. Families come from the table:
// [Families], [Lookup], [Detect].
type Family struct {
	name    string
	aliases []string
	// templates holds what tells the family's chat templates from all others: one of the sets must have
	// each of its strings in the template, and none of those that begin with "!".
	templates [][]string
	// forms are the ways in which the family writes calls; the first is the one that a grammar forces.
	forms []form
	// reasoning are the marker pairs of the family's reasoning.
	reasoning []span
	// startsReasoning says that output begins inside reasoning though nothing has opened it.
	startsReasoning bool
	// callsEndReasoning says that a call inside reasoning that is never closed ends it, whatever follows.
	callsEndReasoning bool
	// wrappers are markers around content that mean nothing to a client.
	wrappers []string
	// breaks are markers that end whatever message is being written: reasoning or content.
	breaks []string
	// ends are the end-of-turn tokens, dropped where they end the output as text.
	ends []string
	// shortIDs says that the family's templates take call ids of nine letters and digits only.
	shortIDs bool

	compiled compiled
}

// span is a pair of markers around reasoning.
type span struct {
	open, close string
	// write is what a grammar lets the model open the span with where open does not say it all, next
	// what it has to write behind close.
	write, next string
}

// form is one way of writing calls.
type form struct {
	// open are the markers that may stand before a call; none means that a call may be the beginning
	// of the answer, or of a line of it.
	open []string
	// close are the markers that may end the call. All may be missing.
	close []string
	// body is what stands between them.
	body body
	// gap is the white space that the family writes behind open and before close, join what it writes
	// between two calls.
	gap, join string
	// header says that the marker begins a message of its own, which need not be a call: it ends
	// reasoning and holds without tools too.
	header bool
	// text says that the markers are ordinary text: they stay in the content where no call is read.
	text bool
	// once says that after the call another one needs its own opening marker.
	once bool
}

// body is the notation of the inside of a call span, from which one machine reads one call or a list.
type body interface {
	// start says whether text, which has no white space in front, can begin this body.
	start(p *Parser, text string) match
	// open returns a machine that reads one body from its start.
	open(p *Parser) machine
	// grammar returns the expression of the calls that the form fm writes of the tools.
	grammar(g *grammarBuilder, fm *form, tools []chat.Tool) (constrain.Expr, error)
	// literals lists the pieces of markup that may occur as special tokens.
	literals() []string
}

// machine reads one body.
type machine interface {
	// step reads from p.in by p.skip as far as it is certain. It must not leave more than a bounded
	// amount of text untaken when it returns stepMore.
	step(p *Parser) stepResult
	// seal closes the arguments of the call that has started and is broken off. It returns what was
	// read but not handed on.
	seal(p *Parser) string
}

// match is the answer to a question about a text that may go on.
type match uint8

const (
	matchNo match = iota
	matchPart
	matchYes
)

type stepResult uint8

const (
	stepMore stepResult = iota // needs more text
	stepDone                   // the body is complete
	stepFail                   // the text is no such body
	stepText                   // no call: go on with text, the markup is dealt with
)

// Families returns the rows of the table in their order.
func Families() []*Family { return slices.Clone(table) }

// Lookup finds a family by its name or one of its aliases, in upper or lower case, with "-" or "_".
func Lookup(name string) (*Family, bool) {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	for _, f := range table {
		if f.name == name || slices.Contains(f.aliases, name) {
			return f, true
		}
	}
	return nil, false
}

// Detect finds the family whose calls the chat template writes. It finds none in a template that knows
// no tools.
func Detect(template string) (*Family, bool) {
	for _, f := range table {
		if f.claims(template) {
			return f, true
		}
	}
	return nil, false
}

func (f *Family) claims(template string) bool {
	return slices.ContainsFunc(f.templates, func(set []string) bool {
		for _, s := range set {
			absent := strings.HasPrefix(s, "!")
			if strings.Contains(template, strings.TrimPrefix(s, "!")) == absent {
				return false
			}
		}
		return true
	})
}

// Name returns the family's name, as --tool-call-parser takes it.
func (f *Family) Name() string { return f.name }

// Aliases returns the family's other names.
func (f *Family) Aliases() []string { return slices.Clone(f.aliases) }

// Reasons reports whether the family has markers for reasoning.
func (f *Family) Reasons() bool { return len(f.reasoning) > 0 }
