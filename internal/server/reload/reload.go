// Package reload keeps what was read from files up to date while a server runs: keys that are given out
// or taken back, certificates that are renewed. It starts no goroutine; who asks for the value looks
// whether a file has changed.
package reload

import (
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// interval is how long a value is given out before its files are looked at again.
const interval = time.Second

// Value is what was read from some files. It is safe for concurrent use.
type Value[T any] struct {
	paths []string
	read  func() (T, error)
	log   *slog.Logger

	mu     sync.Mutex // guards the rest
	value  T
	stamps []stamp
	next   time.Time
}

// stamp tells two versions of a file apart. The zero value is that of a file that cannot be looked at.
type stamp struct {
	modified time.Time
	size     int64
	mode     fs.FileMode
}

// Open reads the files for the first time. read reads all of them; what it returns must not be changed.
// log is told of later readings; nil is silent.
func Open[T any](read func() (T, error), log *slog.Logger, paths ...string) (*Value[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v := &Value[T]{paths: paths, read: read, log: log, stamps: stamps(paths), next: time.Now().Add(interval)}
	var err error
	v.value, err = read()
	return v, err
}

// Get returns the newest value that could be read: a change is seen after a second at most. Files that
// cannot be read leave the value as it was, with an error in the log.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if now.Before(v.next) {
		return v.value
	}
	v.next = now.Add(interval)
	current := stamps(v.paths) // before the reading, so that a change in between is seen the next time
	if slices.Equal(current, v.stamps) {
		return v.value
	}
	v.stamps = current
	value, err := v.read()
	if err != nil {
		v.log.Error("a changed file cannot be used; what was read before goes on to count", "files", v.paths, "error", err)
		return v.value
	}
	v.log.Info("read again", "files", v.paths)
	v.value = value
	return value
}

func stamps(paths []string) []stamp {
	found := make([]stamp, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			found[i] = stamp{info.ModTime(), info.Size(), info.Mode()}
		}
	}
	return found
}
