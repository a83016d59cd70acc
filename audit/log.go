package audit

import (
	"io"
	"log/slog"
	"time"
)

// Options configure a Log. The zero value is a ring in memory alone.
type Options struct {
	// Path is the file; empty keeps the ring alone.
	Path string
	// Ring is how many records are kept for queries: 0 means 1000.
	Ring int
	// SyncEvery says when the file is flushed to the disk: 0 when it is rotated or closed, negative
	// after every record, positive when the last flush was longer ago than that.
	SyncEvery time.Duration
	// MaxBytes starts a new file before the current one grows beyond it: 0 means 64 MiB, negative never.
	MaxBytes int64
	// MaxFiles is how many old files are kept as Path.1 (the newest), Path.2, ...: 0 means 10, negative all.
	MaxFiles int
	// Redactor hides secrets; nil is NewRedactor(RedactorOptions{}).
	Redactor *Redactor
	// OnRecord is called with each record, redacted, after it was kept. A panic in it is logged.
	OnRecord func(Record)
	// Now is the clock; nil is time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

// Log is an audit log. It is safe for concurrent use.
type Log struct{}

// Open returns the log of the options, carrying on the chain of the file at Path.
func Open(opts Options) (*Log, error) { return &Log{}, nil }

// Append redacts a record and keeps it. It fails when the record could not be written to the file;
// the ring has it even then.
func (l *Log) Append(r Record) error { return nil }

// Query returns the records that the filter picks, oldest first.
func (l *Log) Query(f Filter) []Record { return nil }

// Clear empties the ring and returns how many records it held. The file keeps them, and records
// that the ring was emptied.
func (l *Log) Clear() int { return 0 }

// Close flushes and closes the file.
func (l *Log) Close() error { return nil }

// Verify reads one file of a log and returns a *ChainError for the first bad record.
func Verify(r io.Reader) error { return nil }
