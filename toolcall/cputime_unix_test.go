//go:build unix

package toolcall

import (
	"syscall"
	"time"
)

// now returns the processor time that the tests have used: that of other programs does not count.
func now() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return time.Since(started)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
