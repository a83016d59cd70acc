package spawn

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pauseProgram writes the idle program, a file of 64-bit ELF with nothing but the code of [pauseCode], into
// memory and returns its descriptor.
func pauseProgram() (fd int, err error) {
	if pauseCode() == nil {
		return -1, fmt.Errorf("no idle program for this architecture: %w", syscall.ENOSYS)
	}
	fd, err = unix.MemfdCreate("pause", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("memory for the idle program: %w", err)
	}
	if _, err = unix.Write(fd, pauseELF(pauseCode())); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("write the idle program: %w", err)
	}
	return fd, nil
}

func pauseELF(code []byte) []byte {
	const base, headers = 0x400000, 64 + 56
	type (
		header struct {
			Ident                           [16]byte
			Type, Machine                   uint16
			Version                         uint32
			Entry, Programs, Sections       uint64
			Flags                           uint32
			Size, ProgramSize, ProgramCount uint16
			SectionSize, SectionCount, Name uint16
		}
		program struct {
			Type, Flags                   uint32
			Offset, Virtual, Physical     uint64
			SizeInFile, SizeInMemory, Ali uint64
		}
	)
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, header{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: 2, Machine: pauseMachine, Version: 1,
		Entry: base + headers, Programs: 64, Size: 64, ProgramSize: 56, ProgramCount: 1,
	})
	size := uint64(headers + len(code))
	_ = binary.Write(&b, binary.LittleEndian, program{
		Type: 1, Flags: 5, Virtual: base, Physical: base, SizeInFile: size, SizeInMemory: size, Ali: 0x1000,
	})
	b.Write(code)
	return b.Bytes()
}

// idle is what the first process of a namespace does: it dies with this one, lets the kernel remove what it
// inherits, and becomes the idle program.
func (c *Calls) idle(pause int) {
	ignore := &[4]uintptr{1} // SIG_IGN: an ignored SIGCHLD leaves no dead processes behind
	arguments := &[2]uintptr{c.Text("toolserve-pause"), 0}
	c.Add("set the signal for the end of the parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	c.Add("ignore the end of children", unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), Data(c, ignore), 0, 8)
	c.Add("leave the group", unix.SYS_SETSID)
	for fd := range uintptr(3) {
		c.Add("close a stream", unix.SYS_CLOSE, fd).MayFail()
	}
	c.Add("keep no other files", unix.SYS_CLOSE_RANGE, 3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC).MayFail()
	c.Add("start the idle program", unix.SYS_EXECVEAT, uintptr(pause), c.Text(""), uintptr(unsafe.Pointer(arguments)),
		uintptr(unsafe.Pointer(&arguments[1])), unix.AT_EMPTY_PATH)
	c.keep = append(c.keep, arguments)
}
