package toolcall

import (
	"slices"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// Family is how one family of models writes tool calls and reasoning. Families come from the table:
// [Families], [Lookup], [Detect].
type Family struct {
	name    string
	aliases []string
	// templates holds what tells the family's chat templates from all others: one of the sets must have
	// each of its strings in the template, and none of those that begin with "!".
	templates [][]string
	format    stream.Format
}

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
func (f *Family) Reasons() bool { return len(f.format.Reasoning) > 0 }

// WithReasoning returns a family that writes calls as f does and reasoning as other does, for a model whose
// template fits no row. f is not changed.
func (f *Family) WithReasoning(other *Family) *Family {
	mixed := *f
	mixed.format.Reasoning = other.format.Reasoning
	mixed.format.StartsReasoning = other.format.StartsReasoning
	mixed.format.CallsEndReasoning = other.format.CallsEndReasoning
	mixed.format.Compile()
	return &mixed
}

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
type Parser struct{ p *stream.Parser }

// NewParser returns a parser of one output.
func (f *Family) NewParser(opts Options) *Parser {
	return &Parser{f.format.NewParser(stream.Options(opts))}
}

// Write reads more of the output. The events are valid until the next call of a method. Text may be cut
// anywhere, even inside a character.
func (p *Parser) Write(text string) []chat.Event { return p.p.Write(text) }

// WriteSpecial reads one special token, given by its text. A token that is no markup of the family is
// dropped.
func (p *Parser) WriteSpecial(token string) []chat.Event { return p.p.WriteSpecial(token) }

// Close ends the output. The caller emits the Finish event.
func (p *Parser) Close() []chat.Event { return p.p.Close() }

// Calls returns how many calls are complete.
func (p *Parser) Calls() int { return p.p.Calls() }

// Done reports that the rest of the output is not wanted: Options.SingleCall was set and the call is
// complete.
func (p *Parser) Done() bool { return p.p.Done() }

// Incomplete reports that a call broke off after it had started, and was closed where it was. Such a
// call should not be executed.
func (p *Parser) Incomplete() bool { return p.p.Incomplete() }
