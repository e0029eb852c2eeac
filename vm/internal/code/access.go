package code

// Access is how an op of the groups loads, stores, by index, by pointer and globals touches memory.
type Access struct {
	Bytes  uint64 // 0: it is none of them, or one whose size is in an operand
	Signed bool   // what is loaded is extended by its sign
	Store  bool
}

// Accesses are those of all ops, by number.
var Accesses = [OpCount]Access{
	LdU8: {Bytes: 1}, LdS8: {Bytes: 1, Signed: true}, LdU16: {Bytes: 2}, LdS16: {Bytes: 2, Signed: true},
	LdU32: {Bytes: 4}, LdS32: {Bytes: 4, Signed: true}, Ld64: {Bytes: 8}, Ld128: {Bytes: 16}, Ld192: {Bytes: 24},
	St8: {Bytes: 1, Store: true}, St16: {Bytes: 2, Store: true}, St32: {Bytes: 4, Store: true},
	St64: {Bytes: 8, Store: true}, St128: {Bytes: 16, Store: true}, St192: {Bytes: 24, Store: true},
	LdXU8: {Bytes: 1}, LdXS8: {Bytes: 1, Signed: true}, LdXU16: {Bytes: 2}, LdXS16: {Bytes: 2, Signed: true},
	LdXU32: {Bytes: 4}, LdXS32: {Bytes: 4, Signed: true}, LdX64: {Bytes: 8}, LdX128: {Bytes: 16}, LdX192: {Bytes: 24},
	StX8: {Bytes: 1, Store: true}, StX16: {Bytes: 2, Store: true}, StX32: {Bytes: 4, Store: true},
	StX64: {Bytes: 8, Store: true}, StX128: {Bytes: 16, Store: true}, StX192: {Bytes: 24, Store: true},
	LdPU8: {Bytes: 1}, LdPS8: {Bytes: 1, Signed: true}, LdPU16: {Bytes: 2}, LdPS16: {Bytes: 2, Signed: true},
	LdPU32: {Bytes: 4}, LdPS32: {Bytes: 4, Signed: true}, LdP64: {Bytes: 8},
	StP8: {Bytes: 1, Store: true}, StP16: {Bytes: 2, Store: true}, StP32: {Bytes: 4, Store: true}, StP64: {Bytes: 8, Store: true},
	LdG64: {Bytes: 8}, LdGU32: {Bytes: 4}, LdGS32: {Bytes: 4, Signed: true}, LdGU8: {Bytes: 1},
	LdG128: {Bytes: 16}, LdG192: {Bytes: 24},
	StG64: {Bytes: 8, Store: true}, StG32: {Bytes: 4, Store: true}, StG8: {Bytes: 1, Store: true},
	StG128: {Bytes: 16, Store: true}, StG192: {Bytes: 24, Store: true},
}
