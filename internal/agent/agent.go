// Package agent runs the loop between a model and its tools: the model calls, the calls are judged,
// approved and executed, their results go back to the model, until it answers in words or a budget is
// used up.
//
// The package knows no model, no tool server and no user: it is given them as a [Model], a [Tools] and
// a [Gate]. Whatever goes wrong with one call (an unknown tool, arguments that are no JSON object, a
// refusal, a failing server) is told to the model as that call's result; only a failing model, a
// cancelled context or a gate that gives up ends a run early.
package agent

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/toolserve/toolserve/chat"
)

// Model writes the next turn of a conversation.
type Model interface {
	// Generate streams one turn. The stream ends with a Finish event or an error; leaving the range
	// cancels the generation.
	Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error]
}

// Tools executes calls. It is used by several goroutines at once.
type Tools interface {
	// Execute runs one call whose arguments are the JSON text of one object. It returns soon after ctx
	// is done, and may call [Report] until then. A tool's own failure is a Result with IsError; an error means that the call could not be
	// run, and its text is what the model reads.
	Execute(ctx context.Context, call chat.ToolCall) (Result, error)
}

// Gate decides whether a call may run.
type Gate interface {
	// Approve is asked about one call after the other, before any call of the turn runs. An error ends
	// the run.
	Approve(ctx context.Context, call chat.ToolCall) (Verdict, error)
}

// Verdict is a gate's decision on one call.
type Verdict struct {
	Allowed bool
	// Deferred leaves the call to whoever ranges over the run: it is neither run nor refused. The other
	// calls of its turn are still run, and then the run ends with StopDeferred.
	Deferred bool
	// Free says that the call does not count against MaxTotalCalls.
	Free bool
	// Reason tells the model why the call was refused. Empty is a plain refusal.
	Reason string
}

// Result is what a tool returned.
type Result struct {
	// Content is what the model reads.
	Content []chat.Part
	// IsError says that the tool ran and failed.
	IsError bool
}

// Text returns the text parts of the result joined without a separator.
func (r Result) Text() string { return chat.Message{Content: r.Content}.Text() }

// ErrNoFinish is the error of a run whose model ended its stream without saying that it had finished.
var ErrNoFinish = errors.New("agent: the model's stream ended before the answer was complete")

// Default limits of a [Loop].
const (
	DefaultMaxRounds      = 10
	DefaultMaxParallel    = 4
	DefaultMaxRepeats     = 3
	DefaultMaxCalls       = 32
	DefaultMaxResultBytes = 16 << 10
)

// Options say what a [Loop] runs and within which limits. A limit of 0 takes its default.
type Options struct {
	Model Model
	// Tools executes the calls. Nil leaves every call unanswered but refused, which suits a
	// conversation without tools.
	Tools Tools
	// Gate is asked before a call runs; nil allows every call.
	Gate Gate
	// MaxRounds bounds the turns in which tools are called. After the last one the model is asked for
	// its answer with the tools hidden.
	MaxRounds int
	// MaxParallel bounds the calls of one turn that run at the same time.
	MaxParallel int
	// MaxRepeats is how often the same tool may be called with the same arguments in one run. The next
	// such call is refused with a word to the model; the one after that ends the calling of tools.
	MaxRepeats int
	// MaxCalls bounds the calls of one turn; the calls beyond it are refused.
	MaxCalls int
	// MaxTotalCalls bounds the calls of one run that the gate allows. Those beyond it are refused, and then
	// the model is asked for its answer with the tools hidden. 0 is no bound.
	MaxTotalCalls int
	// MaxResultBytes bounds the text of one result that goes to the model.
	MaxResultBytes int
}

// Loop runs conversations between one model and its tools. It keeps no state between runs and may be
// used by several goroutines.
type Loop struct{ opts Options }

// New returns a loop over opts.Model, which must be set.
func New(opts Options) *Loop {
	setDefault(&opts.MaxRounds, DefaultMaxRounds)
	setDefault(&opts.MaxParallel, DefaultMaxParallel)
	setDefault(&opts.MaxRepeats, DefaultMaxRepeats)
	setDefault(&opts.MaxCalls, DefaultMaxCalls)
	setDefault(&opts.MaxResultBytes, DefaultMaxResultBytes)
	return &Loop{opts: opts}
}

func setDefault(limit *int, value int) {
	if *limit <= 0 {
		*limit = value
	}
}

// EventKind says what an [Event] carries.
type EventKind uint8

// The kinds of events, in the order in which a round brings them.
const (
	// RoundStart opens turn Round of the model, counted from 1.
	RoundStart EventKind = iota + 1
	// ModelEvent carries one event of the model's turn in Model.
	ModelEvent
	// CallStart announces Call, complete and not yet judged or approved.
	CallStart
	// CallRun says that Call was approved and runs, or soon will.
	CallRun
	// CallProgress says how far Call has come, in Progress.
	CallProgress
	// CallNote hands on what the tools told of Call with [Tell], in Note.
	CallNote
	// CallEnd carries Call with its Outcome and Result.
	CallEnd
	// Finish ends the run with Stop and the Usage of all its turns. Nothing follows it.
	Finish
)

// Outcome says what became of a call.
type Outcome string

// The outcomes of a call.
const (
	// Ran means that the tool returned a result; Result.IsError says whether that is a failure.
	Ran Outcome = "ran"
	// Failed means that the tool could not be run.
	Failed Outcome = "failed"
	// Denied means that the gate refused the call.
	Denied Outcome = "denied"
	// Rejected means that the call was not fit to run: unknown tool, bad arguments, over a limit.
	Rejected Outcome = "rejected"
	// Cancelled means that the run ended before the call had a result.
	Cancelled Outcome = "cancelled"
	// Deferred means that the gate left the call to whoever ranges over the run. It has no result.
	Deferred Outcome = "deferred"
)

// Stop says why a run ended.
type Stop string

// The reasons for which a run ends without an error.
const (
	// StopAnswer means that the model answered.
	StopAnswer Stop = "answer"
	// StopLength means that the model's answer was cut at its token limit.
	StopLength Stop = "length"
	// StopRounds means that MaxRounds was used up; the answer was written without tools.
	StopRounds Stop = "rounds"
	// StopRepeats means that the model kept repeating a call; the answer was written without tools.
	StopRepeats Stop = "repeats"
	// StopCalls means that MaxTotalCalls was used up; the answer was written without tools.
	StopCalls Stop = "calls"
	// StopDeferred means that the gate deferred calls: the last turn in the request's messages has calls
	// without a tool message.
	StopDeferred Stop = "deferred"
)

// Event is one step of a run. Which fields are set depends on Kind; Round always is.
type Event struct {
	Kind     EventKind
	Round    int
	Model    chat.Event
	Call     chat.ToolCall
	Outcome  Outcome
	Progress Progress
	Note     any
	// Result is what the model reads as the call's result, whatever its outcome.
	Result Result
	// Elapsed is how long the call ran.
	Elapsed time.Duration
	Stop    Stop
	Usage   chat.Usage
}

// Run lets the model answer the conversation in req and yields each step. It appends the turns of the
// model and the results of its calls to req.Messages and changes nothing else in req. However the run
// ends, also when the range is left, each tool call in req.Messages that was not deferred has its tool
// message after it, so that the conversation can go on.
//
// Where the last turn of the assistant in req has calls that no tool message answers, the run begins with
// them, as if the model had just made them: that is how a run goes on whose calls were deferred. Whoever
// ranges may append to req.Tools between two events; the model sees them from its next turn on.
//
// A tool choice of required or named holds for the first turn; from the second on the model decides.
// The error, which comes last, is the model's, the gate's or the cause of ctx being done.
func (l *Loop) Run(ctx context.Context, req *chat.Request) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := &run{opts: l.opts, req: req, yield: yield, choice: req.ToolChoice}
		if err := r.loop(ctx); err != nil && !errors.Is(err, errLeft) {
			yield(Event{Round: r.round}, err)
		}
	}
}
