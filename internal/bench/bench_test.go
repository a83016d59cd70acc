package bench

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/client"
)

// run measures servers with small settings.
func run(t *testing.T, opts Options) *Report {
	t.Helper()
	opts.PromptTokens, opts.MaxTokens, opts.Pause = 10, 5, time.Nanosecond
	report, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestServersTakeTurnsAndGetTheSame(t *testing.T) {
	var j journal
	a, b := &fake{name: "a", journal: &j}, &fake{name: "b", journal: &j}
	report := run(t, Options{Servers: []Server{a.start(t), b.start(t)}, Concurrency: []int{1, 3}, Rounds: 2, Seed: 7})

	// The warm-up is 3 requests one at a time, 1 and 3 at once; a round is 1 and 3 prompts, 1 and 3 answers.
	const warmUp, round = 7, 8
	if a.n != warmUp+2*round || b.n != a.n {
		t.Fatalf("a was asked %d times and b %d times, want both %d", a.n, b.n, warmUp+2*round)
	}
	var order []string
	for _, q := range j.asks[2*warmUp:] {
		if len(order) == 0 || order[len(order)-1] != q.server {
			order = append(order, q.server)
		}
	}
	// a b | a b | a b | a b in the first round, b a | ... in the second; neighbours that are the same are one.
	want := append(slices.Repeat([]string{"a", "b"}, 4), slices.Repeat([]string{"a", "b"}, 3)...)
	want = append(want, "a")
	if got := strings.Join(order, ""); got != strings.Join(want, "") {
		t.Errorf("order is %s, want %s", got, strings.Join(want, ""))
	}

	bodies := map[string][]string{}
	for _, q := range j.asks {
		bodies[q.server] = append(bodies[q.server], q.body)
	}
	slices.Sort(bodies["a"])
	slices.Sort(bodies["b"])
	if !slices.Equal(bodies["a"], bodies["b"]) {
		t.Error("the servers got different requests")
	}
	if s := report.Servers; s[0].Model != "model-of-a" || s[0].Texts == "" || s[0].Texts != s[1].Texts {
		t.Errorf("servers are %+v; want each its own model and both the same texts", s)
	}
}

func TestTimedPromptsAreNew(t *testing.T) {
	for _, work := range []Work{Text, Calls, Objects} {
		var j journal
		f := &fake{name: "a", journal: &j, calls: trip}
		run(t, Options{Servers: []Server{f.start(t)}, Concurrency: []int{1, 2}, Rounds: 2, Work: work})
		seen := map[string]bool{}
		for i, q := range j.asks {
			if i >= 5 && seen[q.prompt] { // 2 and 3 warm-up requests, which are the same
				t.Errorf("%s: a timed prompt was sent before: %s", work, q.prompt)
			}
			seen[q.prompt] = true
		}
	}
}

func TestPromptsDifferFromTheStart(t *testing.T) {
	r := &runner{opts: Options{PromptTokens: 50}, words: newWords(1)}
	a, b := r.longPrompt(&target{}, forPrefill, 0, 1, 0), r.longPrompt(&target{}, forPrefill, 0, 1, 1)
	first := func(text string) string { return strings.Join(strings.Fields(text)[:4], " ") }
	if x, y := first(a.Messages[0].Text()), first(b.Messages[0].Text()); x == y {
		t.Errorf("both prompts begin with %q", x)
	}
	if n := len(strings.Fields(a.Messages[0].Text())); n != 50 {
		t.Errorf("a prompt has %d words, want 50", n)
	}
	again := (&runner{opts: Options{PromptTokens: 50}, words: newWords(1)}).longPrompt(&target{}, forPrefill, 0, 1, 0)
	if a.Messages[0].Text() != again.Messages[0].Text() {
		t.Error("one seed makes different prompts")
	}
	other := (&runner{opts: Options{PromptTokens: 50}, words: newWords(2)}).longPrompt(&target{}, forPrefill, 0, 1, 0)
	if a.Messages[0].Text() == other.Messages[0].Text() {
		t.Error("two seeds make the same prompt")
	}
}

func TestWhatIsAsked(t *testing.T) {
	var j journal
	f := &fake{name: "a", journal: &j}
	run(t, Options{Servers: []Server{f.start(t)}, Rounds: 1})
	for _, q := range j.asks {
		var body struct {
			Stream        bool     `json:"stream"`
			Temperature   *float64 `json:"temperature"`
			StreamOptions struct {
				Usage bool `json:"include_usage"`
			} `json:"stream_options"`
			Tools []any `json:"tools"`
		}
		if err := json.Unmarshal([]byte(q.body), &body); err != nil {
			t.Fatal(err)
		}
		if !body.Stream || body.Temperature == nil || *body.Temperature != 0 || !body.StreamOptions.Usage || body.Tools != nil {
			t.Errorf("asked %s", q.body)
		}
	}
	if prefill := j.asks[2]; prefill.tokens != 1 {
		t.Errorf("a prefill request asks for %d tokens, want 1", prefill.tokens)
	}
}

func TestCounts(t *testing.T) {
	f := &fake{name: "a", cached: 20}
	report := run(t, Options{Servers: []Server{f.start(t)}, Concurrency: []int{2}, Rounds: 3})
	got := report.Levels[0].Results[0]
	if got.Requests != 12 || got.Errors != 0 || got.Answers != 6 {
		t.Errorf("%d requests, %d errors, %d answers; want 12, 0, 6", got.Requests, got.Errors, got.Answers)
	}
	if got.PromptTokens != 100 || got.CachedTokens != 20 || got.AnswerTokens != 5 {
		t.Errorf("%v prompt, %v cached, %v answer tokens; want 100, 20, 5", got.PromptTokens, got.CachedTokens, got.AnswerTokens)
	}
	if got.ComparedTexts != 2 || got.SameTexts != 2 {
		t.Errorf("%d of %d texts are the same, want 2 of 2", got.SameTexts, got.ComparedTexts)
	}
	for name, figure := range map[string]Figure{"ttft": got.TTFT, "prefill": got.Prefill, "stream": got.Stream, "total": got.Total} {
		if len(figure) != 3 || len(numbers(figure)) != 3 {
			t.Errorf("%s is %v, want a number for each of 3 rounds", name, figure)
		}
	}
	if len(got.Objects) != 0 {
		t.Errorf("calls are %v, want none", got.Objects)
	}
}

func TestTextsThatDependOnTheLoadAreCounted(t *testing.T) {
	f := &fake{name: "a"}
	f.answer = func(n int) string {
		if n <= 2 { // the warm-up's, one at a time
			return "alone"
		}
		return "together"
	}
	report := run(t, Options{Servers: []Server{f.start(t)}, Concurrency: []int{2}, Rounds: 1})
	if got := report.Levels[0].Results[0]; got.ComparedTexts != 2 || got.SameTexts != 0 {
		t.Errorf("%d of %d texts are the same, want 0 of 2", got.SameTexts, got.ComparedTexts)
	}
}

// trip are arguments that fit the tool.
const trip = `{"city":"Oslo","reason":"Snow.","nights":3,"class":"first","breakfast":true}`

func TestToolCalls(t *testing.T) {
	for _, test := range []struct {
		name, arguments string
		fitting         int
	}{
		{"fits", trip, 4},
		{"not an object", `[]`, 0},
		{"broken off", trip[:20], 0},
		{"property missing", `{"city":"Oslo","nights":3,"class":"first","breakfast":true}`, 0},
		{"not one of the values", strings.Replace(trip, "first", "last", 1), 0},
		{"out of range", strings.Replace(trip, "3", "31", 1), 0},
		{"another type", strings.Replace(trip, "true", `"yes"`, 1), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var j journal
			f := &fake{name: "a", journal: &j, calls: test.arguments}
			report := run(t, Options{Servers: []Server{f.start(t)}, Concurrency: []int{2}, Rounds: 2, Work: Calls})
			got := report.Levels[0].Results[0]
			if got.Fitting != test.fitting || got.Answers != 4 {
				t.Errorf("%d of %d calls fit, want %d of 4", got.Fitting, got.Answers, test.fitting)
			}
			if len(got.TTFT) != 0 || len(got.Objects) != 2 {
				t.Errorf("ttft %v and calls %v, want none and two", got.TTFT, got.Objects)
			}
			if !strings.Contains(j.asks[0].body, `"tool_choice":"required"`) {
				t.Errorf("asked %s, without a forced call", j.asks[0].body)
			}
		})
	}
}

func TestObjects(t *testing.T) {
	for _, test := range []struct {
		name, text string
		fitting    int
	}{
		{"fits", trip, 2},
		{"broken off", trip[:20], 0},
		{"after a text", "Here: " + trip, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var j journal
			f := &fake{name: "a", journal: &j, reason: "stop", answer: func(int) string { return test.text }}
			report := run(t, Options{Servers: []Server{f.start(t)}, Rounds: 2, Work: Objects})
			if got := report.Levels[0].Results[0]; got.Fitting != test.fitting || got.Answers != 2 {
				t.Errorf("%d of %d answers fit, want %d of 2", got.Fitting, got.Answers, test.fitting)
			}
			if !strings.Contains(j.asks[0].body, `"json_schema"`) || strings.Contains(j.asks[0].body, `"tools"`) {
				t.Errorf("asked %s, want a schema and no tools", j.asks[0].body)
			}
		})
	}
}

func TestErrorsAreCounted(t *testing.T) {
	f := &fake{name: "a", status: func(n int) int {
		if n == 4 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}}
	report := run(t, Options{Servers: []Server{f.start(t)}, Rounds: 2})
	got := report.Levels[0].Results[0]
	if got.Requests != 4 || got.Errors != 1 || report.Errors() != 1 || !strings.Contains(got.Error, "out of order") {
		t.Errorf("%d errors in %d requests, the first %q; want 1 in 4", got.Errors, got.Requests, got.Error)
	}
	// The fourth request is the answer of the first round.
	if n := len(numbers(got.Stream)); n != 1 || len(got.Stream) != 2 {
		t.Errorf("the rate of the answers is %v, want one number in two rounds", got.Stream)
	}
	if n := len(numbers(got.Prefill)); n != 2 {
		t.Errorf("the rate of the prompts is %v, want two numbers", got.Prefill)
	}
}

func TestAnswersWithoutUsageAreErrors(t *testing.T) {
	f := &fake{name: "a", silent: true}
	_, err := Run(t.Context(), Options{Servers: []Server{f.start(t)}, Rounds: 1})
	if err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("the error is %v, want one about usage", err)
	}
}

func TestRunEnds(t *testing.T) {
	hangs := &fake{name: "a", hangs: true}
	t.Run("with the context", func(t *testing.T) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := Run(ctx, Options{
			Servers: []Server{hangs.start(t)}, Rounds: 1,
			Progress: func(string) { time.AfterFunc(time.Millisecond, func() { cancel(why) }) },
		})
		if !errors.Is(err, why) {
			t.Errorf("the error is %v, want %v", err, why)
		}
	})
	t.Run("with the rounds until then", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		report, err := Run(ctx, Options{
			Servers: []Server{(&fake{name: "a"}).start(t)}, Rounds: 3, Pause: time.Nanosecond,
			Progress: func(step string) {
				if strings.HasPrefix(step, "round 2") {
					cancel()
				}
			},
		})
		if !errors.Is(err, context.Canceled) || report == nil || report.Settings.Complete != 1 {
			t.Fatalf("the report is %+v and the error %v; want one round and the context's error", report, err)
		}
		if r := report.Levels[0].Results[0]; r.Errors != 0 || len(r.Stream) != 1 || r.Requests != 2 {
			t.Errorf("the result is %+v; want what the first round gave and no error", r)
		}
	})
	t.Run("when requests take too long", func(t *testing.T) {
		_, err := Run(t.Context(), Options{Servers: []Server{hangs.start(t)}, Rounds: 1, RequestTimeout: time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "took longer") {
			t.Errorf("the error is %v, want one about the time", err)
		}
	})
	t.Run("without a server", func(t *testing.T) {
		_, err := Run(t.Context(), Options{Servers: []Server{{URL: "http://127.0.0.1:1"}}})
		var unreachable *client.UnreachableError
		if !errors.As(err, &unreachable) {
			t.Errorf("the error is %v, want an UnreachableError", err)
		}
	})
}

func TestCheck(t *testing.T) {
	one := []Server{{URL: "http://localhost"}}
	for _, test := range []struct {
		name string
		opts Options
		want string // part of the error; empty is none
	}{
		{"defaults", Options{Servers: one}, ""},
		{"no server", Options{}, "0 servers"},
		{"too many servers", Options{Servers: slices.Repeat(one, maxServers+1)}, "9 servers"},
		{"negative prompt", Options{Servers: one, PromptTokens: -1}, "prompt tokens"},
		{"huge answer", Options{Servers: one, MaxTokens: maxAnswer + 1}, "answer tokens"},
		{"many rounds", Options{Servers: one, Rounds: maxRounds + 1}, "rounds"},
		{"unknown work", Options{Servers: one, Work: "images"}, "images"},
		{"none at once", Options{Servers: one, Concurrency: []int{0}}, "concurrency 0"},
		{"too many at once", Options{Servers: one, Concurrency: []int{maxConcurrency + 1}}, "concurrency 257"},
		{"one number twice", Options{Servers: one, Concurrency: []int{1, 2, 1}}, "twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.opts.Check()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
