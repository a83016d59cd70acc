package spawn

// vfork calls clone with flags that let the parent wait for the child's exec or end, in the same memory.
//
//go:noescape
func vfork(flags uintptr) uintptr

// pauseMachine is the architecture's number in a file of ELF.
const pauseMachine = 183

// pauseCode waits for ever with ppoll.
func pauseCode() []byte {
	return []byte{
		0x00, 0x00, 0x80, 0xd2, // mov x0, #0
		0x01, 0x00, 0x80, 0xd2, // mov x1, #0
		0x02, 0x00, 0x80, 0xd2, // mov x2, #0
		0x03, 0x00, 0x80, 0xd2, // mov x3, #0
		0x04, 0x00, 0x80, 0xd2, // mov x4, #0
		0x28, 0x09, 0x80, 0xd2, // mov x8, #73 (ppoll)
		0x01, 0x00, 0x00, 0xd4, // svc #0
		0xf9, 0xff, 0xff, 0x17, // b to the beginning
	}
}
