//go:build linux && !amd64 && !arm64

package spawn

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const pauseMachine = 0

func pauseCode() []byte { return nil }

// vfork is a fork that waits: without a way to keep the stacks apart the child gets a copy of the memory.
//
//go:norace
//go:nosplit
func vfork(flags uintptr) uintptr {
	flags &^= unix.CLONE_VM
	first, second := flags, uintptr(0)
	if runtime.GOARCH == "s390x" {
		first, second = 0, flags
	}
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, first, second, 0, 0, 0, 0)
	if errno != 0 {
		return -uintptr(errno)
	}
	return r
}
