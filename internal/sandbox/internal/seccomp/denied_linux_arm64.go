package seccomp

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_AARCH64
	foreignBit = 0
)

// machineCalls are the calls to deny that only this architecture has.
func machineCalls() []uint32 { return nil }
