#include "textflag.h"

// func vfork(flags uintptr) uintptr
//
// The child goes on with the parent's stack, so the address to return to waits in a register.
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-16
	MOVQ	flags+0(FP), DI
	XORL	SI, SI // the same stack
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	XORL	R9, R9
	MOVL	$56, AX // clone
	POPQ	R12
	SYSCALL
	PUSHQ	R12
	MOVQ	AX, ret+8(FP)
	RET
