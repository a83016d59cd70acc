package sandbox

import (
	"bufio"
	"io"
	"strings"
	"sync"
)

const (
	defaultStderrLines = 40
	maxStderrLine      = 4 << 10
)

// lineRing keeps the last lines that were read.
type lineRing struct {
	onLine func(string)

	mu   sync.Mutex
	ring []string
	next int
	full bool
}

func newLineRing(n int, onLine func(string)) *lineRing {
	if n <= 0 {
		n = defaultStderrLines
	}
	return &lineRing{ring: make([]string, n), onLine: onLine}
}

// readFrom reads lines to the end of r. A line longer than the limit is cut, its rest skipped.
func (l *lineRing) readFrom(r io.Reader) {
	br := bufio.NewReaderSize(r, maxStderrLine)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			l.add(string(line))
		}
		for err == bufio.ErrBufferFull {
			_, err = br.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (l *lineRing) add(line string) {
	line = strings.TrimRight(strings.ToValidUTF8(line, "\uFFFD"), "\r\n")
	l.mu.Lock()
	l.ring[l.next] = line
	l.next++
	if l.next == len(l.ring) {
		l.next, l.full = 0, true
	}
	l.mu.Unlock()
	if l.onLine != nil {
		l.onLine(line)
	}
}

// lines returns the kept lines, oldest first; nil when there are none.
func (l *lineRing) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.full {
		return append([]string(nil), l.ring[:l.next]...)
	}
	out := make([]string, 0, len(l.ring))
	return append(append(out, l.ring[l.next:]...), l.ring[:l.next]...)
}
