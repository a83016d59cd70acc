package repl

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/agent"
)

// What a result or an argument is shortened to on the screen. An approval shows more, since it is what
// the person decides on.
const (
	shownArguments = 300
	shownApproval  = 4000
	shownLines     = 6
	shownResult    = 500
)

// style is an ANSI attribute.
type style string

const (
	normal style = ""
	dim    style = "2"
	bold   style = "1"
	red    style = "31"
	cyan   style = "36"
)

// printer writes a conversation: the answers to out, everything else to notes. On a terminal the two
// are one; in a pipe the output holds the answers alone.
type printer struct {
	out, notes io.Writer
	colour     bool
	// reasoning shows what the model thinks, dimmed.
	reasoning bool
	// answer and thought clean the two streams of the turn that is being written.
	answer, thought *Cleaner
	// column says what the line that is being written belongs to.
	column stream
	// told is when a line of progress was last written.
	told time.Time
}

type stream uint8

const (
	atStart stream = iota
	inAnswer
	inThought
)

// paint wraps text, which must be clean, in a style.
func (p *printer) paint(s style, text string) string {
	if !p.colour || s == normal {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func (p *printer) startTurn() { p.answer, p.thought = &Cleaner{}, &Cleaner{} }

func (p *printer) answerText(text string) {
	if clean := p.answer.Clean(text); clean != "" {
		p.switchTo(inAnswer)
		fmt.Fprint(p.out, clean)
	}
}

func (p *printer) thoughtText(text string) {
	if !p.reasoning {
		return
	}
	if clean := p.thought.Clean(text); clean != "" {
		p.switchTo(inThought)
		fmt.Fprint(p.notes, p.paint(dim, clean))
	}
}

// switchTo ends the line of another stream before one begins.
func (p *printer) switchTo(to stream) {
	if p.column != to {
		p.endLine()
	}
	p.column = to
}

// endLine ends the line that is being written, if there is one.
func (p *printer) endLine() {
	switch p.column {
	case inAnswer:
		fmt.Fprintln(p.out)
	case inThought:
		fmt.Fprintln(p.notes)
	}
	p.column = atStart
}

// note writes a line that is not part of the answer.
func (p *printer) note(s style, format string, args ...any) {
	p.endLine()
	fmt.Fprintln(p.notes, p.paint(s, fmt.Sprintf(format, args...)))
}

func (p *printer) callStart(name, arguments string) {
	p.endLine()
	fmt.Fprintf(p.notes, "%s %s\n", p.paint(cyan, "-> "+cleanLine(name)),
		shorten(cleanLine(arguments), shownArguments))
}

// progressPause is the least time between two lines of progress. What comes faster is passed over.
const progressPause = time.Second

// callProgress writes how far a call has come, as a line that stays: questions of MCP servers, the answer
// and other calls may come in between.
func (p *printer) callProgress(e agent.Event) {
	now := time.Now()
	if now.Sub(p.told) < progressPause {
		return
	}
	p.told = now
	line := strconv.FormatFloat(e.Progress.Progress, 'g', 6, 64)
	if e.Progress.Total > 0 {
		line += " of " + strconv.FormatFloat(e.Progress.Total, 'g', 6, 64)
	}
	if e.Progress.Message != "" {
		line += ": " + shorten(cleanLine(e.Progress.Message), shownArguments)
	}
	p.note(dim, ".. %s %s", cleanLine(e.Call.Name), line)
}

func (p *printer) callEnd(e agent.Event) {
	p.endLine()
	s, verdict := cyan, string(e.Outcome)
	if e.Outcome == agent.Ran && e.Result.IsError {
		verdict = "error"
	}
	if verdict != string(agent.Ran) {
		s = red
	}
	took := ""
	if e.Elapsed > 0 {
		took = " in " + e.Elapsed.Round(time.Millisecond).String()
	}
	fmt.Fprintln(p.notes, p.paint(s, "<- "+cleanLine(e.Call.Name)+" "+verdict+took))
	for _, line := range excerptLines(e.Result.Text()) {
		fmt.Fprintln(p.notes, "   "+p.paint(dim, line))
	}
}

// excerptLines returns the first lines of a result, clean and shortened, with a word about the rest.
func excerptLines(text string) []string {
	text = strings.TrimSpace(Clean(text))
	if text == "" {
		return []string{"(no output)"}
	}
	lines := strings.Split(text, "\n")
	total, room := len(lines), shownResult
	for i, line := range lines {
		if i == shownLines || room <= 0 {
			return append(lines[:i], fmt.Sprintf("... (%d lines in all)", total))
		}
		lines[i] = shorten(line, room)
		room -= len(lines[i])
	}
	return lines
}
