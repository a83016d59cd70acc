package gguf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/gguf"
	"github.com/toolserve/toolserve/internal/gguf/ggufwrite"
)

// sample returns a file with one value of every kind that the readers ask for.
func sample() *ggufwrite.File {
	var f ggufwrite.File
	f.Set("general.architecture", "qwen3")
	f.Set("general.name", "Test Model")
	f.Set("general.file_type", uint32(15))
	f.Set("qwen3.context_length", uint32(40960))
	f.Set("qwen3.block_count", uint32(2))
	f.Set("qwen3.embedding_length", uint64(64))
	f.Set("qwen3.rope.freq_base", float32(1e6))
	f.Set("negative", int32(-3))
	f.Set("double", 0.25)
	tokens := make([]string, 200)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("t%d", i)
	}
	tokens[150], tokens[151] = "<|im_start|>", "<|im_end|>"
	f.Set("tokenizer.ggml.tokens", tokens)
	f.Set("tokenizer.ggml.scores", []float32{0.5, -1})
	f.Set("tokenizer.ggml.token_type", []int32{1, 3, -4})
	f.Set("tokenizer.ggml.bos_token_id", uint32(150))
	f.Set("tokenizer.ggml.eos_token_id", uint32(151))
	f.Set("tokenizer.ggml.add_bos_token", false)
	f.Set("tokenizer.chat_template", "{{ messages }}")
	f.Set("tokenizer.chat_template.tool_use", "{{ tools }}")
	f.Set("tokenizer.chat_template.rag", "{{ documents }}")
	f.Tensor("token_embd.weight", 1, []uint64{64, 200}, nil)
	f.Tensor("output_norm.weight", 0, []uint64{64}, nil)
	return &f
}

func encode(t testing.TB, f *ggufwrite.File) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := f.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo = %d, %v; wrote %d bytes", n, err, b.Len())
	}
	return b.Bytes()
}

func read(data []byte) (*gguf.File, error) {
	return gguf.Read(bytes.NewReader(data), int64(len(data)), "test.gguf")
}

func TestModelFacts(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		w := sample()
		w.Version = version
		f, err := read(encode(t, w))
		if err != nil {
			t.Fatal(err)
		}
		bos, bosOK := f.BOSToken()
		eos, eosOK := f.EOSToken()
		addBOS, addOK := f.AddBOS()
		template, _ := f.ChatTemplate()
		got := []any{
			f.Version(), f.Architecture(), f.ModelName(), f.ContextLength(), f.BlockCount(), f.EmbeddingLength(),
			f.Quantization(), f.ParameterCount(), f.VocabSize(), f.SplitCount(), bos, bosOK, eos, eosOK, addBOS, addOK, template,
		}
		want := []any{
			int(version), "qwen3", "Test Model", 40960, 2, 64, "Q4_K_M", uint64(64*200 + 64), 200, 1,
			"<|im_start|>", true, "<|im_end|>", true, false, true, "{{ messages }}",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("version %d:\n got %v\nwant %v", version, got, want)
		}
		templates := []gguf.NamedTemplate{{"default", "{{ messages }}"}, {"tool_use", "{{ tools }}"}, {"rag", "{{ documents }}"}}
		if got := f.ChatTemplates(); !reflect.DeepEqual(got, templates) {
			t.Errorf("ChatTemplates = %v", got)
		}
	}
}

func TestAbsentFacts(t *testing.T) {
	f, err := read(encode(t, &ggufwrite.File{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.ChatTemplate(); ok {
		t.Error("an empty file has a chat template")
	}
	if _, ok := f.BOSToken(); ok {
		t.Error("an empty file has a BOS token")
	}
	if _, ok := f.AddBOS(); ok {
		t.Error("an empty file says whether to add BOS")
	}
	if _, err := f.Token(0); err == nil {
		t.Error("an empty file has tokens")
	}
	if f.Architecture() != "" || f.ContextLength() != 0 || f.Quantization() != "unknown" || f.ChatTemplates() != nil {
		t.Error("an empty file states facts")
	}
}

func TestQuantizationFromTensors(t *testing.T) {
	var w ggufwrite.File
	w.Tensor("a", 1, []uint64{256}, nil)
	w.Tensor("b", 0, []uint64{4}, nil)
	f, err := read(encode(t, &w))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Quantization(); got != "F16" {
		t.Errorf("Quantization = %q, want F16", got)
	}
}

func TestArrays(t *testing.T) {
	f, err := read(encode(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := f.Array("tokenizer.ggml.tokens")
	for i := range 150 {
		if s, err := tokens.Text(i); err != nil || s != fmt.Sprintf("t%d", i) {
			t.Fatalf("token %d = %q, %v", i, s, err)
		}
	}
	for _, i := range []int{-1, 200} {
		if _, err := tokens.At(i); err == nil {
			t.Errorf("token %d exists", i)
		}
	}
	scores, _ := f.Array("tokenizer.ggml.scores")
	if v, err := scores.At(1); err != nil {
		t.Error(err)
	} else if x, ok := v.Float(); !ok || x != -1 {
		t.Errorf("score 1 = %v, %v", x, ok)
	}
	if _, err := scores.Text(0); err == nil {
		t.Error("a score is a text")
	}
	types, _ := f.Array("tokenizer.ggml.token_type")
	if v, _ := types.At(2); v.Kind() != gguf.KindInt32 {
		t.Errorf("kind %v", v.Kind())
	} else if n, ok := v.Int(); !ok || n != -4 {
		t.Errorf("type 2 = %v, %v", n, ok)
	} else if _, ok := v.Uint(); ok {
		t.Error("a negative number is unsigned")
	}
}

func TestValuesKeepTheirKind(t *testing.T) {
	f, err := read(encode(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.String("general.file_type"); ok {
		t.Error("a number is a string")
	}
	if _, ok := f.Uint("negative"); ok {
		t.Error("a negative number is unsigned")
	}
	if x, ok := f.Float("double"); !ok || x != 0.25 {
		t.Errorf("double = %v, %v", x, ok)
	}
	if x, ok := f.Float("qwen3.rope.freq_base"); !ok || x != 1e6 {
		t.Errorf("freq_base = %v, %v", x, ok)
	}
	if _, ok := f.Bool("absent"); ok {
		t.Error("an absent key is a boolean")
	}
	if keys := f.Keys(); len(keys) != 18 || keys[0] != "general.architecture" {
		t.Errorf("keys = %v", keys)
	}
}

// raw builds a header by hand.
func raw(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		if s, ok := p.(string); ok {
			b.WriteString(s)
		} else if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func TestBadFiles(t *testing.T) {
	u32 := func(n uint32) uint32 { return n }
	u64 := func(n uint64) uint64 { return n }
	key := func(k string) []byte { return raw(u64(uint64(len(k))), k) }
	tests := []struct {
		name string
		data []byte
		want error
		text string
	}{
		{"empty", nil, gguf.ErrNotGGUF, "0 bytes"},
		{"short", []byte("GG"), gguf.ErrNotGGUF, "2 bytes"},
		{"text", []byte("hello world"), gguf.ErrNotGGUF, `"hell"`},
		{"html", []byte("<!doctype html>"), gguf.ErrNotGGUF, "HTML"},
		{"zip", []byte("PK\x03\x04...."), gguf.ErrNotGGUF, "ZIP"},
		{"lfs pointer", []byte("version https://git-lfs"), gguf.ErrNotGGUF, "LFS"},
		{"old ggml", []byte("tjgg\x01\x00\x00\x00"), gguf.ErrNotGGUF, "before GGUF"},
		{"only magic", []byte("GGUF"), gguf.ErrTruncated, "version"},
		{"version 1", raw("GGUF", u32(1), u64(0), u64(0)), gguf.ErrVersion, "version 1"},
		{"version 9", raw("GGUF", u32(9), u64(0), u64(0)), gguf.ErrVersion, "version 9"},
		{"big endian", raw("GGUF", u32(3<<24), u64(0), u64(0)), gguf.ErrVersion, "big-endian"},
		{"huge key count", raw("GGUF", u32(3), u64(0), u64(1<<60)), gguf.ErrCorrupt, "metadata keys"},
		{"huge tensor count", raw("GGUF", u32(3), u64(1<<60), u64(0)), gguf.ErrCorrupt, "tensors"},
		{"missing keys", raw("GGUF", u32(3), u64(0), u64(3)), gguf.ErrTruncated, "metadata key 1 of 3"},
		{"huge key", raw("GGUF", u32(3), u64(0), u64(1), u64(1<<63)), gguf.ErrTruncated, "claims a length"},
		{"unknown type", raw("GGUF", u32(3), u64(0), u64(1), key("k"), u32(77)), gguf.ErrCorrupt, "type 77"},
		{"empty key", raw("GGUF", u32(3), u64(0), u64(1), key(""), u32(4), u32(1)), gguf.ErrCorrupt, "key"},
		{"twice", raw("GGUF", u32(3), u64(0), u64(2), key("k"), u32(4), u32(1), key("k"), u32(4), u32(1)), gguf.ErrCorrupt, "twice"},
		{"huge array", raw("GGUF", u32(3), u64(0), u64(1), key("k"), u32(9), u32(4), u64(1<<62)), gguf.ErrTruncated, "array elements"},
		{"huge string array", raw("GGUF", u32(3), u64(0), u64(1), key("k"), u32(9), u32(8), u64(1<<61)), gguf.ErrTruncated, "array elements"},
		{"array type", raw("GGUF", u32(3), u64(0), u64(1), key("k"), u32(9), u32(99), u64(1)), gguf.ErrCorrupt, "type 99"},
		{"deep arrays", raw("GGUF", u32(3), u64(0), u64(1), key("k"), u32(9), u32(9), u64(1), u32(9), u64(1), u32(9), u64(1),
			u32(9), u64(1), u32(9), u64(1), u32(9), u64(1)), gguf.ErrCorrupt, "depth"},
		{"alignment", raw("GGUF", u32(3), u64(0), u64(1), key("general.alignment"), u32(4), u32(3)), gguf.ErrCorrupt, "power of two"},
		{"dimensions", raw("GGUF", u32(3), u64(1), u64(0), key("t"), u32(99)), gguf.ErrCorrupt, "99 dimensions"},
		{"overflow", raw("GGUF", u32(3), u64(1), u64(0), key("t"), u32(2), u64(1<<40), u64(1<<40)), gguf.ErrCorrupt, "too large"},
		{"data outside", raw("GGUF", u32(3), u64(1), u64(0), key("t"), u32(1), u64(1<<20), u32(0), u64(0)), gguf.ErrTruncated, `tensor "t" ends at`},
		{"offset overflow", raw("GGUF", u32(3), u64(1), u64(0), key("t"), u32(1), u64(4), u32(0), u64(1<<64-1)), gguf.ErrCorrupt, "outside"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(tt.data)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if !strings.Contains(err.Error(), "test.gguf") || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %q does not name the file and %q", err, tt.text)
			}
		})
	}
}

func TestEveryPrefixIsRefused(t *testing.T) {
	data := encode(t, sample())
	for n := range data {
		if _, err := read(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes pass for a model", n, len(data))
		} else if n >= 4 && !errors.Is(err, gguf.ErrTruncated) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := read(data); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := gguf.Open(filepath.Join(dir, "absent.gguf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := gguf.Open(dir); !errors.Is(err, gguf.ErrNotGGUF) {
		t.Errorf("folder: %v", err)
	}
	path := filepath.Join(dir, "m.gguf")
	data := encode(t, sample())
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name() != path || f.Size() != int64(len(data)) || len(f.Tensors()) != 2 {
		t.Errorf("name %q, size %d, tensors %v", f.Name(), f.Size(), f.Tensors())
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Token(3); err == nil {
		t.Error("an array is readable after Close")
	}
	if f.Architecture() != "qwen3" {
		t.Error("scalars are gone after Close")
	}
}

// TestRealModel reads the model that TOOLSERVE_TEST_MODEL names.
func TestRealModel(t *testing.T) {
	path := os.Getenv("TOOLSERVE_TEST_MODEL")
	if path == "" {
		t.Skip("TOOLSERVE_TEST_MODEL names no .gguf file")
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last, err := f.Token(f.VocabSize() - 1)
	if err != nil || last == "" || f.Architecture() == "" || f.ContextLength() == 0 || f.ParameterCount() == 0 {
		t.Errorf("last token %q (%v), architecture %q, context %d, parameters %d", last, err, f.Architecture(), f.ContextLength(), f.ParameterCount())
	}
	bos, _ := f.BOSToken()
	eos, _ := f.EOSToken()
	t.Logf("%s %q: %s, %d parameters, context %d, vocabulary %d, BOS %q, EOS %q, %d templates", f.Architecture(), f.ModelName(),
		f.Quantization(), f.ParameterCount(), f.ContextLength(), f.VocabSize(), bos, eos, len(f.ChatTemplates()))
}

func FuzzRead(f *testing.F) {
	var small ggufwrite.File // large seeds make the fuzzer slow
	small.Set("general.architecture", "a")
	small.Set("tokenizer.ggml.tokens", []string{"x", "<s>"})
	small.Set("tokenizer.ggml.bos_token_id", uint32(1))
	small.Set("a.context_length", uint32(1))
	small.Tensor("t", 1, []uint64{2, 3}, nil)
	f.Add(encode(f, &small))
	f.Add(raw("GGUF", uint32(3), uint64(1), uint64(1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := read(data)
		if err != nil {
			var fe *gguf.FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("error %v is no FormatError", err)
			}
			return
		}
		file.ChatTemplates()
		file.Quantization()
		file.ParameterCount()
		file.BOSToken()
		for _, key := range file.Keys() {
			a, ok := file.Array(key)
			if !ok || a.Elem() == gguf.KindArray {
				continue
			}
			for _, i := range []int{0, a.Len() / 2, a.Len() - 1} {
				if _, err := a.At(i); err != nil && a.Len() > 0 {
					t.Fatalf("%s[%d] of %d: %v", key, i, a.Len(), err)
				}
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	path := os.Getenv("TOOLSERVE_TEST_MODEL")
	if path == "" {
		b.Skip("TOOLSERVE_TEST_MODEL names no .gguf file")
	}
	for b.Loop() {
		f, err := gguf.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestControlTokens(t *testing.T) {
	f, err := read(encode(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.ControlTokens()
	if want := []string{"t1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("control tokens %q, %v; want %q", got, err, want)
	}
}
