package heap

import (
	"encoding/binary"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Offsets in the structures of internal/abi that tell methods.
const (
	interfacePkg     = 48 // abi.InterfaceType
	interfaceMethods = 56
	flagUncommon     = 1
	nameExported     = 1 << 0
	nameTag          = 1 << 1
	namePkg          = 1 << 2
)

// methodsMax bounds the methods read from a descriptor, which may be damaged.
const methodsMax = 1 << 16

// Implement is the functions of typ for the methods of interface type inter, in their order, nil if one is missing. Both method lists are
// sorted by name.
func (h *Heap) Implement(inter, typ uint64) []uint64 {
	n := h.m.Load64(inter + interfaceMethodsLen)
	list := h.m.Load64(inter + interfaceMethods)
	methods, count := h.methods(typ)
	if n == 0 || n > methodsMax || !h.m.InRange(list, n*8) {
		return nil
	}
	h.Walked(n + count)
	ipkg := h.nameText(h.m.Load64(inter + interfacePkg))
	funcs := make([]uint64, 0, n)
	j := uint64(0)
	for i := range n {
		name := code.Base + uint64(h.m.Load32(list+i*8))
		mtyp := h.m.Load32(list + i*8 + 4)
		text := h.nameText(name)
		found := false
		for ; j < count && !found; j++ {
			at := methods + j*16
			other := code.Base + uint64(h.m.Load32(at))
			if h.m.Load32(at+4) != mtyp || h.nameText(other) != text {
				continue
			}
			if h.m.Load8(name)&nameExported == 0 && h.pkgOf(name, ipkg) != h.pkgOf(other, h.typePkg(typ)) {
				continue
			}
			funcs = append(funcs, uint64(h.m.Load32(at+8)))
			found = true
		}
		if !found {
			return nil
		}
	}
	return funcs
}

// uncommonAt is the address of the abi.UncommonType of typ, which follows its descriptor; 0 if it has none.
func (h *Heap) uncommonAt(typ uint64) uint64 {
	const mapTypeBytes = typeBytes + 3*8 + 8 + 3*8 + 8 // a Type, three types, a func, three words and flags
	if h.m.Load8(typ+typeFlag)&flagUncommon == 0 {
		return 0
	}
	switch h.TypeKind(typ) {
	case kindStruct, kindInterface:
		return typ + 80
	case kindPointer, kindSlice, kindFunc:
		return typ + 56
	case kindArray:
		return typ + 72
	case kindChan:
		return typ + 64
	case kindMap:
		return typ + mapTypeBytes
	}
	return typ + typeBytes
}

// methods is the exported and unexported methods of typ, 16 bytes each.
func (h *Heap) methods(typ uint64) (methods, count uint64) {
	u := h.uncommonAt(typ)
	if u == 0 {
		return 0, 0
	}
	count = uint64(h.m.Load16(u + 4))
	methods = u + uint64(h.m.Load32(u+8))
	if !h.m.InRange(methods, count*16) {
		return 0, 0
	}
	return methods, count
}

// typePkg is the package path of typ, empty if it has none.
func (h *Heap) typePkg(typ uint64) string {
	if u := h.uncommonAt(typ); u != 0 {
		if off := h.m.Load32(u); off != 0 {
			return h.nameText(code.Base + uint64(off))
		}
	}
	return ""
}

func (h *Heap) nameText(at uint64) string {
	if at == 0 {
		return ""
	}
	text := h.name(at)
	if len(text) >= handledMin {
		h.Handle(uint64(len(text)))
	}
	return string(text)
}

// pkgOf is the package path that the name at an address carries after its text and tag, otherwise the one given.
func (h *Heap) pkgOf(at uint64, otherwise string) string {
	flags := h.m.Load8(at)
	if flags&namePkg == 0 {
		return otherwise
	}
	rest := h.pastText(at + 1)
	if flags&nameTag != 0 {
		rest = h.pastText(rest)
	}
	return h.nameText(code.Base + uint64(h.m.Load32(rest)))
}

// pastText is the address after a length and as many bytes.
func (h *Heap) pastText(at uint64) uint64 {
	var b [10]byte
	for i := range b {
		b[i] = h.m.Load8(at + uint64(i))
	}
	n, width := binary.Uvarint(b[:])
	return at + uint64(max(width, 1)) + n
}
