package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/toolserve/toolserve/internal/cli/repl"
	"github.com/toolserve/toolserve/internal/client"
)

// callWatcher shows on a terminal what happens during a call, and asks the person at it what an MCP server
// wants to know. Where nobody sits there, it shows nothing and declines.
type callWatcher struct {
	out      io.Writer
	terminal bool
	open     bool // a line of progress stands on the terminal
}

// watcher returns what watches a call. Questions are read from the input unless it was used up.
func watcher(ctx context.Context, streams IO, inputUsed bool) (w client.Watcher, done func()) {
	shown := &callWatcher{out: streams.Err, terminal: repl.IsTerminal(streams.Err)}
	w.Progress, w.Log = shown.progress, shown.log
	input, interactive := repl.OpenInput(ctx, streams.In, streams.Err, streams.Err)
	if interactive && shown.terminal && !inputUsed {
		asker := repl.NewAsker(input, streams.Err)
		w.Ask = func(ctx context.Context, q client.Question) (client.Answer, error) {
			shown.close()
			return asker.Ask(ctx, q)
		}
	}
	return w, shown.close
}

func (w *callWatcher) progress(p client.Progress) {
	if !w.terminal {
		return
	}
	line := strconv.FormatFloat(p.Progress, 'g', 6, 64)
	if p.Total > 0 {
		line = fmt.Sprintf("%s of %g", line, p.Total)
	}
	if p.Message != "" {
		line += ": " + shortened(p.Message, 100)
	}
	fmt.Fprintf(w.out, "\r\x1b[K%s", line)
	w.open = true
}

func (w *callWatcher) log(l client.LogLine) {
	if !w.terminal {
		return
	}
	w.close()
	from := ""
	if l.Logger != "" {
		from = " " + shortened(l.Logger, 40)
	}
	fmt.Fprintf(w.out, "[%s%s] %s\n", shortened(l.Level, 20), from, shortened(string(l.Data), 400))
}

// close ends the line of progress.
func (w *callWatcher) close() {
	if w.open {
		fmt.Fprint(w.out, "\r\x1b[K")
		w.open = false
	}
}
