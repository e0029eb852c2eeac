package heap

import "github.com/tandemvm/tandem/vm/internal/code"

// Offsets in the descriptors of Go 1.26's internal/abi (type.go, map.go, iface.go).
const (
	typeBytes           = 48 // abi.Type
	typeSize            = 0
	typePtrBytes        = 8
	typeHash            = 16
	typeFlag            = 20
	typeAlign           = 21
	typeKind            = 23
	typeGCData          = 32
	typeStr             = 40
	typeElem            = 48 // array, channel, pointer, slice; the key of a map
	arrayLen            = 64
	mapElem             = 56
	structFields        = 56 // slice of fields: pointer, length, capacity
	structFieldsLen     = 64
	fieldBytes          = 24
	fieldName           = 0
	fieldType           = 8
	fieldOffset         = 16
	itabType            = 8
	interfaceMethodsLen = 64 // of the slice behind the package path
)

const (
	flagExtraStar     = 1 << 1
	flagRegularMemory = 1 << 3
	flagDirectIface   = 1 << 5
	kindDirectIface   = 1 << 5
)

// Kinds of types: reflect.Kind's numbers.
const (
	kindBool = 1 + iota
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
	kindUnsafePointer
)

const nameBytesMax = 1 << 16

// Type reads, from the abi.Type at an address, what the machine needs. All are total: a malformed descriptor gives zeros.

// TypeSize is the size in bytes of a value of type t.
func (h *Heap) TypeSize(t uint64) uint64 { return h.m.Load64(t + typeSize) }

// TypePtrBytes is the number of leading bytes of a value that can hold pointers.
func (h *Heap) TypePtrBytes(t uint64) uint64 { return h.m.Load64(t + typePtrBytes) }

// TypeKind is the reflect.Kind number of t.
func (h *Heap) TypeKind(t uint64) uint8 { return h.m.Load8(t+typeKind) & 31 }

// TypeAlign is the alignment of a variable of type t, 1 to 8.
func (h *Heap) TypeAlign(t uint64) uint64 {
	switch a := h.m.Load8(t + typeAlign); a {
	case 2, 4, 8:
		return uint64(a)
	}
	return 1
}

// TypeDirect reports whether an interface's data word holds a value of type t itself.
func (h *Heap) TypeDirect(t uint64) bool {
	// Go 1.25 keeps this in the kind, and its reflect sets it there in types that it makes.
	return h.m.Load8(t+typeFlag)&flagDirectIface != 0 || h.m.Load8(t+typeKind)&kindDirectIface != 0
}

// TypeElem is the element type of an array, channel, map, pointer or slice type, else 0.
func (h *Heap) TypeElem(t uint64) uint64 {
	switch h.TypeKind(t) {
	case kindArray, kindChan, kindPointer, kindSlice:
		return h.m.Load64(t + typeElem)
	case kindMap:
		return h.m.Load64(t + mapElem)
	}
	return 0
}

// TypeKey is the key type of a map type, else 0.
func (h *Heap) TypeKey(t uint64) uint64 {
	if h.TypeKind(t) != kindMap {
		return 0
	}
	return h.m.Load64(t + typeElem)
}

// TypeLen is the length of an array type, else 0.
func (h *Heap) TypeLen(t uint64) uint64 {
	if h.TypeKind(t) != kindArray {
		return 0
	}
	return h.m.Load64(t + arrayLen)
}

// TypeFields is the number of fields of a struct type, else 0.
func (h *Heap) TypeFields(t uint64) int {
	if h.TypeKind(t) != kindStruct {
		return 0
	}
	n := h.m.Load64(t + structFieldsLen)
	if n > h.m.Size()/fieldBytes || !h.m.InRange(h.m.Load64(t+structFields), n*fieldBytes) {
		return 0
	}
	return int(n)
}

func (h *Heap) field(t uint64, i int) uint64 {
	return h.m.Load64(t+structFields) + uint64(i)*fieldBytes
}

// TypeField is field i of a struct type: its type, offset and whether its name is blank.
func (h *Heap) TypeField(t uint64, i int) (typ, offset uint64, blank bool) {
	f := h.field(t, i)
	name := h.m.Load64(f + fieldName)
	blank = h.m.Load8(name+1) == 1 && h.m.Load8(name+2) == '_'
	return h.m.Load64(f + fieldType), h.m.Load64(f + fieldOffset), blank
}

// TypeFieldName is the name of field i of a struct type.
func (h *Heap) TypeFieldName(t uint64, i int) string {
	return string(h.name(h.m.Load64(h.field(t, i) + fieldName)))
}

// TypeString is t as Go prints it: main.T, []int.
func (h *Heap) TypeString(t uint64) string {
	off := h.m.Load32(t + typeStr)
	if off == 0 {
		return ""
	}
	s := h.name(code.Base + uint64(off))
	if h.m.Load8(t+typeFlag)&flagExtraStar != 0 && len(s) > 0 {
		s = s[1:]
	}
	return string(s)
}

// name is the text of an abi.Name: a byte of flags, the length (seven bits a byte, the low ones first), the bytes.
func (h *Heap) name(at uint64) []byte {
	n, i := uint64(0), uint64(0)
	for ; i < 3; i++ {
		b := h.m.Load8(at + 1 + i)
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			break
		}
	}
	if n > nameBytesMax {
		return nil
	}
	return h.m.Bytes(at+2+i, n)
}

// ItabType is the dynamic type of an itab.
func (h *Heap) ItabType(tab uint64) uint64 { return h.m.Load64(tab + itabType) }

// TypeHasMethods reports whether t is an interface type with methods, whose values begin with an itab and not with a type.
func (h *Heap) TypeHasMethods(t uint64) bool {
	return h.TypeKind(t) == kindInterface && h.m.Load64(t+interfaceMethodsLen) != 0
}
