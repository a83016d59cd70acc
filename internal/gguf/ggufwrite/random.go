package ggufwrite

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/toolserve/toolserve/internal/gguf"
)

// A RandomModel is a small model of the llama architecture with random weights and a tokenizer of bytes.
// It says nothing sensible, quickly, and always the same: enough to try an engine, a prompt and a
// stream where no real model can be had. The zero value is a model of under one megabyte.
type RandomModel struct {
	Layers  int    // default 2
	Width   int    // a multiple of 64; default 64
	Context int    // tokens; default 4096
	Seed    uint64 // of the weights
	NoTools bool   // leave tools out of the chat template
}

const (
	headWidth  = 32
	kindF32    = gguf.Type(0)
	tokenText  = int32(1)
	tokenCtrl  = int32(3)
	tokenUser  = int32(4)
	endOfText  = "<|endoftext|>"
	startOfMsg = "<|im_start|>"
	endOfMsg   = "<|im_end|>"
)

// The chat template is ChatML, with tools the way Hermes models are told of them.
const (
	chatTurns = `{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + (message.content or '') + '<|im_end|>\n' }}{%- endfor %}` +
		`{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}`
	chatTools = `{%- if tools %}{{- '<|im_start|>system\n# Tools\n\n<tools>\n' }}{%- for tool in tools %}{{- tool | tojson + '\n' }}{%- endfor %}` +
		`{{- '</tools>\nFor each call answer\n<tool_call>\n{"name": ..., "arguments": ...}\n</tool_call><|im_end|>\n' }}{%- endif %}`
)

// File returns the model as a file to be written.
func (m RandomModel) File() *File {
	layers, width, context := or(m.Layers, 2), uint64(or(m.Width, 64)), or(m.Context, 4096)
	tokens, kinds := byteTokens()
	special := len(tokens)
	for _, s := range []string{endOfText, startOfMsg, endOfMsg} {
		tokens, kinds = append(tokens, s), append(kinds, tokenCtrl)
	}
	for _, s := range []string{"<tool_call>", "</tool_call>", "<think>", "</think>"} {
		tokens, kinds = append(tokens, s), append(kinds, tokenUser)
	}
	template := chatTools + chatTurns
	if m.NoTools {
		template = chatTurns
	}
	f := &File{}
	f.Set("general.architecture", "llama")
	f.Set("general.name", "random "+strconv.Itoa(layers)+"x"+strconv.FormatUint(width, 10))
	f.Set("general.file_type", uint32(0))
	f.Set("llama.context_length", uint32(context))
	f.Set("llama.embedding_length", uint32(width))
	f.Set("llama.block_count", uint32(layers))
	f.Set("llama.feed_forward_length", uint32(2*width))
	f.Set("llama.attention.head_count", uint32(width/headWidth))
	f.Set("llama.attention.head_count_kv", uint32(width/headWidth))
	f.Set("llama.rope.dimension_count", uint32(headWidth))
	f.Set("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	f.Set("llama.vocab_size", uint32(len(tokens)))
	f.Set("tokenizer.ggml.model", "gpt2")
	f.Set("tokenizer.ggml.pre", "default")
	f.Set("tokenizer.ggml.tokens", tokens)
	f.Set("tokenizer.ggml.token_type", kinds)
	f.Set("tokenizer.ggml.merges", []string{tokens['t'] + " " + tokens['h']}) // no token of it exists, so it never applies
	f.Set("tokenizer.ggml.bos_token_id", uint32(special))
	f.Set("tokenizer.ggml.eos_token_id", uint32(special+2))
	f.Set("tokenizer.ggml.padding_token_id", uint32(special))
	f.Set("tokenizer.ggml.add_bos_token", false)
	f.Set("tokenizer.chat_template", template)
	m.weights(f, layers, width, uint64(len(tokens)))
	return f
}

func or(n, fallback int) int {
	if n > 0 {
		return n
	}
	return fallback
}

// byteTokens spells each byte as byte-level vocabularies do: printable ones as themselves, the others
// as characters from U+0100 on.
func byteTokens() (tokens []string, kinds []int32) {
	next := rune(256)
	for b := range rune(256) {
		r := b
		if b < '!' || (b > '~' && b < '¡') || b == 0xad {
			r = next
			next++
		}
		tokens, kinds = append(tokens, string(r)), append(kinds, tokenText)
	}
	return tokens, kinds
}

// weights appends the tensors of the llama architecture.
func (m RandomModel) weights(f *File, layers int, width, vocab uint64) {
	random := rand.New(rand.NewPCG(m.Seed, 1))
	matrix := func(name string, in, out uint64) {
		f.Tensor(name, kindF32, []uint64{in, out}, func(w io.Writer) error {
			return fill(w, in*out, func() float32 { return float32(random.NormFloat64()) * 0.08 })
		})
	}
	ones := func(name string) {
		f.Tensor(name, kindF32, []uint64{width}, func(w io.Writer) error {
			return fill(w, width, func() float32 { return 1 })
		})
	}
	matrix("token_embd.weight", width, vocab)
	ones("output_norm.weight")
	matrix("output.weight", width, vocab)
	for l := range layers {
		p := "blk." + strconv.Itoa(l) + "."
		ones(p + "attn_norm.weight")
		ones(p + "ffn_norm.weight")
		for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
			matrix(p+name+".weight", width, width)
		}
		matrix(p+"ffn_gate.weight", width, 2*width)
		matrix(p+"ffn_up.weight", width, 2*width)
		matrix(p+"ffn_down.weight", 2*width, width)
	}
}

func fill(w io.Writer, n uint64, next func() float32) error {
	buf := make([]byte, 0, 4096)
	for i := uint64(0); i < n; i++ {
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(next()))
		if len(buf) == cap(buf) || i == n-1 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return nil
}
