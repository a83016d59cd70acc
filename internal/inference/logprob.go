package inference

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/engine"
)

// aligner finds the tokens of a piece of content again. The parser passes content on in pieces of its own
// and leaves markers out; all that reaches the content does so in order.
type aligner struct {
	tokens []pendingToken // written to the parser, not yet seen in its output
}

type pendingToken struct {
	rest  string // what of the token's text has not yet come out
	taken bool   // the token was attached to the piece in which it began
	prob  chat.Logprob
}

func (a *aligner) add(t *engine.Token) {
	p := pendingToken{rest: t.Text, prob: chat.Logprob{TokenProb: chat.TokenProb{Token: t.Text, Logprob: t.Logprob}}}
	for _, top := range t.Top {
		p.prob.Top = append(p.prob.Top, chat.TokenProb{Token: top.Text, Logprob: top.Logprob})
	}
	a.tokens = append(a.tokens, p)
}

// take returns the tokens that begin in text, the next piece of output, and drops those before it that are
// in no output.
func (a *aligner) take(text string) []chat.Logprob {
	var found []chat.Logprob
	for text != "" && len(a.tokens) > 0 {
		p := &a.tokens[0]
		n, ok := overlap(p.rest, text)
		if ok && !p.taken {
			found = append(found, p.prob)
			p.taken = true
		}
		text = text[n.text:]
		if p.rest = p.rest[n.token:]; ok && p.rest != "" {
			return found // the rest of the token comes with the next piece
		}
		a.tokens = a.tokens[1:]
	}
	return found
}

// consumed is how many bytes of a token, and of the output, belong together or to nothing.
type consumed struct{ token, text int }

// overlap finds the place in a token's text at which text goes on: its beginning, or behind a marker that
// shares the token. ok is false where there is none. A token without text, which is part of a character,
// belongs to the text that follows.
func overlap(token, text string) (n consumed, ok bool) {
	if token == "" {
		return consumed{}, true
	}
	for at := range len(token) {
		switch rest := token[at:]; {
		case strings.HasPrefix(text, rest):
			return consumed{len(token), len(rest)}, true
		case strings.HasPrefix(rest, text):
			return consumed{at + len(text), len(text)}, true
		}
	}
	return consumed{token: len(token)}, false
}

// drop forgets the tokens so far: they were a call.
func (a *aligner) drop() { a.tokens = a.tokens[:0] }
