// Package code is the contract between the lowering and the interpreter: the op table, the instruction word and
// the compiled image with its canonical byte format. It is not the lowering (package lower), the verifier (package
// check) nor the interpreter (package exec). An image is immutable once built and may be shared by any number
// of machines.
package code

// Instr is one code word: an op and three 16-bit operands. A word that follows an instruction whose form
// has ext words is raw: read it with Ext.
type Instr struct {
	Op      Op
	A, B, C uint16
}

// Imm32 is B and C together as a signed 32-bit number, B the low half.
func (i Instr) Imm32() int32 { return int32(uint32(i.B) | uint32(i.C)<<16) }

// Ext is the whole word as 64 raw bits, Op lowest.
func (i Instr) Ext() uint64 {
	return uint64(i.Op) | uint64(i.A)<<16 | uint64(i.B)<<32 | uint64(i.C)<<48
}

// ExtWord is the raw code word whose Ext is v.
func ExtWord(v uint64) Instr {
	return Instr{Op(v), uint16(v >> 16), uint16(v >> 32), uint16(v >> 48)}
}

// WithImm32 is the instruction with v in B and C.
func (i Instr) WithImm32(v int32) Instr {
	i.B, i.C = uint16(uint32(v)), uint16(uint32(v)>>16)
	return i
}

const (
	// Base is the guest address of the first byte of memory. Any address below it or at or above
	// Base+size faults, so a nil check and a bounds check are one comparison.
	Base = 0xc000000000
	// TextBase is the program counter, as guest code sees it, of code word 0.
	TextBase = 0x400000
	// DataStart is the offset in memory of the image's data; the page before it is the machine's root page.
	DataStart = 4096
	// FrameHeader is the number of slots before the result slots of a frame: the caller's frame address,
	// the return code word (index) and the closure being run.
	FrameHeader = 3
	// BoxedBytes is the size from which a value of array or struct type does not live in slots: its register
	// holds the address of an immutable copy.
	BoxedBytes = 1024
)

// The slots of a deferred call's record; the arguments follow.
const (
	DeferLink    = iota // next older record of the goroutine, 0 none
	DeferFrame          // frame that owns it
	DeferOwner          // function of that frame
	DeferFunc           // function index, 0: nil func value
	DeferClosure        // its closure
	DeferArgc           // argument slots
	DeferHeader
)

// FuncFlag marks properties of a function.
type FuncFlag uint32

const (
	// FuncWrapper is a synthetic function between a caller and the written one: recover and tracebacks look through it.
	FuncWrapper FuncFlag = 1 << iota
	// FuncDefers says the function may hold deferred calls.
	FuncDefers
	// FuncStd is standard library or runtime code.
	FuncStd
	// FuncAnySignature is a function called through closures of any signature: it has no results of its own, finds arguments and leaves
	// results in the slots its caller expects, which lie within what it declares as arguments.
	FuncAnySignature
)

// Func describes one function. Index 0 of Image.Funcs is no function (a zero reference is nil).
type Func struct {
	Name       string // as Go's tracebacks print it: main.f, main.(*T).m, main.f.func1, main.g[...]
	Entry, End int32  // code words [Entry, End)
	FrameSlots int32  // slots of a frame, header, results, parameters and the largest outgoing window's header, results and arguments included
	ResSlots   int32  // result slots, from slot FrameHeader
	ArgSlots   int32  // parameter slots, from slot FrameHeader+ResSlots
	Recover    int32  // code word to continue at after a recovered panic, 0 when there is none
	Flags      FuncFlag
	File       int32 // index in Image.Files
	Line       int32 // line of the func keyword, 0 unknown
}

// Line maps code words from PC on (to the next entry) to a source line.
type Line struct {
	PC   int32
	File int32
	Line int32
	In   int32 // the inlined call that the words come from: 1 and its index in Image.Inlined, 0 for the function's own
}

// Inlined is a call that the code of the called function stands in place of.
type Inlined struct {
	Name string // of the called function, as Func.Name
	File int32  // where it is called
	Line int32
	In   int32 // the inlined call it stands in, as Line.In; one before this
}

// Local is where a variable of a function stands while the function is at one of the code words [From, To): before that word is carried out,
// or in the call that it makes. A variable has as many entries as places, and none where nothing needs its value any more. Only
// people look at them.
type Local struct {
	From, To int32
	Name     string
	Type     uint64 // address of its abi.Type
	Place    Place
	At       int32 // by Place
}

// Place says what Local.At means.
type Place uint8

const (
	PlaceFrame   Place = iota // the slot of the frame from which the value stands, of a boxed type the address of the copy
	PlacePointer              // the slot of the frame that holds the variable's address
	PlaceClosure              // the byte of the closure being run at which the variable's address stands
	PlaceData                 // the offset in memory of the value, a constant
	placeCount
)

// Global is one package-level variable that has a place in memory.
type Global struct {
	Name  string // import path qualified: main.Counts
	Addr  uint64
	Type  uint64 // address of its abi.Type
	Class Class
	Spec  string // merge kind as written after //tandem:shared, for shared variables
}

// Class says where a variable's changes go.
type Class uint8

const (
	ClassRun Class = iota
	ClassShared
	ClassLocal
)

// Image is a compiled program.
type Image struct {
	GoVersion string
	Ops       Op // how many ops the table had that it was made with, no op included; 0: all of this one
	Code      []Instr
	Funcs     []Func
	Natives   []string // symbols of the host functions that Native calls by index
	Files     []string
	Lines     []Line // sorted by PC
	Inlined   []Inlined
	Locals    []Local // sorted by From
	Data      []byte  // initial memory from offset DataStart
	ROBytes   uint64  // leading bytes of Data that no instruction writes: types, itabs, strings, static closures
	Globals   []Global
	// Entry is the function that initialises all packages in order and calls main.main, then executes Halt.
	Entry int32
	// Known finds functions and types the machine itself needs, by symbol ("runtime.panicIndex",
	// "type:runtime.errorString"); values are function indexes or addresses.
	Known map[string]uint64
	// TypeLinks are the addresses of all named and composite type descriptors, sorted by type string (reflect's typelinks).
	TypeLinks []uint64
	// Itabs are the addresses of all itabs in Data.
	Itabs []uint64
}
