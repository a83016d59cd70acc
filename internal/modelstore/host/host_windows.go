package host

import (
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/windows"
)

// TryLock takes an exclusive lock on an open file; false means that someone else has it. Closing the
// file gives the lock back.
func TryLock(f *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// FreeSpace returns the bytes that this account may still write below dir.
func FreeSpace(dir string) (uint64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(p, &free, nil, nil)
	return free, err
}

// IsDiskFull says whether a write failed for want of space.
func IsDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// OthersMayChange is for Unix: here the access list of the profile protects the cache.
func OthersMayChange(os.FileInfo) bool { return false }

// ownGroup is for Unix: here the end of the context ends the command alone.
func ownGroup(*exec.Cmd) {}
