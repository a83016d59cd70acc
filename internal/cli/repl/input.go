package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxLine bounds one line of input.
const maxLine = 1 << 20

// Input reads lines from the user.
type Input interface {
	// ReadLine shows the prompt and returns the next line without its ending, or io.EOF at the end.
	ReadLine(ctx context.Context, prompt string) (string, error)
}

// lineResult is one line of a Lines, or the error that ended it.
type lineResult struct {
	line string
	err  error
}

// Lines reads lines from a pipe, a file or a terminal that does its own editing.
type Lines struct {
	prompts io.Writer
	results chan lineResult // the reading goroutine sends and closes
	wanted  chan struct{}   // ReadLine asks for one line
	asked   bool            // a line was asked for and has not come
}

// NewLines returns an Input over in. Prompts go to prompts, or nowhere when it is nil. Nothing is read
// before the first ReadLine. The goroutine that reads ends with in or with ctx; a read that is under way
// when ctx ends lasts until in does.
func NewLines(ctx context.Context, in io.Reader, prompts io.Writer) *Lines {
	l := &Lines{prompts: prompts, results: make(chan lineResult), wanted: make(chan struct{})}
	go l.read(ctx, in)
	return l
}

func (l *Lines) read(ctx context.Context, in io.Reader) {
	defer close(l.results)
	reader := bufio.NewScanner(in)
	reader.Buffer(make([]byte, 0, 4096), maxLine)
	for {
		select {
		case <-l.wanted:
		case <-ctx.Done():
			return
		}
		result := lineResult{err: io.EOF}
		if reader.Scan() {
			result = lineResult{line: reader.Text()}
		} else if err := reader.Err(); err != nil {
			result.err = fmt.Errorf("read the input: %w", err)
		}
		select {
		case l.results <- result:
		case <-ctx.Done():
			return
		}
		if result.err != nil {
			return
		}
	}
}

// ReadLine returns the next line.
func (l *Lines) ReadLine(ctx context.Context, prompt string) (string, error) {
	if l.prompts != nil {
		fmt.Fprint(l.prompts, prompt)
	}
	if !l.asked {
		select {
		case l.wanted <- struct{}{}:
			l.asked = true
		case _, open := <-l.results:
			if !open {
				return "", io.EOF
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	select {
	case result, open := <-l.results:
		l.asked = false
		if !open {
			return "", io.EOF
		}
		return result.line, result.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// Terminal reads lines from a terminal with editing and history.
type Terminal struct {
	fd   int
	out  *os.File
	term *term.Terminal
	keys *keys
}

// NewTerminal returns an Input over a terminal that is both in and out.
func NewTerminal(in, out *os.File) *Terminal {
	k := &keys{in: in}
	return &Terminal{fd: int(in.Fd()), out: out, keys: k, term: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, out}, "")}
}

// ReadLine edits one line in raw mode. The first Ctrl-C empties the line, the second ends the input.
func (t *Terminal) ReadLine(ctx context.Context, prompt string) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	state, err := term.MakeRaw(t.fd)
	if err != nil {
		return "", fmt.Errorf("prepare the terminal: %w", err)
	}
	defer func() { _ = term.Restore(t.fd, state) }()
	if width, height, err := term.GetSize(int(t.out.Fd())); err == nil && width > 0 {
		_ = t.term.SetSize(width, height)
	}
	t.term.SetPrompt(prompt)
	done := make(chan lineResult, 1) // the reading goroutine sends once
	go func() {
		line, err := t.term.ReadLine()
		done <- lineResult{line, err}
	}()
	select {
	case result := <-done:
		if errors.Is(result.err, term.ErrPasteIndicator) {
			result.err = nil
		}
		return result.line, result.err
	case <-ctx.Done(): // the program is told to end: the goroutine ends with it
		return "", context.Cause(ctx)
	}
}

// Interrupted tells the terminal that a Ctrl-C was already used: the next one ends the input.
func (t *Terminal) Interrupted() { t.keys.armed = true }

// Keys as a terminal in raw mode sends them.
const (
	ctrlC = 3
	ctrlU = 21 // deletes what was typed
)

// keys turns the first of two Ctrl-C into one that empties the line.
type keys struct {
	in    io.Reader
	armed bool
}

func (k *keys) Read(p []byte) (int, error) {
	n, err := k.in.Read(p)
	for i, b := range p[:n] {
		switch {
		case b != ctrlC:
			k.armed = false
		case !k.armed:
			k.armed = true
			p[i] = ctrlU
		}
	}
	return n, err
}

// OpenInput returns the Input that fits the streams and whether a person sits at it.
func OpenInput(ctx context.Context, in io.Reader, out, messages io.Writer) (Input, bool) {
	inFile, ok := terminalFile(in)
	if !ok {
		return NewLines(ctx, in, nil), false
	}
	if outFile, ok := terminalFile(out); ok {
		return NewTerminal(inFile, outFile), true
	}
	return NewLines(ctx, in, messages), true
}

// terminalFile returns the file behind a stream when it is a terminal.
func terminalFile(stream any) (*os.File, bool) {
	file, ok := stream.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

// IsTerminal reports whether the stream is a terminal.
func IsTerminal(stream any) bool {
	_, ok := terminalFile(stream)
	return ok
}

// ColourWanted reports whether the environment lets a terminal be written to in colour.
func ColourWanted(env func(string) string) bool {
	return env("NO_COLOR") == "" && !strings.EqualFold(env("TERM"), "dumb")
}
