// Package enginetest is a model for tests: an [engine.Backend] without weights, whose output is a function
// of the text before it, and which can be slow or fail on request.
//
// Its vocabulary is the 256 bytes, then [End], then Options.Specials. Every token but those is one byte, so
// characters outside ASCII come in pieces, as they do from real models.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/internal/engine"
)

// End is the end-of-generation token, and EndText its spelling.
const (
	End     int32 = 256
	EndText       = "<|im_end|>"
)

// Options are what a [Backend] is and does. The zero value is one sequence of 4096 tokens whose output is a
// few dozen letters that depend on everything before them.
type Options struct {
	// MaxSeqs, ContextSize and BatchSize are as in [engine.Info]; 0 means 1, 4096 and 512.
	MaxSeqs, ContextSize, BatchSize int
	// Cells is how many tokens all sequences together hold; 0 means enough. Shared tokens count once for
	// each sequence.
	Cells int
	// Specials are the spellings of control tokens, which get the ids after End in this order.
	Specials []string
	// Reply returns what the model writes after a prompt; the end-of-generation token follows it. Spellings
	// of Specials become those tokens. A prompt is recognised by where a request's own tokens begin.
	Reply func(prompt string) string
	// Next, when Reply is nil, returns the token after a sequence's tokens.
	Next func(tokens []int32) int32
	// Delay is how long each Decode takes, TokenDelay how much longer for each row.
	Delay, TokenDelay time.Duration
	// OnDecode, when not nil, is called before the n-th Decode (from 1) with its rows; an error fails it.
	OnDecode func(n int, rows []engine.Row) error
	// NoCut makes Truncate fail except to 0, as it does for recurrent models.
	NoCut bool
	// Constrain, when not nil, answers for Request.Grammar.
	Constrain func(*constrain.Grammar) (engine.Constraint, error)
}

// Backend is the model.
type Backend struct {
	opts Options

	mu      sync.Mutex // the loop writes, tests look
	seqs    [][]int32
	rows    [][]int32 // for each row of the last Decode the sequence's tokens up to it, nil without logits
	decodes int
	replies map[uint64][]int32 // hash of a prompt's tokens to the reply's tokens
	closed  bool
}

var (
	_ engine.Backend     = (*Backend)(nil)
	_ engine.Constrainer = (*Backend)(nil)
)

// New returns a backend.
func New(opts Options) *Backend {
	if opts.MaxSeqs == 0 {
		opts.MaxSeqs = 1
	}
	if opts.ContextSize == 0 {
		opts.ContextSize = 4096
	}
	if opts.BatchSize == 0 {
		opts.BatchSize = 512
	}
	return &Backend{opts: opts, seqs: make([][]int32, opts.MaxSeqs), replies: make(map[uint64][]int32)}
}

// Info returns the options' numbers.
func (b *Backend) Info() engine.Info {
	return engine.Info{
		ContextSize: b.opts.ContextSize,
		MaxSeqs:     b.opts.MaxSeqs,
		BatchSize:   b.opts.BatchSize,
		VocabSize:   int(End) + 1 + len(b.opts.Specials),
	}
}

// Vocab returns the backend itself.
func (b *Backend) Vocab() engine.Vocab { return b }

// Tokenize returns the text's bytes and, with special, control tokens for their spellings.
func (b *Backend) Tokenize(text string, special bool) ([]int32, error) {
	var ids []int32
next:
	for text != "" {
		if special {
			for i, s := range append([]string{EndText}, b.opts.Specials...) {
				if strings.HasPrefix(text, s) {
					ids, text = append(ids, End+int32(i)), text[len(s):]
					continue next
				}
			}
		}
		ids, text = append(ids, int32(text[0])), text[1:]
	}
	return ids, nil
}

// Piece returns a byte or a control token's spelling.
func (b *Backend) Piece(id int32) engine.Piece {
	switch {
	case id >= 0 && id < End:
		return engine.Piece{Text: string([]byte{byte(id)})}
	case id == End:
		return engine.Piece{Text: EndText, Special: true, End: true}
	case id > End && int(id-End) <= len(b.opts.Specials):
		return engine.Piece{Text: b.opts.Specials[id-End-1], Special: true}
	}
	return engine.Piece{}
}

// Text returns the tokens' spelling.
func (b *Backend) Text(ids []int32) string {
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(b.Piece(id).Text)
	}
	return text.String()
}

// Decode checks the rows as strictly as llama.cpp does and keeps them.
func (b *Backend) Decode(ctx context.Context, rows []engine.Row) error {
	b.mu.Lock()
	b.decodes++
	n := b.decodes
	b.mu.Unlock()
	if b.opts.OnDecode != nil {
		if err := b.opts.OnDecode(n, rows); err != nil {
			return err
		}
	}
	if d := b.opts.Delay + time.Duration(len(rows))*b.opts.TokenDelay; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.evaluate(rows)
}

func (b *Backend) evaluate(rows []engine.Row) error {
	if len(rows) == 0 || len(rows) > b.opts.BatchSize {
		return fmt.Errorf("enginetest: batch of %d rows, want 1 to %d", len(rows), b.opts.BatchSize)
	}
	used := len(rows)
	for _, s := range b.seqs {
		used += len(s)
	}
	if b.opts.Cells > 0 && used > b.opts.Cells {
		return engine.ErrNoSpace
	}
	b.rows = b.rows[:0]
	for i, r := range rows {
		if r.Seq < 0 || r.Seq >= len(b.seqs) || r.Pos != len(b.seqs[r.Seq]) || r.Pos >= b.opts.ContextSize {
			return fmt.Errorf("enginetest: row %d is token %d at %d of sequence %d, out of order", i, r.Token, r.Pos, r.Seq)
		}
		b.seqs[r.Seq] = append(b.seqs[r.Seq], r.Token)
		var upTo []int32
		if r.Logits {
			upTo = slices.Clone(b.seqs[r.Seq])
		}
		b.rows = append(b.rows, upTo)
	}
	return nil
}

// Logits returns a distribution whose most likely token by far is the one to come.
func (b *Backend) Logits(row int) ([]float32, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if row < 0 || row >= len(b.rows) || b.rows[row] == nil {
		return nil, fmt.Errorf("enginetest: row %d has no logits", row)
	}
	tokens := b.rows[row]
	logits := make([]float32, b.Info().VocabSize)
	h := mix(tokens)
	for i := range logits {
		logits[i] = float32((h>>(uint(i)%48))&0xff) / 64 // 0 to 4, alike for alike tokens
	}
	logits[b.next(tokens)] = 24
	return logits, nil
}

func (b *Backend) next(tokens []int32) int32 {
	switch {
	case b.opts.Reply != nil:
		return b.replied(tokens)
	case b.opts.Next != nil:
		return b.opts.Next(tokens)
	}
	return Babble(tokens)
}

// replied finds the reply under way, or begins one.
func (b *Backend) replied(tokens []int32) int32 {
	h := fnv.New64a()
	var under []int32
	for k, t := range tokens {
		write(h, t)
		reply, ok := b.replies[h.Sum64()]
		if said := tokens[k+1:]; ok && len(said) < len(reply) && slices.Equal(said, reply[:len(said)]) {
			under = reply[len(said):]
		}
	}
	if under != nil {
		return under[0]
	}
	reply, _ := b.Tokenize(b.opts.Reply(b.Text(tokens)), true)
	reply = append(reply, End)
	b.replies[h.Sum64()] = reply
	return reply[0]
}

// Babble is the default Next: a letter that depends on every token before it, or now and then the end.
func Babble(tokens []int32) int32 {
	h := mix(tokens)
	if h%61 == 0 {
		return End
	}
	return int32('a' + h%26)
}

func mix(tokens []int32) uint64 {
	h := fnv.New64a()
	for _, t := range tokens {
		write(h, t)
	}
	return h.Sum64() >> 8
}

func write(h hash.Hash64, token int32) { h.Write([]byte{byte(token), byte(token >> 8)}) }

// Share copies the first n tokens of a sequence to an empty one.
func (b *Backend) Share(src, dst, n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.seqs[dst]) > 0 || n > len(b.seqs[src]):
		return fmt.Errorf("enginetest: share %d of %d tokens of sequence %d with sequence %d, which has %d", n, len(b.seqs[src]), src, dst, len(b.seqs[dst]))
	case b.opts.NoCut && n != len(b.seqs[src]):
		return errors.New("enginetest: this model cannot share part of a sequence")
	}
	b.seqs[dst] = slices.Clone(b.seqs[src][:n])
	return nil
}

// Truncate cuts a sequence.
func (b *Backend) Truncate(seq, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opts.NoCut && n != 0 && n != len(b.seqs[seq]) {
		return false
	}
	if n > len(b.seqs[seq]) {
		return false
	}
	b.seqs[seq] = b.seqs[seq][:n]
	return true
}

// Constrain asks Options.Constrain.
func (b *Backend) Constrain(g *constrain.Grammar) (engine.Constraint, error) {
	if b.opts.Constrain == nil {
		return nil, errors.New("enginetest: no constraint is scripted")
	}
	return b.opts.Constrain(g)
}

// Close notes that the engine let go of the backend.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// Closed reports whether Close was called.
func (b *Backend) Closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Decodes returns how many batches were evaluated or failed.
func (b *Backend) Decodes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.decodes
}

// Held returns the tokens that each sequence holds.
func (b *Backend) Held() [][]int32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := make([][]int32, len(b.seqs))
	for i, s := range b.seqs {
		held[i] = slices.Clone(s)
	}
	return held
}
