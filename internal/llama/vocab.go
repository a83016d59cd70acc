package llama

import (
	"errors"
	"fmt"
	"math"
)

// maxText bounds what Tokenize takes, far below where llama.cpp's 32-bit lengths end.
const maxText = 1 << 28

// VocabSize is the number of the model's tokens.
func (m *Model) VocabSize() int { return m.size }

// BOS, EOS and EOT are the tokens that begin a text, end one and end a turn; negative where there is none.
func (m *Model) BOS() int32 { return m.lib.vocabBOS(m.vocab) }

// EOS is the token that ends a text; negative where there is none.
func (m *Model) EOS() int32 { return m.lib.vocabEOS(m.vocab) }

// EOT is the token that ends a turn; negative where there is none.
func (m *Model) EOT() int32 { return m.lib.vocabEOT(m.vocab) }

// AddsBOS reports whether the model wants BOS before every text.
func (m *Model) AddsBOS() bool { return m.lib.vocabGetAddBOS(m.vocab) }

// IsEOG reports whether a token ends the generation.
func (m *Model) IsEOG(token int32) bool { return m.has(token) && m.lib.vocabIsEOG(m.vocab, token) }

// IsControl reports whether a token is a control token, which has no text of its own.
func (m *Model) IsControl(token int32) bool {
	return m.has(token) && m.lib.vocabIsControl(m.vocab, token)
}

// has reports whether the model has a token of this id. llama.cpp asserts it.
func (m *Model) has(token int32) bool { return token >= 0 && int(token) < m.size }

// Tokenize splits text into tokens. With special, spellings of control tokens become those tokens. BOS and EOS
// are not added.
func (m *Model) Tokenize(text string, special bool) ([]int32, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("llama: tokenize: a text of %d bytes is longer than %d", len(text), maxText)
	}
	if m.lib.vocabType(m.vocab) == 0 {
		return nil, errors.New("llama: tokenize: the model has no vocabulary")
	}
	b := []byte(text)
	tokens := make([]int32, len(b)/3+16)
	n := m.lib.tokenize(m.vocab, first(b), int32(len(b)), first(tokens), int32(len(tokens)), false, special)
	if n < 0 && n != math.MinInt32 {
		tokens = make([]int32, -n)
		n = m.lib.tokenize(m.vocab, first(b), int32(len(b)), first(tokens), int32(len(tokens)), false, special)
	}
	if n < 0 {
		return nil, fmt.Errorf("llama: tokenize: %d bytes give too many tokens", len(text))
	}
	return tokens[:n:n], nil
}

// Piece returns a token's bytes, or the spelling of a control token; "" for a token that the model lacks.
func (m *Model) Piece(token int32) string {
	if !m.has(token) {
		return ""
	}
	buf := make([]byte, 64)
	n := m.lib.tokenToPiece(m.vocab, token, first(buf), int32(len(buf)), 0, true)
	if n < 0 {
		buf = make([]byte, -n)
		n = m.lib.tokenToPiece(m.vocab, token, first(buf), int32(len(buf)), 0, true)
	}
	return string(buf[:max(n, 0)])
}
