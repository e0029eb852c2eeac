package heap

import (
	"errors"
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// Root page layout of this package, offsets from code.Base.
const (
	// ZeroBase is the address of every object of size 0; its bytes stay zero.
	ZeroBase = code.Base + 64
)

// Kind says what an object is, beside Go values with a type.
type Kind uint8

const (
	KindFree       Kind = iota // no object
	KindObject                 // one value of the header's type
	KindArray                  // values of the header's type, one after another, to the end of the object
	KindRaw                    // bytes without pointers
	KindWords                  // words that may be pointers, scanned conservatively
	KindStack                  // stack chunk; not scanned as an object: exec gives the live part as a root
	KindClosure                // {function index, captured slots...}, scanned conservatively
	KindMap                    // map header
	KindMapEntries             // entries of a map; header type is the map type
	KindMapIndex               // index of a map
	KindMapIter                // iterator of a map
	KindChan                   // channel with its buffer, header type is the channel type; scanned conservatively
	KindGoroutine              // exec's records from here on, scanned conservatively
	KindDefer
	KindPanic
	KindTimer
	KindSudog
	KindBox // host-made value record of exec or host
	kindCount
)

var (
	// ErrNoSpace says that the memory limit leaves no room: collect and repeat. Errors wrapping it also wrap mem.ErrLimit and name the limit.
	ErrNoSpace = errors.New("heap: out of memory")
	// ErrFault says that an operand is not an address in memory (nil included): exec's nil dereference panic.
	ErrFault = errors.New("heap: address outside memory")
	// ErrNilMap is an assignment to a nil map.
	ErrNilMap = errors.New("heap: assignment to entry in nil map")
	// ErrMapSize is a map of more than 2^31 entries.
	ErrMapSize = errors.New("heap: map of more than 2^31 entries")
	// ErrLen and ErrCap are makeslice's panics: len out of range, cap out of range. ErrLen also is growslice's.
	ErrLen = errors.New("heap: len out of range")
	ErrCap = errors.New("heap: cap out of range")
	// ErrBadType is a type descriptor that is none (arbitrary memory).
	ErrBadType = errors.New("heap: malformed type descriptor")
)

// TypeError is Go's run-time error about a dynamic type without == : "hash of unhashable type T" when Hash, else "comparing uncomparable type T".
type TypeError struct {
	Type uint64 // address of the type descriptor
	Hash bool
}

func (e *TypeError) Error() string {
	if e.Hash {
		return fmt.Sprintf("heap: hash of unhashable type at %#x", e.Type)
	}
	return fmt.Sprintf("heap: comparing uncomparable type at %#x", e.Type)
}

// Heap is a handle on the heap in a memory. It caches nothing that an undo or a load could make wrong.
type Heap struct{ m *mem.Memory }

// New lays out an empty heap in m: the root page's header and heap part, and the heap's first pages after dataEnd (a guest address: the end of the image's data).
// Memory is grown as needed. seed starts the run's random state.
func New(m *mem.Memory, dataEnd uint64, seed uint64) (*Heap, error) { panic("BUG: not built") }

// Attach is a handle on the heap that is in m.
func Attach(m *mem.Memory) (*Heap, error) { panic("BUG: not built") }

// Memory is the memory the heap is in.
func (h *Heap) Memory() *mem.Memory { return h.m }

// NewObject is the address of a new zeroed value of type typ.
func (h *Heap) NewObject(typ uint64) (uint64, error) { panic("BUG: not built") }

// NewArray is the address of n new zeroed values of type elem, contiguous. ErrLen when the size overflows.
func (h *Heap) NewArray(elem, n uint64) (uint64, error) { panic("BUG: not built") }

// AllocKind is a new zeroed object of sizeBytes of a built-in kind; typ is kept in the header (0: none).
func (h *Heap) AllocKind(kind Kind, sizeBytes, typ uint64) (uint64, error) { panic("BUG: not built") }

// Free gives the object that begins at addr back at once. The caller is its only owner (stack chunks, goroutine records).
func (h *Heap) Free(addr uint64) { panic("BUG: not built") }

// Object describes one object.
type Object struct {
	Addr      uint64 // first byte
	SizeBytes uint64 // bytes usable, at least what was asked for
	Kind      Kind
	Type      uint64 // type of the value, or element type for KindArray; 0 when there is none
}

// Find is the object that holds addr, which may point into it.
func (h *Heap) Find(addr uint64) (Object, bool) { panic("BUG: not built") }

// Objects calls fn for every object that overlaps the n bytes from addr, ascending, until fn returns false.
func (h *Heap) Objects(addr, n uint64, fn func(Object) bool) { panic("BUG: not built") }

// CollectDue reports whether enough was allocated since the last collection. It follows from memory alone.
func (h *Heap) CollectDue() bool { panic("BUG: not built") }

// Marker is given to Collect's callback to name the roots.
type Marker struct{ h *Heap }

// Pointer marks the object that holds p, if there is one.
func (k *Marker) Pointer(p uint64) { panic("BUG: not built") }

// Value marks what the value of type typ at addr refers to.
func (k *Marker) Value(addr, typ uint64) { panic("BUG: not built") }

// Words marks what the aligned words in [lo, hi) may refer to.
func (k *Marker) Words(lo, hi uint64) { panic("BUG: not built") }

// Collect frees every object not reachable from the roots, which the callback names. Exec's own records are roots only if named.
func (h *Heap) Collect(roots func(k *Marker)) { panic("BUG: not built") }

// Stats are the numbers runtime.MemStats shows.
type Stats struct {
	AllocBytes      uint64 // in live or not yet collected objects
	TotalAllocBytes uint64 // ever allocated
	Mallocs, Frees  uint64 // objects ever allocated, freed
	HeapBytes       uint64 // pages given to objects
	SysBytes        uint64 // memory in use
	NextCollect     uint64 // AllocBytes at which CollectDue turns true
	Collections     uint64
}

// Stats are the current numbers.
func (h *Heap) Stats() Stats { panic("BUG: not built") }

// SetPercent is debug.SetGCPercent: the next threshold is live bytes times (100+percent)/100; negative: never. It returns the former value.
func (h *Heap) SetPercent(percent int64) int64 { panic("BUG: not built") }

// Rand64 is the next number of the run's random state.
func (h *Heap) Rand64() uint64 { panic("BUG: not built") }

// Check verifies the metadata of the heap in m: every span, bitmap, list and counter, and the maps' invariants.
func Check(m *mem.Memory) error { panic("BUG: not built") }

// Hash is the hash of the value of type typ at addr; the error is a *TypeError, ErrFault or ErrBadType.
func (h *Heap) Hash(typ, addr, seed uint64) (uint64, error) { panic("BUG: not built") }

// Equal compares the values of type typ at addresses a and b; the error is a *TypeError, ErrFault or ErrBadType.
func (h *Heap) Equal(typ, a, b uint64) (bool, error) { panic("BUG: not built") }

// EqualEface compares the empty interfaces (t1, d1) and (t2, d2).
func (h *Heap) EqualEface(t1, d1, t2, d2 uint64) (bool, error) { panic("BUG: not built") }

// EqualIface compares the non-empty interfaces (tab1, d1) and (tab2, d2).
func (h *Heap) EqualIface(tab1, d1, tab2, d2 uint64) (bool, error) { panic("BUG: not built") }

// String is a Go string, two slots.
type String struct{ Ptr, Len uint64 }

// Slice is a Go slice, three slots.
type Slice struct{ Ptr, Len, Cap uint64 }

// NewString is a guest string with the content of s.
func (h *Heap) NewString(s string) (String, error) { panic("BUG: not built") }

// GoString is a host copy of s; ErrFault when it is not in memory.
func (h *Heap) GoString(s String) (string, error) { panic("BUG: not built") }

// EqualString compares two strings.
func (h *Heap) EqualString(a, b String) (bool, error) { panic("BUG: not built") }

// CompareString is -1, 0 or 1.
func (h *Heap) CompareString(a, b String) (int, error) { panic("BUG: not built") }

// Concat joins the n strings that stand at the guest address at, two words each.
func (h *Heap) Concat(at uint64, n int) (String, error) { panic("BUG: not built") }

// StringToBytes is []byte(s).
func (h *Heap) StringToBytes(s String) (Slice, error) { panic("BUG: not built") }

// BytesToString is string(b); only b.Ptr and b.Len are read.
func (h *Heap) BytesToString(b Slice) (String, error) { panic("BUG: not built") }

// StringToRunes is []rune(s).
func (h *Heap) StringToRunes(s String) (Slice, error) { panic("BUG: not built") }

// RunesToString is string(r) for a []rune.
func (h *Heap) RunesToString(r Slice) (String, error) { panic("BUG: not built") }

// RuneToString is string(r) for an integer r of any size (invalid ones give U+FFFD).
func (h *Heap) RuneToString(r int64) (String, error) { panic("BUG: not built") }

// NextRune is the rune of s at byte pos and its width; ok is false at the end. Invalid UTF-8 gives U+FFFD, width 1.
func (h *Heap) NextRune(s String, pos uint64) (r rune, width uint64, ok bool, err error) {
	panic("BUG: not built")
}

// MakeSlice is make([]elem, length, capacity); errors are ErrLen and ErrCap as gc's makeslice decides between them.
func (h *Heap) MakeSlice(elem uint64, length, capacity int64) (Slice, error) { panic("BUG: not built") }

// GrowSlice is s with room for n more elements and its length unchanged; a new array has gc's capacity. ErrLen when the length overflows.
func (h *Heap) GrowSlice(elem uint64, s Slice, n uint64) (Slice, error) { panic("BUG: not built") }

// Append is append(s, t...); only t.Ptr and t.Len are read, so a string serves for []byte.
func (h *Heap) Append(elem uint64, s Slice, t Slice) (Slice, error) { panic("BUG: not built") }

// AppendValue is append(s, v) for the value at addr (memory layout of elem: slots of a frame serve).
func (h *Heap) AppendValue(elem uint64, s Slice, addr uint64) (Slice, error) { panic("BUG: not built") }

// CopySlice is copy(dst, src) for elements of elemBytes; the result is the number of elements copied.
func (h *Heap) CopySlice(dst, src Slice, elemBytes uint64) (uint64, error) { panic("BUG: not built") }

// Maps. typ is always the map type (abi.MapType), a map is the address of its header, keys and values are passed by address in
// memory layout. Because memory is little-endian, a frame's slots serve as they are: pass the slot's address (for boxed keys the address in the slot).

// NewMap is make(map[K]V, hint).
func (h *Heap) NewMap(typ uint64, hint int64) (uint64, error) { panic("BUG: not built") }

// MapGet is the address of the value at the key at address key, 0 when absent or m is nil. A *TypeError is Go's panic, also for nil maps.
func (h *Heap) MapGet(typ, m, key uint64) (uint64, error) { panic("BUG: not built") }

// MapSet is the address the value for the key at address key has to be written to (by a tracked store, before anything else is done on the heap). The value there is the old one, or zero.
func (h *Heap) MapSet(typ, m, key uint64) (uint64, error) { panic("BUG: not built") }

// MapDelete deletes the key at address key.
func (h *Heap) MapDelete(typ, m, key uint64) error { panic("BUG: not built") }

// MapLen is len(m).
func (h *Heap) MapLen(m uint64) uint64 { panic("BUG: not built") }

// MapClear is clear(m).
func (h *Heap) MapClear(typ, m uint64) error { panic("BUG: not built") }

// NewMapIter is a new iterator over m (nil allowed), an object of KindMapIter.
func (h *Heap) NewMapIter(typ, m uint64) (uint64, error) { panic("BUG: not built") }

// MapNext is the next entry's key and value addresses, 0 and 0 at the end. They are valid until the next operation on the heap.
func (h *Heap) MapNext(iter uint64) (key, value uint64, err error) { panic("BUG: not built") }

// MapEntries calls fn for each live entry of m whose bytes overlap the n bytes from addr (n 0: all), in order of insertion, until fn returns false.
func (h *Heap) MapEntries(m, addr, n uint64, fn func(key, value uint64) bool) {
	panic("BUG: not built")
}
