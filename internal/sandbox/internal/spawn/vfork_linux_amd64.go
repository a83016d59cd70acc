package spawn

// vfork calls clone with flags that let the parent wait for the child's exec or end, in the same memory.
//
//go:noescape
func vfork(flags uintptr) uintptr

// pauseMachine is the architecture's number in a file of ELF.
const pauseMachine = 62

// pauseCode calls pause for ever.
func pauseCode() []byte {
	return []byte{
		0xb8, 34, 0, 0, 0, // mov eax, 34 (pause)
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp to the beginning
	}
}
