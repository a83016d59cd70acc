//go:build !unix || solaris || aix

package tokens

import "io/fs"

// lock does nothing where the standard library has no file locks.
func lock(string) (release func(), err error) { return func() {}, nil }

func inode(fs.FileInfo) uint64 { return 0 }
