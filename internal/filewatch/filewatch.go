// Package filewatch tells when the content of files changes, however that is done: written in place,
// replaced by a rename as editors do, or swapped by turning a symbolic link of a folder, as Kubernetes does
// with a ConfigMap.
package filewatch

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// maxFile bounds how much of a file is looked at, in bytes.
	maxFile = 8 << 20
	// maxLinks bounds a chain of symbolic links.
	maxLinks = 40
)

// Options say how a Watcher works. The zero value works.
type Options struct {
	// Quiet is how long a changed file must stay the same before it counts as written; 0 means 200 ms.
	Quiet time.Duration
	// Poll is how often the files are looked at without being told of a change; 0 means 30 s, or 2 s where
	// the system tells of none.
	Poll time.Duration
	// Logger is told when the system tells of no changes; nil is silent.
	Logger *slog.Logger
}

// Watcher compares files with what they were.
type Watcher struct {
	opts   Options
	logger *slog.Logger
	known  map[string]print
	system *fsnotify.Watcher // nil where the system tells of no changes
	folder map[string]bool   // watched by system
	// moved are files that differ from known, as they were when since began.
	moved map[string]print
	since time.Time
}

// print stands for the content of a file, or for the reason that it has none.
type print [sha256.Size]byte

// New returns a watcher that takes files to be as they are now. Close ends it.
func New(opts Options, files ...string) *Watcher {
	w := &Watcher{opts: opts, logger: opts.Logger, known: map[string]print{}, folder: map[string]bool{}}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	if w.opts.Quiet <= 0 {
		w.opts.Quiet = 200 * time.Millisecond
	}
	var err error
	if w.system, err = fsnotify.NewWatcher(); err != nil {
		w.logger.Warn("files are polled: the system does not tell of changes", "error", err)
	}
	if w.opts.Poll <= 0 {
		w.opts.Poll = 30 * time.Second
		if w.system == nil {
			w.opts.Poll = 2 * time.Second
		}
	}
	w.adopt(files)
	return w
}

// Close ends the watcher.
func (w *Watcher) Close() error {
	if w.system == nil {
		return nil
	}
	return w.system.Close()
}

// Run calls changed after the content of files changed, one call at a time, until ctx ends. Which files
// they are is asked again after each call. A file that is not there yet is waited for.
func (w *Watcher) Run(ctx context.Context, files func() []string, changed func()) {
	poll := time.NewTicker(w.opts.Poll)
	defer poll.Stop()
	again := time.NewTimer(0) // what changed since New is seen at once
	defer again.Stop()
	var events <-chan fsnotify.Event
	var failures <-chan error
	if w.system != nil {
		events, failures = w.system.Events, w.system.Errors
	}
	due := true // again is set
	at := func(d time.Duration) {
		if !due {
			again.Reset(d)
			due = true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-events:
			if !open {
				events = nil
			}
			at(w.opts.Quiet / 4) // a busy folder tells of much that is none of ours
			continue
		case err, open := <-failures:
			if !open {
				failures = nil
				continue
			}
			w.logger.Warn("a change of a file may have been missed", "error", err)
		case <-poll.C:
		case <-again.C:
			due = false
		}
		switch w.look(files()) {
		case settled:
			changed()
			w.adopt(files()) // the change may have named other files
			at(0)
		case moving:
			at(w.opts.Quiet)
		case same:
		}
	}
}

// outcome is what a look at the files found.
type outcome int

const (
	same    outcome = iota // nothing changed
	moving                 // something changed, and may still change
	settled                // what changed has stayed as it is for a while
)

// look compares the files with what they were. What changed is taken up once it has stayed the same for as
// long as Options.Quiet says.
func (w *Watcher) look(files []string) outcome {
	w.adopt(files)
	now := map[string]print{}
	for _, file := range files {
		if p := printOf(file); p != w.known[file] {
			now[file] = p
		}
	}
	switch {
	case len(now) == 0:
		w.moved = nil
		return same
	case !maps.Equal(now, w.moved):
		w.moved, w.since = now, time.Now()
		return moving
	case time.Since(w.since) < w.opts.Quiet:
		return moving
	}
	maps.Copy(w.known, now)
	w.moved = nil
	return settled
}

// adopt watches the folders that say where the files are, and takes files that are new to it to be as they
// are now.
func (w *Watcher) adopt(files []string) {
	folders := map[string]bool{}
	for _, file := range files {
		for _, folder := range chain(file) {
			folders[folder] = true
		}
	}
	w.watch(folders)
	// After the folders are watched, nothing happens unseen.
	for _, file := range files {
		if _, known := w.known[file]; !known {
			w.known[file] = printOf(file)
		}
	}
}

func (w *Watcher) watch(folders map[string]bool) {
	if w.system == nil {
		return
	}
	for folder := range w.folder {
		if !folders[folder] {
			_ = w.system.Remove(folder) // it may be gone
			delete(w.folder, folder)
		}
	}
	for folder := range folders {
		// Each time: a folder that was replaced has the same name and is another one.
		if err := w.system.Add(folder); err != nil {
			if !errors.Is(err, fs.ErrNotExist) && !w.folder[folder] {
				w.logger.Warn("a folder is polled: the system does not tell of changes", "folder", folder, "error", err)
			}
			continue
		}
		w.folder[folder] = true
	}
}

// chain returns the folders whose entries say where a file is: its own, and those of the links on the way.
func chain(file string) []string {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	var folders []string
	for range maxLinks {
		folder := filepath.Dir(path)
		folders = append(folders, folder)
		target, err := os.Readlink(path)
		if err != nil {
			// The folder itself may be a link, as ..data of a ConfigMap is.
			resolved, err := filepath.EvalSymlinks(folder)
			if err != nil || resolved == folder {
				return folders
			}
			folders = append(folders, filepath.Dir(folder))
			path = filepath.Join(resolved, filepath.Base(path))
			continue
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(folder, target)
		}
		path = target
	}
	return folders
}

// printOf returns the print of a file's content.
func printOf(file string) print {
	f, err := os.Open(file)
	if err != nil {
		return sha256.Sum256([]byte("\x00" + err.Error()))
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return sha256.Sum256([]byte("\x00no regular file"))
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, maxFile)); err != nil {
		return sha256.Sum256([]byte("\x00" + err.Error()))
	}
	return print(sum.Sum(nil))
}
