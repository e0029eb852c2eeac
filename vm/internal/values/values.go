// Package values goes between guest memory and the value trees of package changes: it describes a type descriptor as a
// changes.Type, reads the value of a type at an address, and writes one there. It follows no pointer that a value tree cannot
// hold, keeps nothing, and does not know which variables are shared: package vm does.
//
// Cost: reading and writing follow the size of the value. A value from arbitrary memory is bounded by NodesMax.
package values

import (
	"errors"
	"fmt"
	"math"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// NodesMax bounds the parts of one value that is read.
const NodesMax = 1 << 26

var (
	// ErrType says that a type is no value-tree type.
	ErrType = errors.New("values: type is not a value tree (channels, functions, interfaces and pointers cannot be shared)")
	// ErrMemory says that memory does not hold a value of the type.
	ErrMemory = errors.New("values: memory does not hold such a value")
)

// reflect.Kind numbers, which abi.Type carries.
const (
	kindBool = iota + 1
	kindInt
	kindInt8
	kindInt16
	kindInt32
	kindInt64
	kindUint
	kindUint8
	kindUint16
	kindUint32
	kindUint64
	kindUintptr
	kindFloat32
	kindFloat64
	kindComplex64
	kindComplex128
	kindArray
	kindChan
	kindFunc
	kindInterface
	kindMap
	kindPointer
	kindSlice
	kindString
	kindStruct
)

var forms = [...]changes.Form{
	kindBool: changes.Bool, kindInt: changes.Int, kindInt8: changes.Int8, kindInt16: changes.Int16, kindInt32: changes.Int32,
	kindInt64: changes.Int64, kindUint: changes.Uint, kindUint8: changes.Uint8, kindUint16: changes.Uint16, kindUint32: changes.Uint32,
	kindUint64: changes.Uint64, kindUintptr: changes.Uintptr, kindFloat32: changes.Float32, kindFloat64: changes.Float64,
	kindComplex64: changes.Complex64, kindComplex128: changes.Complex128, kindString: changes.String,
	kindArray: changes.Array, kindSlice: changes.Slice, kindMap: changes.Map, kindStruct: changes.Struct,
}

func formOf(kind uint8) changes.Form {
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
	kind := h.TypeKind(t)
	d := &changes.Type{Form: formOf(kind), Name: h.TypeString(t)}
	if d.Form == changes.Absent || depth == 0 {
		return nil, fmt.Errorf("%w: %s", ErrType, d.Name)
	}
	var err error
	switch kind {
	case kindArray:
		d.Len = int(h.TypeLen(t))
		d.Elem, err = typeOf(h, h.TypeElem(t), depth-1)
	case kindSlice:
		if h.TypeKind(h.TypeElem(t)) == kindUint8 {
			d.Form = changes.Bytes
			return d, nil
		}
		d.Elem, err = typeOf(h, h.TypeElem(t), depth-1)
	case kindMap:
		if d.Key, err = typeOf(h, h.TypeKey(t), depth-1); err == nil {
			d.Elem, err = typeOf(h, h.TypeElem(t), depth-1)
		}
	case kindStruct:
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
	switch kind := h.TypeKind(t); kind {
	case kindSlice, kindMap:
		return false
	case kindArray:
		return flat(h, h.TypeElem(t), depth-1)
	case kindStruct:
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

// Read is the value of type t at addr (ErrType, ErrMemory).
func Read(h *heap.Heap, t, addr uint64) (changes.Value, error) {
	r := reader{h: h, m: h.Memory(), nodes: NodesMax}
	return r.read(t, addr, changes.DepthMax)
}

type reader struct {
	h     *heap.Heap
	m     *mem.Memory
	nodes int
}

func (r *reader) read(t, addr uint64, depth int) (changes.Value, error) {
	var none changes.Value
	size := r.h.TypeSize(t)
	if r.nodes--; r.nodes < 0 || depth == 0 || size > 0 && !r.m.InRange(addr, size) {
		return none, fmt.Errorf("%w: %s at %#x", ErrMemory, r.h.TypeString(t), addr)
	}
	kind := r.h.TypeKind(t)
	f := formOf(kind)
	switch {
	case kind == kindBool:
		return changes.BoolValue(r.m.Load8(addr) != 0), nil
	case kind >= kindInt && kind <= kindInt64:
		return changes.IntValue(f, int64(r.word(addr, size))), nil
	case kind >= kindUint && kind <= kindUintptr:
		return changes.UintValue(f, r.word(addr, size)), nil
	case kind == kindFloat32:
		return changes.FloatValue(f, float64(math.Float32frombits(r.m.Load32(addr)))), nil
	case kind == kindFloat64:
		return changes.FloatValue(f, math.Float64frombits(r.m.Load64(addr))), nil
	case kind == kindComplex64:
		return changes.ComplexValue(f, complex(float64(math.Float32frombits(r.m.Load32(addr))), float64(math.Float32frombits(r.m.Load32(addr+4))))), nil
	case kind == kindComplex128:
		return changes.ComplexValue(f, complex(math.Float64frombits(r.m.Load64(addr)), math.Float64frombits(r.m.Load64(addr+8)))), nil
	case kind == kindString:
		s, err := r.h.GoString(heap.String{Ptr: r.m.Load64(addr), Len: r.m.Load64(addr + 8)})
		if err != nil {
			return none, fmt.Errorf("%w: string at %#x", ErrMemory, addr)
		}
		return changes.StringValue(s), nil
	case kind == kindArray:
		items, err := r.items(r.h.TypeElem(t), addr, r.h.TypeLen(t), depth)
		return changes.ArrayValue(items...), err
	case kind == kindSlice:
		return r.slice(t, addr, depth)
	case kind == kindMap:
		return r.mapValue(t, r.m.Load64(addr), depth)
	case kind == kindStruct:
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
	if n > uint64(r.nodes) || size > 0 && n > 0 && (n > math.MaxUint64/size || !r.m.InRange(addr, n*size)) {
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
	bytes := r.h.TypeKind(elem) == kindUint8
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
	entries := make([]changes.Entry, 0, min(r.h.MapLen(m), uint64(max(r.nodes, 0))))
	var failed error
	r.h.MapEntries(m, 0, 0, func(key, value uint64) bool {
		var e changes.Entry
		if e.Key, failed = r.read(r.h.TypeKey(t), key, depth-1); failed == nil {
			e.Value, failed = r.read(r.h.TypeElem(t), value, depth-1)
		}
		entries = append(entries, e)
		return failed == nil
	})
	if failed != nil {
		return changes.Value{}, failed
	}
	return changes.MapValue(entries...), nil
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
