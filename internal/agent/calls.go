package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/toolserve/toolserve/chat"
)

// maxNamed bounds how many tool names and how many bytes of bad arguments a rejection repeats.
const maxNamed = 20

// answer is what became of one call.
type answer struct {
	index   int
	outcome Outcome
	result  Result
	elapsed time.Duration
}

// answerCalls puts one tool message for each call of a turn behind it that has none. The messages are
// there however it ends; a call that was not reached says so. Calls that the gate defers get none.
func (r *run) answerCalls(ctx context.Context, turn int) error {
	given := r.answers(turn)
	var calls []chat.ToolCall
	for _, call := range r.req.Messages[turn].ToolCalls {
		if _, ok := given[call.ID]; !ok {
			calls = append(calls, call)
		}
	}
	r.req.Messages[turn].ToolCalls = historyCalls(r.req.Messages[turn].ToolCalls)
	results := make([]Result, len(calls))
	for i := range results {
		results[i] = failure("The call was not run: the run was ended first.")
	}
	left := map[int]bool{} // the deferred ones
	defer func() {
		for i, call := range calls {
			if !left[i] {
				given[call.ID] = chat.Message{
					Role: chat.RoleTool, Name: call.Name, ToolCallID: call.ID, Content: results[i].Content,
				}
			}
		}
		r.putAnswers(turn, given)
	}()
	approved, err := r.admit(ctx, calls, results, left)
	if err != nil {
		return err
	}
	r.deferred = len(left) > 0
	return r.execute(ctx, calls, approved, results)
}

// putAnswers puts the tool messages behind a turn, in the order of its calls, in place of those that are
// there.
func (r *run) putAnswers(turn int, answers map[string]chat.Message) {
	rest := r.req.Messages[turn+1:]
	for len(rest) > 0 && rest[0].Role == chat.RoleTool {
		rest = rest[1:]
	}
	messages := slices.Clone(r.req.Messages[:turn+1])
	for _, call := range r.req.Messages[turn].ToolCalls {
		if m, ok := answers[call.ID]; ok {
			messages = append(messages, m)
		}
	}
	r.req.Messages = append(messages, rest...)
}

// historyCalls returns the calls as the history keeps them: arguments that are no JSON object would
// break every later prompt, so an empty object stands in for them. The result quotes what was sent.
func historyCalls(calls []chat.ToolCall) []chat.ToolCall {
	kept := slices.Clone(calls)
	for i := range kept {
		if checkArguments(kept[i].Arguments) != nil {
			kept[i].Arguments = "{}"
		}
	}
	return kept
}

// admit judges each call and asks the gate about it, in order, and returns the indexes of those that
// may run. Those that the gate defers are noted in left; the others have their result.
func (r *run) admit(ctx context.Context, calls []chat.ToolCall, results []Result, left map[int]bool) ([]int, error) {
	var approved []int
	for i, call := range calls {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if err := r.emit(Event{Kind: CallStart, Call: call}); err != nil {
			return nil, err
		}
		outcome, reason, err := r.judge(ctx, i, call)
		if err != nil {
			return nil, err
		}
		end := Event{Kind: CallEnd, Call: call, Outcome: outcome}
		switch outcome {
		case "":
			approved = append(approved, i)
			continue
		case Deferred:
			left[i] = true
		default:
			results[i] = failure(reason)
			end.Result = results[i]
		}
		if err := r.emit(end); err != nil {
			return nil, err
		}
	}
	for _, i := range approved {
		if err := r.emit(Event{Kind: CallRun, Call: calls[i]}); err != nil {
			return nil, err
		}
	}
	return approved, nil
}

// judge says whether the call may run: an empty outcome means that it may.
func (r *run) judge(ctx context.Context, index int, call chat.ToolCall) (Outcome, string, error) {
	if reason := r.unfit(index, call); reason != "" {
		return Rejected, reason, nil
	}
	verdict, err := Verdict{Allowed: true}, error(nil)
	if r.opts.Gate != nil {
		verdict, err = r.opts.Gate.Approve(ctx, call)
	}
	if most := r.opts.MaxTotalCalls; err == nil && most > 0 && verdict.Allowed && !verdict.Free {
		if r.calls++; r.calls > most {
			r.stop = StopCalls
			return Rejected, fmt.Sprintf("At most %d tools can be called for this answer. Give it with what is known.", most), nil
		}
	}
	switch {
	case err != nil:
		return "", "", err
	case verdict.Deferred:
		return Deferred, "", nil
	case verdict.Allowed:
		return "", "", nil
	case verdict.Reason == "":
		return Denied, fmt.Sprintf("The call of %q was refused. Do not repeat it.", call.Name), nil
	default:
		return Denied, verdict.Reason, nil
	}
}

// unfit returns why a call cannot be run, in words for the model, or "".
func (r *run) unfit(index int, call chat.ToolCall) string {
	if index >= r.opts.MaxCalls {
		return fmt.Sprintf("At most %d tools can be called in one turn. Call the others in the next one.", r.opts.MaxCalls)
	}
	count := r.seen.add(call)
	if count > r.opts.MaxRepeats+1 {
		r.stop = StopRepeats
	}
	switch {
	case r.opts.Tools == nil:
		return "No tools can be called in this conversation."
	case !slices.ContainsFunc(r.req.Tools, func(t chat.Tool) bool { return t.Name == call.Name }):
		return r.unknownTool(call.Name)
	}
	if err := checkArguments(call.Arguments); err != nil {
		return fmt.Sprintf("The arguments of %q are not a JSON object (%v). They were: %s", call.Name, err, excerpt(call.Arguments, 200))
	}
	if count > r.opts.MaxRepeats {
		return fmt.Sprintf("%q was already called %d times with these arguments and will not be run again. "+
			"Use the results above, or answer without it.", call.Name, r.opts.MaxRepeats)
	}
	return ""
}

func (r *run) unknownTool(name string) string {
	var known []string
	for _, t := range r.req.Tools {
		if len(known) == maxNamed {
			known = append(known, "...")
			break
		}
		known = append(known, t.Name)
	}
	return fmt.Sprintf("There is no tool named %s. The tools are: %s.", excerpt(name, 64), strings.Join(known, ", "))
}

// checkArguments accepts the JSON text of one object.
func checkArguments(arguments string) error {
	var object map[string]json.RawMessage
	err := json.Unmarshal([]byte(arguments), &object)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return fmt.Errorf("they are a JSON %s", kind.Value)
	case err == nil && object == nil:
		return errors.New("they are null")
	}
	return err
}

// execute runs the approved calls, at most MaxParallel at a time, and emits each as it ends.
func (r *run) execute(parent context.Context, calls []chat.ToolCall, approved []int, results []Result) error {
	if len(approved) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	work := make(chan int, len(approved))    // filled and closed here, read by the workers
	done := make(chan answer, len(approved)) // the workers send one per call and never block; not closed
	reports := make(chan report, maxReports) // the workers send what there is room for; not closed
	var workers errgroup.Group
	for _, i := range approved {
		work <- i
	}
	close(work)
	for range min(r.opts.MaxParallel, len(approved)) {
		workers.Go(func() error {
			for i := range work {
				done <- r.call(withReports(ctx, i, reports), i, calls[i])
			}
			return nil
		})
	}
	left := r.collect(calls, results, len(approved), done, reports, cancel)
	if err := workers.Wait(); err != nil || left != nil {
		return left
	}
	if parent.Err() != nil {
		return context.Cause(parent)
	}
	return nil
}

// collect takes the answers to so many calls, and emits them and the reports before them as they come.
// After an error of the reader it cancels the calls, and goes on without it.
func (r *run) collect(calls []chat.ToolCall, results []Result, n int, done <-chan answer, reports <-chan report, cancel func()) (left error) {
	emit := func(e Event) {
		if left == nil {
			if left = r.emit(e); left != nil {
				cancel()
			}
		}
	}
	tell := func(p report) {
		e := Event{Kind: CallProgress, Call: calls[p.index], Progress: p.progress}
		if p.note != nil {
			e = Event{Kind: CallNote, Call: calls[p.index], Note: p.note}
		}
		emit(e)
	}
	for n > 0 {
		select {
		case p := <-reports:
			tell(p)
		case a := <-done:
			for len(reports) > 0 { // what was reported before the call ended
				tell(<-reports)
			}
			n--
			results[a.index] = a.result
			emit(Event{Kind: CallEnd, Call: calls[a.index], Outcome: a.outcome, Result: a.result, Elapsed: a.elapsed})
		}
	}
	return left
}

// call runs one call and puts its result into the form that the model reads.
func (r *run) call(ctx context.Context, index int, call chat.ToolCall) answer {
	if ctx.Err() != nil {
		return answer{index: index, outcome: Cancelled, result: failure("The call was cancelled before it ran.")}
	}
	start := time.Now()
	result, err := r.opts.Tools.Execute(ctx, call)
	a := answer{index: index, outcome: Ran, result: result, elapsed: time.Since(start)}
	switch {
	case err != nil && ctx.Err() != nil:
		a.outcome, a.result = Cancelled, failure("The call was cancelled.")
	case err != nil:
		a.outcome, a.result = Failed, failure(err.Error())
	case result.IsError:
		a.result = markError(result)
	}
	a.result = r.bound(a.result)
	return a
}

// failure is the result of a call that has none of its own.
func failure(reason string) Result {
	return markError(Result{Content: chat.Text(reason), IsError: true})
}

// markError lets the model see that a result is a failure: a tool message has no field for it.
func markError(result Result) Result {
	text := result.Text()
	if len(text) >= 5 && strings.EqualFold(text[:5], "error") {
		return result
	}
	content := slices.Clone(result.Content)
	if len(content) == 0 || content[0].Type != chat.PartText {
		content = slices.Insert(content, 0, chat.Part{Type: chat.PartText})
	}
	content[0].Text = "Error: " + content[0].Text
	result.Content = content
	return result
}

// bound cuts the text of a result to MaxResultBytes and says so in its place.
func (r *run) bound(result Result) Result {
	total := 0
	for _, p := range result.Content {
		total += len(p.Text)
	}
	limit := r.opts.MaxResultBytes
	if total <= limit {
		return result
	}
	var kept []chat.Part
	for _, p := range result.Content {
		if p.Type == chat.PartText {
			p.Text = cut(p.Text, limit)
			limit -= len(p.Text)
			if p.Text == "" {
				continue
			}
		}
		kept = append(kept, p)
	}
	note := fmt.Sprintf("\n[cut: the first %d of %d bytes]", r.opts.MaxResultBytes, total)
	result.Content = append(kept, chat.Text(note)...)
	return result
}

// cut returns the longest prefix of s of at most limit bytes that does not split a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	limit = max(limit, 0)
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// excerpt quotes s, shortened to limit bytes.
func excerpt(s string, limit int) string {
	if len(s) <= limit {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q...", cut(s, limit))
}
