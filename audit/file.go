package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// chainFile is the file of a log, open for appending. It is used under the log's mutex.
type chainFile struct {
	path     string
	maxFiles int
	f        file
	size     int64
	seq      uint64
	last     [sha256.Size]byte
	synced   time.Time
	buf      []byte
	broken   error // set when what was written may be torn and could not be cut off
}

// file is what a chain needs of an *os.File; tests put a faulty one in its place.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// openChain opens the file at path and finds the end of its chain. torn is how many bytes of an
// incomplete last line were cut off.
func openChain(path string, maxFiles int) (c *chainFile, torn int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open audit log: %w", err)
	}
	if err := lock(f); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("audit log %s is in use by another process: %w", path, err), f.Close())
	}
	c = &chainFile{path: path, maxFiles: maxFiles, f: f}
	if torn, err = c.resume(f); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return c, torn, nil
}

// resume reads the end of the file, cuts off a torn line and takes up the chain.
func (c *chainFile) resume(f *os.File) (torn int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	c.size = info.Size()
	line, end, err := lastLine(f, c.size)
	if err != nil {
		return 0, fmt.Errorf("read audit log: %w", err)
	}
	if rest := c.size - end; rest > 0 {
		torn = rest
		if err := f.Truncate(end); err != nil {
			return 0, fmt.Errorf("repair audit log: %w", err)
		}
		c.size = end
	}
	if line == nil {
		return torn, c.resumeRotated()
	}
	rec, err := parseLine(line)
	if err != nil {
		return 0, fmt.Errorf("the last record of the audit log %s is not intact (%w): move the file away and keep it", c.path, err)
	}
	c.seq, c.last = rec.seq, rec.hash
	return torn, nil
}

// resumeRotated takes up the chain of the newest rotated file: the process ended between the
// renaming of the old file and the first record of the new one.
func (c *chainFile) resumeRotated() error {
	f, err := os.Open(numbered(c.path, 1))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	line, _, err := lastLine(f, info.Size())
	if err != nil || line == nil {
		return err
	}
	rec, err := parseLine(line)
	if err != nil {
		return fmt.Errorf("the last record of the audit log %s is not intact (%w): move the file away and keep it", f.Name(), err)
	}
	c.seq, c.last = rec.seq, rec.hash
	return nil
}

// lastLine returns the last complete line of a file, without its newline and nil where there is
// none, and the offset behind it.
func lastLine(f io.ReaderAt, size int64) (line []byte, end int64, err error) {
	var tail []byte
	for start := size; ; {
		step := min(start, 64<<10)
		start -= step
		chunk := make([]byte, step, int(step)+len(tail))
		if _, err := f.ReadAt(chunk, start); err != nil && err != io.EOF {
			return nil, 0, err
		}
		tail = append(chunk, tail...)
		if newline := bytes.LastIndexByte(tail, '\n'); newline >= 0 {
			before := bytes.LastIndexByte(tail[:newline], '\n')
			if before >= 0 || start == 0 {
				return tail[before+1 : newline], start + int64(newline) + 1, nil
			}
		}
		if start == 0 {
			return nil, 0, nil
		}
		if len(tail) > maxLine*2 {
			return nil, 0, errors.New("a line is too long for a record")
		}
	}
}

// append writes a record with one write call, so that a crash tears at most the last line. What a
// failed write left behind is cut off again.
func (c *chainFile) append(r *Record) error {
	if c.broken != nil {
		return c.broken
	}
	b := r.appendTo(c.buf[:0])
	b = append(b, `,"prev":"`...)
	b = hex.AppendEncode(b, c.last[:])
	b = append(b, '"')
	sum := sha256.Sum256(b)
	b = append(b, hashMember...)
	b = hex.AppendEncode(b, sum[:])
	b = append(b, "\"}\n"...)
	c.buf = b
	n, err := c.f.Write(b)
	if err != nil {
		if n > 0 {
			if terr := c.f.Truncate(c.size); terr != nil {
				c.broken = fmt.Errorf("the audit log ends in a torn record: %w", terr)
			}
		}
		return fmt.Errorf("write audit log: %w", err)
	}
	c.size += int64(n)
	c.seq, c.last = r.Seq, sum
	return nil
}

func (c *chainFile) hash() string { return hex.EncodeToString(c.last[:]) }

func (c *chainFile) sync(now time.Time) error {
	c.synced = now
	if err := c.f.Sync(); err != nil {
		return fmt.Errorf("flush audit log: %w", err)
	}
	return nil
}

func (c *chainFile) close() error {
	return errors.Join(c.f.Sync(), c.f.Close())
}

// rotate renames path to path.1, path.1 to path.2 and so on, and begins a new file with a record
// that carries the chain on.
func (c *chainFile) rotate(now time.Time) error {
	if c.broken != nil {
		return c.broken
	}
	if err := c.f.Sync(); err != nil {
		return fmt.Errorf("flush audit log: %w", err)
	}
	oldest := 0
	for exists(numbered(c.path, oldest+1)) {
		oldest++
	}
	for n := oldest; n >= 0; n-- {
		name := numbered(c.path, n)
		if c.maxFiles > 0 && n >= c.maxFiles {
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("rotate audit log: %w", err)
			}
			continue
		}
		if err := os.Rename(name, numbered(c.path, n+1)); err != nil {
			return fmt.Errorf("rotate audit log: %w", err)
		}
	}
	return c.begin(now)
}

// begin opens a new file in place of the renamed one.
func (c *chainFile) begin(now time.Time) error {
	f, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		c.broken = fmt.Errorf("rotate audit log: %w", err)
		return c.broken
	}
	if err := lock(f); err != nil {
		c.broken = fmt.Errorf("rotate audit log: %w", err)
		return errors.Join(c.broken, f.Close())
	}
	old := c.f
	c.f, c.size, c.synced = f, 0, now
	if err := old.Close(); err != nil {
		return fmt.Errorf("close audit log: %w", err)
	}
	syncDir(filepath.Dir(c.path))
	return c.append(&Record{Seq: c.seq + 1, Time: now, Kind: KindRotate, Success: true,
		Note: "continues " + filepath.Base(numbered(c.path, 1))})
}

// syncDir makes renames survive the end of the machine, where the system can.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
}

func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
