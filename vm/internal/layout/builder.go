package layout

import (
	"encoding/binary"
	"fmt"
	"go/types"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// GlobalsBase is the provisional address of the first global. Where globals stand is known only when the read-only data
// before them is complete, so until Finish an address from GlobalsBase on (its offset from code.Base has bit 31 set, as unsigned
// 32-bit operand of LdG and StG too) is provisional, and Data.Final or Data.FinalOffset gives the final one.
// Addresses of everything else are final at once.
const GlobalsBase = code.Base + 1<<31

// Builder lays out the data of one image. Methods may be called in any order until Finish; the same calls
// in the same order give the same bytes. Not safe for concurrent use.
type Builder struct {
	// DirectKinds says that the guest's standard library finds out from a type's kind whether it is pointer-shaped, as Go 1.25 does, not only from
	// its flags. It is set before the first use.
	DirectKinds bool

	ro       []byte            // read-only data, from code.Base+code.DataStart
	rw       []byte            // globals
	roRefs   []uint64          // offsets in ro of words holding addresses that may be provisional
	rwRefs   []uint64          // offsets in rw, alike
	pooled   map[string]uint64 // strings, names and bitmaps by kind and content
	types    TypeMap[uint64]   // descriptor addresses
	pending  int               // types[pending:] are placed but not yet filled in
	filling  bool
	methods  []methodSlot
	itabOf   map[[2]uint64]uint64 // itabs by interface and concrete descriptor
	itabs    []uint64
	closures map[string]uint64
	equals   []closureSlot // Equal fields' closures of runtime.typeEqual
	hashes   []closureSlot // Hasher fields' closures of runtime.typeHash
	globals  []code.Global
	methodOf TypeMap[[]*types.Selection]
	finished bool
}

// methodSlot is a place that receives a function index at Finish.
type methodSlot struct {
	off  uint64 // offset in ro
	kind slotKind
	recv types.Type
	sel  *types.Selection
}

type slotKind uint8

const (
	slotIfn  slotKind = iota // int32, function taking the data word
	slotTfn                  // int32, function taking the receiver itself
	slotItab                 // uint64, function taking the data word
)

// closureSlot is the first word of a static closure whose function is known at Finish.
type closureSlot struct{ off uint64 }

// NewBuilder starts an image's data with nothing in it.
func NewBuilder() *Builder {
	b := &Builder{pooled: map[string]uint64{}, itabOf: map[[2]uint64]uint64{}, closures: map[string]uint64{}}
	b.ro = make([]byte, WordBytes) // no descriptor, name or string stands at the very start: offset 0 of the data stays unused
	return b
}

// alloc appends size zero bytes to the read-only data at a multiple of align.
func (b *Builder) alloc(size, align int64) (off uint64) {
	if b.finished {
		panic("BUG: layout: Builder used after Finish")
	}
	at := (int64(len(b.ro)) + align - 1) &^ (align - 1)
	b.ro = append(b.ro, make([]byte, at+size-int64(len(b.ro)))...)
	return uint64(at)
}

func roAddr(off uint64) uint64   { return code.Base + code.DataStart + off }
func roIndex(addr uint64) uint64 { return addr - code.Base - code.DataStart }

func (b *Builder) put8(off uint64, v uint8)   { b.ro[off] = v }
func (b *Builder) put16(off uint64, v uint16) { binary.LittleEndian.PutUint16(b.ro[off:], v) }
func (b *Builder) put32(off uint64, v uint32) { binary.LittleEndian.PutUint32(b.ro[off:], v) }
func (b *Builder) put64(off uint64, v uint64) { binary.LittleEndian.PutUint64(b.ro[off:], v) }

// pool places data once per kind and content.
func (b *Builder) pool(kind byte, data []byte, align int64) uint64 {
	key := string(kind) + string(data)
	if a, ok := b.pooled[key]; ok {
		return a
	}
	off := b.alloc(int64(len(data)), align)
	copy(b.ro[off:], data)
	b.pooled[key] = roAddr(off)
	return roAddr(off)
}

// String is the address of the bytes of s, 0 for "".
func (b *Builder) String(s string) uint64 {
	if s == "" {
		return 0
	}
	return b.pool('s', []byte(s), 1)
}

// ReadOnly places data, which nothing writes, at a multiple of align. The 8 bytes at each offset in refs are guest addresses
// (provisional ones are made final). Without refs equal data of equal alignment is placed once.
func (b *Builder) ReadOnly(data []byte, align int64, refs ...int) uint64 {
	if len(data) == 0 {
		return roAddr(0)
	}
	if len(refs) == 0 {
		return b.pool('0'+byte(align), data, align)
	}
	off := b.alloc(int64(len(data)), max(align, WordBytes))
	copy(b.ro[off:], data)
	for _, r := range refs {
		b.roRefs = append(b.roRefs, off+uint64(r))
	}
	return roAddr(off)
}

// StaticClosure is the address of a closure object of function fn without or with constant captured words; words that are
// guest addresses may be provisional. Equal closures are one.
func (b *Builder) StaticClosure(fn int32, words ...uint64) uint64 {
	data := binary.LittleEndian.AppendUint64(nil, uint64(uint32(fn)))
	for _, w := range words {
		data = binary.LittleEndian.AppendUint64(data, w)
	}
	if a, ok := b.closures[string(data)]; ok {
		return a
	}
	off := b.alloc(int64(len(data)), WordBytes)
	copy(b.ro[off:], data)
	for i, w := range words {
		if w >= GlobalsBase && w <= GlobalsBase+uint64(len(b.rw)) {
			b.roRefs = append(b.roRefs, off+uint64(i+1)*WordBytes)
		}
	}
	b.closures[string(data)] = roAddr(off)
	return roAddr(off)
}

// Global gives the variable a place in memory, zero at first, and returns its provisional address. name is qualified by import path,
// spec is the merge kind of a shared variable.
func (b *Builder) Global(name string, t types.Type, class code.Class, spec string) uint64 {
	typ := b.TypeAddr(t)
	align := max(Align(t), 1)
	at := (int64(len(b.rw)) + align - 1) &^ (align - 1)
	b.rw = append(b.rw, make([]byte, at+max(Size(t), 1)-int64(len(b.rw)))...)
	addr := GlobalsBase + uint64(at)
	b.globals = append(b.globals, code.Global{Name: name, Addr: addr, Type: typ, Class: class, Spec: spec})
	return addr
}

// Init writes initial contents to memory of a global at its provisional address; refs as for ReadOnly.
func (b *Builder) Init(addr uint64, data []byte, refs ...int) {
	off := addr - GlobalsBase
	if addr < GlobalsBase || off+uint64(len(data)) > uint64(len(b.rw)) {
		panic(fmt.Sprintf("BUG: layout: initial contents of %d bytes at %#x are outside the globals", len(data), addr))
	}
	copy(b.rw[off:], data)
	for _, r := range refs {
		b.rwRefs = append(b.rwRefs, off+uint64(r))
	}
}

// Types are the types that have descriptors so far, in the order of their making; it grows while TypeAddr and
// ItabAddr are called. Methods(t) of each will be asked for at Finish.
func (b *Builder) Types() []types.Type { return b.types.Keys() }

// MethodSet is Methods(t), remembered.
func (b *Builder) MethodSet(t types.Type) []*types.Selection {
	if ms, ok := b.methodOf.Get(t); ok {
		return ms
	}
	var ms []*types.Selection
	if !types.IsInterface(t) {
		ms = Methods(t)
	}
	b.methodOf.Set(t, ms)
	return ms
}
