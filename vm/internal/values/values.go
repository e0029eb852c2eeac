// Package values goes between guest memory and the value trees of package changes: it describes a type descriptor as a
// changes.Type, reads the value of a type at an address, and writes one there. It follows no pointer that a value tree cannot
// hold, keeps nothing, and does not know which variables are shared: package vm does.
//
// Cost: reading and writing follow the size of the value. A value from arbitrary memory is bounded by NodesMax and the memory's size, also
// where its parts lie over one another.
package values

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// NodesMax bounds the parts of one value that is read: each takes 48 bytes at least.
const NodesMax = 1 << 24

var (
	// ErrType says that a type is no value-tree type.
	ErrType = errors.New("values: type is not a value tree (channels, functions, interfaces and pointers cannot be shared)")
	// ErrMemory says that memory does not hold a value of the type.
	ErrMemory = errors.New("values: memory does not hold such a value")
	// ErrLarge says that a value has more parts than NodesMax or than memory has bytes, or more text, because parts of it lie over one another.
	ErrLarge = errors.New("values: the value is too large to be read as a whole")
)

// forms by kind; abi.Type carries reflect's numbers.
var forms = [...]changes.Form{
	reflect.Bool: changes.Bool, reflect.Int: changes.Int, reflect.Int8: changes.Int8, reflect.Int16: changes.Int16, reflect.Int32: changes.Int32,
	reflect.Int64: changes.Int64, reflect.Uint: changes.Uint, reflect.Uint8: changes.Uint8, reflect.Uint16: changes.Uint16, reflect.Uint32: changes.Uint32,
	reflect.Uint64: changes.Uint64, reflect.Uintptr: changes.Uintptr, reflect.Float32: changes.Float32, reflect.Float64: changes.Float64,
	reflect.Complex64: changes.Complex64, reflect.Complex128: changes.Complex128, reflect.String: changes.String,
	reflect.Array: changes.Array, reflect.Slice: changes.Slice, reflect.Map: changes.Map, reflect.Struct: changes.Struct,
}

func formOf(kind reflect.Kind) changes.Form {
	if int(kind) < len(forms) {
		return forms[kind]
	}
	return changes.Absent
}

// TypeOf describes the type descriptor t as a value-tree type (ErrType).
func TypeOf(h *heap.Heap, t uint64) (*changes.Type, error) {
	return typeOf(h, t, changes.DepthMax)
}

func typeOf(h *heap.Heap, t uint64, depth int) (*changes.Type, error) {
	kind := reflect.Kind(h.TypeKind(t))
	d := &changes.Type{Form: formOf(kind), Name: h.TypeString(t)}
	if d.Form == changes.Absent || depth == 0 {
		return nil, fmt.Errorf("%w: %s", ErrType, d.Name)
	}
	var err error
	switch kind {
	case reflect.Array:
		d.Len = int(h.TypeLen(t))
		d.Elem, err = typeOf(h, h.TypeElem(t), depth-1)
	case reflect.Slice:
		if reflect.Kind(h.TypeKind(h.TypeElem(t))) == reflect.Uint8 {
			d.Form = changes.Bytes
			return d, nil
		}
		d.Elem, err = typeOf(h, h.TypeElem(t), depth-1)
	case reflect.Map:
		if d.Key, err = typeOf(h, h.TypeKey(t), depth-1); err == nil {
			d.Elem, err = typeOf(h, h.TypeElem(t), depth-1)
		}
	case reflect.Struct:
		for i := range h.TypeFields(t) {
			ft, _, blank := h.TypeField(t, i)
			if blank {
				continue
			}
			x, err := typeOf(h, ft, depth-1)
			if err != nil {
				return nil, err
			}
			d.Fields = append(d.Fields, changes.Field{Name: h.TypeFieldName(t, i), Tag: h.TypeFieldTag(t, i), Type: x})
		}
	}
	return d, err
}

// Flat reports whether a value of type t lies wholly in its own bytes, but for the text of strings, which never changes: then
// untouched bytes mean an unchanged value.
func Flat(h *heap.Heap, t uint64) bool { return flat(h, t, changes.DepthMax) }

func flat(h *heap.Heap, t uint64, depth int) bool {
	if depth == 0 {
		return false
	}
	switch kind := reflect.Kind(h.TypeKind(t)); kind {
	case reflect.Slice, reflect.Map:
		return false
	case reflect.Array:
		return flat(h, h.TypeElem(t), depth-1)
	case reflect.Struct:
		for i := range h.TypeFields(t) {
			if ft, _, _ := h.TypeField(t, i); !flat(h, ft, depth-1) {
				return false
			}
		}
		return true
	default:
		return formOf(kind) != changes.Absent
	}
}

// Read is the value of type t at addr (ErrType, ErrMemory, ErrLarge).
func Read(h *heap.Heap, t, addr uint64) (changes.Value, error) {
	r := newReader(h)
	return r.read(t, addr, changes.DepthMax)
}

type reader struct {
	h           *heap.Heap
	m           *mem.Memory
	nodes, text uint64 // parts, and bytes of text, that may still be read
}

func newReader(h *heap.Heap) reader {
	m := h.Memory()
	return reader{h, m, min(NodesMax, m.Size()), m.Size()}
}

// takes notes that n bytes of text are read.
func (r *reader) takes(n uint64) error {
	if n > r.text {
		return ErrLarge
	}
	r.text -= n
	return nil
}

func (r *reader) read(t, addr uint64, depth int) (changes.Value, error) {
	var none changes.Value
	size := r.h.TypeSize(t)
	if r.nodes == 0 {
		return none, ErrLarge
	}
	r.nodes--
	if depth == 0 || size > 0 && !r.m.InRange(addr, size) {
		return none, fmt.Errorf("%w: %s at %#x", ErrMemory, r.h.TypeString(t), addr)
	}
	kind := reflect.Kind(r.h.TypeKind(t))
	f := formOf(kind)
	switch {
	case kind == reflect.Bool:
		return changes.BoolValue(r.m.Load8(addr) != 0), nil
	case kind >= reflect.Int && kind <= reflect.Int64:
		return changes.IntValue(f, int64(r.word(addr, size))), nil
	case kind >= reflect.Uint && kind <= reflect.Uintptr:
		return changes.UintValue(f, r.word(addr, size)), nil
	case kind == reflect.Float32:
		return changes.FloatValue(f, float64(math.Float32frombits(r.m.Load32(addr)))), nil
	case kind == reflect.Float64:
		return changes.FloatValue(f, math.Float64frombits(r.m.Load64(addr))), nil
	case kind == reflect.Complex64:
		return changes.ComplexValue(f, complex(float64(math.Float32frombits(r.m.Load32(addr))), float64(math.Float32frombits(r.m.Load32(addr+4))))), nil
	case kind == reflect.Complex128:
		return changes.ComplexValue(f, complex(math.Float64frombits(r.m.Load64(addr)), math.Float64frombits(r.m.Load64(addr+8)))), nil
	case kind == reflect.String:
		at := heap.String{Ptr: r.m.Load64(addr), Len: r.m.Load64(addr + 8)}
		if err := r.takes(at.Len); err != nil {
			return none, err
		}
		s, err := r.h.GoString(at)
		if err != nil {
			return none, fmt.Errorf("%w: string at %#x", ErrMemory, addr)
		}
		return changes.StringValue(s), nil
	case kind == reflect.Array:
		items, err := r.items(r.h.TypeElem(t), addr, r.h.TypeLen(t), depth)
		return changes.ArrayValue(items...), err
	case kind == reflect.Slice:
		return r.slice(t, addr, depth)
	case kind == reflect.Map:
		return r.mapValue(t, r.m.Load64(addr), depth)
	case kind == reflect.Struct:
		return r.structValue(t, addr, depth)
	}
	return none, fmt.Errorf("%w: %s", ErrType, r.h.TypeString(t))
}

func (r *reader) word(addr, size uint64) uint64 {
	switch size {
	case 1:
		return uint64(r.m.Load8(addr))
	case 2:
		return uint64(r.m.Load16(addr))
	case 4:
		return uint64(r.m.Load32(addr))
	}
	return r.m.Load64(addr)
}

func (r *reader) items(elem, addr, n uint64, depth int) ([]changes.Value, error) {
	size := r.h.TypeSize(elem)
	if n > r.nodes {
		return nil, ErrLarge
	}
	if size > 0 && n > 0 && (n > math.MaxUint64/size || !r.m.InRange(addr, n*size)) {
		return nil, fmt.Errorf("%w: %d elements at %#x", ErrMemory, n, addr)
	}
	items := make([]changes.Value, 0, n)
	for i := range n {
		v, err := r.read(elem, addr+i*size, depth-1)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return items, nil
}

func (r *reader) slice(t, addr uint64, depth int) (changes.Value, error) {
	ptr, n, elem := r.m.Load64(addr), r.m.Load64(addr+8), r.h.TypeElem(t)
	bytes := reflect.Kind(r.h.TypeKind(elem)) == reflect.Uint8
	switch {
	case ptr == 0 && bytes:
		return changes.NilValue(changes.Bytes), nil
	case ptr == 0:
		return changes.NilValue(changes.Slice), nil
	case bytes && n == 0:
		return changes.BytesValue([]byte{}), nil
	case bytes:
		b := r.m.Bytes(ptr, n)
		if b == nil {
			return changes.Value{}, fmt.Errorf("%w: %d bytes at %#x", ErrMemory, n, ptr)
		}
		if err := r.takes(n); err != nil {
			return changes.Value{}, err
		}
		return changes.BytesValue(b), nil
	}
	items, err := r.items(elem, ptr, n, depth)
	if err != nil {
		return changes.Value{}, err
	}
	return changes.SliceValue(items), nil
}

func (r *reader) mapValue(t, m uint64, depth int) (changes.Value, error) {
	if m == 0 {
		return changes.NilValue(changes.Map), nil
	}
	table, _ := r.h.MapTable(m)
	entries := make([]changes.Entry, 0, min(r.h.MapLen(m), table.Used)) // damaged memory may say any length
	var failed error
	r.h.MapEntries(m, func(key, value uint64) bool {
		var e changes.Entry
		e, failed = r.entry(t, key, value, depth-1)
		entries = append(entries, e)
		return failed == nil
	})
	if failed != nil {
		return changes.Value{}, failed
	}
	return changes.MapValue(entries...), nil
}

// entry is an entry of a map of type t. In damaged memory its key may be of a type that is none for keys.
func (r *reader) entry(t, key, value uint64, depth int) (e changes.Entry, err error) {
	switch kt := r.h.TypeKey(t); reflect.Kind(r.h.TypeKind(kt)) {
	case reflect.Slice, reflect.Map:
		return e, fmt.Errorf("%w: %s as a key", ErrType, r.h.TypeString(kt))
	default:
		if e.Key, err = r.read(kt, key, depth); err != nil {
			return e, err
		}
	}
	e.Value, err = r.read(r.h.TypeElem(t), value, depth)
	return e, err
}

func (r *reader) structValue(t, addr uint64, depth int) (changes.Value, error) {
	var fields []changes.NamedValue
	for i := range r.h.TypeFields(t) {
		ft, offset, blank := r.h.TypeField(t, i)
		if blank {
			continue
		}
		v, err := r.read(ft, addr+offset, depth-1)
		if err != nil {
			return v, err
		}
		fields = append(fields, changes.NamedValue{Name: r.h.TypeFieldName(t, i), Value: v})
	}
	return changes.StructValue(fields...), nil
}
