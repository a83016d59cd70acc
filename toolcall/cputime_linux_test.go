package toolcall

import (
	"time"

	"golang.org/x/sys/unix"
)

// now returns the processor time that the tests have used: that of other programs does not count.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}
