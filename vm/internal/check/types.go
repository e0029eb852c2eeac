package check

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// reflect.Kind numbers, which abi.Type carries.
const (
	kindBool      = 1
	kindArray     = 17
	kindChan      = 18
	kindFunc      = 19
	kindInterface = 20
	kindMap       = 21
	kindPointer   = 22
	kindSlice     = 23
	kindString    = 24
	kindStruct    = 25
	kindUnsafe    = 26
)

// scalarSizes are the sizes of the kinds that need no other type; 0 for the rest.
var scalarSizes = [kindUnsafe + 1]uint64{0, 1, 8, 1, 2, 4, 8, 8, 1, 2, 4, 8, 8, 4, 8, 8, 16, 0, 8, 8, 16, 8, 8, 24, 16, 0, 8}

// fixedBytes are the sizes of the descriptors by kind, without what follows them.
func fixedBytes(kind uint8) uint64 {
	switch kind {
	case kindArray:
		return 72
	case kindChan:
		return 64
	case kindFunc, kindPointer, kindSlice:
		return 56
	case kindInterface, kindStruct:
		return 80
	case kindMap:
		return 112
	}
	return 48
}

// nestingMax bounds types within types by value.
const nestingMax = 1000

// descriptor is a verified type descriptor.
type descriptor struct {
	addr       uint64
	size, ptrs uint64
	align      uint8
	kind       uint8
	flags      uint8
	end        uint64 // address behind it and what follows it
	extra      uint64 // address of parameters, methods or fields
	key, elem  *descriptor
	n          uint64 // array length, interface methods, struct fields
	walk       uint8  // of the search for types that contain themselves
}

const (
	walking = 1
	walked  = 2
)

// slots is the number of frame slots of a value.
func (t *descriptor) slots() int {
	if (t.kind == kindStruct || t.kind == kindArray) && t.size >= code.BoxedBytes {
		return 1
	}
	return slotsOf(t.size)
}

// at is n bytes of read-only data at a guest address; an address outside is an error.
func (c *checker) at(addr, n uint64) ([]byte, error) {
	off := addr - code.Base - code.DataStart
	if addr < code.Base+code.DataStart || off > c.img.ROBytes || n > c.img.ROBytes-off {
		return nil, fmt.Errorf("%d bytes at %#x are outside the read-only data", n, addr)
	}
	return c.img.Data[off : off+n : off+n], nil
}

func u64(b []byte, off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
func u32(b []byte, off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
func u16(b []byte, off int) uint16 { return binary.LittleEndian.Uint16(b[off:]) }

// descriptors verifies every type of TypeLinks; no other address is a type.
func (c *checker) descriptors() error {
	if c.img.ROBytes > uint64(len(c.img.Data)) {
		return fmt.Errorf("%d read-only bytes of %d", c.img.ROBytes, len(c.img.Data))
	}
	c.types = make(map[uint64]*descriptor, len(c.img.TypeLinks))
	all := make([]*descriptor, 0, len(c.img.TypeLinks))
	for _, addr := range c.img.TypeLinks {
		t, err := c.header(addr)
		if err != nil {
			return fmt.Errorf("type at %#x: %w", addr, err)
		}
		if c.types[addr] != nil {
			return fmt.Errorf("type at %#x stands twice in the type links", addr)
		}
		c.types[addr] = t
		all = append(all, t)
	}
	// Descriptors that overlap would make the work below grow beyond the image's size.
	slices.SortFunc(all, func(a, b *descriptor) int { return cmp.Compare(a.addr, b.addr) })
	for i := 1; i < len(all); i++ {
		if all[i-1].end > all[i].addr {
			return fmt.Errorf("types at %#x and %#x overlap", all[i-1].addr, all[i].addr)
		}
	}
	for _, step := range []func(*descriptor) error{c.links, c.contains, c.methods} {
		for _, t := range all {
			if err := step(t); err != nil {
				return fmt.Errorf("type at %#x: %w", t.addr, err)
			}
		}
	}
	return nil
}

// header reads the parts of a descriptor that stand on their own.
func (c *checker) header(addr uint64) (*descriptor, error) {
	b, err := c.at(addr, 48)
	if err != nil {
		return nil, err
	}
	t := &descriptor{addr: addr, size: u64(b, 0), ptrs: u64(b, 8), flags: b[20], align: b[21], kind: b[23]}
	if t.flags&(1<<5) != 0 {
		t.kind &^= 1 << 5 // images for Go 1.25 say in both places that values stand in the interface word itself
	}
	switch {
	case addr%8 != 0:
		return nil, fmt.Errorf("it is not aligned")
	case t.kind < kindBool || t.kind > kindUnsafe:
		return nil, fmt.Errorf("kind %d", t.kind)
	case t.size > 1<<40 || t.ptrs > t.size || t.ptrs%8 != 0:
		return nil, fmt.Errorf("size %d, of it %d with pointers", t.size, t.ptrs)
	case scalarSizes[t.kind] != 0 && scalarSizes[t.kind] != t.size:
		return nil, fmt.Errorf("size %d of kind %d", t.size, t.kind)
	case t.align == 0 || t.align > 8 || t.align&(t.align-1) != 0 || b[22] != t.align || t.size%uint64(t.align) != 0:
		return nil, fmt.Errorf("alignment %d", t.align)
	case t.flags&(1<<4|1<<6|1<<7) != 0:
		return nil, fmt.Errorf("flags %#x", t.flags)
	}
	if t.ptrs > 0 {
		if _, err := c.at(u64(b, 32), (t.ptrs/8+63)/64*8); err != nil {
			return nil, fmt.Errorf("pointer bitmap: %w", err)
		}
	}
	if equal := u64(b, 24); equal != 0 {
		clo, err := c.at(equal, 16)
		if err != nil {
			return nil, fmt.Errorf("equality: %w", err)
		}
		if fn := u64(clo, 0); fn == 0 || fn >= uint64(len(c.img.Funcs)) {
			return nil, fmt.Errorf("equality is function %d", fn)
		}
	}
	if err := c.name(u32(b, 40)); err != nil {
		return nil, err
	}
	return t, c.extent(t)
}

// name verifies that a name stands at an offset from Base.
func (c *checker) name(off uint32) error {
	head, err := c.at(code.Base+uint64(off), 2)
	if err != nil {
		return fmt.Errorf("name: %w", err)
	}
	start := uint64(off) - code.DataStart
	rest := c.img.Data[start+1 : c.img.ROBytes]
	for range 1 + head[0]>>1&1 { // the name and, if there is one, the tag
		n, used := binary.Uvarint(rest[:min(5, len(rest))])
		if used <= 0 || n > uint64(len(rest)-used) {
			return fmt.Errorf("name at offset %d is longer than the data", off)
		}
		rest = rest[uint64(used)+n:]
	}
	if head[0]&(1<<2) != 0 && len(rest) < 4 {
		return fmt.Errorf("name at offset %d has no package", off)
	}
	return nil
}

// extent computes where the parts behind the fixed part of t are and where they end, and verifies that they are where gc
// puts them.
func (c *checker) extent(t *descriptor) error {
	fixed := fixedBytes(t.kind)
	b, err := c.at(t.addr, fixed)
	if err != nil {
		return err
	}
	uncommon := t.addr + fixed
	t.extra = uncommon
	if t.flags&1 != 0 {
		t.extra += 16
	}
	unit := uint64(0)
	switch t.kind {
	case kindArray:
		t.n = u64(b, 64)
	case kindFunc:
		t.n, unit = uint64(u16(b, 48))+uint64(u16(b, 50)&0x7fff), 8
	case kindInterface, kindStruct:
		if unit = 24; t.kind == kindInterface {
			unit = 8
		}
		t.n = u64(b, 64)
		if u64(b, 56) != t.extra || t.n > 1<<32 || u64(b, 72) != t.n {
			return fmt.Errorf("its fields or methods do not follow it")
		}
		if p := u64(b, 48); p != 0 {
			if p < code.Base || p-code.Base > 1<<31 {
				return fmt.Errorf("its package is at %#x", p)
			}
			if err := c.name(uint32(p - code.Base)); err != nil {
				return err
			}
		}
	}
	t.end = t.extra + unit*t.n
	if t.flags&1 != 0 {
		u, err := c.at(uncommon, 16)
		if err != nil {
			return err
		}
		if uint64(u32(u, 8)) != t.end-uncommon || u16(u, 6) > u16(u, 4) {
			return fmt.Errorf("its methods do not follow it")
		}
		if pkg := u32(u, 0); pkg != 0 {
			if err := c.name(pkg); err != nil {
				return err
			}
		}
		t.end += 16 * uint64(u16(u, 4))
	}
	_, err = c.at(t.addr, t.end-t.addr)
	return err
}

// typeAt is the verified descriptor at addr.
func (c *checker) typeAt(addr uint64) (*descriptor, error) {
	if t := c.types[addr]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("no type at %#x", addr)
}

// typeOff is the verified descriptor at an offset from Base, nil for 0.
func (c *checker) typeOff(off uint32) (*descriptor, error) {
	if off == 0 {
		return nil, nil
	}
	return c.typeAt(code.Base + uint64(off))
}

// links verifies that the types t refers to exist, and that a pointer's and its element agree.
func (c *checker) links(t *descriptor) error {
	b, _ := c.at(t.addr, t.end-t.addr)
	if p, err := c.typeOff(u32(b, 44)); err != nil {
		return err
	} else if p != nil && p.kind != kindPointer {
		return fmt.Errorf("its pointer type is none")
	}
	var err error
	switch t.kind {
	case kindArray, kindChan, kindPointer, kindSlice:
		t.elem, err = c.typeAt(u64(b, 48))
		if err == nil && t.kind == kindArray {
			var s *descriptor
			if s, err = c.typeAt(u64(b, 56)); err == nil && s.kind != kindSlice {
				err = fmt.Errorf("its slice type is none")
			}
		}
		if err == nil && t.kind == kindChan && (u64(b, 56) < 1 || u64(b, 56) > 3) {
			err = fmt.Errorf("channel direction %d", u64(b, 56))
		}
	case kindMap:
		if t.key, err = c.typeAt(u64(b, 48)); err == nil {
			t.elem, err = c.typeAt(u64(b, 56))
		}
		if clo, e := c.at(u64(b, 72), 16); err == nil && (e != nil || u64(clo, 0) == 0 || u64(clo, 0) >= uint64(len(c.img.Funcs))) {
			err = fmt.Errorf("its hash function does not exist")
		}
	case kindFunc:
		for i := range t.n {
			if _, err = c.typeAt(u64(b, int(t.extra-t.addr+8*i))); err != nil {
				break
			}
		}
	case kindInterface:
		for i := range t.n {
			m := b[t.extra-t.addr+8*i:]
			if err = c.name(u32(m, 0)); err != nil {
				break
			}
			var f *descriptor
			if f, err = c.typeOff(u32(m, 4)); err != nil || f == nil || f.kind != kindFunc {
				return fmt.Errorf("method %d has no function type", i)
			}
		}
	case kindStruct:
		for i := range t.n {
			f := b[t.extra-t.addr+24*i:]
			name := u64(f, 0)
			if name < code.Base || name-code.Base > 1<<31 {
				return fmt.Errorf("the name of field %d is at %#x", i, name)
			}
			if err = c.name(uint32(name - code.Base)); err != nil {
				break
			}
			if _, err = c.typeAt(u64(f, 8)); err != nil {
				break
			}
		}
	}
	return err
}

// contains verifies the sizes of what a value of t consists of, and that it does not contain itself.
func (c *checker) contains(t *descriptor) error { return c.containsAt(t, 0) }

func (c *checker) containsAt(t *descriptor, depth int) error {
	switch {
	case t.walk == walked:
		return nil
	case t.walk == walking:
		return fmt.Errorf("a value contains itself")
	case depth > nestingMax:
		return fmt.Errorf("values nest deeper than %d", nestingMax)
	}
	t.walk = walking
	switch t.kind {
	case kindArray:
		if err := c.containsAt(t.elem, depth+1); err != nil {
			return err
		}
		if t.n > math.MaxInt64 || t.elem.size > 0 && t.n > (1<<40)/t.elem.size || t.size != t.n*t.elem.size || t.align != t.elem.align {
			return fmt.Errorf("size %d of an array of %d elements of %d bytes", t.size, t.n, t.elem.size)
		}
	case kindStruct:
		b, _ := c.at(t.addr, t.end-t.addr)
		end := uint64(0)
		for i := range t.n {
			field := b[t.extra-t.addr+24*i:]
			f, off := c.types[u64(field, 8)], u64(field, 16)
			if err := c.containsAt(f, depth+1); err != nil {
				return err
			}
			if off < end || off > t.size || f.size > t.size-off || off%uint64(f.align) != 0 || t.align < f.align {
				return fmt.Errorf("field %d at %d of %d bytes", i, off, t.size)
			}
			end = off + f.size
		}
		if t.size-end > 8 {
			return fmt.Errorf("%d bytes behind the last field", t.size-end)
		}
	}
	t.walk = walked
	return nil
}

// methods verifies the method table of t.
func (c *checker) methods(t *descriptor) error {
	if t.flags&1 == 0 {
		return nil
	}
	b, _ := c.at(t.addr, t.end-t.addr)
	u := b[fixedBytes(t.kind):]
	list := u[u32(u, 8):]
	for i := range int(u16(u, 4)) {
		m := list[16*i:]
		if err := c.name(u32(m, 0)); err != nil {
			return err
		}
		f, err := c.typeOff(u32(m, 4))
		if err != nil || f == nil || f.kind != kindFunc {
			return fmt.Errorf("method %d has no function type", i)
		}
		if int64(u32(m, 8)) >= int64(len(c.img.Funcs)) || int64(u32(m, 12)) >= int64(len(c.img.Funcs)) {
			return fmt.Errorf("method %d has no function", i)
		}
	}
	return nil
}

// itabs verifies every itab: an interface type, another type, and a function for each method.
func (c *checker) itabs() error {
	c.tabs = make(map[uint64]*descriptor, len(c.img.Itabs))
	for _, addr := range c.img.Itabs {
		b, err := c.at(addr, 24)
		if err != nil {
			return fmt.Errorf("itab at %#x: %w", addr, err)
		}
		iface, t := c.types[u64(b, 0)], c.types[u64(b, 8)]
		if addr%8 != 0 || iface == nil || iface.kind != kindInterface || t == nil || t.kind == kindInterface || iface.n == 0 {
			return fmt.Errorf("itab at %#x joins no types", addr)
		}
		if c.tabs[addr] != nil {
			return fmt.Errorf("itab at %#x stands twice in the list", addr)
		}
		if b, err = c.at(addr, 24+8*iface.n); err != nil {
			return fmt.Errorf("itab at %#x: %w", addr, err)
		}
		for i := range iface.n {
			if fn := u64(b, int(24+8*i)); fn >= uint64(len(c.img.Funcs)) {
				return fmt.Errorf("itab at %#x: method %d is function %d", addr, i, fn)
			}
		}
		c.tabs[addr] = t
	}
	return nil
}
