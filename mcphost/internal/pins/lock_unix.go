//go:build unix && !solaris && !aix

package pins

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lockFolder takes the folder's lock, so that one process at a time replaces a file in it. It takes no
// lock where there is none to be had: the folder cannot be opened, or the file system knows no locks.
func lockFolder(dir string, wait time.Duration) (release func(), err error) {
	none := func() {}
	f, err := os.Open(dir)
	if err != nil {
		return none, nil
	}
	release = func() { _ = f.Close() } // which gives the lock back
	for deadline := time.Now().Add(wait); ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return release, nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			release()
			return none, nil
		case time.Now().After(deadline):
			release()
			return none, errors.New("another process has the folder locked; end it, or name another \"lock_file\"")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
