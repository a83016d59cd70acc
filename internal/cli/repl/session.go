// Package repl is the interactive chat of the command line: it reads what a person types, runs the loop
// between the server's model and its MCP tools, and shows each step. What a model or a tool wrote is
// cleaned of everything that could steer a terminal before it is shown.
package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/agent"
	"github.com/toolserve/toolserve/internal/client"
)

// ErrFailed ends a session of which a turn failed. What failed was shown when it did.
var ErrFailed = errors.New("a turn of the chat failed")

// ErrInterrupted is the cause of a turn that was cancelled by a Ctrl-C. It ends a session at which nobody
// sits.
var ErrInterrupted = errors.New("interrupted")

// Options say what a [Session] talks to and how.
type Options struct {
	Client *client.Client
	Input  Input
	// Out takes the answers, Notes everything else. On a terminal both are the same.
	Out, Notes io.Writer
	// Interactive says that a person sits at Input and can be asked.
	Interactive bool
	// Colour allows ANSI colours, Reasoning shows what the model thinks.
	Colour, Reasoning bool
	// Interrupts brings each Ctrl-C; the sender never closes it. Nil brings none.
	Interrupts <-chan os.Signal
	// HighRisk says whether the name of a tool counts as dangerous.
	HighRisk func(name string) bool
	// Model is the name that requests carry, Title the one that a person is shown, and System the system
	// prompt or "".
	Model, Title, System string
	// NoTools leaves the server's tools alone; Yes approves every call.
	NoTools, Yes bool
	// MaxRounds bounds the rounds of calls in one turn, MaxResultBytes what the model reads of one result;
	// 0 is the loop's default.
	MaxRounds, MaxResultBytes int
}

// Session is one conversation.
type Session struct {
	opts     Options
	print    printer
	loop     *agent.Loop
	request  chat.Request
	tools    map[string]client.Tool
	noTools  string // why tools are missing, as it was last said
	failures int
}

// New returns a session that has not yet said anything.
func New(opts Options) *Session {
	tools := executor{client: opts.Client}
	if opts.Interactive {
		// Calls run side by side: one may ask while another one's result is shown.
		mu := &sync.Mutex{}
		opts.Out, opts.Notes = &lockedWriter{mu, opts.Out}, &lockedWriter{mu, opts.Notes}
		tools.ask = NewAsker(opts.Input, opts.Notes).Ask
	}
	s := &Session{
		opts:  opts,
		print: printer{out: opts.Out, notes: opts.Notes, colour: opts.Colour, reasoning: opts.Reasoning},
		request: chat.Request{
			Model: opts.Model, Sampling: chat.DefaultSampling(),
		},
	}
	if opts.NoTools { // a server may have tools for requests that name none
		s.request.ToolChoice.Mode = chat.ToolNone
	}
	s.loop = agent.New(agent.Options{
		Model: opts.Client, Tools: tools, MaxRounds: opts.MaxRounds, MaxResultBytes: opts.MaxResultBytes,
		Gate: &gate{session: s, always: map[string]bool{}},
	})
	s.clear()
	return s
}

// Once sends one message and shows the answer.
func (s *Session) Once(ctx context.Context, message string) error {
	if err := s.turn(ctx, message); err != nil {
		return err
	}
	return s.result()
}

// Run reads messages and commands until the input or ctx ends.
func (s *Session) Run(ctx context.Context) error {
	if s.opts.Interactive {
		s.banner(ctx)
	}
	for {
		line, err := s.readLine(ctx)
		switch {
		case errors.Is(err, io.EOF), s.opts.Interactive && errors.Is(err, ErrInterrupted):
			s.endInput()
			return s.result()
		case err != nil:
			return err
		}
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if leave, known := s.command(ctx, line); leave {
			return s.result()
		} else if known {
			continue
		}
		err = s.turn(ctx, line)
		if err != nil && !(s.opts.Interactive && errors.Is(err, ErrInterrupted)) {
			return err
		}
	}
}

// readLine reads a message. A Ctrl-C meanwhile ends it, where the terminal does not take it as a key.
func (s *Session) readLine(parent context.Context) (string, error) {
	ctx, stop := s.interruptible(parent)
	defer stop()
	return s.opts.Input.ReadLine(ctx, "> ")
}

// endInput leaves the terminal's cursor on a fresh line.
func (s *Session) endInput() {
	if s.opts.Interactive {
		fmt.Fprintln(s.opts.Notes)
	}
}

func (s *Session) result() error {
	if s.failures > 0 {
		return ErrFailed
	}
	return nil
}

func (s *Session) banner(ctx context.Context) {
	s.refreshTools(ctx)
	s.print.note(dim, "%s at %s, %d tools. /help lists the commands, Ctrl-C stops an answer.",
		cleanLine(s.opts.Title), s.opts.Client.URL(), len(s.request.Tools))
}

// turn sends one message. Its failure is shown and counted; the error is only that of a server that is
// gone, of ctx, or ErrInterrupted.
func (s *Session) turn(parent context.Context, message string) error {
	ctx, stop := s.interruptible(parent)
	defer stop()
	s.refreshTools(ctx)
	before := len(s.request.Messages)
	s.request.Messages = append(s.request.Messages, chat.Message{Role: chat.RoleUser, Content: chat.Text(message)})
	var failed error
	for event, err := range s.loop.Run(ctx, &s.request) {
		if err != nil {
			failed = err
			break
		}
		s.show(event)
	}
	s.print.endLine()
	if failed == nil {
		return nil
	}
	if len(s.request.Messages) == before+1 { // nothing came: the message may be sent again
		s.request.Messages = s.request.Messages[:before]
	}
	return s.failed(parent, failed)
}

func (s *Session) failed(parent context.Context, err error) error {
	var gone *client.UnreachableError
	switch {
	case parent.Err() != nil:
		return context.Cause(parent)
	case errors.Is(err, ErrInterrupted):
		s.print.note(dim, "(interrupted)")
		if t, ok := s.opts.Input.(*Terminal); ok {
			t.Interrupted()
		}
		return ErrInterrupted
	case errors.As(err, &gone) && !s.opts.Interactive:
		return err
	}
	s.failures++
	s.print.note(red, "%s", Clean(err.Error()))
	return nil
}

// interruptible returns a context that a Ctrl-C cancels. The watcher ends with stop.
func (s *Session) interruptible(parent context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{}) // closed by the watcher
	go func() {
		defer close(done)
		select {
		case <-s.opts.Interrupts:
			cancel(ErrInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// show prints one step of the loop.
func (s *Session) show(e agent.Event) {
	switch e.Kind {
	case agent.RoundStart:
		s.print.startTurn()
	case agent.ModelEvent:
		switch e.Model.Kind {
		case chat.ContentDelta:
			s.print.answerText(e.Model.Text)
		case chat.ReasoningDelta:
			s.print.thoughtText(e.Model.Text)
		case chat.Warning:
			s.print.note(red, "%s", cleanLine(e.Model.Text))
		}
	case agent.CallStart:
		s.print.callStart(e.Call.Name, e.Call.Arguments)
	case agent.CallProgress:
		s.print.callProgress(e)
	case agent.CallEnd:
		s.print.callEnd(e)
	case agent.Finish:
		s.print.endLine()
		s.showStop(e.Stop)
	}
}

func (s *Session) showStop(stop agent.Stop) {
	switch stop {
	case agent.StopLength:
		s.print.note(dim, "(the answer was cut at its token limit)")
	case agent.StopRounds:
		s.print.note(dim, "(the limit of rounds of tool calls was reached; --max-rounds raises it)")
	case agent.StopRepeats:
		s.print.note(dim, "(the model kept repeating the same call; no more tools were called)")
	}
}

// refreshTools asks the server for its tools: servers come and go while a chat lasts.
func (s *Session) refreshTools(ctx context.Context) {
	if s.opts.NoTools {
		return
	}
	list, err := s.opts.Client.MCPTools(ctx)
	if err != nil {
		var gone *client.UnreachableError
		if ctx.Err() == nil && !errors.As(err, &gone) { // the turn itself tells that the server is gone
			s.sayNoTools(err.Error())
		}
		list = &client.ToolList{}
	} else if len(list.Tools) == 0 {
		s.sayNoTools(list.Reason)
	} else if len(list.Unavailable) > 0 {
		s.sayMissing(list.Unavailable)
	}
	s.request.Tools = nil
	s.tools = make(map[string]client.Tool, len(list.Tools))
	for _, t := range list.Tools {
		s.request.Tools = append(s.request.Tools, t.Chat())
		s.tools[t.Name] = t
	}
}

// sayNoTools tells once why there are no tools.
func (s *Session) sayNoTools(reason string) {
	if reason != "" && reason != s.noTools {
		s.noTools = reason
		s.print.note(dim, "no tools: %s", cleanLine(reason))
	}
}

// sayMissing tells once which MCP servers offer nothing now.
func (s *Session) sayMissing(servers []client.ServerStatus) {
	notes := make([]string, len(servers))
	for i, server := range servers {
		notes[i] = "no tools of " + server.Describe()
	}
	if text := Clean(strings.Join(notes, "\n")); text != s.noTools {
		s.noTools = text
		s.print.note(dim, "%s", text)
	}
}

// risk says in words why a tool needs approval, or "". What an MCP server claims about its tool can
// only make it riskier.
func (s *Session) risk(name string) string {
	tool := s.tools[name]
	own := tool.Own
	if own == "" {
		own = name
	}
	switch {
	case s.opts.HighRisk != nil && s.opts.HighRisk(own):
		return "is a high-risk tool"
	case tool.Annotations.Destructive != nil && *tool.Annotations.Destructive:
		return "says that it may destroy or overwrite data"
	}
	return ""
}
