#include "textflag.h"

// sleeper sleeps for ever: pause(), again and again.
TEXT sleeper<>(SB), NOSPLIT|NOFRAME, $0
again:
	MOVQ $34, AX
	SYSCALL
	JMP  again

// func sleeperPC() uintptr
TEXT ·sleeperPC(SB), NOSPLIT, $0-8
	LEAQ sleeper<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET
