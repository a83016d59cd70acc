// Package bench measures OpenAI-compatible servers side by side.
//
// The servers take turns, measurement by measurement, and the one that begins changes from round to round, so
// that a machine that slows down slows all of them; between two turns all rest. All get the same requests at
// temperature 0. Every request that is timed has text that no earlier one had, so that no prefix cache helps;
// the tokens are those that the server counts, and the tokens that it says it had in its cache are left out of
// the prefill rate. Nothing is dropped: each round's figure is in the report, with the median and the range, and
// a ratio is the median of the ratios within the rounds. Nothing is timed before each server has answered every
// warm-up request, which also compares the texts of requests that run alone with those of requests that run at
// once.
package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/client"
)

// Server is one server to measure.
type Server struct {
	// Name stands for the server in the report; empty is its URL.
	Name string
	// URL is its address, with or without a trailing /v1.
	URL string
	// APIKey is sent as a bearer token; empty sends none.
	APIKey string
}

// Work is what the answers are whose decoding is measured.
type Work string

// The kinds of work. Objects are what an answer must be that is held to a grammar from its first token on;
// servers differ in whether they let text come before a forced call.
const (
	Text    Work = "text"
	Calls   Work = "calls"   // of a tool with five properties, forced by tool_choice "required"
	Objects Work = "objects" // with the same properties, forced by response_format
)

// Options are the settings of [Run].
type Options struct {
	// Servers are compared with the first one. At least one.
	Servers []Server
	// Model is the name that the requests carry; empty is the first model that each server lists.
	Model string
	// Concurrency are the numbers of requests that run at once, each measured by itself; empty is 1.
	Concurrency []int
	// PromptTokens is about how long the prompts are whose prefill is measured; 0 means 512.
	PromptTokens int
	// MaxTokens bounds the answers whose decoding is measured; 0 means 128.
	MaxTokens int
	// Rounds is how often each measurement is repeated; 0 means 3.
	Rounds int
	// Work is what the answers are; empty is Text.
	Work Work
	// Seed chooses the words of the prompts. Runs with one seed send the same prompts, which a server that was
	// not restarted may have in its cache.
	Seed uint64
	// RequestTimeout ends a request that takes longer, which counts as an error; 0 means 2 minutes.
	RequestTimeout time.Duration
	// Pause is left before each measurement; 0 means 500 ms. The threads of some servers keep their processors
	// busy for a while after their last step, which the next server would pay for.
	Pause time.Duration
	// Progress, when not nil, is told what begins.
	Progress func(step string)
}

// The limits of a run.
const (
	maxServers     = 8
	maxConcurrency = 256
	maxPrompt      = 1 << 17
	maxAnswer      = 1 << 14
	maxRounds      = 100
)

func (o Options) withDefaults() Options {
	if len(o.Concurrency) == 0 {
		o.Concurrency = []int{1}
	}
	if o.PromptTokens == 0 {
		o.PromptTokens = 512
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = 128
	}
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.Work == "" {
		o.Work = Text
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 2 * time.Minute
	}
	if o.Pause == 0 {
		o.Pause = 500 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o
}

// Check reports the first setting that cannot work.
func (o Options) Check() error {
	o = o.withDefaults()
	if n := len(o.Servers); n < 1 || n > maxServers {
		return fmt.Errorf("bench: %d servers; give 1 to %d", n, maxServers)
	}
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"prompt tokens", o.PromptTokens, maxPrompt},
		{"answer tokens", o.MaxTokens, maxAnswer},
		{"rounds", o.Rounds, maxRounds},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("bench: %d %s; give 1 to %d", f.value, f.name, f.max)
		}
	}
	if o.Work != Text && o.Work != Calls && o.Work != Objects {
		return fmt.Errorf("bench: work %q; it is %q, %q or %q", o.Work, Text, Calls, Objects)
	}
	for i, c := range o.Concurrency {
		switch {
		case c < 1 || c > maxConcurrency:
			return fmt.Errorf("bench: concurrency %d; give numbers from 1 to %d", c, maxConcurrency)
		case slices.Contains(o.Concurrency[:i], c):
			return fmt.Errorf("bench: concurrency %d is given twice", c)
		}
	}
	return nil
}

// generator is the part of [client.Client] that measurements need.
type generator interface {
	Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error]
}

// target is a server under measurement.
type target struct {
	Server
	model  string
	client generator
	rows   []row               // by concurrency
	alone  [][sha256.Size]byte // digests of the warm-up answers, asked one at a time; zero where one failed
}

// runner is one run.
type runner struct {
	opts    Options
	targets []*target
	words   *words
	rounds  int // that are complete
}

// Run measures the servers. Requests that fail are counted in the report; the error says that a server could
// not be reached at all, that a setting cannot work, or that ctx ended. If ctx ended after a round, the report
// of the rounds until then comes with the error.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if err := opts.Check(); err != nil {
		return nil, err
	}
	r := &runner{opts: opts.withDefaults()}
	r.words = newWords(r.opts.Seed)
	began := time.Now()
	before := describeMachine()
	for _, s := range r.opts.Servers {
		c, err := r.connect(ctx, s)
		if err != nil {
			return nil, err
		}
		defer c.Close()
	}
	if err := r.measure(ctx); err != nil {
		if r.rounds == 0 {
			return nil, err
		}
		return r.report(before, time.Since(began)), err
	}
	return r.report(before, time.Since(began)), nil
}

// connect makes a target of a server that answers.
func (r *runner) connect(ctx context.Context, s Server) (*client.Client, error) {
	if s.Name == "" {
		s.Name = s.URL
	}
	// Connections are kept for all requests that run at once, so that none pays for a handshake.
	transport := &http.Transport{MaxIdleConnsPerHost: maxConcurrency, DisableCompression: true}
	c, err := client.New(client.Options{URL: s.URL, APIKey: s.APIKey, HTTP: &http.Client{Transport: transport}})
	if err != nil {
		return nil, err
	}
	t := &target{Server: s, model: r.opts.Model, client: c, rows: make([]row, len(r.opts.Concurrency))}
	models, err := c.Models(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if t.model == "" {
		if len(models) == 0 {
			return nil, fmt.Errorf("%s lists no model; name one with --model", s.Name)
		}
		t.model = models[0].ID
	}
	r.targets = append(r.targets, t)
	return c, nil
}

// measure runs the warm-up and then the rounds.
func (r *runner) measure(ctx context.Context) error {
	for _, t := range r.targets {
		r.opts.Progress("warm up " + t.Name)
		if err := r.compareTexts(ctx, t); err != nil {
			return fmt.Errorf("warm up %s: %w", t.Name, err)
		}
	}
	for round := range r.opts.Rounds {
		r.opts.Progress(fmt.Sprintf("round %d of %d", round+1, r.opts.Rounds))
		for level, concurrency := range r.opts.Concurrency {
			if r.opts.Work == Text {
				r.eachTarget(ctx, round, func(t *target) { r.prefill(ctx, t, level, concurrency, round) })
			}
			r.eachTarget(ctx, round, func(t *target) { r.decode(ctx, t, level, concurrency, round) })
			if ctx.Err() != nil {
				return fmt.Errorf("round %d of %d: %w", round+1, r.opts.Rounds, context.Cause(ctx))
			}
		}
		r.rounds++
	}
	return nil
}

// eachTarget does a measurement with each server in turn; every second round begins with the last.
func (r *runner) eachTarget(ctx context.Context, round int, measure func(*target)) {
	for i := range r.targets {
		if round%2 == 1 {
			i = len(r.targets) - 1 - i
		}
		select {
		case <-time.After(r.opts.Pause):
			measure(r.targets[i])
		case <-ctx.Done():
			return
		}
	}
}
