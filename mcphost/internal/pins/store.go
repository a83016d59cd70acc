package pins

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// lockWait is how long another process may keep the lock on the file.
const lockWait = 5 * time.Second

// Store is a lock file, or the memory in its place. It is safe for concurrent use, also by several
// processes on one file.
type Store struct {
	path string // "" is memory alone

	mu   sync.Mutex
	file *File
	sum  [sha256.Size]byte // of the text that file was read from
	// detached says why the file is not written, or is nil. From then on memory holds more than the file.
	detached error
}

// Open reads the lock file at path; one that is not there yet is empty. Path "" keeps everything in
// memory.
func Open(path string) (*Store, error) {
	s := &Store{path: path, file: &File{Servers: map[string]*Server{}}}
	return s, s.reload()
}

// Detached returns why approvals are not kept in the file, or nil.
func (s *Store) Detached() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.detached
}

// view calls fn with what is on record now. fn must not keep or change it.
func (s *Store) view(fn func(*File)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reload(); err != nil {
		return err
	}
	fn(s.file)
	return nil
}

// update calls fn with what is on record, to be changed, and keeps the result when fn returns true. No
// other process writes in between. A file that cannot be written is not an error: it leaves the record in
// memory, as Detached says.
func (s *Store) update(fn func(*File) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock := func() {}
	if s.path != "" && s.detached == nil {
		release, err := lockFolder(filepath.Dir(s.path), lockWait)
		if err != nil {
			return fmt.Errorf("lock file %s: %w", s.path, err)
		}
		unlock = release
	}
	defer unlock()
	if err := s.reload(); err != nil {
		return err
	}
	changed := s.file.clone()
	if !fn(changed) {
		return nil
	}
	s.file = changed
	if s.path == "" || s.detached != nil {
		return nil
	}
	data, err := encode(changed)
	if err == nil {
		err = writeFile(s.path, data)
	}
	s.sum = sha256.Sum256(data)
	if err != nil {
		s.detached = fmt.Errorf("lock file %s: %w", s.path, err)
	}
	return nil
}

// reload reads the file anew where its text changed. s.mu is held.
func (s *Store) reload() error {
	if s.path == "" || s.detached != nil {
		return nil
	}
	data, err := readFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		if s.sum != [sha256.Size]byte{} {
			return fmt.Errorf("lock file %s: it was removed while in use; put it back, or start again to trust what is there then", s.path)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock file %s cannot be read: %w", s.path, err)
	}
	sum := sha256.Sum256(data)
	if sum == s.sum {
		return nil
	}
	f, err := Decode(data)
	if err != nil {
		return fmt.Errorf("lock file %s is damaged: %w; restore it, or move it away and review the servers as if they were new", s.path, err)
	}
	s.file, s.sum = f, sum
	return nil
}

// readFile reads a regular file that not everyone may write to.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case info.Mode().Perm()&0o002 != 0:
		return nil, errors.New("everyone may write to it; take that right away: chmod 600")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFile+1))
}

// writeFile replaces the file at path in one step: a reader sees the old text or the new one, and a crash
// leaves one of them.
func writeFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error counts
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if d, openErr := os.Open(dir); err == nil && openErr == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
	return err
}
