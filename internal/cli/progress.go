package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/toolserve/toolserve/internal/modelstore"
)

// progressEvery is the pause between two lines of progress where there is no terminal to redraw on.
const progressEvery = 10 * time.Second

// progressBar draws the progress of fetching: one redrawn line on a terminal, else a line now and then.
type progressBar struct {
	out      io.Writer
	terminal bool
	last     time.Time
	phase    string
	start    time.Time
	from     int64
	open     bool // a line without newline stands on the terminal
}

func newProgressBar(out io.Writer) *progressBar {
	f, ok := out.(*os.File)
	return &progressBar{out: out, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// report takes one report of the store.
func (b *progressBar) report(p modelstore.Progress) {
	now := time.Now()
	phase := string(p.Phase) + " " + p.Name
	changed := phase != b.phase
	if changed {
		b.close()
		b.phase, b.start, b.from = phase, now, p.Done
	}
	pause := progressEvery
	if b.terminal {
		pause = 100 * time.Millisecond
	}
	finished := p.Total > 0 && p.Done >= p.Total
	if !changed && !finished && now.Sub(b.last) < pause {
		return
	}
	b.last = now
	line := b.line(p, now)
	if b.terminal {
		fmt.Fprintf(b.out, "\r\x1b[K%s", line)
		b.open = true
		return
	}
	fmt.Fprintln(b.out, line)
}

// line is "download NAME  [####    ]  45 %  43 of 94 MB  12.3 MB/s".
func (b *progressBar) line(p modelstore.Progress, now time.Time) string {
	line := fmt.Sprintf("%s %s", p.Phase, p.Name)
	if p.Source != "" {
		line += " from " + p.Source
	}
	if p.Total <= 0 {
		return line
	}
	const cells = 24
	share := min(1, float64(p.Done)/float64(p.Total))
	full := int(share * cells)
	line += fmt.Sprintf("  [%s%s] %3.0f %%  %s of %s", strings.Repeat("#", full), strings.Repeat(" ", cells-full),
		100*share, bytesText(p.Done), bytesText(p.Total))
	if spent := now.Sub(b.start).Seconds(); spent > 0.5 && p.Done > b.from {
		line += fmt.Sprintf("  %s/s", bytesText(int64(float64(p.Done-b.from)/spent)))
	}
	return line
}

// close ends the line that stands on the terminal.
func (b *progressBar) close() {
	if b.open {
		fmt.Fprintln(b.out)
		b.open = false
	}
}

// bytesText is a size as a person reads it, in powers of 1000: "94 MB".
func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	size := float64(n)
	i := 0
	for size >= 1000 && i < len(units)-1 {
		size /= 1000
		i++
	}
	if i == 0 || size >= 10 {
		return fmt.Sprintf("%.0f %s", size, units[i])
	}
	return fmt.Sprintf("%.1f %s", size, units[i])
}
