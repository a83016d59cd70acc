package host

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// ReadSmall reads a file of at most limit bytes.
func ReadSmall(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, the limit is %d", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}

// RemoveAll removes what matches a pattern, as far as it can: what stays only takes space.
func RemoveAll(pattern string) {
	found, _ := filepath.Glob(pattern)
	for _, path := range found {
		_ = os.RemoveAll(path)
	}
}

// Size returns the size of a file, 0 if there is none.
func Size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// HashFile returns the hash h of a file.
func HashFile(path string, h hash.Hash) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(h, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// CopyUntil copies until the end of src or of ctx.
func CopyUntil(ctx context.Context, dst io.Writer, src io.Reader) (n int64, err error) {
	for {
		m, err := io.CopyN(dst, src, 8<<20)
		n += m
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
	}
}
