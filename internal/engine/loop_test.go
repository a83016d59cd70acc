package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start makes an engine over a fake backend that is closed when the test ends.
func start(t *testing.T, fake enginetest.Options, opts engine.Options) (*engine.Engine, *enginetest.Backend) {
	t.Helper()
	b := enginetest.New(fake)
	e := engine.New(b, opts)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e, b
}

func tokens(text string) []int32 {
	var ids []int32
	for _, c := range []byte(text) {
		ids = append(ids, int32(c))
	}
	return ids
}

// echo replies with a text that names the prompt.
func echo(prompt string) string { return "<" + prompt[max(0, len(prompt)-20):] + "> is what you said" }

// TestOneSlotOrMany checks that how many requests share a batch changes no text, whatever the batches look like.
func TestOneSlotOrMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seed := uint64(7)
	var requests []engine.Request
	for i := range 48 {
		prompt := strings.Repeat("shared beginning ", i%4*3) + fmt.Sprintf("request %d ", rng.IntN(1000)) + strings.Repeat("x", rng.IntN(90))
		req := engine.Request{Prompt: tokens(prompt), MaxTokens: 1 + rng.IntN(60)}
		if i%3 == 0 {
			req.Sampling = engine.Sampling{Temperature: 3, TopK: 20 * (i % 2), TopP: 0.99, Seed: &seed, RepetitionPenalty: 1.1}
		}
		requests = append(requests, req)
	}
	run := func(fake enginetest.Options, opts engine.Options) []string {
		texts := make([]string, len(requests))
		synctest.Test(t, func(t *testing.T) {
			e, _ := start(t, fake, opts)
			var wg sync.WaitGroup
			for i, req := range requests {
				wg.Go(func() {
					time.Sleep(time.Duration(i%7) * time.Millisecond)
					text, last, err := collect(t.Context(), e, req)
					if err != nil || last.Finish == engine.FinishNone {
						t.Errorf("request %d: finish %q, %v", i, last.Finish, err)
					}
					texts[i] = text
				})
			}
			wg.Wait()
		})
		return texts
	}
	step := time.Millisecond
	want := run(enginetest.Options{Delay: step}, engine.Options{})
	for _, tt := range []struct {
		name string
		fake enginetest.Options
		opts engine.Options
	}{
		{"16", enginetest.Options{MaxSeqs: 16, Delay: step}, engine.Options{MaxSeqs: 16}},
		{"3 in small batches", enginetest.Options{MaxSeqs: 3, BatchSize: 5, Delay: step}, engine.Options{MaxSeqs: 3}},
		{"16 of which few fit", enginetest.Options{MaxSeqs: 16, ContextSize: 400, Cells: 600, Delay: step}, engine.Options{MaxSeqs: 16}},
		{"8 that cannot be cut", enginetest.Options{MaxSeqs: 8, NoCut: true, Delay: step}, engine.Options{MaxSeqs: 8}},
		{"more asked than there are", enginetest.Options{MaxSeqs: 2, Delay: step}, engine.Options{MaxSeqs: 64}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, got := range run(tt.fake, tt.opts) {
				if got != want[i] {
					t.Errorf("request %d gives %q, and %q alone", i, got, want[i])
				}
			}
		})
	}
}

func TestSlowReaderStallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t, enginetest.Options{MaxSeqs: 2, Delay: time.Millisecond, Reply: echo}, engine.Options{MaxSeqs: 2})
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			var text strings.Builder
			for tok, err := range e.Generate(t.Context(), engine.Request{Prompt: tokens("slow")}) {
				if err != nil {
					t.Error(err)
				}
				time.Sleep(time.Hour)
				if !tok.End {
					text.WriteString(tok.Text)
				}
			}
			if got := text.String(); got != echo("slow") {
				t.Errorf("the slow reader got %q", got)
			}
		})
		for range 10 {
			if text, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("quick")}); err != nil || text != echo("quick") {
				t.Errorf("the quick reader got %q, %v", text, err)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("ten quick requests took %v beside a slow one", took)
		}
		wg.Wait()
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t, enginetest.Options{Delay: time.Millisecond, Reply: echo}, engine.Options{MaxQueue: 4})
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 { // one runs and four wait
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				if _, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens(fmt.Sprint("request ", i))}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
		}
		time.Sleep(10 * time.Microsecond)
		if s := e.Stats(); s.Running != 1 || s.Queued != 4 {
			t.Errorf("%+v, want one running and four queued", s)
		}
		if _, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("one too many")}); !errors.Is(err, engine.ErrQueueFull) {
			t.Errorf("one more: %v, want ErrQueueFull", err)
		}
		wg.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestReaderThatLeaves(t *testing.T) {
	long := strings.Repeat("long prompt ", 300) // 3600 tokens, 36 s in 8 batches
	for _, tt := range []struct {
		name  string
		leave func(t *testing.T, e *engine.Engine)
		max   time.Duration // until the slot is free
	}{
		{"during its prompt", func(t *testing.T, e *engine.Engine) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if _, _, err := collect(ctx, e, engine.Request{Prompt: tokens(long)}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("its error is %v", err)
			}
		}, 600 * time.Millisecond},
		{"out of the range", func(t *testing.T, e *engine.Engine) {
			for _, err := range e.Generate(t.Context(), engine.Request{Prompt: tokens("hi")}) {
				if err != nil {
					t.Error(err)
				}
				break
			}
		}, 100 * time.Millisecond},
		{"before it begins", func(t *testing.T, e *engine.Engine) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, _, err := collect(ctx, e, engine.Request{Prompt: tokens(long)}); !errors.Is(err, context.Canceled) {
				t.Errorf("its error is %v", err)
			}
		}, time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := start(t, enginetest.Options{TokenDelay: 10 * time.Millisecond, Reply: echo}, engine.Options{})
				began := time.Now()
				tt.leave(t, e)
				synctest.Wait()
				for e.Stats().Running > 0 {
					time.Sleep(time.Millisecond)
				}
				if took := time.Since(began); took > tt.max {
					t.Errorf("the slot was free after %v, want %v", took, tt.max)
				}
				if text, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("next")}); err != nil || text != echo("next") {
					t.Errorf("the next request gives %q, %v", text, err)
				}
			})
		})
	}
}

func TestQueuedReaderThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b := start(t, enginetest.Options{Delay: time.Second}, engine.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { collect(ctx, e, engine.Request{Prompt: tokens("first")}) })
		time.Sleep(time.Millisecond)
		short, cancelShort := context.WithTimeout(t.Context(), time.Second/2)
		defer cancelShort()
		if _, _, err := collect(short, e, engine.Request{Prompt: tokens("second")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a queued request whose time is up: %v", err)
		}
		if s := e.Stats(); s.Queued != 0 {
			t.Errorf("%d requests wait, want 0", s.Queued)
		}
		wg.Wait()
		for _, seq := range b.Held() {
			if strings.HasPrefix(b.Text(seq), "second") {
				t.Error("the request that left was evaluated")
			}
		}
	})
}

// TestCancelledPromptDoesNotDelayOthers checks that an interrupted batch is done again for those who stay.
func TestCancelledPromptDoesNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t, enginetest.Options{MaxSeqs: 2, TokenDelay: 10 * time.Millisecond, Reply: echo}, engine.Options{MaxSeqs: 2})
		var wg sync.WaitGroup
		wg.Go(func() {
			if text, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("stays")}); err != nil || text != echo("stays") {
				t.Errorf("the one who stays gets %q, %v", text, err)
			}
		})
		time.Sleep(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		collect(ctx, e, engine.Request{Prompt: tokens(strings.Repeat("leaves ", 200))})
		wg.Wait()
	})
}

func TestFailingBatch(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		err  error
		dead bool
	}{
		{"once", boom, false},
		{"for good", fmt.Errorf("%w: %w", engine.ErrEngineDead, boom), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := start(t, enginetest.Options{MaxSeqs: 2, Delay: time.Millisecond, Reply: echo, OnDecode: func(n int, _ []engine.Row) error {
					if n == 5 {
						return tt.err
					}
					return nil
				}}, engine.Options{MaxSeqs: 2})
				var wg sync.WaitGroup
				for i := range 3 { // two in the batch that fails, one that waits
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Microsecond)
						prompt := fmt.Sprint("request ", i)
						text, last, err := collect(t.Context(), e, engine.Request{Prompt: tokens(prompt)})
						switch {
						case i == 2 && !tt.dead:
							if err != nil || text != echo(prompt) {
								t.Errorf("the request after the failure: %q, %v", text, err)
							}
						case !errors.Is(err, tt.err) || !errors.Is(err, boom) || last.Finish != engine.FinishNone:
							t.Errorf("request %d ends with %q, finish %q, %v", i, text, last.Finish, err)
						}
					})
				}
				wg.Wait()
				_, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("later")})
				if errors.Is(err, engine.ErrEngineDead) != tt.dead || (err == nil) == tt.dead || (e.Err() == nil) == tt.dead {
					t.Errorf("a later request: %v; Err() = %v", err, e.Err())
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := enginetest.New(enginetest.Options{Delay: time.Second})
		e := engine.New(b, engine.Options{})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if _, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens(fmt.Sprint(i))}); !errors.Is(err, engine.ErrClosed) {
					t.Errorf("a request of an engine that is closed: %v", err)
				}
			})
		}
		time.Sleep(1500 * time.Millisecond)
		began := time.Now()
		if err := errors.Join(e.Close(), e.Close()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("Close waited %v for the batch", took)
		}
		wg.Wait()
		if _, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("late")}); !errors.Is(err, engine.ErrClosed) || !b.Closed() {
			t.Errorf("after Close: %v; backend closed: %v", err, b.Closed())
		}
	})
}

func TestLimits(t *testing.T) {
	e, _ := start(t, enginetest.Options{ContextSize: 32, Next: func([]int32) int32 { return 'a' }}, engine.Options{})
	for _, tt := range []struct {
		name           string
		prompt, max    int
		want           int // tokens generated
		limit          error
		beginsWithText string
	}{
		{"max tokens", 10, 5, 5, nil, ""},
		{"context", 10, 0, 22, nil, ""},
		{"context before max tokens", 30, 50, 2, nil, ""},
		{"room for one", 31, 0, 1, nil, ""},
		{"no room", 32, 0, 0, engine.ErrContextFull, "the prompt has 32 tokens and the context holds 32"},
		{"far too long", 5000, 1, 0, engine.ErrContextFull, "the prompt has 5000 tokens"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, last, err := collect(t.Context(), e, engine.Request{Prompt: tokens(strings.Repeat("p", tt.prompt)), MaxTokens: tt.max})
			if !errors.Is(err, tt.limit) || len(text) != tt.want || (err == nil) != (last.Finish == engine.FinishLength) {
				t.Errorf("%d tokens, finish %q, %v; want %d, %v", len(text), last.Finish, err, tt.want, tt.limit)
			}
			if err != nil && !strings.HasPrefix(err.Error(), tt.beginsWithText) {
				t.Errorf("%q does not begin with %q", err, tt.beginsWithText)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	e, _ := start(t, enginetest.Options{}, engine.Options{})
	nan := 0.0
	nan /= nan
	ok := []int32{1}
	for _, tt := range []struct {
		field string
		req   engine.Request
	}{
		{"Prompt", engine.Request{}},
		{"Prompt", engine.Request{Prompt: []int32{-1}}},
		{"Prompt", engine.Request{Prompt: []int32{257}}},
		{"MaxTokens", engine.Request{Prompt: ok, MaxTokens: -1}},
		{"TopLogprobs", engine.Request{Prompt: ok, TopLogprobs: 21}},
		{"Sampling.Temperature", engine.Request{Prompt: ok, Sampling: engine.Sampling{Temperature: nan}}},
		{"Sampling.Temperature", engine.Request{Prompt: ok, Sampling: engine.Sampling{Temperature: -1}}},
		{"Sampling.TopP", engine.Request{Prompt: ok, Sampling: engine.Sampling{TopP: 1.1}}},
		{"Sampling.MinP", engine.Request{Prompt: ok, Sampling: engine.Sampling{MinP: nan}}},
		{"Sampling.TopK", engine.Request{Prompt: ok, Sampling: engine.Sampling{TopK: -1}}},
		{"Sampling.LogitBias", engine.Request{Prompt: ok, Sampling: engine.Sampling{LogitBias: map[int32]float64{1: nan}}}},
		{"Grammar", engine.Request{Prompt: ok, Grammar: &constrain.Grammar{}}},
	} {
		_, _, err := collect(t.Context(), e, tt.req)
		var bad *engine.RequestError
		if !errors.As(err, &bad) || bad.Field != tt.field {
			t.Errorf("%+v: %v, want a RequestError of %s", tt.req, err, tt.field)
		}
	}
}

func TestText(t *testing.T) {
	specials := []string{"<tool>", "<think>"}
	for _, tt := range []struct {
		name, reply string
		want        []string // Before + Text of each token with any, special ones in brackets
	}{
		{"ascii", "ab", []string{"a", "b", "[<|im_end|>]"}},
		{"characters", "é日🎉", []string{"é", "日", "🎉", "[<|im_end|>]"}},
		{"specials", "<think>x<tool>", []string{"[<think>]", "x", "[<tool>]", "[<|im_end|>]"}},
		{"invalid", "a\xff\xfeb", []string{"a", "\ufffd", "\ufffd", "b", "[<|im_end|>]"}},
		{"cut by a special", "a\xe6\x97<tool>b", []string{"a", "\ufffd\ufffd[<tool>]", "b", "[<|im_end|>]"}},
		{"cut by the end", "a\xf0\x9f", []string{"a", "\ufffd\ufffd[<|im_end|>]"}},
		{"cut by a letter", "\xf0\x9fa", []string{"\ufffd\ufffda", "[<|im_end|>]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, _ := start(t, enginetest.Options{Specials: specials, Reply: func(string) string { return tt.reply }}, engine.Options{})
			var got []string
			for tok, err := range e.Generate(t.Context(), engine.Request{Prompt: tokens("p")}) {
				if err != nil {
					t.Fatal(err)
				}
				text := tok.Before + tok.Text
				if tok.Special {
					text = tok.Before + "[" + tok.Text + "]"
				}
				if text != "" {
					got = append(got, text)
				}
				if (tok.Finish == engine.FinishStop) != tok.End {
					t.Errorf("token %q: end %v, finish %q", tok.Text, tok.End, tok.Finish)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	e, _ := start(t, enginetest.Options{Reply: func(string) string { return "a\xe6\x97\xa5" }}, engine.Options{})
	if text, last, err := collect(t.Context(), e, engine.Request{Prompt: tokens("p"), MaxTokens: 3}); err != nil || text != "a\ufffd\ufffd" || last.Finish != engine.FinishLength {
		t.Errorf("cut by the limit: %q, finish %q, %v", text, last.Finish, err)
	}
}

func TestReuse(t *testing.T) {
	type turn struct {
		prompt string
		cached int
	}
	a1, b1 := "system prompt of some length, A asks", "system prompt of some length, B asks"
	a2, b2 := a1+echo(a1)+" and A again", b1+echo(b1)+" and B again"
	common := len("system prompt of some length, ")
	for _, tt := range []struct {
		name    string
		fake    enginetest.Options
		opts    engine.Options
		history []turn
	}{
		{"one slot", enginetest.Options{}, engine.Options{}, []turn{
			{a1, 0}, {a1, len(a1) - 1}, {a2, len(a1 + echo(a1))}, {b1, common}, {a2, common},
		}},
		{"two slots keep two conversations", enginetest.Options{MaxSeqs: 2}, engine.Options{MaxSeqs: 2}, []turn{
			{a1, 0}, {b1, common}, {a2, len(a1 + echo(a1))}, {b2, len(b1 + echo(b1))}, {a2, len(a2) - 1},
		}},
		{"a model that cannot cut", enginetest.Options{NoCut: true}, engine.Options{}, []turn{
			{a1, 0}, {a2, len(a1 + echo(a1))}, {b1, 0}, {b1, 0},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fake.Reply = echo
			e, _ := start(t, tt.fake, tt.opts)
			for i, turn := range tt.history {
				var s engine.Start
				text, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens(turn.prompt), OnStart: func(got engine.Start) { s = got }})
				if err != nil || text != echo(turn.prompt) {
					t.Errorf("turn %d: %q, %v", i, text, err)
				}
				if s.PromptTokens != len(turn.prompt) || s.CachedTokens != turn.cached {
					t.Errorf("turn %d: %+v, want %d prompt tokens, %d cached", i, s, len(turn.prompt), turn.cached)
				}
			}
		})
	}
}

// TestConcurrentRequestsShareAPrompt checks that the beginning that requests have in common is evaluated once even
// if they come at the same time.
func TestConcurrentRequestsShareAPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t, enginetest.Options{MaxSeqs: 8, BatchSize: 64, Delay: time.Millisecond, Reply: echo}, engine.Options{MaxSeqs: 8})
		system := strings.Repeat("tools and rules, ", 40)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens(fmt.Sprint(system, i))}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s := e.Stats(); s.CachedTokens != uint64(7*len(system)) {
			t.Errorf("%d of %d prompt tokens were reused, want %d", s.CachedTokens, s.PromptTokens, 7*len(system))
		}
	})
}

// TestLongPromptBesideGeneration checks that a request goes on generating while another's long prompt is read.
func TestLongPromptBesideGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		widest := 0
		e, _ := start(t, enginetest.Options{
			MaxSeqs: 2, BatchSize: 400, TokenDelay: time.Millisecond, Next: func([]int32) int32 { return 'a' },
			OnDecode: func(_ int, rows []engine.Row) error {
				if rows[0].Pos > 1 { // the first request generates
					widest = max(widest, len(rows))
				}
				return nil
			},
		}, engine.Options{MaxSeqs: 2})
		var wg sync.WaitGroup
		wg.Go(func() {
			if text, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("p"), MaxTokens: 100}); err != nil || len(text) != 100 {
				t.Errorf("%q, %v", text, err)
			}
		})
		time.Sleep(10 * time.Millisecond)
		if _, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens(strings.Repeat("q", 1000)), MaxTokens: 1}); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if widest != 101 {
			t.Errorf("the widest batch beside a generating request has %d rows, want its own and 100", widest)
		}
	})
}

func TestRequestThatFitsNowhere(t *testing.T) {
	e, _ := start(t, enginetest.Options{Cells: 20, Reply: echo}, engine.Options{})
	if _, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens(strings.Repeat("p", 30))}); !errors.Is(err, engine.ErrNoSpace) {
		t.Errorf("a request of more cells than there are: %v, want ErrNoSpace", err)
	}
	if text, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("p"), MaxTokens: 5}); err != nil || len(text) != 5 {
		t.Errorf("the next request: %q, %v", text, err)
	}
}

func TestLogprobs(t *testing.T) {
	e, _ := start(t, enginetest.Options{Reply: func(string) string { return "ab" }}, engine.Options{})
	bias := engine.Sampling{LogitBias: map[int32]float64{'z': 100}}
	for tok, err := range e.Generate(t.Context(), engine.Request{Prompt: tokens("p"), MaxTokens: 2, Logprobs: true, TopLogprobs: 3, Sampling: bias}) {
		if err != nil {
			t.Fatal(err)
		}
		if tok.Text != "z" || len(tok.Top) != 3 || tok.Top[0].Text != "a" || tok.Top[0].Logprob < -0.01 || tok.Logprob > -15 {
			t.Fatalf("%+v: want z drawn by its bias, and probabilities from before it with a at the top", tok)
		}
		break
	}
}

// letters is a constraint that allows some tokens and counts questions.
type letters struct {
	allowed         string
	asked, accepted int
	closed          bool
	err             error
}

func (l *letters) Allowed(ids []int32, ok []bool) error {
	for i, id := range ids {
		l.asked++
		ok[i] = id < 256 && strings.ContainsRune(l.allowed, rune(id)) || id == enginetest.End && l.accepted == 3
	}
	return l.err
}

func (l *letters) Accept(int32) error { l.accepted++; return nil }

func (l *letters) Close() { l.closed = true }

func TestConstraint(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name    string
		c       letters
		want    string // "" means three of the allowed
		asked   int    // the most questions about tokens
		wantErr string
	}{
		{"what the model says anyway", letters{allowed: "abc"}, "abc", 4, ""},
		{"something else", letters{allowed: "xyz"}, "", 2000, ""},
		{"nothing", letters{}, "", 2000, "allows no token"},
		{"an error", letters{allowed: "abc", err: boom}, "", 1, "boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &tt.c
			e, _ := start(t, enginetest.Options{
				Reply:     func(string) string { return "abc" },
				Constrain: func(*constrain.Grammar) (engine.Constraint, error) { return c, nil },
			}, engine.Options{})
			text, _, err := collect(t.Context(), e, engine.Request{Prompt: tokens("p"), MaxTokens: 3, Grammar: &constrain.Grammar{}})
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			if tt.want != "" && text != tt.want || err == nil && strings.Trim(text, c.allowed) != "" {
				t.Errorf("text %q", text)
			}
			if c.asked > tt.asked {
				t.Errorf("the constraint was asked about %d tokens, want at most %d", c.asked, tt.asked)
			}
			if e.Close(); !c.closed {
				t.Error("the constraint was not closed")
			}
		})
	}
}
