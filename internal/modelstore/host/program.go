// Package host is the machine as the model store sees it: file locks, free disk space, who may change
// a file, and the user's own programs.
package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// ErrNotInstalled means that a program is not there.
var ErrNotInstalled = errors.New("not installed")

// Run runs a program of the user's in dir, with the user's environment: its mirrors, proxies and
// certificates are the point of asking it. The error carries what the program said of the failure.
func Run(ctx context.Context, dir, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, ErrNotInstalled)
	}
	var out tail
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	ownGroup(cmd)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text := out.summary()
		if text == "" {
			text = err.Error()
		}
		return fmt.Errorf("%s failed: %s", name, text)
	}
	return nil
}

const tailSize = 8 << 10

// tail keeps the end of what is written to it.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// summary returns the lines that say what went wrong: those marked as errors, else the last ones.
func (t *tail) summary() string {
	var marked, all []string
	for line := range strings.Lines(string(t.buf)) {
		line = Printable(line, 200)
		if line == "" {
			continue
		}
		all = append(all, line)
		if strings.Contains(strings.ToLower(line), "err") {
			marked = append(marked, line)
		}
	}
	lines := marked
	if len(lines) == 0 {
		lines = all
	}
	return strings.Join(lines[max(0, len(lines)-4):], " | ")
}

// Printable makes text from outside fit for a message: one line of at most limit bytes without control
// characters.
func Printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}
