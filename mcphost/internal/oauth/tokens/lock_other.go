//go:build !unix || solaris || aix

package tokens

import (
	"context"
	"io/fs"
	"time"
)

// lock does nothing where the standard library has no file locks.
func lock(context.Context, string, time.Duration) (release func(), err error) { return func() {}, nil }

func inode(fs.FileInfo) uint64 { return 0 }
