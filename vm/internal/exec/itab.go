package exec

import (
	"encoding/binary"
	"reflect"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/loop"
)

// Offsets in the structures of internal/abi that tell methods.
const (
	typeTFlag     = 20
	typeString    = 40
	typeBytes     = 48 // abi.Type
	ifacePkg      = 48 // abi.InterfaceType
	ifaceMethods  = 56
	tflagUncommon = 1
)

// methodsMax bounds the methods read from a descriptor, which may be damaged.
const methodsMax = 1 << 16

// Itab is the itab for dynamic type typ as interface type inter, 0 if typ does not implement it: the image's, or one made at run time.
func (m *Machine) Itab(inter, typ uint64) (uint64, error) {
	pair := [2]uint64{inter, typ}
	if t, ok := m.prog.Itabs[pair]; ok {
		return t, nil
	}
	if m.itabs == nil {
		m.itabs = map[[2]uint64]uint64{}
		table := m.load(rootItabs)
		for i := range min(m.load(rootItabLen), m.load(rootItabCap)) {
			t := m.load(table + i*8)
			m.itabs[[2]uint64{m.load(t + loop.ITabInter), m.load(t + loop.ITabType)}] = t
		}
	}
	if t, ok := m.itabs[pair]; ok {
		return t, nil
	}
	funcs := m.implement(inter, typ)
	if funcs == nil {
		if inter < m.prog.DataEnd && typ < m.prog.DataEnd {
			m.itabs[pair] = 0 // those types never change
		}
		return 0, nil
	}
	t, err := m.makeItab(inter, typ, funcs)
	if err == nil {
		m.itabs[pair] = t
	}
	return t, err
}

// makeItab adds an itab to the table in memory.
func (m *Machine) makeItab(inter, typ uint64, funcs []uint64) (uint64, error) {
	n, room := m.load(rootItabLen), m.load(rootItabCap)
	if n == room {
		grown, err := m.heap.AllocKind(heap.KindWords, max(2*room, 16)*8, 0)
		if err != nil {
			return 0, err
		}
		m.mem.Copy(grown, m.load(rootItabs), n*8)
		m.store(rootItabs, grown)
		m.store(rootItabCap, max(2*room, 16))
	}
	t, err := m.heap.AllocKind(heap.KindWords, loop.ITabFun+uint64(len(funcs))*8, 0)
	if err != nil {
		return 0, err
	}
	m.store(t+loop.ITabInter, inter)
	m.store(t+loop.ITabType, typ)
	m.mem.Store32(t+16, m.mem.Load32(typ+16))
	for i, f := range funcs {
		m.store(t+loop.ITabFun+uint64(i)*8, f)
	}
	m.store(m.load(rootItabs)+n*8, t)
	m.store(rootItabLen, n+1)
	return t, nil
}

// implement is the functions of typ for the methods of inter, in their order, nil if one is missing. Both method lists are sorted by name.
func (m *Machine) implement(inter, typ uint64) []uint64 {
	n := m.load(inter + ifaceMethods + 8)
	list := m.load(inter + ifaceMethods)
	methods, count := m.uncommon(typ)
	if n == 0 || n > methodsMax || !m.mem.InRange(list, n*8) {
		return nil
	}
	ipkg := m.nameText(m.load(inter + ifacePkg))
	funcs := make([]uint64, 0, n)
	j := uint64(0)
	for i := range n {
		name := code.Base + uint64(m.mem.Load32(list+i*8))
		mtyp := m.mem.Load32(list + i*8 + 4)
		text := m.nameText(name)
		found := false
		for ; j < count && !found; j++ {
			at := methods + j*16
			other := code.Base + uint64(m.mem.Load32(at))
			if m.mem.Load32(at+4) != mtyp || m.nameText(other) != text {
				continue
			}
			if !m.exported(name) && m.pkgOf(name, ipkg) != m.pkgOf(other, m.nameText(m.typePkg(typ))) {
				continue
			}
			funcs = append(funcs, uint64(m.mem.Load32(at+8)))
			found = true
		}
		if !found {
			return nil
		}
	}
	return funcs
}

// uncommonAt is the address of the abi.UncommonType of typ, 0 if it has none.
func (m *Machine) uncommonAt(typ uint64) uint64 {
	if m.mem.Load8(typ+typeTFlag)&tflagUncommon == 0 {
		return 0
	}
	switch reflect.Kind(m.heap.TypeKind(typ)) {
	case reflect.Struct, reflect.Interface:
		return typ + 80
	case reflect.Pointer, reflect.Slice, reflect.Func:
		return typ + 56
	case reflect.Array:
		return typ + 72
	case reflect.Chan:
		return typ + 64
	case reflect.Map:
		return typ + mapTypeBytes
	}
	return typ + typeBytes
}

// mapTypeBytes is the size of abi.MapType: a Type, three types, a func, three words and flags.
const mapTypeBytes = typeBytes + 3*8 + 8 + 3*8 + 8

// uncommon is the exported and unexported methods of typ, 16 bytes each.
func (m *Machine) uncommon(typ uint64) (methods, count uint64) {
	u := m.uncommonAt(typ)
	if u == 0 {
		return 0, 0
	}
	count = uint64(m.mem.Load16(u + 4))
	methods = u + uint64(m.mem.Load32(u+8))
	if !m.mem.InRange(methods, count*16) {
		return 0, 0
	}
	return methods, count
}

// typePkg is the address of the name that is the package path of typ, 0 if it has none.
func (m *Machine) typePkg(typ uint64) uint64 {
	if u := m.uncommonAt(typ); u != 0 {
		if off := m.mem.Load32(u); off != 0 {
			return code.Base + uint64(off)
		}
	}
	return 0
}

// name takes an abi.Name apart: flags, its text, and where what follows the text begins.
func (m *Machine) name(at uint64) (flags byte, text string, rest uint64) {
	if at == 0 || !m.mem.InRange(at, 1) {
		return 0, "", 0
	}
	flags = m.mem.Load8(at)
	n, width := m.varint(at + 1)
	rest = at + 1 + width
	return flags, string(m.mem.Bytes(rest, n)), rest + n
}

func (m *Machine) varint(at uint64) (v, width uint64) {
	var b [10]byte
	for i := range b {
		b[i] = m.mem.Load8(at + uint64(i))
	}
	v, n := binary.Uvarint(b[:])
	return v, uint64(max(n, 1))
}

func (m *Machine) nameText(at uint64) string {
	_, text, _ := m.name(at)
	return text
}

func (m *Machine) exported(at uint64) bool { return at != 0 && m.mem.Load8(at)&1 != 0 }

// pkgOf is the package path a name carries, otherwise the one given.
func (m *Machine) pkgOf(at uint64, otherwise string) string {
	flags, _, rest := m.name(at)
	if flags&4 == 0 {
		return otherwise
	}
	if flags&2 != 0 {
		n, width := m.varint(rest)
		rest += width + n
	}
	return m.nameText(code.Base + uint64(m.mem.Load32(rest)))
}
