//go:build unix

package outbox

import "syscall"

// tryWrite writes what a descriptor that does not block takes at once; that may be nothing.
func tryWrite(fd uintptr, data []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), data)
		switch err {
		case nil:
			return n, nil
		case syscall.EAGAIN:
			return 0, nil
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}
