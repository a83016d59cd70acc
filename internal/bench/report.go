package bench

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Report is the result of a run.
type Report struct {
	Machine  Machine  `json:"machine"`
	Settings Settings `json:"settings"`
	Servers  []Served `json:"servers"`
	Levels   []Level  `json:"levels"`
}

// Settings are what the run was asked to do, and how long it took.
type Settings struct {
	PromptTokens int     `json:"prompt_tokens"`
	MaxTokens    int     `json:"max_tokens"`
	Rounds       int     `json:"rounds"` // asked for
	Complete     int     `json:"complete_rounds"`
	Work         Work    `json:"work"`
	Seed         uint64  `json:"seed"`
	Seconds      float64 `json:"seconds"`
}

// Served is a server that was measured.
type Served struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Model string `json:"model"`
	// Texts stands for the answers to the warm-up requests, asked one at a time: servers with the same value gave
	// the same texts.
	Texts string `json:"texts"`
}

// Level is what was measured with one number of requests at once.
type Level struct {
	Concurrency int      `json:"concurrency"`
	Results     []Result `json:"results"` // in the order of the servers
	// Ratios compare the first server with each of the others, in their order.
	Ratios []Ratio `json:"ratios,omitempty"`
}

// Result is one server's figures at one concurrency. A figure without values was not measured.
type Result struct {
	Name string `json:"name"`
	// TTFT is the median time to the first token of a prompt of PromptTokens, in milliseconds.
	TTFT Figure `json:"ttft_ms"`
	// Prefill is prompt tokens per second, of all requests together.
	Prefill Figure `json:"prefill_tokens_per_second"`
	// Stream is the median answer's tokens per second: of text, after its first token; of a call or an object, from
	// the sending of the request.
	Stream Figure `json:"stream_tokens_per_second"`
	// Total is answer tokens per second, of all requests together, from the sending of the first one.
	Total Figure `json:"total_tokens_per_second"`
	// Objects is calls or objects that fit the schema per second, of all requests together.
	Objects Figure `json:"objects_per_second"`

	// PromptTokens and CachedTokens are means of the prefill requests, AnswerTokens of the decode requests.
	PromptTokens float64 `json:"prompt_tokens"`
	CachedTokens float64 `json:"cached_tokens"`
	AnswerTokens float64 `json:"answer_tokens"`
	// Fitting are the answers, out of Answers, whose call or object fits the schema.
	Fitting int `json:"fitting"`
	Answers int `json:"answers"`
	// Requests are those that were timed. Errors are all that failed, the warm-up's included; Error is the first.
	Requests int    `json:"requests"`
	Errors   int    `json:"errors"`
	Error    string `json:"error,omitempty"`
	// SameTexts are the warm-up answers, out of ComparedTexts, that were the same at once as one at a time.
	SameTexts     int `json:"same_texts"`
	ComparedTexts int `json:"compared_texts"`
}

// Ratio is the first server's figure divided by another's.
type Ratio struct {
	Name    string `json:"name"` // of the other
	TTFT    Figure `json:"ttft"` // less is better for the first server; of the rest, more is
	Prefill Figure `json:"prefill"`
	Stream  Figure `json:"stream"`
	Total   Figure `json:"total"`
	Objects Figure `json:"objects"`
}

// Figure is one quantity: its value in each round.
type Figure []float64

// Median is the middle of the rounds' values, NaN where there are none.
func (f Figure) Median() float64 { return median(f) }

// Range is the least and the greatest of the rounds' values, NaN where there are none.
func (f Figure) Range() (low, high float64) {
	values := numbers(f)
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(values), slices.Max(values)
}

// MarshalJSON writes {"median","min","max","rounds"}; a round without a value is null, and a figure that was
// not measured is null.
func (f Figure) MarshalJSON() ([]byte, error) {
	if len(numbers(f)) == 0 {
		return []byte("null"), nil
	}
	low, high := f.Range()
	rounds := make([]*float64, len(f))
	for i := range f {
		if !math.IsNaN(f[i]) {
			rounds[i] = &f[i]
		}
	}
	return json.Marshal(struct {
		Median float64    `json:"median"`
		Min    float64    `json:"min"`
		Max    float64    `json:"max"`
		Rounds []*float64 `json:"rounds"`
	}{f.Median(), low, high, rounds})
}

// Errors is how many requests failed, those of the warm-up included.
func (r *Report) Errors() int {
	n := 0
	for _, l := range r.Levels {
		for _, result := range l.Results {
			n += result.Errors
		}
	}
	return n
}

// report puts together what was measured.
func (r *runner) report(machine Machine, took time.Duration) *Report {
	machine.LoadAfter = load()
	o := r.opts
	report := &Report{
		Machine: machine,
		Settings: Settings{
			PromptTokens: o.PromptTokens, MaxTokens: o.MaxTokens, Rounds: o.Rounds, Complete: r.rounds, Work: o.Work,
			Seed: o.Seed, Seconds: took.Seconds(),
		},
	}
	for _, t := range r.targets {
		report.Servers = append(report.Servers, Served{Name: t.Name, URL: t.URL, Model: t.model, Texts: t.digest()})
	}
	for i, c := range o.Concurrency {
		level := Level{Concurrency: c}
		first := &r.targets[0].rows[i]
		for j, t := range r.targets {
			row := &t.rows[i]
			level.Results = append(level.Results, row.result(t.Name))
			if j > 0 {
				level.Ratios = append(level.Ratios, first.ratio(row, t.Name))
			}
		}
		report.Levels = append(report.Levels, level)
	}
	return report
}

func (r *row) result(name string) Result {
	milliseconds := make(Figure, len(r.ttft))
	for i, seconds := range r.ttft {
		milliseconds[i] = 1000 * seconds
	}
	return Result{
		Name: name, TTFT: milliseconds, Prefill: r.prefill, Stream: r.stream, Total: r.total, Objects: r.objects,
		PromptTokens: mean(r.prompt, r.prompts), CachedTokens: mean(r.cached, r.prompts), AnswerTokens: mean(r.answer, r.answered),
		Fitting: r.fitting, Answers: r.answered,
		Requests: r.requests, Errors: r.errors, Error: r.failure,
		SameTexts: r.same, ComparedTexts: r.compared,
	}
}

func (r *row) ratio(other *row, name string) Ratio {
	return Ratio{
		Name: name, TTFT: ratios(r.ttft, other.ttft), Prefill: ratios(r.prefill, other.prefill),
		Stream: ratios(r.stream, other.stream), Total: ratios(r.total, other.total), Objects: ratios(r.objects, other.objects),
	}
}

func mean(sum, n int) float64 {
	if n <= 0 {
		return 0
	}
	return float64(sum) / float64(n)
}
