package bench

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// WriteText prints the report for people: a table for each concurrency, with medians and, for the ratios, the
// range over the rounds.
func (r *Report) WriteText(out io.Writer) error {
	var b strings.Builder
	m, s := r.Machine, r.Settings
	fmt.Fprintf(&b, "machine   %s/%s, %d cores%s, load %s before and %s after\n", m.OS, m.Arch, m.Cores, prefixed(", ", m.CPU), m.LoadBefore, m.LoadAfter)
	for _, server := range r.Servers {
		fmt.Fprintf(&b, "server    %s: %s, model %s, warm-up texts %s\n", server.Name, server.URL, server.Model, server.Texts)
	}
	work := fmt.Sprintf("prompts of about %d tokens, answers of at most %d", s.PromptTokens, s.MaxTokens)
	if s.Work != Text {
		work = fmt.Sprintf("forced %s of at most %d tokens", s.Work, s.MaxTokens)
	}
	fmt.Fprintf(&b, "settings  %s, temperature 0, %d of %d rounds, seed %d, took %.0f s\n", work, s.Complete, s.Rounds, s.Seed, s.Seconds)
	for _, level := range r.Levels {
		fmt.Fprintf(&b, "\n%d at once\n", level.Concurrency)
		level.write(&b, s.Work)
	}
	b.WriteString("\nMedians of the rounds. A ratio is the first server's figure over the other's, the median of those within\n" +
		"a round, with their range; of TTFT less than 1 is better, of the rest more.\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func (l Level) write(b *strings.Builder, work Work) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	if work != Text {
		fmt.Fprintln(w, "\ttokens/s/stream\ttotal tokens/s\tfitting "+string(work)+"/s\tanswer tokens\tfitting\terrors\tsame text\t")
	} else {
		fmt.Fprintln(w, "\tTTFT p50 ms\tprefill tokens/s\tdecode tokens/s/stream\ttotal tokens/s\tprompt tokens (cached)\tanswer tokens\terrors\tsame text\t")
	}
	for _, r := range l.Results {
		same := fmt.Sprintf("%d/%d", r.SameTexts, r.ComparedTexts)
		if work != Text {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f\t%d/%d\t%d\t%s\t\n", r.Name, amount(r.Stream), amount(r.Total), amount(r.Objects),
				r.AnswerTokens, r.Fitting, r.Answers, r.Errors, same)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.0f (%.0f)\t%.0f\t%d\t%s\t\n", r.Name, amount(r.TTFT), amount(r.Prefill), amount(r.Stream),
			amount(r.Total), r.PromptTokens, r.CachedTokens, r.AnswerTokens, r.Errors, same)
	}
	for _, r := range l.Ratios {
		if work != Text {
			fmt.Fprintf(w, "ratio to %s\t%s\t%s\t%s\t\t\t\t\t\n", r.Name, quotient(r.Stream), quotient(r.Total), quotient(r.Objects))
			continue
		}
		fmt.Fprintf(w, "ratio to %s\t%s\t%s\t%s\t%s\t\t\t\t\t\n", r.Name, quotient(r.TTFT), quotient(r.Prefill), quotient(r.Stream), quotient(r.Total))
	}
	_ = w.Flush() // a strings.Builder takes everything
	for _, r := range l.Results {
		if r.Error != "" {
			fmt.Fprintf(b, "%s: %d failed, the first with: %s\n", r.Name, r.Errors, r.Error)
		}
	}
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func amount(f Figure) string {
	switch m := f.Median(); {
	case math.IsNaN(m):
		return "-"
	case m < 10:
		return fmt.Sprintf("%.2f", m)
	default:
		return fmt.Sprintf("%.1f", m)
	}
}

func quotient(f Figure) string {
	if math.IsNaN(f.Median()) {
		return "-"
	}
	low, high := f.Range()
	return fmt.Sprintf("%.2f (%.2f-%.2f)", f.Median(), low, high)
}
