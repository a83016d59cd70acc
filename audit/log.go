package audit

import (
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// ErrClosed is returned for a record that comes after Close.
var ErrClosed = errors.New("the audit log is closed")

// Options configure a Log. The zero value is a ring in memory alone.
type Options struct {
	// Path is the file; empty keeps the ring alone. Its folder must be there.
	Path string
	// Ring is how many records are kept for queries: 0 means 1000.
	Ring int
	// SyncEvery says when the file is flushed to the disk: 0 when it is rotated or closed, negative
	// after every record, positive with the first record after that time. A record is safe from the
	// end of this process once Append returns; flushing makes it safe from the end of the machine.
	SyncEvery time.Duration
	// MaxBytes starts a new file before the current one grows beyond it: 0 means 64 MiB, negative never.
	MaxBytes int64
	// MaxFiles is how many old files are kept as Path.1 (the newest), Path.2, ...: 0 means 10, negative all.
	MaxFiles int
	// Redactor hides secrets; nil is NewRedactor(RedactorOptions{}).
	Redactor *Redactor
	// OnRecord is called with each record, redacted, after it was kept, in order. It must not call the
	// log. A panic in it is logged.
	OnRecord func(Record)
	// Now is the clock; nil is time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o *Options) withDefaults() {
	if o.Ring <= 0 {
		o.Ring = 1000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = 10
	}
	if o.Redactor == nil {
		o.Redactor = NewRedactor(RedactorOptions{})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Log is an audit log. It is safe for concurrent use.
type Log struct {
	opts Options

	mu     sync.Mutex // guards what follows, for the length of one Append
	ring   []Record   // the last records; once full, the oldest is at next
	next   int
	seq    uint64
	file   *chainFile // nil without a path
	closed bool
}

// Open returns the log of the options. Where the file at Path is there already, its chain is carried
// on: a last line torn by a crash is cut off and a record says so. Open fails when another process
// has the file open or when its last record is not intact, because a log must not grow on a broken
// end: move the file away, and keep it.
func Open(opts Options) (*Log, error) {
	opts.withDefaults()
	l := &Log{opts: opts}
	if opts.Path == "" {
		return l, nil
	}
	f, torn, err := openChain(opts.Path, opts.MaxFiles)
	if err != nil {
		return nil, err
	}
	l.file, l.seq = f, f.seq
	if torn > 0 {
		note := "cut off " + strconv.FormatInt(torn, 10) + " bytes of a record that was never complete"
		opts.Logger.Warn("audit log repaired", "path", opts.Path, "bytes", torn)
		if err := l.Append(Record{Kind: KindRecover, Success: true, Note: note}); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	return l, nil
}

// Append redacts a record and keeps it. It fails when the record could not be written to the file;
// the ring has it even then.
func (l *Log) Append(r Record) error {
	if r.Kind == "" {
		r.Kind = KindCall
	}
	r.redact(l.opts.Redactor)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return l.append(r)
}

// append keeps a redacted record. l.mu is held.
func (l *Log) append(r Record) error {
	now := l.opts.Now()
	if r.Time.IsZero() {
		r.Time = now
	}
	r.Time = r.Time.UTC().Round(0)
	var err error
	if l.file != nil {
		err = l.write(&r, now)
	} else {
		l.seq++
		r.Seq = l.seq
	}
	l.remember(r)
	if err != nil {
		l.opts.Logger.Error("audit record is not in the file", "path", l.opts.Path, "error", err)
	}
	if l.opts.OnRecord != nil {
		l.notify(r)
	}
	return err
}

// write puts a record into the file, into a new one where the current one is full.
func (l *Log) write(r *Record, now time.Time) error {
	if limit := l.opts.MaxBytes; limit > 0 && l.file.size >= limit {
		if err := l.file.rotate(now); err != nil { // the old file goes on where it can
			l.opts.Logger.Error("audit log was not rotated", "path", l.opts.Path, "error", err)
		}
	}
	r.Seq = l.file.seq + 1
	l.seq = r.Seq
	if err := l.file.append(r); err != nil {
		return err
	}
	if every := l.opts.SyncEvery; every < 0 || every > 0 && now.Sub(l.file.synced) >= every {
		return l.file.sync(now)
	}
	return nil
}

func (l *Log) remember(r Record) {
	if len(l.ring) < l.opts.Ring {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % len(l.ring)
}

func (l *Log) notify(r Record) {
	defer func() {
		if p := recover(); p != nil {
			l.opts.Logger.Error("audit callback panicked", "panic", p)
		}
	}()
	l.opts.OnRecord(r)
}

// Query returns the newest records that the filter picks, oldest first. The slices in them are
// shared and must not be changed.
func (l *Log) Query(f Filter) []Record {
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.ring)
	var newest []Record
	for i := n - 1; i >= 0 && (f.Limit < 0 || len(newest) < f.Limit); i-- {
		if r := &l.ring[(l.next+i)%n]; f.picks(r) {
			newest = append(newest, *r)
		}
	}
	for i, j := 0, len(newest)-1; i < j; i, j = i+1, j-1 {
		newest[i], newest[j] = newest[j], newest[i]
	}
	return newest
}

// Clear empties the ring and returns how many records it held. The file keeps them, and a record
// that the ring was emptied.
func (l *Log) Clear() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.ring)
	if l.closed {
		return 0
	}
	if l.file != nil {
		// A failure is logged and reported by the next Append; the ring is emptied all the same.
		_ = l.append(Record{Kind: KindClear, Success: true, Note: strconv.Itoa(n) + " records cleared from memory"})
	}
	l.ring, l.next = nil, 0
	return n
}

// Head returns the number of the last record and the hash that the next one will hold. Kept
// somewhere else, it shows later whether the end of the file was cut off. The hash is empty for a
// log without a file.
func (l *Log) Head() (seq uint64, hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return l.seq, ""
	}
	return l.file.seq, l.file.hash()
}

// Close flushes and closes the file. The ring can still be queried.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.file == nil {
		return nil
	}
	return l.file.close()
}
