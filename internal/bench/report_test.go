package bench

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/chat"
)

func TestMedian(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{nil, nan},
		{[]float64{nan}, nan},
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 2, 9}, 3},
		{[]float64{4, nan, 2}, 3},
	} {
		before := slices.Clone(test.values)
		if got := median(test.values); got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
			t.Errorf("median of %v is %v, want %v", test.values, got, test.want)
		}
		for i, v := range test.values {
			if v != before[i] && !math.IsNaN(v) {
				t.Errorf("median reordered %v", before)
			}
		}
	}
}

func TestRatiosAreWithinARound(t *testing.T) {
	got := Figure(ratios([]float64{1, 20, math.NaN(), 5}, []float64{2, 10, 1, 0}))
	if low, high := got.Range(); low != 0.5 || high != 2 || got.Median() != 1.25 || len(got) != 4 {
		t.Errorf("ratios are %v, want 0.5, 2 and two without a value", got)
	}
}

// at is a moment some seconds after the start of a burst.
func at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestRates(t *testing.T) {
	samples := []sample{
		{sent: at(0), first: at(1), end: at(3), usage: chat.Usage{PromptTokens: 100, CachedTokens: 40, CompletionTokens: 21}, fits: true},
		{sent: at(0), first: at(2), end: at(4), usage: chat.Usage{PromptTokens: 100, CompletionTokens: 61}, fits: true},
		{sent: at(0), first: at(3), end: at(5), usage: chat.Usage{PromptTokens: 80, CompletionTokens: 1}},
	}
	var text, calls row
	text.addPrefill(samples)
	text.addDecode(samples, Text)
	calls.addDecode(samples, Calls)
	for _, test := range []struct {
		name string
		got  []float64
		want float64
	}{
		{"ttft", text.ttft, 2},
		{"prefill", text.prefill, 240.0 / 3},
		{"stream", text.stream, 20}, // of 20/2 and 60/2; the third has but one token
		{"total", text.total, 83.0 / 5},
		{"stream of calls", calls.stream, 21.0 / 3},
		{"calls", calls.objects, 2.0 / 5},
	} {
		if len(test.got) != 1 || math.Abs(test.got[0]-test.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestFigureJSON(t *testing.T) {
	for _, test := range []struct {
		figure Figure
		want   string
	}{
		{nil, `null`},
		{Figure{math.NaN()}, `null`},
		{Figure{3, math.NaN(), 1}, `{"median":2,"min":1,"max":3,"rounds":[3,null,1]}`},
	} {
		got, err := json.Marshal(test.figure)
		if err != nil || string(got) != test.want {
			t.Errorf("%v is %s (%v), want %s", test.figure, got, err, test.want)
		}
	}
}

func TestWriteText(t *testing.T) {
	report := &Report{
		Machine:  Machine{OS: "linux", Arch: "amd64", Cores: 2, CPU: "Abacus", LoadBefore: "0.10", LoadAfter: "1.90"},
		Settings: Settings{Work: Text, PromptTokens: 512, MaxTokens: 64, Rounds: 3, Complete: 2, Seed: 1, Seconds: 12.4},
		Servers:  []Served{{"a", "http://a", "m", "00000000"}, {"b", "http://b", "m", "00000000"}},
		Levels: []Level{{
			Concurrency: 1,
			Results: []Result{
				{Name: "a", TTFT: Figure{100, 90, 110}, Prefill: Figure{500}, Stream: Figure{9.5}, Total: Figure{8}, PromptTokens: 520, AnswerTokens: 64, SameTexts: 1, ComparedTexts: 1},
				{Name: "b", TTFT: Figure{200}, Errors: 2, Error: "out of order", ComparedTexts: 1},
			},
			Ratios: []Ratio{{Name: "b", TTFT: Figure{0.5, 0.4, 0.7}}},
		}},
	}
	var b strings.Builder
	if err := report.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"machine   linux/amd64, 2 cores, Abacus, load 0.10 before and 1.90 after",
		"server    b: http://b, model m, warm-up texts 00000000",
		"settings  prompts of about 512 tokens, answers of at most 64, temperature 0, 2 of 3 rounds, seed 1, took 12 s",
		"1 at once",
		"a 100.0 500.0 9.50 8.00 520 (0) 64 0 1/1",
		"b 200.0 - - - 0 (0) 0 2 0/1",
		"ratio to b 0.50 (0.40-0.70) - - -",
		"b: 2 failed, the first with: out of order",
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for _, w := range want {
		if !slices.Contains(lines, strings.Join(strings.Fields(w), " ")) {
			t.Errorf("the report lacks %q:\n%s", w, b.String())
		}
	}
}

func TestProcessor(t *testing.T) {
	if got := processor("processor\t: 0\nmodel name\t: Abacus 3000\nmodel name\t: other\n"); got != "Abacus 3000" {
		t.Errorf("the processor is %q", got)
	}
	if got := processor(""); got != "" {
		t.Errorf("the processor is %q, want none", got)
	}
}
