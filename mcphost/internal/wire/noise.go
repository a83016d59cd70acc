package wire

import (
	"log/slog"
	"sync"
)

// NoiseLog logs the first lines of output that are no messages, and keeps the first of all.
type NoiseLog struct {
	Logger *slog.Logger

	mu    sync.Mutex
	line  string
	count int
}

// Add takes a line.
func (n *NoiseLog) Add(line string) {
	n.mu.Lock()
	n.count++
	if n.line == "" {
		n.line = line
	}
	count := n.count
	n.mu.Unlock()
	if count <= 5 || count%1000 == 0 {
		n.Logger.Warn("an MCP server wrote something to its standard output that is no message", "line", line, "count", count)
	}
}

// First returns the first line of all, or "".
func (n *NoiseLog) First() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.line
}
