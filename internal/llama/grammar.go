package llama

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
)

// maxGrammar bounds the text of a grammar.
const maxGrammar = 4 << 20

// Grammar holds an output to a grammar. It belongs to one goroutine at a time, and must be closed before its
// model is.
type Grammar struct {
	m       *Model
	sampler samplerHandle
	cands   []tokenData // what Allowed asked about last, with its answers
}

// NewGrammar parses a grammar in llama.cpp's notation (GBNF) whose start rule is root. For a text with an error
// llama.cpp writes the reason to standard error, where it cannot be caught.
func (m *Model) NewGrammar(text, root string) (*Grammar, error) {
	switch {
	case m.lib.Err() != nil:
		return nil, m.lib.Err()
	case len(text) > maxGrammar:
		return nil, fmt.Errorf("llama: grammar: its text has %d bytes, and may have %d", len(text), maxGrammar)
	case strings.ContainsRune(text, 0) || strings.ContainsRune(root, 0):
		return nil, errors.New("llama: grammar: its text has a zero byte")
	}
	mark := m.lib.log.mark()
	s := m.lib.samplerInitGrammar(m.vocab, text, root)
	if s == 0 {
		reason := m.lib.log.reason(mark)
		if reason == "" {
			reason = "its reason is on standard error"
		}
		return nil, fmt.Errorf("llama: grammar: llama.cpp cannot parse it: %s", reason)
	}
	return &Grammar{m: m, sampler: s}, nil
}

// Clone copies the grammar and where the output stands in it.
func (g *Grammar) Clone() (*Grammar, error) {
	if err := g.usable(); err != nil {
		return nil, err
	}
	s := g.m.lib.samplerClone(g.sampler)
	if s == 0 {
		return nil, errors.New("llama: grammar: clone failed")
	}
	return &Grammar{m: g.m, sampler: s}, nil
}

func (g *Grammar) usable() error {
	if err := g.m.lib.Err(); err != nil {
		return err
	}
	if g.sampler == 0 {
		return errors.New("llama: grammar: closed")
	}
	return nil
}

// Allowed sets ok[i] to whether the token ids[i] may come next. An end-of-generation token may where the output
// may end.
func (g *Grammar) Allowed(ids []int32, ok []bool) error {
	if err := g.usable(); err != nil {
		return err
	}
	g.cands = g.cands[:0]
	for _, id := range ids {
		if !g.m.has(id) {
			return fmt.Errorf("llama: grammar: token %d is not one of the model's %d", id, g.m.size)
		}
		g.cands = append(g.cands, tokenData{id: id})
	}
	if len(ids) == 0 {
		return nil
	}
	array := &tokenDataArray{data: first(g.cands), size: uint64(len(g.cands)), selected: -1}
	g.m.lib.samplerApply(g.sampler, array)
	runtime.KeepAlive(g.cands)
	for i, c := range g.cands {
		ok[i] = !math.IsInf(float64(c.logit), -1)
	}
	return nil
}

// Accept takes the next token of the output. A token that may not come next, on which llama.cpp would end the
// process, is an error.
func (g *Grammar) Accept(id int32) error {
	if err := g.usable(); err != nil {
		return err
	}
	if !g.known(id) {
		var ok [1]bool
		if err := g.Allowed([]int32{id}, ok[:]); err != nil {
			return err
		}
		if !ok[0] {
			return fmt.Errorf("llama: grammar: token %d may not come next", id)
		}
	}
	g.m.lib.samplerAccept(g.sampler, id)
	g.cands = g.cands[:0] // the answers were about the place before
	return nil
}

// known reports whether the last Allowed allowed the token.
func (g *Grammar) known(id int32) bool {
	for _, c := range g.cands {
		if c.id == id {
			return !math.IsInf(float64(c.logit), -1)
		}
	}
	return false
}

// Close frees the grammar. It is idempotent.
func (g *Grammar) Close() error {
	if g.sampler != 0 && g.m.lib.Err() == nil {
		g.m.lib.samplerFree(g.sampler)
	}
	g.sampler = 0
	return nil
}
