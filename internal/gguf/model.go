package gguf

import (
	"fmt"
	"math"
	"strings"
)

const templateKey = "tokenizer.chat_template"

// Architecture returns the model architecture, such as "qwen3"; empty if the file does not say.
func (f *File) Architecture() string {
	s, _ := f.String("general.architecture")
	return s
}

// ModelName returns the model's own name, such as "Qwen3 4B Instruct"; empty if the file does not say.
func (f *File) ModelName() string {
	s, _ := f.String("general.name")
	return s
}

// ContextLength returns the number of tokens that the model was trained on; 0 if the file does not say.
func (f *File) ContextLength() int {
	return f.archInt("context_length")
}

// EmbeddingLength returns the width of the model; 0 if the file does not say.
func (f *File) EmbeddingLength() int {
	return f.archInt("embedding_length")
}

// BlockCount returns the number of layers; 0 if the file does not say.
func (f *File) BlockCount() int {
	return f.archInt("block_count")
}

func (f *File) archInt(key string) int {
	n, ok := f.Uint(f.Architecture() + "." + key)
	if !ok || n > math.MaxInt32 {
		return 0
	}
	return int(n)
}

// ChatTemplate returns the default chat template; ok is false if the file has none.
func (f *File) ChatTemplate() (template string, ok bool) { return f.String(templateKey) }

// A NamedTemplate is one of several chat templates of a model.
type NamedTemplate struct {
	Name   string // "default" for the unnamed one, else such as "tool_use" or "rag"
	Source string
}

// ChatTemplates returns all chat templates, the default one first, the others in file order.
func (f *File) ChatTemplates() []NamedTemplate {
	var all []NamedTemplate
	if s, ok := f.ChatTemplate(); ok {
		all = append(all, NamedTemplate{Name: "default", Source: s})
	}
	for _, key := range f.keys {
		name, ok := strings.CutPrefix(key, templateKey+".")
		if !ok || name == "" {
			continue
		}
		if s, ok := f.String(key); ok {
			all = append(all, NamedTemplate{Name: name, Source: s})
		}
	}
	return all
}

// VocabSize returns the number of tokens; 0 if the file carries no vocabulary.
func (f *File) VocabSize() int {
	if a, ok := f.Array("tokenizer.ggml.tokens"); ok {
		return a.Len()
	}
	return 0
}

// Token returns the text of a token as the vocabulary spells it (byte-level vocabularies keep their
// own alphabet; special tokens are plain text in all of them).
func (f *File) Token(id int) (string, error) {
	a, ok := f.Array("tokenizer.ggml.tokens")
	if !ok {
		return "", fmt.Errorf("gguf: %s: the file carries no vocabulary", f.name)
	}
	return a.Text(id)
}

// BOSToken returns the text of the token that begins a text; ok is false if the file names none.
func (f *File) BOSToken() (text string, ok bool) { return f.special("bos") }

// EOSToken returns the text of the token that ends a text; ok is false if the file names none.
func (f *File) EOSToken() (text string, ok bool) { return f.special("eos") }

func (f *File) special(which string) (string, bool) {
	id, ok := f.Uint("tokenizer.ggml." + which + "_token_id")
	if !ok || id > math.MaxInt32 {
		return "", false
	}
	s, err := f.Token(int(id))
	return s, err == nil
}

// AddBOS says whether the tokenizer is to put the BOS token before a text; ok is false if the file
// leaves that to the engine's default for the tokenizer.
func (f *File) AddBOS() (add, ok bool) { return f.Bool("tokenizer.ggml.add_bos_token") }

// SplitCount returns how many files the model is split into: 1 for a model in one file.
func (f *File) SplitCount() int {
	if n, ok := f.Uint("split.count"); ok && n > 1 && n <= maxTensors {
		return int(n)
	}
	return 1
}

// ParameterCount returns the number of elements of all tensors in this file. A part of a split model
// counts only its own.
func (f *File) ParameterCount() uint64 {
	var n uint64
	for _, t := range f.tensors {
		if e := t.Elements(); n+e >= n {
			n += e
		}
	}
	return n
}

// Quantization returns the name of the file's quantisation, such as "Q4_K_M" or "F16". A file that
// does not say is named after the type that most of its elements are stored in.
func (f *File) Quantization() string {
	if n, ok := f.Uint("general.file_type"); ok && n < uint64(len(fileTypes)) && fileTypes[n] != "" {
		return fileTypes[n]
	}
	var best Type
	var most uint64
	sums := map[Type]uint64{}
	for _, t := range f.tensors {
		sums[t.Type] += t.Elements()
		if n := sums[t.Type]; n > most {
			best, most = t.Type, n
		}
	}
	if most == 0 {
		return "unknown"
	}
	return best.String()
}

// fileTypes is indexed by the value of general.file_type. Gaps were removed from the format.
var fileTypes = [...]string{
	0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
	12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
	19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
	26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
	36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}

// controlType is the token type of control tokens, such as "<|im_end|>".
const controlType = 3

// ControlTokens returns the texts of the vocabulary's control tokens; none if the file does not mark them.
func (f *File) ControlTokens() ([]string, error) {
	types, ok := f.Array("tokenizer.ggml.token_type")
	if !ok {
		return nil, nil
	}
	var texts []string
	id := -1
	for kind, err := range types.scalars() {
		if err != nil {
			return nil, err
		}
		id++
		if n, ok := kind.Int(); !ok || n != controlType {
			continue
		}
		text, err := f.Token(id)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}
