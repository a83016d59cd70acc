package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/llama"
)

// testLlama loads the model that the environment names, or skips the test.
func testLlama(t testing.TB, opts engine.LlamaOptions) *engine.Llama {
	t.Helper()
	dir, path := os.Getenv("TOOLSERVE_TEST_ENGINE"), os.Getenv("TOOLSERVE_TEST_MODEL")
	if dir == "" || path == "" {
		t.Skip("TOOLSERVE_TEST_ENGINE, a folder of llama.cpp libraries, and TOOLSERVE_TEST_MODEL, a .gguf file, are not both set")
	}
	lib, err := llama.Open(dir, llama.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := engine.LoadLlama(t.Context(), lib, path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func chatPrompt(t testing.TB, e *engine.Engine, text string) []int32 {
	t.Helper()
	ids, err := e.Tokenize("<|im_start|>user\n"+text+"<|im_end|>\n<|im_start|>assistant\n", true)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// collect runs a request to its end.
func collect(ctx context.Context, e *engine.Engine, req engine.Request) (text string, last engine.Token, err error) {
	var b strings.Builder
	for tok, err := range e.Generate(ctx, req) {
		if err != nil {
			return b.String(), last, err
		}
		b.WriteString(tok.Before)
		if !tok.End {
			b.WriteString(tok.Text)
		}
		last = tok
	}
	return b.String(), last, nil
}

func TestLlamaGenerates(t *testing.T) {
	e := engine.New(testLlama(t, engine.LlamaOptions{ContextSize: 1024}), engine.Options{})
	defer e.Close()
	prompt := chatPrompt(t, e, "What is the capital of France?")
	text, last, err := collect(t.Context(), e, engine.Request{Prompt: prompt, MaxTokens: 40})
	if err != nil || !strings.Contains(text, "Paris") || last.Finish == engine.FinishNone {
		t.Errorf("%q, finish %q, %v; want an answer with Paris", text, last.Finish, err)
	}
	var start engine.Start
	again, _, err := collect(t.Context(), e, engine.Request{Prompt: prompt, MaxTokens: 40, OnStart: func(s engine.Start) { start = s }})
	if err != nil || again != text {
		t.Errorf("the second time %q, %v; want %q", again, err, text)
	}
	if start.PromptTokens != len(prompt) || start.CachedTokens != len(prompt)-1 {
		t.Errorf("the second time %+v, want %d prompt tokens and all but one cached", start, len(prompt))
	}
	_, last, err = collect(t.Context(), e, engine.Request{Prompt: prompt, MaxTokens: 1, Logprobs: true, TopLogprobs: 5})
	if err != nil || len(last.Top) != 5 || last.Logprob != last.Top[0].Logprob || last.Logprob > 0 {
		t.Errorf("log probabilities %+v, %v; want five, the drawn one first", last, err)
	}
}

func TestLlamaGrammar(t *testing.T) {
	e := engine.New(testLlama(t, engine.LlamaOptions{ContextSize: 1024, MaxSeqs: 4}), engine.Options{MaxSeqs: 4})
	defer e.Close()
	g, err := constrain.JSONGrammar(json.RawMessage(`{"type":"object","properties":{"city":{"enum":["Paris","Rome"]},"visits":{"type":"integer"}},"required":["city","visits"],"additionalProperties":false}`))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, sampling := range []engine.Sampling{{}, {Temperature: 1, TopK: 40}, {Temperature: 1.5}, {Temperature: 1, TopP: 0.9}} {
		wg.Go(func() {
			text, last, err := collect(t.Context(), e, engine.Request{
				Prompt: chatPrompt(t, e, "Where is the Eiffel tower?"), MaxTokens: 200, Grammar: g, Sampling: sampling,
			})
			var v struct {
				City   string
				Visits json.Number
			}
			if err != nil || last.Finish == engine.FinishNone {
				t.Errorf("%+v: %q, %v", sampling, text, err)
			}
			if last.Finish == engine.FinishStop && (json.Unmarshal([]byte(text), &v) != nil || v.City != "Paris" && v.City != "Rome") {
				t.Errorf("%+v: %q does not fit the schema", sampling, text)
			}
		})
	}
	wg.Wait()
}

func TestLlamaSharesPrefix(t *testing.T) {
	e := engine.New(testLlama(t, engine.LlamaOptions{ContextSize: 2048, MaxSeqs: 4}), engine.Options{MaxSeqs: 4})
	defer e.Close()
	system := strings.Repeat("You are a helpful assistant that answers in one word. ", 20)
	var wg sync.WaitGroup
	for _, question := range []string{"Say yes.", "Say no.", "What is 2+2?", "Name a colour."} {
		wg.Go(func() {
			prompt, _ := e.Tokenize(system+question, true)
			if _, _, err := collect(t.Context(), e, engine.Request{Prompt: prompt, MaxTokens: 4}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s := e.Stats(); s.CachedTokens < s.PromptTokens/2 {
		t.Errorf("%d of %d prompt tokens were reused, want more than half", s.CachedTokens, s.PromptTokens)
	}
}

// TestLlamaBatchedAgreement reports how often requests in one batch give the text that they give alone: the order
// of floating-point sums differs, so that it need not be always.
func TestLlamaBatchedAgreement(t *testing.T) {
	const n = 16
	questions := make([]string, n)
	for i := range questions {
		questions[i] = "Tell me about the number " + strings.Repeat("1", i+1) + "."
	}
	run := func(seqs int) (texts [n]string, took time.Duration) {
		e := engine.New(testLlama(t, engine.LlamaOptions{ContextSize: 512, MaxSeqs: seqs}), engine.Options{MaxSeqs: seqs})
		defer e.Close()
		began := time.Now()
		var wg sync.WaitGroup
		for i, q := range questions {
			wg.Go(func() {
				var err error
				if texts[i], _, err = collect(t.Context(), e, engine.Request{Prompt: chatPrompt(t, e, q), MaxTokens: 24}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return texts, time.Since(began)
	}
	alone, tookAlone := run(1)
	batched, tookBatched := run(n)
	same := 0
	for i := range alone {
		if alone[i] == batched[i] {
			same++
		}
	}
	t.Logf("%d of %d texts are the same; one at a time %v, in one batch %v", same, n, tookAlone, tookBatched)
	if same < n/2 {
		t.Errorf("only %d of %d texts are the same", same, n)
	}
}

func TestLlamaCancelDuringPrefill(t *testing.T) {
	e := engine.New(testLlama(t, engine.LlamaOptions{ContextSize: 8192}), engine.Options{})
	defer e.Close()
	long := make([]int32, 8000)
	for i := range long {
		long[i] = int32(1000 + i%1000)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, _, err := collect(ctx, e, engine.Request{Prompt: long}); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled request ends with %v", err)
	}
	text, _, err := collect(t.Context(), e, engine.Request{Prompt: chatPrompt(t, e, "What is the capital of France?"), MaxTokens: 20})
	if err != nil || !strings.Contains(text, "Paris") {
		t.Errorf("after a cancelled request: %q, %v", text, err)
	}
}

func TestLlamaPreempts(t *testing.T) {
	e := engine.New(testLlama(t, engine.LlamaOptions{ContextSize: 256, MaxSeqs: 4, CacheSize: 512}), engine.Options{MaxSeqs: 4})
	defer e.Close()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			_, last, err := collect(t.Context(), e, engine.Request{
				Prompt:   chatPrompt(t, e, "Count from "+strings.Repeat("1", i+1)+" up."),
				Sampling: engine.Sampling{LogitBias: map[int32]float64{2: -100, 0: -100}}, // no end before the context's
			})
			if err != nil || last.Finish != engine.FinishLength {
				t.Errorf("request %d: finish %q, %v; want length", i, last.Finish, err)
			}
		})
	}
	wg.Wait()
	if s := e.Stats(); s.Preemptions == 0 {
		t.Errorf("%+v: no request gave its cells up, though four of 256 tokens shared 512 cells", s)
	}
}

func TestLoadLlamaErrors(t *testing.T) {
	dir := os.Getenv("TOOLSERVE_TEST_ENGINE")
	if dir == "" {
		t.Skip("TOOLSERVE_TEST_ENGINE, a folder of llama.cpp libraries, is not set")
	}
	lib, err := llama.Open(dir, llama.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var loadErr *llama.LoadError
	if _, err := engine.LoadLlama(t.Context(), lib, "/no/such.gguf", engine.LlamaOptions{}); !errors.As(err, &loadErr) {
		t.Errorf("LoadLlama of no file: %v, want a LoadError", err)
	}
}
