//go:build !unix || solaris || aix

package pins

import "time"

// lockFolder does nothing where the standard library has no file locks: there, keeping two processes from
// one file is up to the operator.
func lockFolder(string, time.Duration) (release func(), err error) { return func() {}, nil }
