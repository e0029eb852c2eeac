#include "textflag.h"

// sleeper sleeps for ever: ppoll() of nothing, again and again.
TEXT sleeper<>(SB), NOSPLIT|NOFRAME, $0
again:
	MOVD ZR, R0
	MOVD ZR, R1
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD $73, R8
	SVC
	JMP  again

// func sleeperPC() uintptr
TEXT ·sleeperPC(SB), NOSPLIT, $0-8
	MOVD $sleeper<>(SB), R0
	MOVD R0, ret+0(FP)
	RET
