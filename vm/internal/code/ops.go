package code

// Op is an operation of the register machine. The table below is the specification: one line an op
// with its operand form and its effect. Notation: r[A] is the 8-byte frame slot A of the running frame,
// r[A:n] n consecutive slots, m8[x] the byte at guest address x (m16, m32, m64 alike), imm16 the operand
// as int16, imm32 the operands B and C together as int32 (B low half), ext the next code word as uint64.
// Small integers live in a slot sign- or zero-extended to 64 bits by their type, bool is 0 or 1, float32 is its 32
// bits zero-extended; strings take 2 slots (pointer, length), slices 3, interfaces 2, complex128 2 (re, im),
// complex64 1 (packed as in memory), structs and arrays their memory layout rounded up to whole slots
// (tail bytes zero), pointers, maps, channels and func values 1.
// A jump goes to the address of its own first word plus the offset, in words.
type Op uint16

// Form says how the operands of an op are read; the verifier, the disassembler and the step observer follow it.
type Form uint8

const (
	FormNone  Form = iota // no operands
	FormA                 // A slot
	FormAB                // A, B slots
	FormABC               // A, B, C slots
	FormABI               // A, B slots, C imm16
	FormABU               // A, B slots, C uint16 (byte offset or count)
	FormAI                // A slot, imm32
	FormJ                 // imm32 jump
	FormAJ                // A slot, imm32 jump
	FormABJ               // A, B slots, C imm16 jump
	FormAIJ               // A slot, B imm16 value, C imm16 jump
	FormAX                // A slot, ext
	FormABX               // A, B slots, ext
	FormABCX              // A, B, C slots, ext
	FormABUX              // A, B slots, C uint16, ext
	FormABUXX             // A, B slots, C uint16, ext1, ext2
	FormSlice             // A, B slots, ext1 four uint16 (lo, hi, max, flags), ext2 element size and array length
	FormCall              // A window base, imm32 function or native index
	FormCallB             // A window base, B slot, C uint16
)

// Words is the number of code words of an instruction of the form, ext words included.
func (f Form) Words() int {
	switch f {
	case FormAX, FormABX, FormABCX, FormABUX:
		return 2
	case FormABUXX, FormSlice:
		return 3
	}
	return 1
}

//go:generate go run gen_ops.go

// Info describes one op.
type Info struct {
	Name   string
	Form   Form
	Effect string
}

// String is the op's name in the table, or op(N) for a number that is no op.
func (o Op) String() string {
	if int(o) < len(Table) && Table[o].Name != "" {
		return Table[o].Name
	}
	return "op(" + itoa(int(o)) + ")"
}

// Valid reports whether o is an op of the table.
func (o Op) Valid() bool { return o != 0 && int(o) < len(Table) }

func itoa(n int) string {
	if n == 0 {
		return "0"
	}
	var b [20]byte
	i := len(b)
	for ; n > 0; n /= 10 {
		i--
		b[i] = byte('0' + n%10)
	}
	return string(b[i:])
}
