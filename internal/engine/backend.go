package engine

import (
	"context"

	"github.com/toolserve/toolserve/constrain"
)

// Backend is one loaded model with its attention state. Vocab is safe for concurrent use; everything else
// is called by the engine's loop alone, one call at a time.
type Backend interface {
	Info() Info
	Vocab() Vocab
	Evaluator
	// Close frees the model. It is idempotent.
	Close() error
}

// Info are a backend's fixed numbers.
type Info struct {
	// ContextSize is the most tokens of one sequence, MaxSeqs how many sequences there are, BatchSize the
	// most rows of one Decode. VocabSize is the number of tokens and so of the logits of a row.
	ContextSize, MaxSeqs, BatchSize, VocabSize int
}

// Vocab is the model's tokens.
type Vocab interface {
	// Tokenize splits text; with special, the spelling of a control token becomes that token.
	Tokenize(text string, special bool) ([]int32, error)
	// Piece describes a token. An id that the model does not have gives the zero Piece.
	Piece(id int32) Piece
}

// Piece is what a token stands for.
type Piece struct {
	// Text is the token's bytes, or the spelling of a control token.
	Text string
	// Special marks a control token, End one that ends the generation.
	Special, End bool
}

// Row is one token to evaluate.
type Row struct {
	Token int32
	// Pos is the token's place in its sequence: the rows of a sequence go on where it ends.
	Pos int
	Seq int
	// Logits asks for the distribution after this token.
	Logits bool
}

// Evaluator evaluates tokens and keeps the state of each sequence.
type Evaluator interface {
	// Decode evaluates the rows. When ctx ends first it may return ctx's error, having evaluated any part
	// of the rows; with [ErrNoSpace] nothing was evaluated. An error that is [ErrEngineDead] is final.
	Decode(ctx context.Context, rows []Row) error
	// Logits returns the distribution after the i-th row of the last Decode, Info().VocabSize numbers,
	// valid until the next call of Decode.
	Logits(row int) ([]float32, error)
	// Share makes the first n tokens of sequence src those of dst too, which must be empty.
	Share(src, dst, n int) error
	// Truncate forgets all but the first n tokens of a sequence and reports whether it could; where it
	// could not, the sequence is as it was. Truncating to 0 always works.
	Truncate(seq, n int) bool
}

// Constrainer is what a backend implements that can hold an output to a grammar.
type Constrainer interface {
	// Constrain starts a constraint. It is safe for concurrent use. An error is the grammar's fault unless it
	// is [ErrEngineDead].
	Constrain(g *constrain.Grammar) (Constraint, error)
}

// Constraint says which tokens may come next. It is used by one goroutine at a time.
type Constraint interface {
	// Allowed sets ok[i] to whether ids[i] may come next. The end-of-generation tokens are allowed where the
	// output may end.
	Allowed(ids []int32, ok []bool) error
	// Accept takes a token that was allowed.
	Accept(id int32) error
	Close()
}
