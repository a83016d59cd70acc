package llama

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// testLibrary opens the libraries that the environment names, or skips the test.
func testLibrary(t testing.TB) *Library {
	t.Helper()
	dir := os.Getenv("TOOLSERVE_TEST_ENGINE")
	if dir == "" {
		t.Skip("TOOLSERVE_TEST_ENGINE, a folder of llama.cpp libraries, is not set")
	}
	lib, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// testModel loads the model that the environment names, or skips the test.
func testModel(t testing.TB) *Model {
	t.Helper()
	lib := testLibrary(t)
	path := os.Getenv("TOOLSERVE_TEST_MODEL")
	if path == "" {
		t.Skip("TOOLSERVE_TEST_MODEL, a .gguf file, is not set")
	}
	m, err := lib.LoadModel(t.Context(), path, ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func testContext(t testing.TB, m *Model, opts ContextOptions) *Context {
	t.Helper()
	c, err := m.NewContext(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestOpenAgain(t *testing.T) {
	lib := testLibrary(t)
	again, err := Open(os.Getenv("TOOLSERVE_TEST_ENGINE"), Options{})
	if err != nil || again != lib {
		t.Errorf("Open of the same folder = %p, %v; want %p", again, err, lib)
	}
	other := t.TempDir()
	for _, path := range []string{lib.files.llama, lib.files.ggml, lib.files.base} {
		if err := os.WriteFile(filepath.Join(other, filepath.Base(path)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(other, Options{}); err == nil || !strings.Contains(err.Error(), "one engine only") {
		t.Errorf("Open of another folder: %v, want a refusal", err)
	}
	if len(lib.Devices()) == 0 || lib.SystemInfo() == "" {
		t.Errorf("Devices() = %v, SystemInfo() = %q, want both filled", lib.Devices(), lib.SystemInfo())
	}
}

func TestLoadModelErrors(t *testing.T) {
	lib := testLibrary(t)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name, path, want string
	}{
		{"missing", filepath.Join(dir, "missing.gguf"), "there is no such file"},
		{"folder", dir, "not a regular file"},
		{"empty", write("empty.gguf", nil), "not a GGUF file"},
		{"text", write("text.gguf", []byte("<html>")), `begins with "<htm"`},
		{"cut", write("cut.gguf", []byte("GGUF\x03\x00\x00\x00\x01")), "failed to"},
		{"architecture", write("arch.gguf", ggufFile("frobnicator")), "unknown model architecture: 'frobnicator'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := lib.LoadModel(t.Context(), tt.path, ModelOptions{})
			var loadErr *LoadError
			if !errors.As(err, &loadErr) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("LoadModel = %v, %v; want a LoadError of %s with %q", m, err, tt.path, tt.want)
			}
		})
	}
}

// ggufFile is a file without tensors whose metadata names an architecture.
func ggufFile(architecture string) []byte {
	b := []byte("GGUF")
	b = binary.LittleEndian.AppendUint32(b, 3) // version
	b = binary.LittleEndian.AppendUint64(b, 0) // tensors
	b = binary.LittleEndian.AppendUint64(b, 1) // metadata entries
	str := func(s string) {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	str("general.architecture")
	b = binary.LittleEndian.AppendUint32(b, 8) // string
	str(architecture)
	return append(b, make([]byte, 64)...)
}

func TestLoadModelProgressAndCancel(t *testing.T) {
	lib := testLibrary(t)
	path := os.Getenv("TOOLSERVE_TEST_MODEL")
	if path == "" {
		t.Skip("TOOLSERVE_TEST_MODEL, a .gguf file, is not set")
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := lib.LoadModel(ctx, path, ModelOptions{Progress: func(fraction float64) {
		calls++
		if fraction < 0 || fraction > 1 {
			t.Errorf("progress %v, want 0 to 1", fraction)
		}
		cancel()
	}})
	if !errors.Is(err, context.Canceled) || calls == 0 {
		t.Errorf("LoadModel with a context cancelled in progress call %d: %v", calls, err)
	}
}

func TestModelFacts(t *testing.T) {
	m := testModel(t)
	if m.VocabSize() < 256 || m.TrainedContext() < 1 || m.Parameters() == 0 || m.Bytes() == 0 || m.Description() == "" {
		t.Errorf("size %d, context %d, parameters %d, bytes %d, description %q; want all filled",
			m.VocabSize(), m.TrainedContext(), m.Parameters(), m.Bytes(), m.Description())
	}
	if arch, ok := m.Metadata("general.architecture"); !ok || arch == "" {
		t.Errorf("Metadata(general.architecture) = %q, %v", arch, ok)
	}
	if v, ok := m.Metadata("no.such.key"); ok {
		t.Errorf("Metadata(no.such.key) = %q, want none", v)
	}
	if long, ok := m.Metadata("tokenizer.chat_template"); ok && long != m.ChatTemplate("") {
		t.Errorf("ChatTemplate differs from the metadata")
	}
	if !m.IsEOG(m.EOS()) || m.IsEOG(-1) || m.IsEOG(1<<30) || m.IsControl(1<<30) || m.Piece(1<<30) != "" {
		t.Error("end-of-generation tokens or out-of-range tokens are wrong")
	}
}

func TestTokenize(t *testing.T) {
	m := testModel(t)
	for _, text := range []string{"Hello world", "grüße 你好 🎉", "a\x00b", "\xff\xfe broken", strings.Repeat("ab ", 5000), "\n\n\t  x"} {
		tokens, err := m.Tokenize(text, false)
		if err != nil {
			t.Errorf("Tokenize(%.20q): %v", text, err)
			continue
		}
		var back strings.Builder
		for _, id := range tokens {
			back.WriteString(m.Piece(id))
		}
		if got := back.String(); got != text && strings.ToValidUTF8(text, "") == text {
			t.Errorf("Tokenize(%.20q) gives back %.20q", text, got)
		}
	}
	if tokens, err := m.Tokenize("", true); len(tokens) != 0 || err != nil {
		t.Errorf("Tokenize of nothing = %v, %v", tokens, err)
	}
	spelling := m.Piece(m.EOS())
	if special, _ := m.Tokenize(spelling, true); !slices.Equal(special, []int32{m.EOS()}) {
		t.Errorf("Tokenize(%q, special) = %v, want the token %d alone", spelling, special, m.EOS())
	}
	if plain, _ := m.Tokenize(spelling, false); slices.Contains(plain, m.EOS()) {
		t.Errorf("Tokenize(%q, not special) = %v, which has the control token %d", spelling, plain, m.EOS())
	}
}

func rowsOf(tokens []int32, from, seq int) []Row {
	rows := make([]Row, len(tokens))
	for i, id := range tokens {
		rows[i] = Row{Token: id, Pos: from + i, Seq: seq, Logits: i == len(tokens)-1}
	}
	return rows
}

func TestDecodeChecks(t *testing.T) {
	m := testModel(t)
	c := testContext(t, m, ContextOptions{Cells: 512, Sequences: 2, Batch: 16, Threads: 1})
	ctx := t.Context()
	if err := c.Decode(ctx, rowsOf([]int32{1, 2, 3}, 0, 0)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		rows []Row
		want string
	}{
		{"empty", nil, "batch of 0 rows"},
		{"too long", rowsOf(make([]int32, 17), 0, 1), "batch of 17 rows"},
		{"token", []Row{{Token: int32(m.VocabSize())}}, "not one of the model's"},
		{"negative token", []Row{{Token: -1, Pos: 3}}, "not one of the model's"},
		{"sequence", []Row{{Token: 1, Seq: 2}}, "sequence 2 is not one of 2"},
		{"gap", []Row{{Token: 1, Pos: 4}}, "goes on at 3"},
		{"overlap", []Row{{Token: 1, Pos: 2}}, "goes on at 3"},
		{"twice", []Row{{Token: 1, Pos: 3}, {Token: 1, Pos: 3}}, "goes on at 4"},
		{"logits", []Row{{Token: 1, Pos: 3, Logits: true}, {Token: 1, Pos: 4, Logits: true}, {Token: 1, Pos: 5, Logits: true}}, "ask for logits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.Decode(ctx, tt.rows); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Decode: %v, want an error with %q", err, tt.want)
			}
			if c.Len(0) != 3 || c.Len(1) != 0 {
				t.Errorf("sequences hold %d and %d tokens, want 3 and 0", c.Len(0), c.Len(1))
			}
		})
	}
	if _, err := c.Logits(1); err == nil {
		t.Error("Logits of a row that did not ask for them: no error")
	}
	if l, err := c.Logits(2); err != nil || len(l) != m.VocabSize() {
		t.Errorf("Logits(2) = %d numbers, %v; want %d", len(l), err, m.VocabSize())
	}
	if c.Truncate(0, 4) || c.Truncate(5, 0) || c.Truncate(0, -1) || !c.Truncate(0, 3) || !c.Truncate(0, 1) || c.Len(0) != 1 {
		t.Error("Truncate does not keep its word")
	}
	if c.Share(0, 0, 1) == nil || c.Share(0, 2, 1) == nil || c.Share(0, 1, 2) == nil || c.Share(0, 1, 0) == nil {
		t.Error("Share takes what llama.cpp asserts against")
	}
}

func TestSharedPrefixGivesSameLogits(t *testing.T) {
	m := testModel(t)
	tokens, err := m.Tokenize("The quick brown fox jumps over the lazy dog and", false)
	if err != nil {
		t.Fatal(err)
	}
	last := len(tokens) - 1
	for _, separate := range []bool{false, true} {
		c := testContext(t, m, ContextOptions{Cells: 512, Sequences: 2, Batch: 64, Threads: 1, Separate: separate})
		if err := c.Decode(t.Context(), rowsOf(tokens, 0, 0)); err != nil {
			t.Fatal(err)
		}
		l, _ := c.Logits(last)
		want := slices.Clone(l)
		if err := c.Share(0, 1, last); err != nil {
			t.Fatal(err)
		}
		if c.Len(0) != last+1 || c.Len(1) != last {
			t.Errorf("separate %v: the sequences hold %d and %d tokens, want %d and %d", separate, c.Len(0), c.Len(1), last+1, last)
		}
		// What the source holds later must not matter.
		if !c.Truncate(0, 1) {
			t.Fatal("cannot cut the source back")
		}
		rows := append(rowsOf([]int32{tokens[0], tokens[0]}, 1, 0), rowsOf(tokens[last:], last, 1)...)
		rows[1].Logits = false
		if err := c.Decode(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		got, err := c.Logits(len(rows) - 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Abs(float64(got[i]-want[i])) > 0.5 {
				t.Fatalf("separate %v: logit %d is %v after sharing and %v without", separate, i, got[i], want[i])
			}
		}
	}
}

func TestNoSlotLeavesSequences(t *testing.T) {
	m := testModel(t)
	c := testContext(t, m, ContextOptions{Cells: 256, Sequences: 1, Batch: 200, Threads: 2})
	if err := c.Decode(t.Context(), rowsOf(make([]int32, 200), 0, 0)); err != nil {
		t.Fatal(err)
	}
	if err := c.Decode(t.Context(), rowsOf(make([]int32, 100), 200, 0)); !errors.Is(err, ErrNoSlot) {
		t.Errorf("Decode past the cells: %v, want ErrNoSlot", err)
	}
	if c.Len(0) != 200 {
		t.Errorf("the sequence holds %d tokens, want 200", c.Len(0))
	}
}

func TestDecodeStopsWithContext(t *testing.T) {
	m := testModel(t)
	c := testContext(t, m, ContextOptions{Cells: 4096, Sequences: 1, Batch: 2048, Threads: 2})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := c.Decode(ctx, rowsOf(make([]int32, 2048), 0, 0))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Decode with a context that ends: %v", err)
	}
	held := c.Len(0)
	if held >= 2048 || !c.Truncate(0, 0) {
		t.Errorf("the sequence holds %d tokens after the stop, or cannot be emptied", held)
	}
	if err := c.Decode(t.Context(), rowsOf([]int32{1}, 0, 0)); err != nil {
		t.Errorf("Decode after a stop: %v", err)
	}
}

func TestGrammar(t *testing.T) {
	m := testModel(t)
	if _, err := m.NewGrammar("root ::= (", "root"); err == nil {
		t.Error("a grammar with a syntax error: no error")
	}
	if _, err := m.NewGrammar("root ::= \"a\x00\"", "root"); err == nil {
		t.Error("a grammar with a zero byte: no error")
	}
	g, err := m.NewGrammar(`root ::= "ab"`, "root")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	a, b, x := token(t, m, "a"), token(t, m, "b"), token(t, m, "x")
	eos := m.EOS()
	ask := func(g *Grammar, ids ...int32) []bool {
		ok := make([]bool, len(ids))
		if err := g.Allowed(ids, ok); err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if got := ask(g, a, b, x, eos); !slices.Equal(got, []bool{true, false, false, false}) {
		t.Errorf("at the start a, b, x, EOS are %v", got)
	}
	if err := g.Accept(x); err == nil {
		t.Error("Accept of a token that may not come next: no error")
	}
	clone, err := g.Clone()
	if err != nil {
		t.Fatal(err)
	}
	defer clone.Close()
	if err := errors.Join(g.Accept(a), g.Accept(b)); err != nil {
		t.Fatal(err)
	}
	if got := ask(g, a, b, x, eos); !slices.Equal(got, []bool{false, false, false, true}) {
		t.Errorf("at the end a, b, x, EOS are %v", got)
	}
	if got := ask(clone, a, eos); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("in the clone a, EOS are %v", got)
	}
	if err := g.Accept(eos); err != nil {
		t.Errorf("Accept of EOS at the end: %v", err)
	}
	if err := g.Allowed([]int32{int32(m.VocabSize())}, make([]bool, 1)); err == nil {
		t.Error("Allowed of a token that the model lacks: no error")
	}
	g.Close()
	if g.Close() != nil || g.Accept(a) == nil {
		t.Error("a closed grammar: Close must be idempotent and Accept an error")
	}
}

func token(t *testing.T, m *Model, text string) int32 {
	t.Helper()
	ids, err := m.Tokenize(text, false)
	if err != nil || len(ids) != 1 {
		t.Skipf("the model does not write %q as one token", text)
	}
	return ids[0]
}

func TestCloseOrder(t *testing.T) {
	m := testModel(t)
	c, err := m.NewContext(ContextOptions{Cells: 256, KeepThreads: true, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err == nil {
		t.Error("closing a model with an open context: no error")
	}
	if err := errors.Join(c.Close(), c.Close(), m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if err := c.Decode(t.Context(), rowsOf([]int32{1}, 0, 0)); err == nil {
		t.Error("Decode of a closed context: no error")
	}
	if _, err := m.NewContext(ContextOptions{}); err == nil {
		t.Error("NewContext of a closed model: no error")
	}
}

// TestDeadLibrary breaks llama.cpp's rules in a process of its own, which has to live on.
func TestDeadLibrary(t *testing.T) {
	if os.Getenv("LLAMA_TEST_CRASH") != "" {
		crash(t, os.Getenv("LLAMA_TEST_CRASH"))
		return
	}
	testModel(t)
	for _, what := range []string{"assertion", "exception"} {
		t.Run(what, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestDeadLibrary$")
			cmd.Env = append(os.Environ(), "LLAMA_TEST_CRASH="+what, "GGML_BACKEND_PATH=/nonexistent")
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("survived")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func crash(t *testing.T, what string) {
	lib := testLibrary(t)
	m, err := lib.LoadModel(t.Context(), os.Getenv("TOOLSERVE_TEST_MODEL"), ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		switch what {
		case "assertion":
			c, _ := m.NewContext(ContextOptions{Cells: 256, Batch: 16})
			long := lib.batchInit(32, 0, 1)
			for i := range 32 {
				unsafe.Slice(long.token, 32)[i], unsafe.Slice(long.pos, 32)[i] = 1, int32(i)
				unsafe.Slice(long.nSeqID, 32)[i], *unsafe.Slice(long.seqID, 32)[i] = 1, 0
				unsafe.Slice(long.logits, 32)[i] = 0
			}
			long.nTokens = 32
			lib.decode(c.ctx, long)
		case "exception":
			g, _ := m.NewGrammar(`root ::= "a"`, "root")
			lib.samplerAccept(g.sampler, token(t, m, "x"))
		}
	}()
	<-lib.Dead()
	err = lib.Err()
	if !errors.Is(err, ErrDead) {
		t.Errorf("Err() = %v", err)
	}
	if _, err := m.NewContext(ContextOptions{}); !errors.Is(err, ErrDead) {
		t.Errorf("NewContext of a dead library: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close of a dead library's model: %v", err)
	}
	os.Stdout.WriteString("survived: " + err.Error() + "\n")
}

func TestLibraryLog(t *testing.T) {
	var out bytes.Buffer
	s := &logSink{logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	s.write(logError, "an earlier error\n")
	mark := s.mark()
	s.write(logInfo, "load: all ")
	s.write(logCont, "is ")
	s.write(logCont, "well\n")
	s.write(logError, "llama_model_load: error loading model: unknown model architecture: 'x'\n")
	s.write(logWarn, "no newline")
	s.write(logError, "next\n")
	if got, want := s.reason(mark), "error loading model: unknown model architecture: 'x'; no newline; next"; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
	if !strings.Contains(out.String(), `level=DEBUG msg="load: all is well"`) || !strings.Contains(out.String(), "level=WARN msg=next") {
		t.Errorf("log:\n%s", out.String())
	}
	for range 100 {
		s.write(logError, "again\n")
	}
	if got := strings.Count(s.reason(mark), "again"); got != keptLines {
		t.Errorf("reason has %d lines, want the last %d", got, keptLines)
	}
}
