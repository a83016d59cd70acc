package ggufwrite

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/gguf"
)

func TestRandomModelIsReadable(t *testing.T) {
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if _, err := (RandomModel{}).File().WriteTo(b); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same seed gives two models")
	}
	f, err := gguf.Read(bytes.NewReader(first.Bytes()), int64(first.Len()), "random")
	if err != nil {
		t.Fatal(err)
	}
	eos, _ := f.EOSToken()
	template, _ := f.ChatTemplate()
	if f.Architecture() != "llama" || f.ContextLength() != 4096 || f.VocabSize() != 263 || eos != endOfMsg || !strings.Contains(template, "<tool_call>") {
		t.Errorf("architecture %q, context %d, vocabulary %d, EOS %q", f.Architecture(), f.ContextLength(), f.VocabSize(), eos)
	}
}

func TestByteTokensAreDistinct(t *testing.T) {
	tokens, kinds := byteTokens()
	sorted := slices.Sorted(slices.Values(tokens))
	if len(slices.Compact(sorted)) != 256 || len(kinds) != 256 || tokens['A'] != "A" || tokens[' '] != "Ġ" || tokens['\n'] != "Ċ" {
		t.Errorf("tokens %q", tokens)
	}
}

func TestTensorOfTheWrongSize(t *testing.T) {
	var f File
	f.Tensor("short", 0, []uint64{4}, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 3))
		return err
	})
	if _, err := f.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), "3 bytes instead of 16") {
		t.Errorf("error %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteErrorsAreReported(t *testing.T) {
	if _, err := (RandomModel{}).File().WriteTo(failing{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v", err)
	}
}
